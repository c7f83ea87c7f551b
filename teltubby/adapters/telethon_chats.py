"""Chats as Telethon gives them, made into the collector's records."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from telethon import types

from teltubby.adapters.telethon_values import channel_mark, class_name, count, listed, words
from teltubby.messages.collected import Channel, ChannelKind, ChannelMigrated, ChannelUnavailable


def read_chat(chat: Any, *, seen_at: datetime, full: Any = None) -> Channel | ChannelMigrated | ChannelUnavailable:
    """A chat as seen at `seen_at` (UTC), with what channels.getFullChannel says of it besides. Never raises."""
    number, title = count(getattr(chat, "id", None)), words(getattr(chat, "title", None))
    if not number:
        return ChannelUnavailable(chat_id=None, title=title, reason=f"a {class_name(chat)} without an id is no channel")
    match chat:
        case types.Channel():
            told = full if isinstance(full, types.ChannelFull) and full.id == number else None
            return _channel(chat, number, told, seen_at)
        case types.Chat() if isinstance(chat.migrated_to, types.InputChannel) and count(chat.migrated_to.channel_id):
            return ChannelMigrated(chat_id=number, channel_id=chat.migrated_to.channel_id)
        case types.Chat():
            reason = "it is a basic group: nobody but its members' own mailboxes has its messages"
        case types.ChannelForbidden():
            reason = "it is private, and the account is no member of it (any more)"
        case types.ChatForbidden():
            reason = "it is a basic group that the account is no member of (any more)"
        case _:
            reason = f"a {class_name(chat)} is no channel"
    return ChannelUnavailable(chat_id=number, title=title, reason=reason)


def names_of(chats: Any, users: Any = ()) -> dict[int, str]:
    """What people and chats that came with a page are called, by the Bot API's ids."""
    return dict(_named(chats, users))


def _channel(chat: Any, number: int, full: Any, seen_at: datetime) -> Channel:
    subscribers = count(getattr(full, "participants_count", None))
    return Channel(
        channel_id=number,
        username=_username(chat),
        title=words(chat.title) or "",
        kind=_kind(chat),
        seen_at=seen_at,
        subscribers=count(chat.participants_count) if subscribers is None else subscribers,
        about=words(getattr(full, "about", None)),
        linked_chat_id=count(getattr(full, "linked_chat_id", None)),
        migrated_from=count(getattr(full, "migrated_from_chat_id", None)),
    )


def _kind(chat: Any) -> ChannelKind:
    """A gigagroup is a supergroup where only admins write (core.telegram.org/api/channel)."""
    if chat.forum:
        return ChannelKind.FORUM
    return ChannelKind.SUPERGROUP if chat.megagroup or chat.gigagroup else ChannelKind.CHANNEL


def _username(chat: Any) -> str | None:
    """Of several (core.telegram.org/api/fragment), the first that is in use."""
    active = (words(each.username) for each in listed(chat.usernames) if getattr(each, "active", None))
    return words(chat.username) or next((name for name in active if name is not None), None)


def _named(chats: Any, users: Any) -> Iterable[tuple[int, str]]:
    for chat in listed(chats):
        number, title = count(getattr(chat, "id", None)), words(getattr(chat, "title", None))
        if number is None or title is None:
            continue
        marked = -number if isinstance(chat, types.Chat | types.ChatForbidden) else channel_mark(number)
        if marked is not None:
            yield marked, title
    for user in listed(users):
        number = count(getattr(user, "id", None))
        parts = (words(getattr(user, part, None)) for part in ("first_name", "last_name"))
        if number is not None and (name := " ".join(part for part in parts if part is not None)):
            yield number, name
