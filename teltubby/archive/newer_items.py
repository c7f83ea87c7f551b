"""What an artifact in the store knows, and the one that is to replace it does not: its ledger was restored."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from teltubby.archive.artifact import dumps, totals
from teltubby.archive.purged import PURGED
from teltubby.messages.media import ARCHIVED, ItemStatus


def newer_items(body: bytes, there: bytes) -> Mapping[int, str | None]:
    """Items that the artifact `there` has and `body`, of the same submission, does not, by their place.

    Each with the key under which its file is said to be stored, where `body` says that it is not archived; None for
    what joined the album later. What was purged is told by `body`. No job that is done is ever undone.
    """
    ours, theirs = _items(body), _items(there)
    newer: dict[int, str | None] = dict.fromkeys(range(len(ours), len(theirs)))
    for place, (our, item) in enumerate(zip(ours, theirs, strict=False)):
        key = item.get("s3_key") if item.get("status") == ItemStatus.STORED else None
        if isinstance(key, str) and our.get("status") not in ARCHIVED and our.get("reason") != PURGED:
            newer[place] = key
    return newer


def with_items(body: bytes, there: bytes, places: Collection[int]) -> bytes:
    """The artifact `body` with the items of the other one in these places."""
    artifact, theirs = json.loads(body), _items(there)
    items = artifact["telegram"]["items"]
    for place in sorted(places):
        items[place : place + 1] = [theirs[place]]
    artifact.update(totals(items))
    return dumps(artifact)


def _items(artifact: bytes) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = json.loads(artifact)["telegram"]["items"]
    return items
