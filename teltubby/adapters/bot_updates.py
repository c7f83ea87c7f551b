"""Reads Bot API updates: what the inbox keeps of one, and what one that was kept says in the house's own words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from aiogram.types import (
    Animation,
    Audio,
    CallbackQuery,
    Document,
    Message,
    PhotoSize,
    Sticker,
    Update,
    Video,
    VideoNote,
    Voice,
)
from pydantic import ValidationError

from teltubby.archive.masks import masked, without_secrets
from teltubby.errors import MalformedMessage
from teltubby.messages.chat import ButtonPress, EditedMessage, Incoming
from teltubby.messages.media import IncomingMessage, Media, MediaKind, RawUpdate, StickerFormat

KINDS = ("message", "edited_message", "callback_query")
"""The updates that we ask for (Bot API, allowed_updates)."""

_LARGEST = 2**63 - 1
"""What the inbox can keep as a number; ids of the Bot API have at most 52 significant bits."""
_EXTRAS = ("location", "venue", "contact", "poll", "dice", "game")

_File = Animation | Audio | Document | PhotoSize | Sticker | Video | VideoNote | Voice


def raw_update(update: object) -> RawUpdate:
    """An update as the inbox keeps it. Raises MalformedMessage unless it is an object with an update id.

    Of the rest nothing is demanded: an update of a new kind, or of a new shape, must not stop those after it. An
    edited message does not join its album, whose items are complete without it. What somebody sends with /mtcode or
    /mtpass must never be written down: it is masked wherever it stands, and of a new message in a private chat handed
    on as `secret`.
    """
    if not isinstance(update, Mapping) or type(update.get("update_id")) is not int:
        raise MalformedMessage("an update is an object with a whole number as update_id")
    if not -_LARGEST <= update["update_id"] <= _LARGEST:
        raise MalformedMessage(f"update_id {update['update_id']} is out of range")
    secret = _secret(_object(update.get("message")))
    kept = without_secrets(update)
    message = _object(kept.get("message"))
    shown = message or _object(kept.get("edited_message"))
    shown = shown or _object(_object(kept.get("callback_query")).get("message"))
    return RawUpdate(
        update_id=update["update_id"],
        payload=json.dumps(kept, ensure_ascii=True, separators=(",", ":")),
        chat_id=_id(_object(shown.get("chat")).get("id")),
        message_id=_id(shown.get("message_id")),
        media_group_id=_whole(message.get("media_group_id")),
        secret=secret,
    )


def _secret(message: Mapping[str, Any]) -> str | None:
    text = message.get("text")
    if _object(message.get("chat")).get("type") != "private" or not isinstance(text, str):
        return None
    found = masked(text)
    return None if found is None else found.secret


def parse_update(payload: str) -> Incoming | None:
    """What the update brings: a new message, an edited one or a press on a button; None for anything else.

    What the artifact repeats "as the Bot API gives it" (origin, entities, extras) is taken from the JSON itself.
    Raises MalformedMessage when this is no update that the Bot API documents.
    """
    try:
        raw = _object(json.loads(payload))
        # Of kinds that we did not ask for nothing is read: what is newer than this program is no mistake there.
        update = Update.model_validate({name: raw[name] for name in ("update_id", *KINDS) if name in raw})
        if update.message is not None:
            return _incoming(update.message, raw["message"])
        if update.edited_message is not None:
            edited = update.edited_message
            return EditedMessage(
                message=_incoming(edited, raw["edited_message"]),
                edited_at=edited.date if edited.edit_date is None else datetime.fromtimestamp(edited.edit_date, UTC),
            )
    except (ValueError, ValidationError, RecursionError, OverflowError, OSError) as error:
        raise MalformedMessage(f"not an update that this version understands: {error}") from error
    return None if update.callback_query is None else _press(update.callback_query)


def _press(query: CallbackQuery) -> ButtonPress | None:
    if query.data is None:
        return None  # a button of a game, which we have none of
    message = query.message
    return ButtonPress(
        press_id=query.id,
        user_id=_known(query.from_user.id),
        chat_id=None if message is None else _known(message.chat.id),
        chat_type=None if message is None else message.chat.type,
        message_id=None if message is None else _known(message.message_id),
        data=query.data,
    )


def _incoming(message: Message, fields: Mapping[str, Any]) -> IncomingMessage:
    sender = message.from_user
    return IncomingMessage(
        message_id=_known(message.message_id),
        chat_id=_known(message.chat.id),
        chat_type=message.chat.type,
        date=message.date,
        sender_id=None if sender is None else _known(sender.id),
        sender_username=None if sender is None else sender.username,
        chat_title=message.chat.title,
        chat_username=message.chat.username,
        media_group_id=_whole(message.media_group_id),
        media=_media(message),
        text=message.text,
        caption=message.caption,
        entities=tuple(fields.get("entities") or ()),
        caption_entities=tuple(fields.get("caption_entities") or ()),
        forward_origin=fields.get("forward_origin"),
        protected=bool(message.has_protected_content),
        extras={name: fields[name] for name in _EXTRAS if name in fields} or None,
    )


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _id(value: object) -> int | None:
    return value if type(value) is int and -_LARGEST <= value <= _LARGEST else None


def _known(number: int) -> int:
    """An id. Raises MalformedMessage for what is none of the Bot API's, and no database keeps."""
    if _id(number) is None:
        raise MalformedMessage("not an update that this version understands: an id is out of range")
    return number


def _whole(value: object) -> str | None:
    """A text that the ledger can keep: JSON can hold half of a surrogate pair, and UTF-8 cannot."""
    return value.encode(errors="replace").decode() if isinstance(value, str) else None


def _media(message: Message) -> Media | None:
    # An animation also carries `document`, for old clients: the more specific field is asked first.
    candidates: tuple[tuple[MediaKind, _File | None], ...] = (
        (MediaKind.ANIMATION, message.animation),
        (MediaKind.STICKER, message.sticker),
        (MediaKind.VIDEO, message.video),
        (MediaKind.VIDEO_NOTE, message.video_note),
        (MediaKind.AUDIO, message.audio),
        (MediaKind.VOICE, message.voice),
        (MediaKind.PHOTO, _largest(message.photo)),
        (MediaKind.DOCUMENT, message.document),
    )
    for kind, file in candidates:
        if file is not None:
            return _describe(kind, file)
    return None


def _largest(sizes: list[PhotoSize] | None) -> PhotoSize | None:
    return max(sizes, key=lambda size: size.width * size.height) if sizes else None


def _describe(kind: MediaKind, file: _File) -> Media:
    side: int | None = getattr(file, "length", None)  # a video note is a square and says one side only
    duration = getattr(file, "duration", None)
    return Media(
        kind=kind,
        file_id=_whole(file.file_id) or "",
        file_unique_id=_whole(file.file_unique_id) or "",
        size_bytes=file.file_size,
        mime_type=_whole(getattr(file, "mime_type", None)),
        file_name=getattr(file, "file_name", None),
        width=getattr(file, "width", side),
        height=getattr(file, "height", side),
        duration=None if duration is None else int(duration),
        sticker_format=_sticker_format(file) if isinstance(file, Sticker) else None,
    )


def _sticker_format(sticker: Sticker) -> StickerFormat:
    if sticker.is_animated:
        return StickerFormat.ANIMATED
    return StickerFormat.VIDEO if sticker.is_video else StickerFormat.STATIC
