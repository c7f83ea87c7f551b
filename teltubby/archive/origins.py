"""Whose name a file carries: where it was forwarded from, and who handed it in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import JsonValue

from teltubby.archive.slugs import slug
from teltubby.messages.media import IncomingMessage, JsonObject

NAMELESS = "unknown"
"""The slug of a forward origin that has neither a name that can be written nor an id (a hidden user called `!!!`)."""

ChatSlugFrom = Literal["origin", "curator"]


def chat_slug(message: IncomingMessage, *, chat_slug_from: ChatSlugFrom = "origin") -> str:
    """The slug of the forward origin when there is one, else of the curator; never empty.

    `chat_slug_from="curator"` ignores the origin, as the first teltubby did. An origin of a type that this version
    does not know counts as none.
    """
    if chat_slug_from == "origin" and message.forward_origin is not None:
        candidates = _origin_names(message.forward_origin)
        if candidates is not None:
            return _first_slug(candidates)
    return sender_slug(message)


def sender_slug(message: IncomingMessage) -> str:
    """The slug of the curator: username, else id; in a private chat the chat is the curator too. Never empty."""
    return _first_slug((message.sender_username, message.chat_username, message.sender_id, message.chat_id))


def _first_slug(candidates: tuple[JsonValue, ...]) -> str:
    return next(_slugs(candidates), NAMELESS)


def _slugs(candidates: tuple[JsonValue, ...]) -> Iterator[str]:
    for candidate in candidates:
        if isinstance(candidate, str | int) and (found := slug(str(candidate))):
            yield found


def _origin_names(origin: JsonObject) -> tuple[JsonValue, ...] | None:
    """What a MessageOrigin of the Bot API can be called by, best first."""
    match origin.get("type"):
        case "user":
            user = _object(origin, "sender_user")
            full_name = " ".join(str(user[part]) for part in ("first_name", "last_name") if user.get(part))
            return (user.get("username"), full_name, user.get("id"))
        case "hidden_user":
            return (origin.get("sender_user_name"),)
        case "chat":
            return _chat_names(_object(origin, "sender_chat"))
        case "channel":
            return _chat_names(_object(origin, "chat"))
        case _:
            return None


def _chat_names(chat: JsonObject) -> tuple[JsonValue, ...]:
    return (chat.get("username"), chat.get("title"), chat.get("id"))


def _object(origin: JsonObject, field: str) -> JsonObject:
    value = origin.get(field)
    return value if isinstance(value, dict) else {}
