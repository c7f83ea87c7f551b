"""Updates of channels as Telegram writes them, and what they are read as; and who gets what is pushed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telethon import types

from teltubby.adapters.telethon_differences import OF_CHANNELS, read_difference, read_push
from teltubby.adapters.telethon_known import KnownChannels
from teltubby.adapters.telethon_pushes import Inbox
from teltubby.messages.channels import ChannelDifference, PushedChange, PushedCounters, PushedGap
from teltubby.messages.collected import CollectedMessage, PostMetrics, UnreadableMessage

CHANNEL = 123
WHEN = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
SEEN = WHEN + timedelta(minutes=1)
HERE = types.PeerChannel(CHANNEL)


def message(number: int = 7, text: str = "hello", **fields: Any) -> types.Message:
    return types.Message(**({"id": number, "peer_id": HERE, "date": WHEN, "message": text} | fields))


def channel(*, forum: bool = False, protected: bool = False, min: bool = False, hash: int | None = 5) -> types.Channel:
    return types.Channel(
        id=CHANNEL,
        title="Space",
        photo=types.ChatPhotoEmpty(),
        date=WHEN,
        forum=forum,
        noforwards=protected,
        min=min,
        access_hash=hash,
    )


def container(*updates: Any, chats: tuple[Any, ...] = (), date: datetime | None = WHEN) -> types.Updates:
    return types.Updates(updates=[*updates], users=[], chats=[*chats], date=date, seq=0)


def pushed(update: Any, *chats: Any, known: KnownChannels | None = None) -> Any:
    return read_push(update, container(update, chats=chats), known or KnownChannels(), SEEN)


def texts(messages: Any) -> list[str]:
    return [each.post.text for each in messages if isinstance(each, CollectedMessage)]


# -- pushes


def test_new_and_edited_messages() -> None:
    for kind in (types.UpdateNewChannelMessage, types.UpdateEditChannelMessage):
        change = pushed(kind(message(text="news"), pts=11, pts_count=1))
        assert isinstance(change, PushedChange)
        assert (change.channel_id, change.pts, change.pts_count, change.deleted) == (CHANNEL, 11, 1, ())
        assert texts(change.messages) == ["news"]


def test_deletions() -> None:
    told = pushed(types.UpdateDeleteChannelMessages(CHANNEL, [3, 4], pts=11, pts_count=2))
    assert told == PushedChange(channel_id=CHANNEL, pts=11, pts_count=2, deleted=(3, 4))


@pytest.mark.parametrize(
    "update",
    [
        types.UpdatePinnedChannelMessages(CHANNEL, [3], pts=11, pts_count=1, pinned=True),
        types.UpdateChannelWebPage(CHANNEL, types.WebPageEmpty(1), pts=11, pts_count=1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_changes_no_message_moves_the_state_all_the_same(update: Any) -> None:
    """Else the next update looks like one after a gap."""
    assert pushed(update) == PushedChange(channel_id=CHANNEL, pts=11, pts_count=1)


def test_what_is_too_much_to_be_told_is_a_gap() -> None:
    assert pushed(types.UpdateChannelTooLong(CHANNEL, pts=99)) == PushedGap(channel_id=CHANNEL)


def test_counters() -> None:
    reactions = types.MessageReactions(results=[types.ReactionCount(types.ReactionEmoji("👍"), 3)])
    known: dict[str, Any] = {"channel_id": CHANNEL, "msg_id": 7, "ts": SEEN}
    for update, metrics in (
        (types.UpdateChannelMessageViews(CHANNEL, 7, 55), PostMetrics(**known, views=55, reactions_told=False)),
        (types.UpdateChannelMessageForwards(CHANNEL, 7, 2), PostMetrics(**known, forwards=2, reactions_told=False)),
        (types.UpdateMessageReactions(HERE, 7, reactions), PostMetrics(**known, reactions={"👍": 3})),
    ):
        assert pushed(update) == PushedCounters(channel_id=CHANNEL, metrics=(metrics,))


@pytest.mark.parametrize(
    "update",
    [
        types.UpdateMessageReactions(types.PeerUser(5), 7, types.MessageReactions(results=[])),
        types.UpdateNewChannelMessage(message(peer_id=types.PeerChat(5)), pts=2, pts_count=1),
        types.UpdateNewChannelMessage(types.MessageEmpty(4, peer_id=None), pts=2, pts_count=1),
    ],
    ids=["a person's", "a group's", "nobody's"],
)
def test_what_is_of_no_channel_is_nothing(update: Any) -> None:
    assert pushed(update) is None


def test_a_message_that_makes_no_sense_is_told_as_such() -> None:
    change = pushed(types.UpdateNewChannelMessage(message(date=None), pts=11, pts_count=1))
    assert isinstance(change, PushedChange) and isinstance(change.messages[0], UnreadableMessage)
    assert change.messages[0].msg_id == 7


# -- what is known of channels


def test_what_is_known_of_a_channel_decides_how_its_messages_are_read() -> None:
    known = KnownChannels()
    update = types.UpdateNewChannelMessage(message(), pts=11, pts_count=1)

    def read(*chats: Any) -> tuple[int | None, bool]:
        (found,) = pushed(update, *chats, known=known).messages
        return found.post.topic_id, found.post.protected

    assert read() == (None, False)
    assert read(channel(forum=True, min=True)) == (1, False), "better an abridged word than none"
    assert known.access_hash(CHANNEL) is None
    assert read(channel(protected=True)) == (None, True)
    assert read(channel(forum=True, min=True)) == (None, True), "but no better than a full one"
    assert read() == (None, True) and known.access_hash(CHANNEL) == 5
    known.note([channel(hash=None), types.ChannelForbidden(CHANNEL, 9, "Space"), types.ChatEmpty(4)])
    assert known.access_hash(CHANNEL) == 5


# -- differences


def difference(**content: Any) -> ChannelDifference:
    answer = types.updates.ChannelDifference(
        **{"pts": 20, "new_messages": [], "other_updates": [], "chats": [], "users": [], "final": True} | content
    )
    read = KnownChannels().reader(CHANNEL, answer, SEEN)
    return read_difference(answer, pts=10, read=read, at=SEEN)


def test_a_message_that_was_new_and_edited_is_told_once_as_it_is_now() -> None:
    told = difference(
        new_messages=[message(1, "one"), message(2, "two")],
        other_updates=[types.UpdateEditChannelMessage(message(1, "one, better"), pts=12, pts_count=1)],
    )
    assert texts(told.messages) == ["one, better", "two"]


def test_of_what_is_gone_only_that_is_told() -> None:
    told = difference(
        new_messages=[message(1), message(2, "stays")],
        other_updates=[
            types.UpdateDeleteChannelMessages(CHANNEL, [1, 9], pts=12, pts_count=2),
            types.UpdateDeleteChannelMessages(CHANNEL, [9], pts=13, pts_count=1),
            types.UpdatePinnedChannelMessages(CHANNEL, [2], pts=14, pts_count=1),
            types.UpdateChannelMessageViews(CHANNEL, 2, 5),
        ],
    )
    assert (texts(told.messages), told.deleted) == (["stays"], (1, 9))
    assert [metrics.views for metrics in told.metrics] == [5]


def test_an_empty_one_and_one_in_parts() -> None:
    answer = types.updates.ChannelDifferenceEmpty(pts=20, final=True, timeout=30)
    read = KnownChannels().reader(CHANNEL, answer, SEEN)
    assert read_difference(answer, pts=10, read=read, at=SEEN) == ChannelDifference(pts=20, is_final=True, again_in=30)
    assert not difference(final=None).is_final and difference(timeout=None).again_in is None


@pytest.mark.parametrize("told", [77, None])
def test_one_that_is_too_long_has_its_state_in_the_dialog(told: int | None) -> None:
    dialog = types.Dialog(HERE, 9, 0, 0, 0, 0, 0, 0, types.PeerNotifySettings(), pts=told)
    answer = types.updates.ChannelDifferenceTooLong(dialog, [message(9, "newest")], [], [], final=True)
    read = KnownChannels().reader(CHANNEL, answer, SEEN)
    found = read_difference(answer, pts=10, read=read, at=SEEN)
    assert (found.pts, found.too_long, found.is_final) == (77 if told else 10, True, True)
    assert texts(found.messages) == ["newest"]


@given(
    new=st.lists(st.integers(1, 9), unique=True),
    edited=st.lists(st.integers(1, 9)),
    gone=st.lists(st.integers(1, 9)),
)
def test_each_id_is_told_once_and_nothing_is_left_out(new: list[int], edited: list[int], gone: list[int]) -> None:
    told = difference(
        new_messages=[message(each) for each in new],
        other_updates=[
            *(types.UpdateDeleteChannelMessages(CHANNEL, [each], pts=1, pts_count=1) for each in gone),
            *(types.UpdateEditChannelMessage(message(each, "better"), pts=1, pts_count=1) for each in edited),
        ],
    )
    read = {each.post.msg_id: each.post.text for each in told.messages if isinstance(each, CollectedMessage)}
    assert len(read) == len(told.messages) and {*told.deleted} == {*gone} and len(told.deleted) == len({*gone})
    assert read == {each: "better" if each in edited else "hello" for each in {*new, *edited} - {*gone}}


# -- who gets it


def inbox(now: datetime = SEEN) -> Inbox:
    return Inbox(KnownChannels(), lambda: now)


@pytest.mark.anyio
async def test_only_what_is_of_channels_is_passed_on() -> None:
    box = inbox()
    box.take(container(types.UpdateChannelTooLong(1)))  # nobody follows yet
    stream = box.follow()
    for update in (types.UpdateNewMessage(message(), pts=1, pts_count=1), types.UpdateConfig()):
        box.take(container(update))
        box.take(types.UpdateShort(update, WHEN))
        assert not isinstance(update, OF_CHANNELS)
    box.take(types.UpdateShortMessage(1, 2, "hi", pts=1, pts_count=1, date=WHEN))
    box.take(types.UpdateShort(types.UpdateChannelTooLong(2), WHEN))
    box.take(types.UpdatesCombined([types.UpdateChannelTooLong(3)], [], [], WHEN, 1, 2))
    box.take(types.UpdatesTooLong())
    box.take(container(types.UpdateChannelTooLong(4)))
    box.end()
    assert await stream.next() == PushedGap(channel_id=None), "who has to ask for all need not hear the rest first"
    assert await stream.next() == PushedGap(channel_id=4)
    assert await stream.next() is None


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("date", "ts"),
    [
        (WHEN, WHEN + timedelta(seconds=1)),
        (SEEN - timedelta(milliseconds=400), SEEN),
        (SEEN + timedelta(hours=1), SEEN),
        (None, SEEN),
    ],
    ids=["late", "within its second", "ahead", "unknown"],
)
async def test_counters_are_of_the_time_that_telegram_says(date: datetime | None, ts: datetime) -> None:
    """However long they were on their way, at the end of the second it says, else a reading of that second hid them;
    but never of the future, where no later reading could correct them.
    """
    box = inbox()
    stream = box.follow()
    box.take(container(types.UpdateChannelMessageViews(CHANNEL, 7, 55), date=date))
    told = await stream.next()
    assert isinstance(told, PushedCounters) and told.metrics[0].ts == ts


@pytest.mark.anyio
async def test_a_later_follower_ends_an_earlier_one() -> None:
    box = inbox()
    first = box.follow()
    box.take(container(types.UpdateChannelTooLong(1)))
    second = box.follow()
    box.take(container(types.UpdateChannelTooLong(2)))
    assert [await first.next(), await first.next()] == [PushedGap(channel_id=1), None]
    assert await second.next() == PushedGap(channel_id=2)
    await second.aclose()
    assert await second.next() is None
