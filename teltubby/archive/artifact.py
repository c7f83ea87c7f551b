"""message.json: what was handed in and what became of it, in the format that existing archives use (schema 1.0).

The artifact is true at every moment. `keys` names what is in the store now, one key per archived file in order, that
of the first copy for a duplicate; a queued file has its planned key in its item only, a failed or skipped one none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from pydantic import JsonValue

from teltubby.archive.plain_json import plain
from teltubby.archive.timestamps import timestamp
from teltubby.messages.details import FileDetails, detail_fields
from teltubby.messages.media import ARCHIVED, IncomingMessage, ItemOutcome, ItemStatus, JsonObject

SCHEMA_VERSION = "1.0"


def build(
    messages: Sequence[IncomingMessage],
    outcomes: Sequence[ItemOutcome],
    *,
    bucket: str,
    base_path: str,
    archived_at: datetime,
    bot_api_max_file_size_bytes: int,
    notes: str | None = None,
) -> dict[str, JsonValue]:
    """The artifact of one message or album, its keys in the order of the format; JSON values only.

    `telegram` describes the first message, with the first caption that any message has; an album with more than one
    gets all of them as `captions`, and locations, contacts and polls that came along are added under the Bot API's
    names. Raises ValueError without messages.
    """
    ordered = sorted(messages, key=lambda message: message.message_id)
    if not ordered:
        raise ValueError("no messages: there is nothing to describe")
    items = [describe_item(outcome) for outcome in sorted(outcomes, key=lambda outcome: outcome.ordinal)]
    return {
        "schema_version": SCHEMA_VERSION,
        "archive_timestamp_utc": timestamp(archived_at),
        "message_timestamp_utc": timestamp(ordered[0].date),
        "bucket": bucket,
        "base_path": base_path,
        **totals(items),
        "notes": notes,
        "telegram": _telegram(ordered, items, bot_api_max_file_size_bytes),
    }


def totals(items: Sequence[JsonObject]) -> dict[str, JsonValue]:
    """The top-level fields that follow from the items, in the order of the format.

    `files_count` counts what is archived, `total_bytes_uploaded` only what this submission itself put into the store.
    `duplicate_of` and `dedup_reason` speak for the whole submission, so they are set when every file of it is a
    duplicate, and are then those of the first.
    """
    archived = [item for item in items if item.get("status") in ARCHIVED]
    nothing_new = bool(items) and all(item.get("status") == ItemStatus.DUPLICATE for item in items)
    return {
        "files_count": len(archived),
        "total_bytes_uploaded": sum(_size(item) for item in items if item.get("status") == ItemStatus.STORED),
        "keys": [item.get("s3_key") for item in archived],
        "duplicate_of": items[0].get("duplicate_of") if nothing_new else None,
        "dedup_reason": items[0].get("dedup_reason") if nothing_new else None,
    }


def same_submission(one: bytes, other: bytes) -> bool:
    """Whether two artifacts speak of the same message of the same chat. What is no artifact is not the same.

    An album grows at its end: the files of the one are the first files of the other.
    """
    try:
        (message, files), (other_message, other_files) = _identity(one), _identity(other)
    except (ValueError, KeyError, TypeError):
        return False
    both = min(len(files), len(other_files))
    return message == other_message and files[:both] == other_files[:both] and bool(files) == bool(other_files)


def _identity(artifact: bytes) -> tuple[tuple[JsonValue, ...], list[JsonValue]]:
    known = json.loads(artifact)
    telegram = known["telegram"]
    files = [item["file_unique_id"] for item in telegram["items"]]
    return (known["message_timestamp_utc"], telegram["chat_id"], telegram["message_id"]), files


def dumps(artifact: JsonObject) -> bytes:
    """The artifact as it is stored: UTF-8, indented by two, ending in a newline.

    Half of a surrogate pair, which UTF-8 cannot carry, is written as the JSON escape that it came from.
    """
    return (json.dumps(artifact, ensure_ascii=False, indent=2) + "\n").encode("utf-8", "backslashreplace")


def describe_item(outcome: ItemOutcome) -> dict[str, JsonValue]:
    """One file of a submission and what became of it, as an entry of `items`."""
    media = outcome.message.media
    size = outcome.size_bytes if outcome.size_bytes is not None or media is None else media.size_bytes
    item: dict[str, JsonValue] = {
        "ordinal": outcome.ordinal,
        "type": None if media is None else media.kind.value,
        "mime_type": None if media is None else media.mime_type,
        "size_bytes": size,
        "width": None if media is None else media.width,
        "height": None if media is None else media.height,
        "duration": None if media is None else media.duration,
        "file_id": None if media is None else media.file_id,
        "file_unique_id": None if media is None else media.file_unique_id,
        "original_filename": None if media is None else media.file_name,
        "sha256": outcome.sha256,
        "s3_key": _key(outcome),
        "status": outcome.status.value,
        "reason": outcome.reason,
        "duplicate_of": outcome.duplicate_of,
        "dedup_reason": None if outcome.dedup_reason is None else outcome.dedup_reason.value,
        "job_id": outcome.job_id,
        "route": None if outcome.route is None else outcome.route.value,
        "via": None,
        "message_id": str(outcome.message.message_id),
    }
    return item | describe_details(outcome.details, item) | describe_preview(outcome.preview_key)


def describe_details(details: FileDetails | None, item: JsonObject) -> dict[str, JsonValue]:
    """What the file says of itself and Telegram did not say, as a further key of its item; none where that is nothing.

    Only what is known is in it: duration (seconds, with a fraction), width, height, codec, audio_codec, taken_at.
    """
    fields = {} if details is None else detail_fields(details)
    new = {name: value for name, value in fields.items() if not item.get(name)}
    return {"details": new} if new else {}


def describe_preview(key: str | None) -> dict[str, JsonValue]:
    """Where the file's preview is, as a further key of its item; none where there is no preview."""
    return {} if key is None else {"preview_key": key}


def describe_caption(message: IncomingMessage) -> dict[str, JsonValue]:
    """One message's caption, as an entry of `captions`."""
    return {
        "message_id": str(message.message_id),
        "caption_plain": message.caption,
        "caption_entities": plain(message.caption_entities),
    }


def _key(outcome: ItemOutcome) -> str | None:
    """Where the file is or will be; nothing for one that is neither in the store nor on its way."""
    if outcome.status is ItemStatus.DUPLICATE:
        return outcome.duplicate_of
    return outcome.s3_key if outcome.status in (ItemStatus.STORED, ItemStatus.QUEUED) else None


def _size(item: JsonObject) -> int:
    size = item.get("size_bytes")
    return size if isinstance(size, int) else 0


def _telegram(messages: Sequence[IncomingMessage], items: Sequence[JsonObject], limit: int) -> dict[str, JsonValue]:
    first = messages[0]
    captioned = [message for message in messages if message.caption]
    caption = captioned[0] if captioned else first
    description: dict[str, JsonValue] = {
        "message_id": str(first.message_id),
        "media_group_id": first.media_group_id,
        "chat_id": str(first.chat_id),
        "chat_title": first.chat_title,
        "chat_username": first.chat_username,
        "sender_id": None if first.sender_id is None else str(first.sender_id),
        "sender_username": first.sender_username,
        "forward_origin": plain(first.forward_origin),
        "caption_plain": caption.caption,
        "caption_entities": plain(caption.caption_entities),
        "entities": plain(first.entities),
        "bot_api_max_file_size_bytes": limit,
        "items": plain(items),
    }
    return description | _additions(messages, captioned, description)


def _additions(
    messages: Sequence[IncomingMessage], captioned: Sequence[IncomingMessage], taken: Mapping[str, object]
) -> dict[str, JsonValue]:
    """What the format has no place for, under keys that it does not use."""
    additions: dict[str, JsonValue] = {}
    if len(captioned) > 1:
        additions["captions"] = [describe_caption(message) for message in captioned]
    elif captioned and captioned[0] is not messages[0]:
        additions["caption_message_id"] = str(captioned[0].message_id)
    for message in messages:
        for name, value in (message.extras or {}).items():
            if name not in taken:
                additions.setdefault(name, plain(value))
    return additions
