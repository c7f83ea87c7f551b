"""The collector's storage: one SQLite file with one owner, written a page at a time and asked by index."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import IO

from teltubby.adapters.sqlite_file import SqliteFile, SqlRow, Transaction, to_moment, to_text
from teltubby.collector.channels import ChannelRepository, add_posts, move_cursor, newest_date
from teltubby.collector.clocks import Moments
from teltubby.collector.metrics import Thinning, record_metrics, thin
from teltubby.collector.ownership import InPlace, own
from teltubby.collector.pages import Page, Recorded
from teltubby.collector.posts import execute_many, record_deletions, record_posts
from teltubby.collector.queries import Queries
from teltubby.collector.rows import read_metrics, read_post, to_json
from teltubby.collector.schema import SCHEMA_VERSION, migrate, version
from teltubby.collector.search import PostSearch
from teltubby.collector.sweeps import move_sweep
from teltubby.collector.tracking import TrackingRepository, want
from teltubby.collector.versions import PostVersion, read_version
from teltubby.errors import DatabaseUnavailable
from teltubby.messages.collected import Post, PostMetrics, UnreadableMessage

BUCKET_SECONDS = 3600
SETTING = "MTPROTO_DATABASE_PATH"


class PostRepository:
    """Posts as they are, their links, and what they were before. Every method raises DatabaseUnavailable."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    def find(self, channel_id: int, msg_id: int) -> Post | None:
        """A post as it was read last."""
        row = self._file.read_one("SELECT * FROM posts WHERE channel_id = ? AND msg_id = ?", channel_id, msg_id)
        return None if row is None else read_post(row, self._links(channel_id, msg_id))

    def versions(self, channel_id: int, msg_id: int) -> tuple[PostVersion, ...]:
        """Every content that the post is known to have had, oldest first, when there is more than one."""
        rows = self._file.read(
            "SELECT * FROM post_edits WHERE channel_id = ? AND msg_id = ?"
            " ORDER BY coalesce(edited_at, ''), content_hash",
            channel_id,
            msg_id,
        )
        return tuple(read_version(row) for row in rows)

    def unreadable(self, channel_id: int) -> tuple[UnreadableMessage, ...]:
        """Messages that could not be normalised, by id."""
        rows = self._file.read("SELECT * FROM unreadable WHERE channel_id = ? ORDER BY msg_id", channel_id)
        return tuple(
            UnreadableMessage(
                channel_id=row["channel_id"],
                msg_id=row["msg_id"],
                reason=row["reason"],
                raw=json.loads(row["raw_json"]),
            )
            for row in rows
        )

    def _links(self, channel_id: int, msg_id: int) -> list[SqlRow]:
        return self._file.read(
            "SELECT * FROM links WHERE channel_id = ? AND msg_id = ? ORDER BY ordinal", channel_id, msg_id
        )


class PostMetricsRepository:
    """Snapshots of counters, one for each bucket of time. Every method raises DatabaseUnavailable."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    def series(self, channel_id: int, msg_id: int) -> tuple[PostMetrics, ...]:
        """All snapshots of a post, oldest first."""
        rows = self._file.read(
            "SELECT * FROM post_metrics WHERE channel_id = ? AND msg_id = ? ORDER BY snapshot_time",
            channel_id,
            msg_id,
        )
        return tuple(read_metrics(row) for row in rows)

    def latest(self, channel_id: int, msg_ids: Iterable[int]) -> dict[int, PostMetrics]:
        """The newest snapshot of each of these posts that has one."""
        rows = self._file.read(
            "SELECT * FROM post_latest WHERE channel_id = ? AND msg_id IN (SELECT value FROM json_each(?))",
            channel_id,
            json.dumps(list(msg_ids)),
        )
        return {row["msg_id"]: read_metrics(row) for row in rows}

    def subscribers(self, channel_id: int, since: datetime, until: datetime) -> tuple[tuple[datetime, int], ...]:
        """How many followed the channel, by the moments (since ≤ moment < until) at which it was read, oldest first."""
        rows = self._file.read(
            "SELECT snapshot_time, ts, subscribers FROM channel_metrics"
            " WHERE channel_id = ? AND snapshot_time >= ? AND snapshot_time < ? ORDER BY snapshot_time",
            channel_id,
            to_text(since),
            to_text(until),
        )
        return tuple((moment, row["subscribers"]) for row in rows if (moment := to_moment(row["ts"])) is not None)

    def thin(self, rules: Iterable[Thinning], now: datetime) -> int:
        """Remove the snapshots that the rules do not keep; the newest of every post stays. Returns how many."""
        return thin(self._file, rules, now)


class CollectorStore:
    """What was collected of all channels. Blocking, one caller at a time; every method raises DatabaseUnavailable."""

    def __init__(
        self,
        file: SqliteFile,
        lock: IO[bytes] | None,
        bucket_seconds: int,
        moments: Moments,
        in_place: InPlace | None = None,
    ) -> None:
        self.file = file
        self._lock = lock
        self._in_place = in_place
        self._bucket_seconds = bucket_seconds
        self.moments = moments
        self.channels = ChannelRepository(file, bucket_seconds, moments)
        self.posts = PostRepository(file)
        self.metrics = PostMetricsRepository(file)
        self.queries = Queries(file)
        self.search = PostSearch(file)
        self.tracking = TrackingRepository(file)

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        bucket_seconds: int = BUCKET_SECONDS,
        clock: Callable[[], datetime] | None = None,
        busy_timeout: float = 5.0,
        setting: str = SETTING,
    ) -> CollectorStore:
        """Open or create the file, migrate it, and own it: readings within `bucket_seconds` are one snapshot.

        What is dated later than the `clock` says was read while it ran ahead.

        Raises DatabaseUnavailable, also when another process owns it, and ConfigurationError when a newer program wrote
        it; `setting` is what that calls the path.
        """
        lock = own(path)
        try:
            file = SqliteFile.open(path, newest=SCHEMA_VERSION, busy_timeout=busy_timeout, setting=setting)
            try:
                migrate(file)
                newest, in_place = newest_date(file), InPlace(path)
            except BaseException:
                file.close()
                raise
        except BaseException:
            lock.close()
            raise
        return cls(file, lock, bucket_seconds, Moments(clock, newest), in_place)

    @classmethod
    def open_to_read(cls, path: Path, *, busy_timeout: float = 5.0, setting: str = SETTING) -> CollectorStore:
        """Open the file beside its owner: what is written raises DatabaseUnavailable.

        Raises DatabaseUnavailable when nothing was collected yet, or by an older program only; ConfigurationError as
        `open` does.
        """
        if not path.exists():
            raise DatabaseUnavailable(f"Nothing was collected yet: there is no database {path}")
        file = SqliteFile.open(path, newest=SCHEMA_VERSION, busy_timeout=busy_timeout, setting=setting)
        try:
            if version(file) != SCHEMA_VERSION:
                raise _older(path)
            file.read("PRAGMA query_only = ON")
        except BaseException:
            file.close()
            raise
        return cls(file, None, BUCKET_SECONDS, Moments(None))

    @classmethod
    def open_to_track(cls, path: Path, *, busy_timeout: float = 5.0, setting: str = SETTING) -> CollectorStore:
        """Open or create the file beside its owner, for `tracking.add`, `remove` and `all`, and nothing else.

        Raises DatabaseUnavailable when an older program made it; ConfigurationError as `open` does.
        """
        file = SqliteFile.open(path, newest=SCHEMA_VERSION, busy_timeout=busy_timeout, setting=setting)
        try:
            if version(file) == 0:
                migrate(file)
            elif version(file) != SCHEMA_VERSION:
                raise _older(path)
        except BaseException:
            file.close()
            raise
        return cls(file, None, BUCKET_SECONDS, Moments(None))

    def record(self, page: Page) -> Recorded:
        """Record a page and move its cursor, all of it or nothing; recorded again, it changes nothing.

        The channel has to be known. Raises ValueError for a page that holds something of another channel.
        """
        if self._in_place is not None:
            self._in_place.check()
        posts = [message.post for message in page.messages]
        if posts:
            self.moments.posted(max(post.date for post in posts))
        page = self.moments.dated_page(page)
        metrics = [message.metrics for message in page.messages if message.metrics is not None]
        metrics += page.metrics
        channels = {part.channel_id for part in posts}
        channels.update(part.channel_id for part in metrics)
        channels.update(part.channel_id for part in page.unreadable)
        if channels - {page.channel_id}:
            raise ValueError(f"a page of channel {page.channel_id} holds something of channels {channels}")
        seen_at, until = to_text(page.seen_at), self.moments.until()
        with self.file.write() as connection:
            new, edited = record_posts(connection, page.channel_id, posts, seen_at, until)
            record_metrics(connection, page.channel_id, metrics, self._bucket_seconds, until)
            deleted = record_deletions(connection, page.channel_id, page.deleted, seen_at) if page.deleted else 0
            if page.unreadable:
                _record_unreadable(connection, page.unreadable, seen_at)
            if new:
                add_posts(connection, page.channel_id, new)
            if page.wanted:
                want(connection, page.channel_id, page.wanted, seen_at)
            if page.cursor is not None:
                move_cursor(connection, page.channel_id, page.cursor, until)
            if page.sweep is not None:
                move_sweep(connection, page.channel_id, page.sweep)
        return Recorded(new=new, edited=edited, deleted=deleted)

    def close(self) -> None:
        """Close the file and let another process have it; safe to call twice."""
        try:
            self.file.close()
        finally:
            if self._lock is not None:
                self._lock.close()


def _older(path: Path) -> DatabaseUnavailable:
    return DatabaseUnavailable(f"The database {path} is of an older teltubby: let the collector open it once")


def _record_unreadable(connection: Transaction, messages: Iterable[UnreadableMessage], seen_at: str) -> None:
    execute_many(
        connection,
        "INSERT INTO unreadable (channel_id, msg_id, seen_at, reason, raw_json) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET seen_at = excluded.seen_at, reason = excluded.reason, raw_json = excluded.raw_json"
        " WHERE (excluded.seen_at, excluded.reason, excluded.raw_json) > (seen_at, reason, raw_json)",
        [(message.channel_id, message.msg_id, seen_at, message.reason, to_json(message.raw)) for message in messages],
    )
