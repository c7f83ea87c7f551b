"""What people want to know of collected channels. Each question is answered by an index, never by reading a table.

A span is `since ≤ date of the post < until`. Posts that are deleted do not count, unless it is said.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from teltubby.adapters.sqlite_file import SqliteFile, SqlRow, SqlValue, known_moment, to_text
from teltubby.collector.rows import read_metrics, read_post
from teltubby.messages.collected import Post, PostMetrics

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
END = datetime(9999, 12, 31, tzinfo=UTC)

RECENT = (
    "SELECT * FROM posts WHERE channel_id = ? AND msg_id < ? AND (? OR deleted_at IS NULL) ORDER BY msg_id DESC LIMIT ?"
)
# CROSS JOIN is SQLite's way to fix the order: from the most viewed on, or from the span on.
TOP_OF_ALL = (
    "SELECT posts.* FROM post_latest CROSS JOIN posts USING (channel_id, msg_id)"
    " WHERE post_latest.channel_id = ? AND views IS NOT NULL AND deleted_at IS NULL"
    " ORDER BY views DESC, post_latest.msg_id DESC LIMIT ?"
)
TOP_OF_SPAN = (
    "SELECT whole.* FROM (SELECT posts.channel_id, posts.msg_id, views"
    "   FROM posts INDEXED BY posts_date CROSS JOIN post_latest USING (channel_id, msg_id)"
    "   WHERE posts.channel_id = ? AND date >= ? AND date < ? AND deleted_at IS NULL AND views IS NOT NULL"
    "   ORDER BY views DESC, posts.msg_id DESC LIMIT ?) AS best"
    " CROSS JOIN posts AS whole USING (channel_id, msg_id) ORDER BY best.views DESC, best.msg_id DESC"
)
SUMMARY = (
    "SELECT count(*) AS posts, count(views) AS counted, coalesce(sum(views), 0) AS views,"
    " coalesce(sum(forwards), 0) AS forwards, coalesce(sum(replies_count), 0) AS replies,"
    " coalesce(sum(comments_count), 0) AS comments, coalesce(sum(reactions_count), 0) AS reactions,"
    " coalesce(sum(CASE WHEN views > 0 THEN reactions_count + coalesce(comments_count, 0) + coalesce(forwards, 0) END),"
    "  0) AS engaged"
    " FROM posts INDEXED BY posts_date LEFT JOIN post_latest USING (channel_id, msg_id)"
    " WHERE posts.channel_id = ? AND date >= ? AND date < ? AND deleted_at IS NULL"
)
GROWTH = (
    "SELECT posts.msg_id, date, latest.ts AS ts, latest.views AS views, before.ts AS before_ts,"
    " before.views AS before_views FROM posts INDEXED BY posts_date"
    " CROSS JOIN post_latest AS latest USING (channel_id, msg_id)"
    " LEFT JOIN post_metrics AS before ON before.channel_id = posts.channel_id AND before.msg_id = posts.msg_id"
    "  AND before.snapshot_time = coalesce("
    "   (SELECT snapshot_time FROM post_metrics WHERE channel_id = posts.channel_id AND msg_id = posts.msg_id"
    "    AND snapshot_time <= ?2 AND snapshot_time < latest.snapshot_time ORDER BY snapshot_time DESC LIMIT 1),"
    "   (SELECT snapshot_time FROM post_metrics WHERE channel_id = posts.channel_id AND msg_id = posts.msg_id"
    "    AND snapshot_time < latest.snapshot_time AND date < ?2 ORDER BY snapshot_time LIMIT 1))"
    " WHERE posts.channel_id = ?1 AND date >= ?3 AND date < ?4 AND deleted_at IS NULL"
    " AND latest.ts >= ?2 AND latest.views IS NOT NULL"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A channel's posts of a span by their newest counters; `counted` of them have views."""

    posts: int
    counted: int
    views: int
    forwards: int
    replies: int
    comments: int
    reactions: int
    engagement_rate: float | None
    """(reactions + comments + forwards) / views, over the posts that have views; None when there are none.

    It can be above 1: a person can react, comment and forward. Replies within the channel itself (supergroups) are
    conversation and do not count.
    """
    views_per_post: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """How fast a post's views grow; `times_median` is None when the channel's median is nothing."""

    msg_id: int
    views: int
    views_per_hour: float
    times_median: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedPost:
    """A post with its newest counters, None when nobody read any."""

    post: Post
    metrics: PostMetrics | None


class Queries:
    """Answers of the whole store. Every method raises DatabaseUnavailable."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    def recent(
        self, channel_id: int, limit: int, *, before: int | None = None, with_deleted: bool = False
    ) -> tuple[CountedPost, ...]:
        """The newest posts, newest first; those before the id `before` for the next page."""
        highest = (1 << 62) if before is None else before
        return self._counted(channel_id, read_posts(self._file, RECENT, channel_id, highest, with_deleted, limit))

    def top_by_views(
        self, channel_id: int, limit: int, *, since: datetime | None = None, until: datetime | None = None
    ) -> tuple[CountedPost, ...]:
        """The most viewed posts of a span, or of all, most viewed first (then the newest)."""
        if since is None and until is None:
            posts = read_posts(self._file, TOP_OF_ALL, channel_id, limit)
        else:
            posts = read_posts(self._file, TOP_OF_SPAN, channel_id, *_span(since, until), limit)
        return self._counted(channel_id, posts)

    def summary(self, channel_id: int, *, since: datetime | None = None, until: datetime | None = None) -> Summary:
        """All posts of a span together."""
        (row,) = self._file.read(SUMMARY, channel_id, *_span(since, until))
        return Summary(
            **{
                name: row[name]
                for name in ("posts", "counted", "views", "forwards", "replies", "comments", "reactions")
            },
            engagement_rate=row["engaged"] / row["views"] if row["views"] else None,
            views_per_post=row["views"] / row["counted"] if row["counted"] else None,
        )

    def trending(
        self, channel_id: int, limit: int, *, at: datetime, since: datetime, window: timedelta = timedelta(hours=24)
    ) -> tuple[Trend, ...]:
        """Posts since `since` whose views grow fastest in the `window` before `at`, against the channel's median.

        A post's growth is that from the last snapshot before the window to its newest one. Where there is none, it is
        that since its publication if it is from within the window, else since its first snapshot. Posts that were not
        read within the window, or only once though they are older, have no growth and are not part of the median.
        """
        rows = self._file.read(GROWTH, channel_id, to_text(at - window), to_text(since), to_text(at))
        growths = {row["msg_id"]: growth for row in rows if (growth := _growth(row, at - window)) is not None}
        if not growths:
            return ()
        median = statistics.median(growths.values())
        views: Mapping[int, int] = {row["msg_id"]: row["views"] for row in rows}
        fastest = sorted(growths, key=lambda msg_id: (growths[msg_id], msg_id), reverse=True)[:limit]
        return tuple(
            Trend(
                msg_id=msg_id,
                views=views[msg_id],
                views_per_hour=growths[msg_id],
                times_median=growths[msg_id] / median if median else None,
            )
            for msg_id in fastest
        )

    def _counted(self, channel_id: int, posts: tuple[Post, ...]) -> tuple[CountedPost, ...]:
        rows = self._file.read(
            "SELECT * FROM post_latest WHERE channel_id = ? AND msg_id IN (SELECT value FROM json_each(?))",
            channel_id,
            _listed(posts),
        )
        metrics = {row["msg_id"]: read_metrics(row) for row in rows}
        return tuple(CountedPost(post=post, metrics=metrics.get(post.msg_id)) for post in posts)


def read_posts(file: SqliteFile, sql: str, *values: SqlValue) -> tuple[Post, ...]:
    """The posts that a query finds, with their links."""
    rows = file.read(sql, *values)
    links: dict[tuple[int, int], list[SqlRow]] = defaultdict(list)
    for channel_id in {row["channel_id"] for row in rows}:
        for link in file.read(
            "SELECT * FROM links WHERE channel_id = ? AND msg_id IN (SELECT value FROM json_each(?))"
            " ORDER BY msg_id, ordinal",
            channel_id,
            str([row["msg_id"] for row in rows if row["channel_id"] == channel_id]),
        ):
            links[link["channel_id"], link["msg_id"]].append(link)
    return tuple(read_post(row, links[row["channel_id"], row["msg_id"]]) for row in rows)


def _growth(row: SqlRow, window_begins: datetime) -> float | None:
    """Views per hour of a row of GROWTH; at least a minute is counted."""
    date, newest = known_moment(row["date"]), known_moment(row["ts"])
    if row["before_ts"] is not None:
        since, before = known_moment(row["before_ts"]), row["before_views"] or 0
    elif date >= window_begins:
        since, before = date, 0
    else:
        return None
    hours = max((newest - since).total_seconds(), 60.0) / 3600
    return float(row["views"] - before) / hours


def _span(since: datetime | None, until: datetime | None) -> tuple[str, str]:
    return to_text(since or BEGINNING), to_text(until or END)


def _listed(posts: tuple[Post, ...]) -> str:
    return str([post.msg_id for post in posts])
