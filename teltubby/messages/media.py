"""What a curator hands in: messages and their media, as the Bot API describes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from pydantic import JsonValue

from teltubby.messages.details import FileDetails

JsonObject = Mapping[str, JsonValue]


class MediaKind(StrEnum):
    """The kinds of media that the archive knows; an animation is not a document."""

    PHOTO = "photo"
    VIDEO = "video"
    DOCUMENT = "document"
    AUDIO = "audio"
    VOICE = "voice"
    VIDEO_NOTE = "video_note"
    ANIMATION = "animation"
    STICKER = "sticker"


class StickerFormat(StrEnum):
    """How a sticker is stored; decides its extension."""

    STATIC = "static"
    ANIMATED = "animated"
    VIDEO = "video"


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """One file of a message. `size_bytes`, name and MIME type may be missing: Telegram does not promise them."""

    kind: MediaKind
    file_id: str
    file_unique_id: str
    size_bytes: int | None = None
    mime_type: str | None = None
    file_name: str | None = None
    width: int | None = None
    height: int | None = None
    duration: int | None = None
    sticker_format: StickerFormat | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingMessage:
    """One message in the bot's chat; ids are those of the bot's own mailbox, `date` is Telegram's, in UTC."""

    message_id: int
    chat_id: int
    chat_type: str
    date: datetime
    sender_id: int | None = None
    sender_username: str | None = None
    chat_title: str | None = None
    chat_username: str | None = None
    media_group_id: str | None = None
    media: Media | None = None
    moving: Media | None = None
    """The video of a live photo, whose still picture is `media`."""
    other_files: bool = False
    """Whether it has files in a form in which bots cannot archive them: paid media, stories, rich text."""
    text: str | None = None
    caption: str | None = None
    entities: Sequence[JsonValue] = ()
    caption_entities: Sequence[JsonValue] = ()
    forward_origin: JsonObject | None = None
    protected: bool = False
    extras: JsonObject | None = None
    """Location, contact, poll, venue that came with the media, as the Bot API gave them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawUpdate:
    """One update as Telegram sent it: the JSON text, and the fields the inbox is ordered and grouped by.

    `secret` is what followed a command for secrets: the payload does not have it, and it is never written down.
    """

    update_id: int
    payload: str
    chat_id: int | None = None
    message_id: int | None = None
    media_group_id: str | None = None
    secret: str | None = field(default=None, repr=False)


class ItemStatus(StrEnum):
    """What became of one file of a submission."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    QUEUED = "queued"
    SKIPPED = "skipped"
    FAILED = "failed"


ARCHIVED = (ItemStatus.STORED, ItemStatus.DUPLICATE)
"""The bytes of such a file are in the store."""


class SkipReason(StrEnum):
    """Why a file was not archived; the names are part of the artifact's format."""

    EXCEEDS_BOT_LIMIT = "exceeds_bot_limit"
    EXCEEDS_CFG_LIMIT = "exceeds_cfg_limit"
    DOWNLOAD_FAILED = "download_failed"
    ALBUM_VALIDATION_FAILED = "album_validation_failed"
    NO_MEDIA = "no_media"
    PROTECTED_CONTENT = "protected_content"
    CANCELLED = "cancelled"


class DedupReason(StrEnum):
    """By what a file was recognised as archived before."""

    FILE_UNIQUE_ID = "file_unique_id"
    SHA256 = "sha256"


class Route(StrEnum):
    """By which way the bytes came."""

    BOT_API = "bot_api"
    MTPROTO_USER = "mtproto_user"
    MTPROTO_BOT = "mtproto_bot"


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemOutcome:
    """One file of a submission and what became of it; `s3_key` is set when it is stored, or will be."""

    ordinal: int
    message: IncomingMessage
    status: ItemStatus
    reason: str | None = None
    s3_key: str | None = None
    sha256: str | None = None
    size_bytes: int | None = None
    """The true size once known, else what Telegram announced."""
    duplicate_of: str | None = None
    dedup_reason: DedupReason | None = None
    job_id: str | None = None
    route: Route | None = None
    details: FileDetails | None = None
    """What the file itself says, where it was read."""
    preview_key: str | None = None
    """Where its preview is, if it has one."""
