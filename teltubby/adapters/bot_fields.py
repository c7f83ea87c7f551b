"""The JSON of Bot API updates: the fields that are read of it, and what can be told of those that cannot be read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from teltubby.messages.chat import Unreadable

KINDS = ("message", "edited_message", "callback_query")
"""The updates that we ask for (Bot API, allowed_updates)."""

LARGEST = 2**63 - 1
"""What the inbox can keep as a number; ids of the Bot API have at most 52 significant bits."""

_FILES = ("animation", "audio", "document", "live_photo", "sticker", "video", "video_note", "voice")
_PLAIN = ("message_id", "date", "edit_date", "media_group_id", "has_protected_content", "text", "caption", "photo")
_OTHERS = ("reply_to_message", "external_reply", "pinned_message", "reply_to_story")
"""Where other messages stand; their files are not this one's."""
_UNTOLD = ("paid_media", "story")
"""Of paid media that are not paid for, and of stories, the Bot API tells no file."""


def needed(update: Mapping[str, Any]) -> dict[str, Any]:
    """The update without what is not read of it: what is newer than this program is no mistake there.

    Of a message stay the fields of its files, its chat and its sender, without what they hold in turn (thumbnails,
    covers), and what is written; what it answers, where it is from, gifts and rich text may be of any shape.
    """
    kept: dict[str, Any] = {name: update[name] for name in ("update_id", *KINDS) if name in update}
    for name in ("message", "edited_message"):
        if isinstance(kept.get(name), Mapping):
            kept[name] = _message(kept[name])
    if isinstance(query := kept.get("callback_query"), Mapping):
        kept["callback_query"] = {
            **{name: query[name] for name in ("id", "chat_instance", "data", "game_short_name") if name in query},
            **{name: _flat(query[name]) for name in ("from",) if name in query},
            **{name: _place(query[name]) for name in ("message",) if name in query},
        }
    return kept


def has_other_files(message: Mapping[str, Any]) -> bool:
    """Whether there are files in the message beside those in the fields that are read: in rich text, paid media, a
    forwarded story, or whatever field of tomorrow.
    """
    if any(message.get(name) is not None for name in _UNTOLD):
        return True
    read = {name: message.get(name) for name in (*_FILES, "photo")}
    rest = {name: value for name, value in message.items() if name not in read and name not in _OTHERS}
    return not set(_file_ids(rest)) <= set(_file_ids(read))


def unreadable(update: Mapping[str, Any], why: str) -> Unreadable | None:
    """Who sent what cannot be read, and where; None where not even that can be told, or where it is no message."""
    kind, body = next(((name, object_in(update, name)) for name in KINDS if update.get(name) is not None), ("", {}))
    is_press = kind == "callback_query"
    shown, press_id = (object_in(body, "message"), body.get("id")) if is_press else (body, None)
    chat, sender_id = object_in(shown, "chat"), whole_id(object_in(body, "from").get("id"))
    chat_id, chat_type = whole_id(chat.get("id")), chat.get("type")
    if sender_id is None or chat_id is None or not isinstance(chat_type, str):
        return None
    if is_press and not isinstance(press_id, str):
        return None
    return Unreadable(
        sender_id=sender_id,
        chat_id=chat_id,
        chat_type=chat_type,
        message_id=whole_id(shown.get("message_id")),
        edited=kind == "edited_message",
        press_id=press_id,
        why=why,
    )


def object_in(fields: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The object in this field; an empty one where there is none."""
    value = fields.get(name)
    return value if isinstance(value, Mapping) else {}


def whole_id(value: object) -> int | None:
    """An id that the inbox can keep."""
    return value if type(value) is int and -LARGEST <= value <= LARGEST else None


def _message(fields: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: fields[name] for name in _PLAIN if name in fields}
    kept |= {name: _flat(fields[name]) for name in ("chat", "from", *_FILES) if name in fields}
    still = object_in(fields, "live_photo").get("photo")
    if still and not kept.get("photo"):
        kept["photo"] = still
    return kept


def _place(fields: object) -> object:
    """The message under which a button is."""
    if not isinstance(fields, Mapping):
        return fields
    return {name: _flat(fields[name]) for name in ("message_id", "date", "chat") if name in fields}


def _flat(value: object) -> object:
    if not isinstance(value, Mapping):
        return value
    return {name: inner for name, inner in value.items() if not isinstance(inner, Mapping | list)}


def _file_ids(fields: Mapping[str, object]) -> Iterator[str]:
    """The `file_unique_id`s of all files in these fields, however deep, but not of those in other messages."""
    left = list(fields.values())
    while left:
        match left.pop():
            case {"message_id": _, "chat": _}:
                pass
            case Mapping() as held:
                if isinstance(found := held.get("file_unique_id"), str):
                    yield found
                left += held.values()
            case list() as values:
                left += values
            case _:
                pass
