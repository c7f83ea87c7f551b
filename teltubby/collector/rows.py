"""Collected records as rows of the tables, and back."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from json.encoder import encode_basestring
from typing import NamedTuple

from teltubby.adapters.sqlite_file import SqlRow, SqlValue, known_moment, to_moment, to_text
from teltubby.archive.findable import searchable
from teltubby.messages.collected import CollectedMedia, ForwardFacts, Link, MediaFacts, Post, PostMetrics

POST_COLUMNS = (
    *("channel_id", "msg_id", "date", "text", "links_json", "entities_json", "mentions_json", "hashtags_json"),
    *("media_kind", "document_id", "mime_type", "file_name", "size_bytes", "duration", "width", "height"),
    *("grouped_id", "reply_to", "topic_id", "forward_json", "author", "service", "protected", "edited_at"),
    *(
        "restrictions_json",
        "search_text",
        "content_hash",
        "content_edited_at",
        "deleted_at",
        "first_seen_at",
        "seen_at",
    ),
)
VERSION_COLUMNS = (
    *("channel_id", "msg_id", "content_hash", "edited_at"),
    *("text", "entities_json", "media_kind", "document_id"),
)
METRICS_COLUMNS = (
    *("channel_id", "msg_id", "snapshot_time", "views", "forwards", "replies_count", "comments_count"),
    *("reactions_json", "reactions_count", "ts", "replies_ts", "comments_ts", "reactions_ts"),
)

_NO_MEDIA = (None,) * 8
_ENCODER = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))  # making one costs more


def upsert(table: str, columns: Sequence[str], key: Sequence[str]) -> str:
    """The statement that writes a whole row over the one with the same key."""
    others = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in key)
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
        f" ON CONFLICT ({', '.join(key)}) DO UPDATE SET {others}"
    )


UPSERT_POST = upsert("posts", POST_COLUMNS, ("channel_id", "msg_id"))
UPSERT_METRICS = upsert("post_metrics", METRICS_COLUMNS, ("channel_id", "msg_id", "snapshot_time"))


def to_json(value: object) -> str:
    """JSON as it is kept: one spelling for equal values, and readable in any script."""
    return _ENCODER.encode(value)


def reactions_json(reactions: Mapping[str, int]) -> str:
    """Like `to_json`, in a third of the time: every snapshot has some."""
    if not reactions:
        return "{}"
    return "{" + ",".join([f"{encode_basestring(key)}:{count:d}" for key, count in sorted(reactions.items())]) + "}"


class Reading(NamedTuple):
    """A post as it was read at a moment, with what decides between it and other readings of the same post."""

    post: Post
    seen_at: str
    edited_at: str | None
    entities_json: str
    content_hash: str

    def row(self, *, content_edited_at: str | None, deleted_at: str | None, first_seen_at: str) -> tuple[SqlValue, ...]:
        """In the order of POST_COLUMNS."""
        post, media = self.post, self.post.media
        return (
            post.channel_id,
            post.msg_id,
            to_text(post.date),
            post.text,
            _texts_json([link.url for link in post.links]),
            self.entities_json,
            _texts_json(post.mentions),
            _texts_json(post.hashtags),
            *(_NO_MEDIA if media is None else _media_values(media)),
            post.grouped_id,
            post.reply_to,
            post.topic_id,
            None if post.forward is None else _forward_json(post.forward),
            post.author,
            post.service,
            int(post.protected),
            self.edited_at,
            _texts_json(post.restrictions),
            _search_text(post.text),
            self.content_hash,
            content_edited_at,
            deleted_at,
            first_seen_at,
            self.seen_at,
        )

    def version_row(self) -> tuple[SqlValue, ...]:
        """In the order of VERSION_COLUMNS."""
        post, media = self.post, self.post.media
        kind, document_id = (None, None) if media is None else (media.kind.value, media.document_id)
        head = (post.channel_id, post.msg_id, self.content_hash, self.edited_at)
        return (*head, post.text, self.entities_json, kind, document_id)


def reading_of(post: Post, seen_at: str) -> Reading:
    """A post that was read at `seen_at`."""
    entities_json = to_json([dict(entity) for entity in post.entities]) if post.entities else "[]"
    kind, document_id = (None, None) if post.media is None else (post.media.kind, post.media.document_id)
    # What an edit changes and a reaction does not; what is derived from it (links, mentions) is not part of it.
    content = f"{post.text}\0{entities_json}\0{kind}\0{document_id}".encode("utf-8", "surrogatepass")
    return Reading(
        post=post,
        seen_at=seen_at,
        edited_at=None if post.edited_at is None else to_text(post.edited_at),
        entities_json=entities_json,
        content_hash=hashlib.blake2b(content, digest_size=8).hexdigest(),
    )


def storable(rows: Iterable[tuple[SqlValue, ...]]) -> list[tuple[SqlValue, ...]]:
    """Rows without halves of surrogate pairs, which no database text can hold: question marks take their place."""
    return [
        tuple(value.encode("utf-8", "replace").decode() if isinstance(value, str) else value for value in row)
        for row in rows
    ]


def link_rows(post: Post) -> list[tuple[SqlValue, ...]]:
    """A post's links, in order."""
    return [
        (post.channel_id, post.msg_id, ordinal, link.url, link.offset, link.length, link.shown)
        for ordinal, link in enumerate(post.links)
    ]


def read_post(row: SqlRow, links: Sequence[SqlRow]) -> Post:
    """A row of `posts`, with its rows of `links`."""
    return Post(
        channel_id=row["channel_id"],
        msg_id=row["msg_id"],
        date=known_moment(row["date"]),
        text=row["text"],
        entities=tuple(json.loads(row["entities_json"])),
        links=tuple(
            Link(url=link["url"], offset=link["utf16_offset"], length=link["utf16_length"], shown=link["shown"])
            for link in links
        ),
        mentions=tuple(json.loads(row["mentions_json"])),
        hashtags=tuple(json.loads(row["hashtags_json"])),
        media=_read_media(row),
        grouped_id=row["grouped_id"],
        reply_to=row["reply_to"],
        topic_id=row["topic_id"],
        forward=None if row["forward_json"] is None else _read_forward(row["forward_json"]),
        author=row["author"],
        service=row["service"],
        protected=bool(row["protected"]),
        restrictions=tuple(json.loads(row["restrictions_json"])),
        edited_at=to_moment(row["edited_at"]),
        deleted_at=to_moment(row["deleted_at"]),
    )


def read_metrics(row: SqlRow) -> PostMetrics:
    """A row of `post_metrics` or `post_latest`."""
    return PostMetrics(
        channel_id=row["channel_id"],
        msg_id=row["msg_id"],
        ts=known_moment(row["ts"]),
        views=row["views"],
        forwards=row["forwards"],
        replies=row["replies_count"],
        comments=row["comments_count"],
        reactions=json.loads(row["reactions_json"]),
        reactions_told=row["reactions_ts"] != "",
    )


def _texts_json(texts: Sequence[str]) -> str:
    return "[" + ",".join(map(encode_basestring, texts)) + "]" if texts else "[]"


def _search_text(text: str) -> str | None:
    """As what the text is searched for; None where that is the text itself."""
    if text.isascii() and "\0" not in text:
        return None
    if unicodedata.is_normalized("NFKC", text) and "\0" not in text:
        return None
    return searchable(text)


def _media_values(media: MediaFacts) -> tuple[SqlValue, ...]:
    return (
        media.kind.value,
        media.document_id,
        media.mime_type,
        media.file_name,
        media.size_bytes,
        media.duration,
        media.width,
        media.height,
    )


def _read_media(row: SqlRow) -> MediaFacts | None:
    if row["media_kind"] is None:
        return None
    return MediaFacts(
        kind=CollectedMedia(row["media_kind"]),
        document_id=row["document_id"],
        mime_type=row["mime_type"],
        file_name=row["file_name"],
        size_bytes=row["size_bytes"],
        duration=row["duration"],
        width=row["width"],
        height=row["height"],
    )


def _forward_json(forward: ForwardFacts) -> str:
    return to_json(
        {
            "from_id": forward.from_id,
            "from_name": forward.from_name,
            "message_id": forward.message_id,
            "date": None if forward.date is None else to_text(forward.date),
        }
    )


def _read_forward(text: str) -> ForwardFacts:
    found: dict[str, int | str | None] = json.loads(text)
    from_id, from_name, message_id = found["from_id"], found["from_name"], found["message_id"]
    return ForwardFacts(
        from_id=from_id if isinstance(from_id, int) else None,
        from_name=from_name if isinstance(from_name, str) else None,
        message_id=message_id if isinstance(message_id, int) else None,
        date=_moment(found["date"]),
    )


def _moment(value: int | str | None) -> datetime | None:
    return None if value is None else known_moment(value)
