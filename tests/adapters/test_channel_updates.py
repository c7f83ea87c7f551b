"""What happens in channels, pushed and in differences, against the simulated MTProto server, on both backends."""

from __future__ import annotations

from collections.abc import Callable

import anyio
import anyio.lowlevel
import pytest
from telethon import TelegramClient

from teltubby.adapters import telethon_pushes
from teltubby.errors import TelegramUnavailable
from teltubby.messages.channels import PAGE, ChannelRef, Pushed, PushedChange, PushedCounters, PushedGap, Pushes
from teltubby.messages.collected import CollectedMessage, PostMetrics
from teltubby.simulator.people import ChatKind
from tests.adapters.house import House
from tests.adapters.newsroom import WITHIN, Newsroom, hear, id_of, newsroom, read, text_of

pytestmark = pytest.mark.anyio


@pytest.fixture
async def room(house: House) -> Newsroom:
    """Ada's session follows."""
    return await newsroom(house, follows=True)


# -- pushes


async def test_posts_edits_and_deletions_are_pushed(room: Newsroom) -> None:
    chat = room.empty()
    pushes = await room.session.follow()
    before = room.pts(chat)
    post = room.post(chat, "first")
    room.edit(post, "first, better")
    room.remove(post)
    heard = [await hear(pushes) for _ in range(3)]
    assert all(isinstance(each, PushedChange) for each in heard)
    new, edit, removal = (each for each in heard if isinstance(each, PushedChange))
    assert {each.channel_id for each in (new, edit, removal)} == {chat.id}
    assert [(each.pts, each.pts_count) for each in (new, edit, removal)] == [(before + n, 1) for n in (1, 2, 3)]
    assert [*map(text_of, new.messages)] == ["first"] and [*map(text_of, edit.messages)] == ["first, better"]
    assert (removal.messages, removal.deleted) == ((), (post.id,))


async def test_counters_are_pushed_each_for_itself(room: Newsroom) -> None:
    chat = room.seeded(10)
    pushes = await room.session.follow()
    world, ada = room.house.telegram.world, room.ada.user

    def count() -> None:
        message = world.send(ada, chat, "look")
        world.view(message, times=5)
        world.count_forward(message.post, times=2)

    room.call(count)
    new = await hear(pushes)
    assert isinstance(new, PushedChange)
    told: dict[str, PostMetrics] = {}
    while not {"views", "forwards"} <= told.keys():
        pushed = await hear(pushes)
        assert isinstance(pushed, PushedCounters) and pushed.channel_id == chat.id
        (metrics,) = pushed.metrics
        assert metrics.msg_id == id_of(new.messages[0]) and not metrics.reactions_told and metrics.reactions == {}
        told["views" if metrics.forwards is None else "forwards"] = metrics
    assert told["views"].views is not None and told["views"].views >= 5
    assert told["forwards"].forwards == 2 and told["forwards"].views is None


async def test_reactions_in_a_group_are_pushed(room: Newsroom) -> None:
    group = room.empty(kind=ChatKind.SUPERGROUP)
    post = room.post(group, "what do you think?")
    pushes = await room.session.follow()
    room.call(lambda: room.house.telegram.world.react(post, room.ada.user, "👍"))
    pushed = await hear(pushes)
    if isinstance(pushed, PushedChange):  # the post itself was still on its way
        pushed = await hear(pushes)
    assert isinstance(pushed, PushedCounters)
    (metrics,) = pushed.metrics
    assert (metrics.msg_id, metrics.reactions, metrics.reactions_told) == (post.id, {"👍": 1}, True)


async def test_what_is_in_other_chats_is_not_told(room: Newsroom) -> None:
    chat = room.empty()
    pushes = await room.session.follow()
    room.ada.curator.send_text("for the bot only")
    room.post(chat, "for all")
    pushed = await hear(pushes)
    assert isinstance(pushed, PushedChange) and pushed.channel_id == chat.id


@pytest.mark.parametrize("place", ["channel", "account"])
async def test_that_there_is_too_much_to_push_is_told(room: Newsroom, place: str) -> None:
    chat = room.empty()
    pushes = await room.session.follow()
    server = room.house.telegram.mtproto_server
    room.call(lambda: server.push_too_long(room.ada.user, chat if place == "channel" else None))
    assert await hear(pushes) == PushedGap(channel_id=chat.id if place == "channel" else None)


async def test_telethon_asks_for_nothing_by_itself(room: Newsroom) -> None:
    """Not for the state when it connects, and not for what a gap or a too long update would make it ask for."""
    chat = room.empty()
    assert room.house.calls("updates.getState") == 0
    pushes = await room.session.follow()
    assert room.house.calls("updates.getState") == 1
    room.house.fault("push", account=room.ada.user.id, silent=True)
    room.post(chat, "lost")
    room.call(lambda: room.house.telegram.mtproto_server.push_too_long(room.ada.user, None))
    room.post(chat, "heard")
    assert await hear(pushes) == PushedGap(channel_id=None)
    pushed = await hear(pushes)
    assert isinstance(pushed, PushedChange) and text_of(pushed.messages[0]) == "heard"
    await room.session.check()
    assert room.house.calls("updates.getDifference") == room.house.calls("updates.getChannelDifference") == 0
    assert room.house.calls("updates.getState") == 1


async def test_repeated_and_delayed_pushes_are_passed_on_as_they_come(room: Newsroom) -> None:
    chat = room.empty()
    pushes = await room.session.follow()
    room.house.fault("push", account=room.ada.user.id, effects={"again": 2})
    room.post(chat, "thrice")
    heard = [await hear(pushes) for _ in range(3)]
    told = {(each.pts, text_of(each.messages[0])) for each in heard if isinstance(each, PushedChange)}
    assert len(heard) == 3 and [text for _, text in told] == ["thrice"]


async def test_who_reads_too_slowly_learns_that_something_is_missing(
    room: Newsroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telethon_pushes, "MOST_WAITING", 5)
    chat = room.empty()
    pushes = await room.session.follow()
    for number in range(12):
        room.post(chat, str(number))
    await room.session.check()  # answered after the pushes
    heard: list[Pushed | None] = []
    while not heard or not isinstance(heard[-1], PushedChange) or text_of(heard[-1].messages[0]) != "11":
        heard.append(await hear(pushes))
    assert PushedGap(channel_id=None) in heard and len(heard) <= 7
    later = heard[heard.index(PushedGap(channel_id=None)) + 1 :]
    numbers = [text_of(each.messages[0]) for each in later if isinstance(each, PushedChange)]
    assert numbers == [str(number) for number in range(12 - len(numbers), 12)], "after a gap nothing is missing"


# -- ends


async def ends(pushes: Pushes) -> bool:
    """Whether no more come, and none ever will."""
    return await hear(pushes) is None and await hear(pushes) is None


async def test_a_lost_connection_ends_them_and_the_next_one_goes_on(room: Newsroom) -> None:
    chat = room.empty()
    pushes = await room.session.follow()
    room.post(chat, "before")
    assert isinstance(await hear(pushes), PushedChange)
    room.house.wire.cut()
    assert await ends(pushes)
    with anyio.fail_after(WITHIN):
        await room.session.wait_lost()
    with pytest.raises(TelegramUnavailable):
        await room.session.follow()
    await room.session.aclose()
    await room.session.open()
    pushes = await room.session.follow()
    room.post(chat, "after")
    pushed = await hear(pushes)
    assert isinstance(pushed, PushedChange) and text_of(pushed.messages[0]) == "after"


@pytest.mark.parametrize("how", ["closed", "session closed", "followed anew"])
async def test_they_end_for_who_waits(room: Newsroom, how: str) -> None:
    pushes = await room.session.follow()
    heard: list[object] = []

    async def wait() -> None:
        heard.append(await hear(pushes))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await anyio.lowlevel.checkpoint()
        match how:
            case "closed":
                await pushes.aclose()
                await pushes.aclose()
            case "session closed":
                await room.session.aclose()
            case _:
                await room.session.follow()
    assert heard == [None] and await ends(pushes)


async def test_with_another_telethon_nothing_is_pushed_and_all_else_works(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stock = TelegramClient._update_loop

    def no_coroutine_function(client: TelegramClient) -> object:
        return stock(client)

    monkeypatch.setattr(TelegramClient, "_update_loop", no_coroutine_function)
    room = await newsroom(house, follows=True)
    chat = room.empty()
    pushes = await room.session.follow()
    room.post(chat, "unheard")
    page = await room.session.posts_before(room.ref(chat), None, 1)
    assert text_of((await read(page))[0]) == "unheard"
    assert "not pushed" in caplog.text
    await room.session.aclose()
    assert await ends(pushes)


# -- differences


async def everything(room: Newsroom, ref: ChannelRef, pts: int) -> tuple[list[str], list[int], int]:
    """What differences tell from a state on: texts, ids that are gone, and how often it was asked."""
    texts: list[str] = []
    gone: list[int] = []
    asked = 0
    while True:
        part = await room.session.difference(ref, pts)
        assert not part.too_long
        texts += map(text_of, part.messages)
        gone += part.deleted
        pts, asked = part.pts, asked + 1
        if part.is_final:
            return texts, gone, asked


async def test_a_difference_tells_posts_edits_and_deletions(room: Newsroom) -> None:
    """Stock Telethon would pass over the last two."""
    chat = room.empty()
    old, doomed = room.post(chat, "old"), room.post(chat, "doomed")
    found = await room.session.describe_channel(room.ref(chat))
    room.edit(old, "old, but edited")
    new = room.post(chat, "new")
    room.edit(new, "new, and edited")
    room.remove(doomed)
    fleeting = room.post(chat, "fleeting")
    room.remove(fleeting)
    part = await room.session.difference(found.ref, found.pts)
    assert {id_of(each): text_of(each) for each in part.messages} == {
        old.id: "old, but edited",
        new.id: "new, and edited",
    }
    assert len(part.messages) == 2 and {*part.deleted} == {doomed.id, fleeting.id}
    assert (part.pts, part.is_final, part.too_long) == (room.pts(chat), True, False)
    assert part.again_in is not None and part.again_in > 0
    nothing = await room.session.difference(found.ref, part.pts)
    assert (nothing.messages, nothing.deleted, nothing.pts, nothing.is_final) == ((), (), part.pts, True)


async def test_a_long_difference_comes_in_parts(room: Newsroom) -> None:
    chat = room.empty()
    ref, pts = room.ref(chat), room.pts(chat)
    written = [str(number) for number in range(PAGE + 30)]
    for text in written:
        room.post(chat, text)
    assert await everything(room, ref, pts) == (written, [], 2)


async def test_reactions_come_with_the_post_that_got_them(room: Newsroom) -> None:
    chat = room.empty()
    post = room.post(chat, "look")
    pts = room.pts(chat)
    room.call(lambda: room.house.telegram.world.react(post, room.ada.user, "🔥"))
    (message,) = (await room.session.difference(room.ref(chat), pts)).messages
    assert isinstance(message, CollectedMessage) and message.metrics is not None
    assert message.metrics.reactions == {"🔥": 1}


def forgotten(room: Newsroom, pts: int) -> int:
    return pts - 11


def of_the_future(room: Newsroom, pts: int) -> int:
    return pts + 1000


def of_none(room: Newsroom, pts: int) -> int:
    return 0


@pytest.mark.parametrize("state", [forgotten, of_the_future, of_none])
async def test_a_state_that_telegram_does_not_know_is_too_long_ago(
    room: Newsroom, state: Callable[[Newsroom, int], int]
) -> None:
    chat = room.empty()
    for number in range(20):
        room.post(chat, str(number))
    room.call(lambda: setattr(chat.mailbox, "max_difference", 10))
    part = await room.session.difference(room.ref(chat), state(room, room.pts(chat)))
    assert (part.too_long, part.is_final, part.pts) == (True, True, room.pts(chat))
    newest = [text_of(each) for each in part.messages if isinstance(each, CollectedMessage)]
    assert newest[:3] == ["19", "18", "17"]


async def test_telegrams_own_trouble_is_no_state(room: Newsroom) -> None:
    chat = room.empty()
    pts = room.pts(chat)
    room.post(chat, "later")
    room.house.fault("updates.getChannelDifference", message="PERSISTENT_TIMESTAMP_OUTDATED", times=3)
    with pytest.raises(TelegramUnavailable):
        await room.session.difference(room.ref(chat), pts)
