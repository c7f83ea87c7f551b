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
    LivePhoto,
    Message,
    PhotoSize,
    Sticker,
    Update,
    Video,
    VideoNote,
    Voice,
)
from pydantic import JsonValue

from teltubby.adapters.bot_fields import LARGEST, has_other_files, needed, object_in, unreadable, whole_id
from teltubby.archive.masks import masked, without_secrets
from teltubby.errors import MalformedMessage
from teltubby.messages.chat import ButtonPress, EditedMessage, Incoming
from teltubby.messages.media import IncomingMessage, Media, MediaKind, RawUpdate, StickerFormat

_EXTRAS = ("location", "venue", "contact", "poll", "dice", "game")

_File = Animation | Audio | Document | LivePhoto | PhotoSize | Sticker | Video | VideoNote | Voice


def raw_update(update: object) -> RawUpdate:
    """An update as the inbox keeps it. Raises MalformedMessage unless it is an object with an update id.

    Of the rest nothing is demanded: an update of a new kind, or of a new shape, must not stop those after it. An
    edited message does not join its album, whose items are complete without it. What somebody sends with /mtcode or
    /mtpass must never be written down: it is masked wherever it stands, and of a new message in a private chat handed
    on as `secret`.
    """
    if not isinstance(update, Mapping) or type(update.get("update_id")) is not int:
        raise MalformedMessage("an update is an object with a whole number as update_id")
    if not -LARGEST <= update["update_id"] <= LARGEST:
        raise MalformedMessage(f"update_id {update['update_id']} is out of range")
    secret = _secret(object_in(update, "message"))
    kept = without_secrets(update)
    message = object_in(kept, "message")
    shown = message or object_in(kept, "edited_message") or object_in(object_in(kept, "callback_query"), "message")
    return RawUpdate(
        update_id=update["update_id"],
        payload=json.dumps(kept, ensure_ascii=True, separators=(",", ":")),
        chat_id=whole_id(object_in(shown, "chat").get("id")),
        message_id=whole_id(shown.get("message_id")),
        media_group_id=_whole(message.get("media_group_id")),
        secret=secret,
    )


def _secret(message: Mapping[str, Any]) -> str | None:
    text = message.get("text")
    if object_in(message, "chat").get("type") != "private" or not isinstance(text, str):
        return None
    found = masked(text)
    return None if found is None else found.secret


def parse_update(payload: str) -> Incoming | None:
    """What the update brings: a new message, an edited one or a press on a button; None for anything else.

    What the artifact repeats "as the Bot API gives it" (origin, entities, extras) is taken from the JSON itself, and of
    what is not read nothing is demanded. Where that is still no update that the Bot API documents, it is Unreadable;
    raises MalformedMessage where not even the sender and the chat can be told.
    """
    try:
        raw = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise MalformedMessage(f"not an update: {error}") from error
    if not isinstance(raw, Mapping):
        raise MalformedMessage("not an update: it is no object")
    try:
        return _read(raw)
    except (MalformedMessage, ValueError, OverflowError, OSError) as error:  # pydantic's are ValueErrors
        why = f"not an update that this version understands: {error}"
        found = unreadable(raw, why)
        if found is None:
            raise MalformedMessage(why) from error
        return found


def _read(raw: Mapping[str, Any]) -> Incoming | None:
    update = Update.model_validate(needed(raw))
    if update.message is not None:
        return _incoming(update.message, raw["message"])
    if update.edited_message is not None:
        edited = update.edited_message
        return EditedMessage(
            message=_incoming(edited, raw["edited_message"]),
            edited_at=edited.date if edited.edit_date is None else datetime.fromtimestamp(edited.edit_date, UTC),
        )
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
    sender, moving = message.from_user, message.live_photo
    moving_file = None if moving is None else _describe(MediaKind.VIDEO, moving)
    still_file = _media(message)
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
        media=still_file or moving_file,
        moving=None if still_file is None else moving_file,
        other_files=has_other_files(fields),
        text=message.text,
        caption=message.caption,
        entities=_entities(fields.get("entities")),
        caption_entities=_entities(fields.get("caption_entities")),
        forward_origin=object_in(fields, "forward_origin") or None,
        protected=bool(message.has_protected_content),
        extras={name: fields[name] for name in _EXTRAS if name in fields} or None,
    )


def _entities(value: object) -> tuple[JsonValue, ...]:
    return tuple(entity for entity in value if isinstance(entity, dict)) if isinstance(value, list) else ()


def _known(number: int) -> int:
    """An id. Raises MalformedMessage for what is none of the Bot API's, and no database keeps."""
    if whole_id(number) is None:
        raise MalformedMessage("an id is out of range")
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
