"""Single values of Telethon's objects, none of which is trusted: what cannot be is None."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from telethon import types

from teltubby.archive.peers import CHANNEL_BASE

LARGEST = 2**63 - 1
"""Of an id or a counter: what SQLite holds, and the schema's `long`."""


def integer(value: Any) -> int | None:
    """An id, which may be negative."""
    return value if type(value) is int and -LARGEST <= value <= LARGEST else None


def count(value: Any) -> int | None:
    """A counter or a size: never negative."""
    number = integer(value)
    return number if number is not None and number >= 0 else None


def seconds(value: Any) -> float | None:
    """A duration: finite and not negative. Telethon gives whole numbers where the schema has them."""
    return float(value) if type(value) in (int, float) and 0 <= value <= LARGEST else None


def moment(value: Any) -> datetime | None:
    """A moment in UTC. Telethon gives None for 0, which is how Telegram writes that there is none."""
    if not isinstance(value, datetime):
        return None
    try:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:
        return None


def words(value: Any) -> str | None:
    """A text that can be written: half characters are replaced, by which no place in it moves. Empty is None."""
    if not isinstance(value, str) or not value:
        return None
    return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def peer_id(peer: Any) -> int | None:
    """The Bot API's id of a Peer (core.telegram.org/api/bots/ids)."""
    match peer:
        case types.PeerUser():
            return count(peer.user_id)
        case types.PeerChat():
            number = count(peer.chat_id)
            return None if number is None else -number
        case types.PeerChannel():
            number = count(peer.channel_id)
            return None if number is None else channel_mark(number)
        case _:
            return None


def channel_mark(channel_id: int) -> int | None:
    """The Bot API's id of a channel; None for one that no channel can have."""
    return integer(CHANNEL_BASE - channel_id)


def listed(value: Any) -> list[Any]:
    """A vector, which may be missing."""
    return list(value) if isinstance(value, list | tuple) else []


def class_name(value: Any) -> str:
    """The schema's name of what something is, as Telethon writes it; short, whatever it is."""
    return type(value).__name__[:64]
