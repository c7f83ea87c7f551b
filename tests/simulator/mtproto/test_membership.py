"""Coming and going in channels, as MTProto clients see it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from telethon import TelegramClient, errors, events
from telethon.tl import functions, types

from teltubby.simulator.messages import Event, MembershipChanged
from teltubby.simulator.people import AdminRights, Chat, ChatKind, User
from teltubby.simulator.rules import Reason, Refused
from teltubby.simulator.world import World
from tests.simulator.mtproto.conftest import NewClient, Scene
from tests.simulator.mtproto.wire import input_channel

pytestmark = pytest.mark.anyio

WAIT_SECONDS = 20.0
Change = Callable[[World, Chat, User], object]


@pytest.fixture
async def client(new_client: NewClient, scene: Scene) -> TelegramClient:
    """Signed in as the bot, without updates."""
    client = await new_client(receive_updates=False)
    await client.sign_in(bot_token=scene.bot.token)
    return client


def leave(world: World, chat: Chat, user: User) -> None:
    world.leave(chat, user)


def kick(world: World, chat: Chat, user: User) -> None:
    world.kick(chat, user)


def delete(world: World, chat: Chat, user: User) -> None:
    world.delete_chat(chat)


def requests(scene: Scene, account: User) -> list[Any]:
    channel = input_channel(scene, account, scene.channel)
    return [
        functions.channels.GetMessagesRequest(channel, [types.InputMessageID(scene.channel_post.id)]),
        functions.channels.GetChannelsRequest([channel]),
        functions.channels.GetFullChannelRequest(channel),
        functions.channels.GetParticipantRequest(channel, types.InputPeerSelf()),
    ]


@pytest.mark.parametrize("change", [leave, kick, delete])
async def test_whoever_is_out_sees_nothing_more(client: TelegramClient, scene: Scene, change: Change) -> None:
    for request in requests(scene, scene.bot):
        await client(request)
    change(scene.world, scene.channel, scene.bot)
    for request in requests(scene, scene.bot):
        with pytest.raises(errors.ChannelPrivateError):
            await client(request)


@pytest.mark.parametrize("change", [leave, kick])
async def test_whoever_comes_back_sees_it_again(client: TelegramClient, scene: Scene, change: Change) -> None:
    change(scene.world, scene.channel, scene.bot)
    scene.world.join(scene.channel, scene.bot)
    for request in requests(scene, scene.bot):
        await client(request)


async def test_a_deleted_channel_stays_deleted(client: TelegramClient, scene: Scene) -> None:
    scene.world.delete_chat(scene.channel)
    with pytest.raises(LookupError):
        scene.world.join(scene.channel, scene.bot)
    with pytest.raises(Refused) as refused:
        scene.world.send(scene.person, scene.channel, "anybody?")
    assert refused.value.reason is Reason.KICKED


async def test_a_channel_that_never_was(client: TelegramClient, scene: Scene) -> None:
    request = functions.channels.GetChannelsRequest([types.InputChannel(77, 0)])
    with pytest.raises(errors.ChannelInvalidError):
        await client(request)


async def test_a_public_channel_is_open_to_all_but_those_who_were_kicked(client: TelegramClient, scene: Scene) -> None:
    scene.channel.username = "a_channel"
    request = functions.channels.GetChannelsRequest([input_channel(scene, scene.bot, scene.channel)])
    scene.world.leave(scene.channel, scene.bot)
    assert (await client(request)).chats[0].left
    scene.world.kick(scene.channel, scene.bot)
    with pytest.raises(errors.ChannelPrivateError):
        await client(request)


async def test_a_client_is_told_at_once(new_client: NewClient, scene: Scene) -> None:
    client = await new_client()
    await client.sign_in(bot_token=scene.bot.token)
    told: asyncio.Queue[types.UpdateChannel] = asyncio.Queue()
    client.add_event_handler(told.put, events.Raw(types.UpdateChannel))
    await client.get_me()
    scene.world.kick(scene.channel, scene.bot)
    async with asyncio.timeout(WAIT_SECONDS):
        assert (await told.get()).channel_id == scene.channel.id


async def test_what_an_admin_may_do_is_told(client: TelegramClient, scene: Scene) -> None:
    channel = input_channel(scene, scene.bot, scene.channel)
    for given in (AdminRights(can_delete=False), AdminRights(can_post=False), AdminRights()):
        scene.world.join(scene.channel, scene.bot, rights=given)
        answer = await _participant(client, channel)
        rights = answer.participant.admin_rights
        assert (rights.post_messages, rights.delete_messages) == (given.can_post, given.can_delete)
        (chat,) = answer.chats
        assert chat.admin_rights.to_dict() == rights.to_dict()
    scene.world.join(scene.channel, scene.bot)
    assert isinstance((await _participant(client, channel)).participant, types.ChannelParticipantSelf)


async def test_others_are_told_of_to_admins(client: TelegramClient, scene: Scene) -> None:
    channel = input_channel(scene, scene.bot, scene.channel)
    person = types.InputPeerUser(scene.person.id, 0)
    request = functions.channels.GetParticipantRequest(channel, person)
    with pytest.raises(errors.ChatAdminRequiredError):
        await client(request)
    scene.world.join(scene.channel, scene.bot, rights=AdminRights())
    assert (await _participant(client, channel, person)).participant.user_id == scene.person.id
    scene.world.kick(scene.channel, scene.person)
    kicked = (await _participant(client, channel, person)).participant
    assert isinstance(kicked, types.ChannelParticipantBanned)
    scene.world.join(scene.channel, scene.person)
    scene.world.leave(scene.channel, scene.person)
    with pytest.raises(errors.UserNotParticipantError):
        await client(request)


async def test_posting_in_a_channel_takes_the_right_to(scene: Scene) -> None:
    world, channel, bot = scene.world, scene.channel, scene.bot
    for rights, may in ((None, False), (AdminRights(can_post=False), False), (AdminRights(can_delete=False), True)):
        world.join(channel, bot, rights=rights)
        if may:
            assert world.send(bot, channel, "posted").peer is channel
        else:
            with pytest.raises(Refused) as refused:
                world.send(bot, channel, "not posted")
            assert refused.value.reason is Reason.ADMIN_REQUIRED


def test_every_change_is_told_once() -> None:
    world = World(seed=1)
    user = world.add_user("Ada")
    chat = world.add_chat(ChatKind.CHANNEL, "Relay")
    changes: list[tuple[str, str]] = []

    def hear(event: Event) -> None:
        if isinstance(event, MembershipChanged):
            changes.append((event.before, event.after))

    world.subscribe(hear)
    world.join(chat, user)
    world.join(chat, user)
    world.join(chat, user, rights=AdminRights())
    world.leave(chat, user)
    world.leave(chat, user)
    world.kick(chat, user)
    world.delete_chat(chat)
    assert changes == [
        ("left", "member"),
        ("member", "administrator"),
        ("administrator", "left"),
        ("left", "kicked"),
    ]


async def _participant(client: TelegramClient, channel: Any, who: Any = None) -> Any:
    return await client(functions.channels.GetParticipantRequest(channel, who or types.InputPeerSelf()))
