"""A MediaFilter as text of the database, and back."""

from __future__ import annotations

import json

from teltubby.adapters.sqlite_file import to_moment, to_text
from teltubby.collector.rows import to_json
from teltubby.messages.collected import CollectedMedia
from teltubby.messages.collector import MediaFilter


def filter_to_json(media: MediaFilter) -> str:
    """One spelling for equal filters."""
    return to_json(
        {
            "kinds": [kind.value for kind in media.kinds],
            "max_bytes": media.max_bytes,
            "min_bytes": media.min_bytes,
            "since": None if media.since is None else to_text(media.since),
            "until": None if media.until is None else to_text(media.until),
            "words": media.words,
            "topics": media.topics,
        }
    )


def filter_from_json(text: str) -> MediaFilter:
    """What `filter_to_json` wrote."""
    held = json.loads(text)
    return MediaFilter(
        kinds=tuple(CollectedMedia(kind) for kind in held["kinds"]),
        max_bytes=held["max_bytes"],
        min_bytes=held["min_bytes"],
        since=to_moment(held["since"]),
        until=to_moment(held["until"]),
        words=tuple(held["words"]),
        topics=tuple(held["topics"]),
    )
