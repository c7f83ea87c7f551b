"""Edits of messages that are archived already: recorded in their artifact, and nothing is archived anew."""

from __future__ import annotations

from typing import Any

from pydantic import JsonValue

from teltubby.archive.plain_json import plain
from teltubby.archive.timestamps import timestamp
from teltubby.messages.chat import EditedMessage
from teltubby.messages.media import JsonObject

NOT_ARCHIVED_ANEW = "the file was replaced; the new one is not archived"


def edited(artifact: JsonObject, edit: EditedMessage) -> dict[str, JsonValue]:
    """The artifact with the edit among `telegram.edits`, newest last; idempotent, and in whatever order edits come.

    An entry has `message_id`, `edited_at`, and the caption as it reads since. Where the message carries another file
    than the one that was archived, it has that file's `file_unique_id` and a `note` too. Raises ValueError when this is
    no artifact.
    """
    changed = plain(artifact)
    telegram: Any = changed.get("telegram") if isinstance(changed, dict) else None
    if not isinstance(changed, dict) or not isinstance(telegram, dict):
        raise ValueError("not an artifact")
    entries: list[JsonValue] = telegram.setdefault("edits", [])
    entry = _entry(edit)
    if replaces_file(artifact, edit) and edit.message.media is not None:
        entry |= {"file_unique_id": edit.message.media.file_unique_id, "note": NOT_ARCHIVED_ANEW}
    if entry not in entries:
        entries.append(entry)
        entries.sort(key=_edited_at)
    return changed


def replaces_file(artifact: JsonObject, edit: EditedMessage) -> bool:
    """Whether the message carries another file now than the one that the artifact has under it."""
    telegram: Any = artifact["telegram"]
    media, message_id = edit.message.media, str(edit.message.message_id)
    if media is None:
        return False
    items = telegram["items"]
    own = [item for item in items if item.get("message_id", message_id) == message_id]
    return media.file_unique_id not in [item.get("file_unique_id") for item in own]


def knows_file(artifact: JsonObject, edit: EditedMessage) -> bool:
    """Whether an edit that is recorded brought the same file to that message: its curator was told then."""
    telegram: Any = artifact["telegram"]
    file = None if edit.message.media is None else edit.message.media.file_unique_id
    own = [entry for entry in telegram.get("edits", ()) if entry.get("message_id") == str(edit.message.message_id)]
    return any(entry.get("file_unique_id") == file for entry in own)


def _entry(edit: EditedMessage) -> dict[str, JsonValue]:
    message = edit.message
    return {
        "message_id": str(message.message_id),
        "edited_at": timestamp(edit.edited_at),
        "caption_plain": message.caption,
        "caption_entities": plain(message.caption_entities),
    }


def _edited_at(entry: JsonValue) -> str:
    return str(entry["edited_at"]) if isinstance(entry, dict) else ""
