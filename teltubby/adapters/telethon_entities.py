"""Formatting of a text: Telegram's entities under the names that the Bot API has for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import JsonValue
from telethon import types

from teltubby.adapters.telethon_values import class_name, integer, listed, moment, words
from teltubby.messages.media import JsonObject

NAMES: dict[type[Any], str] = {
    types.MessageEntityBankCard: "bank_card",
    types.MessageEntityBlockquote: "blockquote",
    types.MessageEntityBold: "bold",
    types.MessageEntityBotCommand: "bot_command",
    types.MessageEntityCashtag: "cashtag",
    types.MessageEntityCode: "code",
    types.MessageEntityCustomEmoji: "custom_emoji",
    types.MessageEntityEmail: "email",
    types.MessageEntityFormattedDate: "date_time",
    types.MessageEntityHashtag: "hashtag",
    types.MessageEntityItalic: "italic",
    types.MessageEntityMention: "mention",
    types.MessageEntityMentionName: "text_mention",
    types.MessageEntityPhone: "phone_number",
    types.MessageEntityPre: "pre",
    types.MessageEntitySpoiler: "spoiler",
    types.MessageEntityStrike: "strikethrough",
    types.MessageEntityTextUrl: "text_link",
    types.MessageEntityUnderline: "underline",
    types.MessageEntityUrl: "url",
}
"""core.telegram.org/bots/api#messageentity; it has no name for bank cards."""


def read_entities(entities: Any) -> tuple[JsonObject, ...]:
    """In the order of the message. A type that this version does not know is `other_{class}`, without its details."""
    return tuple(_read(listed(entities)))


def _read(entities: list[Any]) -> Iterator[JsonObject]:
    for entity in entities:
        offset, length = integer(getattr(entity, "offset", None)), integer(getattr(entity, "length", None))
        if offset is not None and length is not None:
            name = NAMES.get(type(entity), f"other_{class_name(entity)}")
            yield {"type": name, "offset": offset, "length": length, **_details(entity)}


def _details(entity: Any) -> dict[str, JsonValue]:
    match entity:
        case types.MessageEntityTextUrl():
            return {"url": words(entity.url) or ""}
        case types.MessageEntityPre() if language := words(entity.language):
            return {"language": language}
        case types.MessageEntityMentionName():
            return {"user": {"id": integer(entity.user_id)}}
        case types.MessageEntityCustomEmoji():
            return {"custom_emoji_id": str(integer(entity.document_id))}
        case types.MessageEntityBlockquote() if entity.collapsed:
            return {"type": "expandable_blockquote"}
        case types.MessageEntityFormattedDate() if (date := moment(entity.date)) is not None:
            return {"unix_time": int(date.timestamp())}
        case _:
            return {}
