"""Finding channels and reading their history, against the simulated MTProto server, on both backends."""

from __future__ import annotations

from dataclasses import replace

import pytest

from teltubby.errors import BadRequest, ChatUnavailable, FloodWait, SessionRevoked, TelegramUnavailable
from teltubby.messages.channels import ChannelRef, PostPage
from teltubby.messages.collected import AbsentMessage, ChannelKind, CollectedMessage
from teltubby.simulator.people import Chat, ChatKind
from tests.adapters.house import House
from tests.adapters.newsroom import Newsroom, id_of, newsroom, read, text_of

pytestmark = pytest.mark.anyio


@pytest.fixture
async def room(house: House) -> Newsroom:
    return await newsroom(house)


async def backwards(room: Newsroom, ref: ChannelRef, limit: int) -> list[int]:
    """All ids, as they come from the newest to the oldest."""
    ids: list[int] = []
    while True:
        page = await room.session.posts_before(ref, ids[-1] if ids else None, limit)
        ids += page.ids
        if page.is_end:
            return ids


async def forwards(room: Newsroom, ref: ChannelRef, after: int, limit: int) -> list[int]:
    """All ids above one, as they come."""
    ids: list[int] = []
    while True:
        page = await room.session.posts_after(ref, ids[-1] if ids else after, limit)
        ids += page.ids
        if page.is_end:
            return ids


# -- finding


@pytest.mark.parametrize("written", ["@space", "https://t.me/Space", "t.me/s/space", "id", "-100 id", "invite"])
async def test_a_channel_is_found_by_whatever_names_it(room: Newsroom, written: str) -> None:
    chat = room.seeded(30)
    match written:
        case "id":
            peer = str(chat.id)
        case "-100 id":
            peer = str(chat.bot_api_id)
        case "invite":
            peer = room.call(lambda: room.house.telegram.world.invite_link(chat))
        case _:
            peer = written
    found = await room.session.find_channel(peer)
    assert found.ref == room.ref(chat)
    assert (found.channel.channel_id, found.channel.title, found.channel.username) == (chat.id, "Space", "space")
    assert found.channel.kind is ChannelKind.CHANNEL and found.channel.subscribers == chat.size
    assert (found.pts, found.newest, found.protected) == (room.pts(chat), room.ids(chat)[-1], False)
    again = await room.session.describe_channel(found.ref)
    assert replace(again, channel=replace(again.channel, seen_at=found.channel.seen_at)) == found


async def test_a_public_channel_needs_no_membership(room: Newsroom) -> None:
    chat = room.empty(username="everybodys", member=False)
    said = room.post(chat, "hello")
    found = await room.session.find_channel("@everybodys")
    assert found.newest == said.id
    page = await room.session.posts_before(found.ref, None, 100)
    assert text_of((await read(page))[0]) == "hello"
    assert (await room.session.find_channel(str(chat.bot_api_id))).ref == found.ref, "its access hash is known by now"
    assert room.house.calls("messages.getDialogs") == 0


async def test_a_channel_without_messages_has_no_newest(room: Newsroom) -> None:
    chat = room.empty()
    room.remove(*room.call(lambda: list(chat.mailbox.messages.values())))
    found = await room.session.find_channel(str(chat.bot_api_id))
    assert found.newest is None
    assert await room.session.posts_before(found.ref, None, 10) == PostPage.of((), is_end=True, total=0)
    assert await room.session.posts_after(found.ref, 0, 10) == PostPage.of((), is_end=True, total=0)


async def test_the_state_is_read_before_the_newest_message(room: Newsroom) -> None:
    """What is posted between the two requests is told twice; the other way round it would be lost."""
    chat = room.seeded(5)
    before = room.pts(chat)
    room.house.fault("messages.getHistory", then=lambda: room.house.telegram.world.send(room.ada.user, chat, "now"))
    found = await room.session.find_channel("@space")
    assert (found.pts, found.newest) == (before, room.ids(chat)[-1]) and room.pts(chat) == before + 1


async def test_a_group_that_became_a_supergroup_leads_there(room: Newsroom) -> None:
    group = room.empty(kind=ChatKind.GROUP)
    room.post(group, "old")
    with pytest.raises(ChatUnavailable, match="basic group"):
        await room.session.find_channel(str(group.bot_api_id))
    larger = room.call(lambda: room.house.telegram.world.migrate(group, room.ada.user))
    found = await room.session.find_channel(str(group.bot_api_id))
    assert found.ref == room.ref(larger) and found.channel.kind is ChannelKind.SUPERGROUP


@pytest.mark.parametrize(
    ("peer", "reason"),
    [
        ("@nobody_here", "nobody has this name"),
        ("@{bot}", "a bot, not a channel"),
        ("https://t.me/+aaaaaaaaaaaaaaaaaaaa", "no such invite link"),
        ("-1001999999999", "no member"),
        ("-77", "chat"),
        ("what is this", "one channel at a time"),
    ],
)
async def test_what_is_no_channel_of_the_account_is_told(room: Newsroom, peer: str, reason: str) -> None:
    with pytest.raises(ChatUnavailable, match=reason):
        await room.session.find_channel(peer.format(bot=room.house.bot.username))


async def test_an_invite_that_was_not_taken_is_told(room: Newsroom) -> None:
    chat = room.empty(member=False)
    link = room.call(lambda: room.house.telegram.world.invite_link(chat))
    with pytest.raises(ChatUnavailable, match="not joined"):
        await room.session.find_channel(link)


async def test_who_was_removed_sees_nothing_any_more(room: Newsroom) -> None:
    chat = room.seeded(20, username=None)
    found = await room.session.find_channel(str(chat.id))
    room.kick(chat)
    asked = (
        room.session.describe_channel(found.ref),
        room.session.posts_before(found.ref, None, 10),
        room.session.posts_after(found.ref, 1, 10),
        room.session.posts_by_id(found.ref, [1]),
        room.session.difference(found.ref, found.pts),
    )
    for each in asked:
        with pytest.raises(ChatUnavailable):
            await each


async def test_an_access_hash_of_another_account_is_of_no_use(room: Newsroom) -> None:
    chat = room.seeded(3)
    with pytest.raises(ChatUnavailable):
        await room.session.posts_before(ChannelRef(chat.id, 77), None, 10)


# -- reading


@pytest.mark.parametrize(("posts", "limit"), [(2, 1), (57, 10), (250, 100), (130, 1000)])
async def test_pages_both_ways_are_the_whole_history(room: Newsroom, posts: int, limit: int) -> None:
    chat = room.seeded(posts)
    ids = room.ids(chat)
    ref = room.ref(chat)
    assert await backwards(room, ref, limit) == ids[::-1]
    assert await forwards(room, ref, 0, limit) == ids
    middle = ids[len(ids) // 2]
    assert await forwards(room, ref, middle, limit) == [each for each in ids if each > middle]
    page = await room.session.posts_before(ref, middle, limit)
    assert [*page.ids] == [each for each in reversed(ids) if each < middle][: min(limit, 100)]


async def test_a_page_tells_how_many_messages_there_are(room: Newsroom) -> None:
    chat = room.seeded(120)
    page = await room.session.posts_before(room.ref(chat), None, 10)
    assert page.total == len(room.ids(chat)) and len(page.ids) == 10 and not page.is_end


async def test_nothing_is_asked_below_the_first_message(room: Newsroom) -> None:
    ref = room.ref(room.seeded(3))
    asked = room.house.calls("messages.getHistory")
    assert (await room.session.posts_before(ref, 1, 10)).is_end
    assert room.house.calls("messages.getHistory") == asked


async def test_a_full_page_is_no_end_and_a_short_one_is_asked_beyond(room: Newsroom) -> None:
    chat = room.seeded(40)
    newest = room.ids(chat)[-1]
    page = await room.session.posts_after(room.ref(chat), newest - 1, 100)
    assert [*page.ids] == [newest] and not page.is_end
    assert (await room.session.posts_after(room.ref(chat), newest, 100)).is_end


async def test_posts_that_are_asked_for_by_id_are_told_each(room: Newsroom) -> None:
    chat = room.seeded(60)
    ids = room.ids(chat)
    gone, kept = ids[10], ids[20]
    room.remove(room.call(lambda: chat.mailbox.messages[gone]))
    told = await room.session.posts_by_id(room.ref(chat), [kept, gone, kept, 2_000_000])
    assert [*map(id_of, told)] == [kept, gone, 2_000_000]
    assert [type(each) for each in told] == [CollectedMessage, AbsentMessage, AbsentMessage]
    assert await room.session.posts_by_id(room.ref(chat), []) == ()


def forum_of(room: Newsroom) -> Chat:
    world, ada = room.house.telegram.world, room.ada.user
    group = room.empty(kind=ChatKind.SUPERGROUP)

    def write() -> None:
        world.make_forum(group)
        topic = world.create_topic(group, ada, "Rockets")
        world.send(ada, group, "about rockets", topic=topic.id)
        world.send(ada, group, "about nothing")

    room.call(write)
    return group


async def test_topics_of_a_forum_are_told_apart(room: Newsroom) -> None:
    group = forum_of(room)
    page = await room.session.posts_before(room.ref(group), None, 10)
    topics = {each.post.text: each.post.topic_id for each in await read(page) if isinstance(each, CollectedMessage)}
    assert topics["about nothing"] == 1 and topics["about rockets"] not in (None, 1)
    assert (await room.session.describe_channel(room.ref(group))).channel.kind is ChannelKind.FORUM


async def test_what_a_channel_protects_is_marked(room: Newsroom) -> None:
    chat = room.empty()
    room.call(lambda: setattr(chat, "protected", True))
    room.post(chat, "not to be copied")
    page = await room.session.posts_before(room.ref(chat), None, 1)
    (message,) = await read(page)
    assert isinstance(message, CollectedMessage) and message.post.protected
    assert (await room.session.describe_channel(room.ref(chat))).protected


# -- trouble


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"message": "FLOOD_WAIT_7"}, FloodWait),
        ({"message": "RPC_CALL_FAIL", "error": 500, "times": 3}, TelegramUnavailable),
        ({"message": "CHAT_ADMIN_REQUIRED", "error": 400}, ChatUnavailable),
        ({"message": "CHANNEL_PRIVATE", "error": 406}, ChatUnavailable),
        ({"message": "AUTH_KEY_UNREGISTERED", "error": 401}, SessionRevoked),
        ({"cut": True}, TelegramUnavailable),
    ],
    ids=lambda value: value.get("message", "cut") if isinstance(value, dict) else None,
)
async def test_trouble_is_told_for_what_it_is(room: Newsroom, fault: dict[str, object], kind: type[Exception]) -> None:
    ref = room.ref(room.seeded(20))
    room.house.fault("messages.getHistory", **fault)
    with pytest.raises(kind) as told:
        await room.session.posts_before(ref, None, 10)
    assert type(told.value) is kind
    if isinstance(told.value, FloodWait):
        assert told.value.seconds == 7
        assert (await room.session.posts_before(ref, None, 10)).ids, "Telethon does not wait on its own account"


async def test_a_session_that_does_not_follow_says_so(room: Newsroom) -> None:
    with pytest.raises(BadRequest):
        await room.session.follow()
    await room.session.aclose()
    with pytest.raises(TelegramUnavailable):
        await room.session.find_channel("@space")
