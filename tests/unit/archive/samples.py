"""Messages to archive: plain ones with everything overridable, and hypothesis strategies for strange ones."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from teltubby.messages.media import IncomingMessage, Media, MediaKind, StickerFormat

MOMENT = datetime(2025, 1, 27, 10, 11, 12, tzinfo=UTC)
INT64 = st.integers(-(2**63), 2**63 - 1)
NASTY = st.sampled_from(
    ["/", "..", "\0", "\u202e", "😀", "\\", "\ud83d", "-", ".", "_", "m7-g1_001", "日本語", "ß", "ﷺ", " "]
)
ANY_TEXT = st.lists(st.one_of(st.text(st.characters(), max_size=20), NASTY), max_size=20).map("".join)
"""Whatever a string can hold, lone surrogates included, often with what is special in paths and names."""


def media(kind: MediaKind = MediaKind.PHOTO, **fields: Any) -> Media:
    """A file of which nothing but its ids is known."""
    return Media(kind=kind, **{"file_id": "BAAD", "file_unique_id": "AgAD", **fields})


def message(message_id: int = 5, **fields: Any) -> IncomingMessage:
    """A photo that the curator @curator sent at MOMENT."""
    defaults = {
        "chat_id": 42,
        "chat_type": "private",
        "date": MOMENT,
        "sender_id": 42,
        "sender_username": "curator",
        "media": media(),
    }
    return IncomingMessage(message_id=message_id, **{**defaults, **fields})


def optional(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


MEDIA = st.builds(
    media,
    st.sampled_from(MediaKind),
    file_name=optional(ANY_TEXT),
    size_bytes=optional(st.integers(0, 2**40)),
    sticker_format=optional(st.sampled_from(StickerFormat)),
)

CHATS = st.fixed_dictionaries({}, optional={"username": ANY_TEXT, "title": ANY_TEXT, "id": INT64})
USERS = st.fixed_dictionaries(
    {}, optional={"username": ANY_TEXT, "first_name": ANY_TEXT, "last_name": ANY_TEXT, "id": INT64}
)
ORIGINS = st.one_of(
    st.builds(lambda user: {"type": "user", "sender_user": user}, USERS),
    st.builds(lambda name: {"type": "hidden_user", "sender_user_name": name}, ANY_TEXT),
    st.builds(lambda chat: {"type": "chat", "sender_chat": chat}, CHATS),
    st.builds(lambda chat: {"type": "channel", "chat": chat}, CHATS),
    st.dictionaries(st.sampled_from(["type", "chat", "sender_user"]), ANY_TEXT | st.none() | INT64),
)


@st.composite
def albums(draw: st.DrawFn, *, min_size: int = 1, max_size: int = 6) -> list[IncomingMessage]:
    """One message, or an album of the same chat, sender and group, in no order."""
    ids = draw(st.lists(st.integers(1, 2**63 - 1), min_size=min_size, max_size=max_size, unique=True))
    shared = {
        "chat_id": draw(INT64),
        "sender_id": draw(optional(INT64)),
        "sender_username": draw(optional(ANY_TEXT)),
        "chat_username": draw(optional(ANY_TEXT)),
        "chat_title": draw(optional(ANY_TEXT)),
        "media_group_id": draw(optional(st.integers(0, 2**64).map(str) | ANY_TEXT)),
        "forward_origin": draw(optional(ORIGINS)),
        "date": draw(st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))),
    }
    return [message(number, media=draw(MEDIA), caption=draw(optional(ANY_TEXT)), **shared) for number in ids]
