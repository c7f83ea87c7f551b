"""What an artifact says after `/purge`: the files are gone, and it must not claim them when it is written again."""

from __future__ import annotations

from collections.abc import Collection

from pydantic import JsonValue

from teltubby.archive.artifact import totals
from teltubby.archive.plain_json import plain
from teltubby.messages.media import ItemStatus, JsonObject

PURGED = "purged"
"""The `reason` of an item whose file was archived, and deleted by order."""


def without(artifact: JsonObject, gone: Collection[str]) -> JsonObject:
    """The artifact with the items under the keys that are `gone` skipped, by the reason PURGED; else as it was.

    Idempotent. What Telegram said of the file, its size and its SHA-256 stay: they were true, and tell what was there.
    """
    changed = plain(artifact)
    telegram = changed.get("telegram") if isinstance(changed, dict) else None
    items = telegram.get("items") if isinstance(telegram, dict) else None
    if not isinstance(changed, dict) or not isinstance(items, list):
        return artifact
    objects = [item for item in items if isinstance(item, dict)]
    lost = [item for item in objects if item.get("s3_key") in gone and item.get("status") in _CLAIMING]
    for item in lost:
        item.update({"status": ItemStatus.SKIPPED.value, "reason": PURGED, **dict.fromkeys(_NAMING)})
        item.pop("preview_key", None)
    if lost:
        changed.update(totals(objects))
    return changed


_CLAIMING: tuple[JsonValue, ...] = (ItemStatus.STORED.value, ItemStatus.DUPLICATE.value)
_NAMING = ("s3_key", "duplicate_of", "dedup_reason")
