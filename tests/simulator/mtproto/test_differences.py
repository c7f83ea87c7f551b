"""Gaps: what clients miss, and how they learn of it by differences."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from telethon import TelegramClient, errors, events
from telethon.tl import functions, types

from teltubby.simulator.people import Chat
from tests.simulator.mtproto import wire
from tests.simulator.mtproto.conftest import NewClient, Scene
from tests.simulator.mtproto.raw_client import RawClient, with_layer
from tests.simulator.mtproto.wire import input_channel

pytestmark = pytest.mark.anyio

WAIT_SECONDS = 30.0
NOTHING_NEW_SECONDS = 0.3


@pytest.fixture
async def client(new_client: NewClient, scene: Scene) -> TelegramClient:
    """Signed in as the person, and listening."""
    client = await new_client()
    await sign_in(client, scene)
    return client


async def sign_in(client: TelegramClient, scene: Scene) -> None:
    phone = scene.person.phone or ""
    await client.send_code_request(phone)
    await client.sign_in(phone, scene.server.login_codes[phone])
    await client.get_dialogs()


class Heard:
    """What a client was told of one channel: posts, edits, deletions, in the order of their arrival."""

    def __init__(self, client: TelegramClient, channel: Chat) -> None:
        self.said: list[str] = []
        self._channel = channel
        self._change = asyncio.Event()
        client.add_event_handler(self._new, events.NewMessage())
        client.add_event_handler(self._edited, events.MessageEdited())
        client.add_event_handler(self._deleted, events.MessageDeleted())

    async def until(self, done: Callable[[list[str]], bool]) -> list[str]:
        """Wait until what was heard is as wanted."""
        async with asyncio.timeout(WAIT_SECONDS):
            while not done(self.said):
                self._change.clear()
                await self._change.wait()
        return self.said

    def _add(self, event: Any, said: str) -> None:
        if getattr(event.original_update, "channel_id", None) == self._channel.id or (
            event.chat_id == self._channel.bot_api_id
        ):
            self.said.append(said)
            self._change.set()

    async def _new(self, event: Any) -> None:
        self._add(event, event.raw_text)

    async def _edited(self, event: Any) -> None:
        self._add(event, f"edit {event.raw_text}")

    async def _deleted(self, event: Any) -> None:
        self._add(event, f"deleted {event.deleted_ids}")


def difference_of(scene: Scene, pts: int, limit: int = 100) -> Any:
    channel = input_channel(scene, scene.person, scene.channel)
    return functions.updates.GetChannelDifferenceRequest(channel, types.ChannelMessagesFilterEmpty(), pts, limit)


async def test_a_lost_update_is_asked_for_when_the_next_one_comes(client: TelegramClient, scene: Scene) -> None:
    heard = Heard(client, scene.channel)
    scene.world.send(scene.person, scene.channel, "first")
    await heard.until(lambda said: said == ["first"])
    lost = scene.world.faults.add("push", account=scene.person.id, times=2, silent=True)
    second = scene.world.send(scene.person, scene.channel, "second")
    scene.world.edit(second, text="second, better")
    scene.world.send(scene.person, scene.channel, "third")
    # What a difference tells of edits, Telethon passes over: it has moved its pts by then.
    assert await heard.until(lambda said: len(said) == 3) == ["first", "second, better", "third"]
    assert lost.used == 2
    assert "updates.getChannelDifference" in [call.method for call in scene.server.calls]


async def test_overtaken_and_repeated_updates_are_heard_once(client: TelegramClient, scene: Scene) -> None:
    heard = Heard(client, scene.channel)
    scene.world.send(scene.person, scene.channel, "first")
    await heard.until(lambda said: said == ["first"])
    scene.world.faults.add("push", account=scene.person.id, delay=0.1)
    scene.world.faults.add("push", account=scene.person.id, effects={"again": 2})
    scene.world.send(scene.person, scene.channel, "second")
    scene.world.send(scene.person, scene.channel, "third")
    assert await heard.until(lambda said: len(said) >= 3) == ["first", "second", "third"]
    scene.world.send(scene.person, scene.channel, "fourth")
    assert await heard.until(lambda said: "fourth" in said) == ["first", "second", "third", "fourth"]


@pytest.mark.parametrize("place", ["channel", "account"])
async def test_too_much_to_be_pushed_is_asked_for(client: TelegramClient, scene: Scene, place: str) -> None:
    heard = Heard(client, scene.channel)
    scene.world.send(scene.person, scene.channel, "first")
    await heard.until(lambda said: said == ["first"])
    scene.world.advance(5)
    scene.world.faults.add("push", account=scene.person.id, times=3, silent=True)
    for number in range(3):
        scene.world.send(scene.person, scene.channel, f"lost {number}")
    scene.server.push_too_long(scene.person, scene.channel if place == "channel" else None)
    assert await heard.until(lambda said: len(said) == 4) == ["first", "lost 0", "lost 1", "lost 2"]


async def test_catching_up_after_an_absence(new_client: NewClient, scene: Scene) -> None:
    client = await new_client()
    await sign_in(client, scene)
    heard = Heard(client, scene.channel)
    scene.world.send(scene.person, scene.channel, "first")
    await heard.until(lambda said: said == ["first"])
    await client.disconnect()
    scene.world.advance(60)
    posts = [scene.world.send(scene.person, scene.channel, f"post {number}") for number in range(7)]
    scene.world.edit(posts[0], text="post 0, better")
    scene.world.remove(posts[3:5])
    await client.connect()
    await client.catch_up()
    said = await heard.until(lambda said: len(said) == 6)
    assert said == ["first", "post 0, better", "post 1", "post 2", "post 5", "post 6"]


async def test_slices_follow_each_other_to_the_end(client: TelegramClient, scene: Scene) -> None:
    posts = [scene.world.send(scene.person, scene.channel, f"{number}") for number in range(25)]
    scene.world.remove(posts[5:8])
    pts, read, steps = 1, [], 0
    while True:
        part = await client(difference_of(scene, pts, limit=10))
        read += [message.message for message in part.new_messages]
        pts, steps = part.pts, steps + 1
        if part.final:
            break
    assert steps == 3 and pts == scene.channel.mailbox.pts == 1 + 1 + 25 + 3
    assert read == ["in the channel", *[str(number) for number in range(25) if number not in (5, 6, 7)]]
    (deleted,) = part.other_updates
    assert (deleted.messages, deleted.pts_count) == ([post.id for post in posts[5:8]], 3)
    empty = await client(difference_of(scene, pts))
    assert isinstance(empty, types.updates.ChannelDifferenceEmpty) and (empty.final, empty.timeout) == (True, 30)


async def test_what_is_gone_is_only_told_as_gone(client: TelegramClient, scene: Scene) -> None:
    pts = scene.channel.mailbox.pts
    post = scene.world.send(scene.person, scene.channel, "a mistake")
    scene.world.edit(post, text="a worse mistake")
    scene.world.delete(post)
    part = await client(difference_of(scene, pts))
    assert part.new_messages == [] and part.pts == pts + 3
    assert [type(update) for update in part.other_updates] == [types.UpdateDeleteChannelMessages]


async def test_differences_that_are_too_long(client: TelegramClient, scene: Scene) -> None:
    before = (await client(functions.updates.GetStateRequest())).pts
    pts = scene.channel.mailbox.pts
    for number in range(12):
        scene.world.send(scene.person, scene.channel, f"{number}")
        scene.world.send(scene.bot, scene.person, f"{number}")
    scene.channel.mailbox.max_difference = scene.person.mailbox.max_difference = 10
    part = await client(difference_of(scene, pts, limit=5))
    assert isinstance(part, types.updates.ChannelDifferenceTooLong) and part.final
    assert [message.message for message in part.messages] == ["11", "10", "9", "8", "7"]
    assert part.dialog.pts == scene.channel.mailbox.pts and part.dialog.top_message == part.messages[0].id
    assert isinstance(await client(difference_of(scene, part.dialog.pts - 10)), types.updates.ChannelDifference)
    account = await client(functions.updates.GetDifferenceRequest(before, None, 0))
    assert isinstance(account, types.updates.DifferenceTooLong) and account.pts == scene.person.mailbox.pts
    scene.person.mailbox.max_difference = 1000
    asked = functions.updates.GetDifferenceRequest(before, None, 0, pts_total_limit=5)
    assert isinstance(await client(asked), types.updates.DifferenceTooLong)


async def test_a_seeded_channel_tells_only_of_what_came_later(client: TelegramClient, scene: Scene) -> None:
    chat = scene.world.add_seeded_channel("Long", 5000, admins=(scene.person,))
    channel = input_channel(scene, scene.person, chat)
    request = functions.updates.GetChannelDifferenceRequest(channel, types.ChannelMessagesFilterEmpty(), 1, 30)
    part = await client(request)
    assert isinstance(part, types.updates.ChannelDifferenceTooLong)
    assert [message.id for message in part.messages] == sorted(chat.mailbox.messages)[:-31:-1]
    request.pts = part.dialog.pts
    assert isinstance(await client(request), types.updates.ChannelDifferenceEmpty)
    newest = chat.mailbox.messages[part.messages[0].id]
    scene.world.delete(newest)
    scene.world.send(scene.person, chat, "later")
    part = await client(request)
    assert [message.message for message in part.new_messages] == ["later"]
    assert part.new_messages[0].id == newest.id + 1 and part.other_updates[0].messages == [newest.id]


async def test_an_accounts_difference_names_the_channels_that_changed(client: TelegramClient, scene: Scene) -> None:
    state = await client(functions.updates.GetStateRequest())
    asked = functions.updates.GetDifferenceRequest(state.pts, state.date, state.qts)
    assert isinstance(await client(asked), types.updates.DifferenceEmpty)
    # In the same second, too.
    scene.world.send(scene.person, scene.channel, "news")
    (update,) = (await client(asked)).other_updates
    assert (update.channel_id, update.pts) == (scene.channel.id, scene.channel.mailbox.pts)
    assert isinstance(await client(asked), types.updates.DifferenceEmpty)
    scene.world.advance(9)
    scene.world.send(scene.person, scene.channel, "more news")
    (update,) = (await client(asked)).other_updates
    assert isinstance(update, types.UpdateChannelTooLong)


async def test_states_that_never_were(raw: RawClient, scene: Scene) -> None:
    await raw.call(with_layer(wire.GET_CONFIG))
    await wire.sign_in(raw, scene)
    for request, complaint in (
        (difference_of(scene, 0), "PERSISTENT_TIMESTAMP_EMPTY"),
        (difference_of(scene, scene.channel.mailbox.pts + 1), "PERSISTENT_TIMESTAMP_INVALID"),
        (functions.updates.GetDifferenceRequest(10_000_000, None, 0), "PERSISTENT_TIMESTAMP_INVALID"),
    ):
        await wire.assert_refused(raw, request, 400, complaint)
    scene.world.faults.add("updates.getChannelDifference", message="PERSISTENT_TIMESTAMP_OUTDATED")
    await wire.assert_refused(raw, difference_of(scene, 1), 500, "PERSISTENT_TIMESTAMP_OUTDATED")
    assert (await raw.call(difference_of(scene, 1))).final


async def test_who_is_out_hears_nothing_and_may_not_ask(client: TelegramClient, scene: Scene) -> None:
    heard = Heard(client, scene.channel)
    scene.world.send(scene.person, scene.channel, "first")
    await heard.until(lambda said: said == ["first"])
    editor = scene.world.add_user("Another editor")
    scene.world.join(scene.channel, editor)
    scene.channel.admins.add(editor.id)
    scene.world.kick(scene.channel, scene.person)
    scene.world.send(editor, scene.channel, "secret")
    with pytest.raises(errors.ChannelPrivateError):
        await client(difference_of(scene, 1))
    await asyncio.sleep(NOTHING_NEW_SECONDS)
    assert heard.said == ["first"]
