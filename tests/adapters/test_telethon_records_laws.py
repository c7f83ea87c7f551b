"""Whatever Telegram's schema allows, and what it does not, is read without an exception, into what can be stored."""

from __future__ import annotations

import builtins
import inspect
import json
import types as python
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from telethon import types

from teltubby.adapters.telethon_chats import names_of, read_chat
from teltubby.adapters.telethon_records import read_message
from teltubby.messages.collected import AbsentMessage, CollectedMessage, UnreadableMessage

CHANNEL = 123
SEEN = datetime(2026, 11, 21, tzinfo=UTC)
DEEPEST = 3
NONSENSE = st.sampled_from(
    [None, -1, 0, 2**70, -(2**70), "", "\ud800", b"\xff", [], [None], object(), float("nan"), True]
)
PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    int: st.integers(-5, 5) | st.integers(-(2**63), 2**63 - 1),
    str: st.text(max_size=20) | st.sampled_from(["see x.org/a 😀 #tag @name", "\ud83d", ""]),
    bytes: st.binary(max_size=4),
    bool: st.booleans(),
    float: st.floats(),
    datetime: st.datetimes() | st.datetimes(timezones=st.just(UTC)),
}


class Names(dict[str, Any]):
    """Of types in annotations; those that Telethon does not define where it names them are of any kind."""

    def __missing__(self, name: str) -> Any:
        return Any


NAMES = Names(vars(builtins) | vars(types))


@cache
def hints(kind: Any) -> dict[str, Any]:
    """What a class of Telethon's takes, its types resolved."""
    given_hints = get_type_hints(kind.__init__, localns=NAMES)
    return {name: given_hints.get(name, Any) for name in list(inspect.signature(kind.__init__).parameters)[1:]}


def value(draw: st.DrawFn, hint: Any, depth: int) -> Any:
    """Something that fits a hint, smaller the deeper."""
    if get_origin(hint) in (Union, python.UnionType):
        options = list(get_args(hint))
        if type(None) in options and (depth >= DEEPEST or draw(st.integers(0, 2)) == 0):
            return None
        return value(draw, draw(st.sampled_from([each for each in options if each is not type(None)])), depth)
    if get_origin(hint) is list:
        (of,) = get_args(hint)
        return [value(draw, of, depth) for _ in range(draw(st.integers(0, 0 if depth >= DEEPEST else 2)))]
    if hint in PLAIN:
        return draw(PLAIN[hint])
    if isinstance(hint, type) and hint.__module__.startswith("telethon") and depth < DEEPEST:
        return made(draw, hint, depth + 1)
    return draw(NONSENSE)


def made(draw: st.DrawFn, kind: Any, depth: int = 0) -> Any:
    """An object of a class of Telethon's; now and then one field has what does not belong there."""
    fields = {name: value(draw, hint, depth) for name, hint in hints(kind).items() if name not in ("args", "kwargs")}
    if fields and draw(st.integers(0, 19)) == 0:
        fields[draw(st.sampled_from(sorted(fields)))] = draw(NONSENSE)
    return kind(**fields)


def schema_class(kind: Any) -> Any:
    """Telethon's own class of a message computes while it is made, which fails for nonsense; this one does not."""
    return next(each for each in kind.__mro__ if each.__module__ == "telethon.tl.types")


@st.composite
def messages(draw: st.DrawFn) -> Any:
    kind = schema_class(draw(st.sampled_from([types.Message, types.MessageService, types.MessageEmpty])))
    wanted = {name: hint for name, hint in hints(kind).items() if name not in ("reply_markup", "factcheck")}
    fields = {name: value(draw, hint, 1) for name, hint in wanted.items()}
    if draw(st.integers(0, 9)) and kind.__name__ != "MessageEmpty":
        fields |= {"id": draw(st.integers(1, 2**31 - 1)), "peer_id": types.PeerChannel(CHANNEL), "date": SEEN}
    return kind(**fields)


@st.composite
def chats(draw: st.DrawFn) -> Any:
    kind = draw(
        st.sampled_from([types.Channel, types.Chat, types.ChannelForbidden, types.ChatForbidden, types.ChatEmpty])
    )
    return made(draw, kind, 1)


SLOW = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@SLOW
@given(messages(), st.booleans())
def test_every_message_is_read(message: Any, forum: bool) -> None:
    read = read_message(message, channel_id=CHANNEL, seen_at=SEEN, forum=forum)
    assert read.channel_id == CHANNEL if not isinstance(read, CollectedMessage) else read.post.channel_id == CHANNEL
    if isinstance(read, UnreadableMessage):
        assert 0 < len(read.reason) <= 200
    assert isinstance(read, AbsentMessage) == (type(message).__name__ == "MessageEmpty" and read_id(read) > 0)
    storable(asdict(read))


def read_id(read: Any) -> int:
    return int(read.post.msg_id if isinstance(read, CollectedMessage) else read.msg_id)


def storable(record: Any) -> None:
    """As JSON and as a row of SQLite: numbers of 64 bits, texts without half characters."""
    json.dumps(record, default=datetime.isoformat, ensure_ascii=False, allow_nan=False).encode()
    match record:
        case dict():
            for each in record.values():
                storable(each)
        case list() | tuple():
            for each in record:
                storable(each)
        case int():
            assert -(2**63) <= record < 2**63
        case datetime():
            assert record.tzinfo is UTC
        case _:
            pass


@SLOW
@given(chats(), st.booleans())
def test_every_chat_is_read(chat: Any, with_full: bool) -> None:
    full = types.ChannelFull(**dict.fromkeys(hints(types.ChannelFull))) if with_full else None
    if full is not None:
        full.id = chat.id
    storable(asdict(read_chat(chat, seen_at=SEEN, full=full)))
    storable(list(names_of([chat], [chat]).items()))


@SLOW
@given(messages(), st.integers(0, 2**31 - 1))
def test_reading_is_a_function(message: Any, views: int) -> None:
    """The same message is read the same; another counter changes the counters alone."""
    read = read_message(message, channel_id=CHANNEL, seen_at=SEEN)
    assert read == read_message(message, channel_id=CHANNEL, seen_at=SEEN)
    if isinstance(read, CollectedMessage) and read.post.service is None:
        message.views = views
        again = read_message(message, channel_id=CHANNEL, seen_at=SEEN)
        assert isinstance(again, CollectedMessage)
        assert again.post == read.post
        assert again.metrics is not None
        assert again.metrics.views == views
