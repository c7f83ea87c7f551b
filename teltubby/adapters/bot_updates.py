"""Reads a stored Bot API update into the house's own words."""

from __future__ import annotations

import json
from typing import Any

from aiogram.types import (
    Animation,
    Audio,
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

from teltubby.errors import MalformedMessage
from teltubby.messages.media import IncomingMessage, Media, MediaKind, StickerFormat

_EXTRAS = ("location", "venue", "contact", "poll", "dice", "game")

_File = Animation | Audio | Document | PhotoSize | Sticker | Video | VideoNote | Voice


def parse_update(payload: str) -> IncomingMessage | None:
    """The new message in the update, or None when the update is something else.

    What the artifact repeats "as the Bot API gives it" (origin, entities, extras) is taken from the JSON itself.
    Raises MalformedMessage when this is no update that the Bot API documents.
    """
    try:
        raw: dict[str, Any] = json.loads(payload)
        message = Update.model_validate(raw).message
    except (ValueError, ValidationError, RecursionError) as error:
        raise MalformedMessage(f"not an update that this version understands: {error}") from error
    if message is None:
        return None
    fields: dict[str, Any] = raw["message"]
    sender = message.from_user
    return IncomingMessage(
        message_id=message.message_id,
        chat_id=message.chat.id,
        chat_type=message.chat.type,
        date=message.date,
        sender_id=None if sender is None else sender.id,
        sender_username=None if sender is None else sender.username,
        chat_title=message.chat.title,
        chat_username=message.chat.username,
        media_group_id=message.media_group_id,
        media=_media(message),
        text=message.text,
        caption=message.caption,
        entities=tuple(fields.get("entities") or ()),
        caption_entities=tuple(fields.get("caption_entities") or ()),
        forward_origin=fields.get("forward_origin"),
        protected=bool(message.has_protected_content),
        extras={name: fields[name] for name in _EXTRAS if name in fields} or None,
    )


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
        file_id=file.file_id,
        file_unique_id=file.file_unique_id,
        size_bytes=file.file_size,
        mime_type=getattr(file, "mime_type", None),
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
