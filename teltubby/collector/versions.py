"""What a post was before it was edited."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from teltubby.adapters.sqlite_file import SqlRow, to_moment
from teltubby.messages.collected import CollectedMedia
from teltubby.messages.media import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class PostVersion:
    """One content of a post. `edited_at` is the first date of edit with which it was seen, None for the original."""

    edited_at: datetime | None
    text: str
    entities: tuple[JsonObject, ...]
    media: CollectedMedia | None
    document_id: int | None


def read_version(row: SqlRow) -> PostVersion:
    """A row of `post_edits`."""
    return PostVersion(
        edited_at=to_moment(row["edited_at"]),
        text=row["text"],
        entities=tuple(json.loads(row["entities_json"])),
        media=None if row["media_kind"] is None else CollectedMedia(row["media_kind"]),
        document_id=row["document_id"],
    )
