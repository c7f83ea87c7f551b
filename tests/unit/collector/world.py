"""A channel as Telegram would show it, and a store for it on a disk, for the tests of the collector's storage."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from teltubby.collector.pages import Page
from teltubby.collector.repositories import CollectorStore
from teltubby.messages.collected import Channel, ChannelKind, CollectedMessage, Post, PostMetrics

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
CHANNEL = 1_500_000_001
TABLES = (
    *("channels", "channel_metrics", "cursors", "posts", "post_edits", "deletions", "links", "unreadable"),
    *("post_metrics", "post_latest", "sweeps"),
)


def hours(number: float) -> timedelta:
    return timedelta(hours=number)


def channel(channel_id: int = CHANNEL, **fields: Any) -> Channel:
    facts = {"username": "space", "title": "Космос", "kind": ChannelKind.CHANNEL, "seen_at": NOON}
    return Channel(channel_id=channel_id, **{**facts, **fields})


def post(msg_id: int = 1, text: str = "", **fields: Any) -> Post:
    """A post, `msg_id` hours after NOON unless a date is given."""
    return Post(msg_id=msg_id, text=text, **{"channel_id": CHANNEL, "date": NOON + hours(msg_id), **fields})


def counted(msg_id: int, ts: datetime, views: int | None = None, **fields: Any) -> PostMetrics:
    return PostMetrics(msg_id=msg_id, ts=ts, views=views, **{"channel_id": CHANNEL, **fields})


def page(*posts: Post, seen_at: datetime = NOON, **fields: Any) -> Page:
    messages = tuple(CollectedMessage(post=one, metrics=None) for one in posts)
    return Page(channel_id=CHANNEL, seen_at=seen_at, messages=messages, **fields)


@cache
def _empty_file() -> bytes:
    """A store's file without any channel: making one takes ten times as long as writing it."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "collected.db"
        CollectorStore.open(path).close()
        return path.read_bytes()


@contextmanager
def store_with(
    *channels: Channel, bucket_seconds: int = 3600, clock: Callable[[], datetime] | None = None
) -> Iterator[CollectorStore]:
    """A store that knows these channels (CHANNEL, when none is named), without waiting for a disk."""
    with TemporaryDirectory() as folder, ExitStack() as opened:
        path = Path(folder) / "collected.db"
        path.write_bytes(_empty_file())
        store = CollectorStore.open(path, bucket_seconds=bucket_seconds, clock=clock)
        opened.callback(store.close)
        store.file.db.conn.execute("PRAGMA synchronous = OFF")  # no power is lost here
        for one in channels or (channel(),):
            store.channels.record(one)
        yield store


def tables(store: CollectorStore) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables, sorted."""
    return {name: sorted(map(tuple, store.file.read(f"SELECT * FROM {name}")), key=repr) for name in TABLES}


def check_search(store: CollectorStore) -> None:
    """Raises sqlite3.DatabaseError when the search index does not hold exactly the texts of the posts."""
    store.file.read("INSERT INTO posts_fts (posts_fts, rank) VALUES ('integrity-check', 1)")
