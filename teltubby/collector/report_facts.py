"""What a report tells of a channel, gathered by index. All days and hours are those of UTC.

A span is whole days, the last of which ends with the moment of the report. Deleted posts do not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from teltubby.adapters.sqlite_file import SqliteFile, known_moment, to_text
from teltubby.collector.queries import END, CountedPost, Summary, Trend
from teltubby.collector.repositories import CollectorStore
from teltubby.messages.collected import Channel, Post

TOP_POSTS, TRENDS, TOP_LINKS, TOP_SITES, TOP_REACTIONS = 10, 5, 12, 8, 12
GROWN_UP = timedelta(days=1)
"""The best hour is told by posts that had this long to be seen."""
STILL_GROWING = timedelta(days=30)
"""Posts from so long before the span count for the views that were gained in it."""
MOST_POINTS = 400
"""Of a line."""

_SPAN = "posts.channel_id = ?1 AND date >= ?2 AND date < ?3 AND deleted_at IS NULL"
DAYS = (
    "SELECT substr(date, 1, 10) AS day, count(*) AS posts, coalesce(sum(views), 0) AS views,"
    " coalesce(sum(reactions_count), 0) AS reactions"
    f" FROM posts INDEXED BY posts_date LEFT JOIN post_latest USING (channel_id, msg_id) WHERE {_SPAN} GROUP BY day"
)
# What a post had when it was read first was gained then only if it was young; else nobody knows when.
GAINED = (
    "SELECT substr(snapshot_time, 1, 10) AS day, sum(views - coalesce(before, 0)) AS gained FROM ("
    "  SELECT date, snapshot_time, views, lag(views) OVER (PARTITION BY posts.msg_id ORDER BY snapshot_time) AS before"
    "  FROM posts INDEXED BY posts_date CROSS JOIN post_metrics USING (channel_id, msg_id)"
    f"  WHERE {_SPAN} AND views IS NOT NULL)"
    " WHERE snapshot_time >= ?4 AND (before IS NOT NULL OR unixepoch(snapshot_time) - unixepoch(date) < 86400)"
    " GROUP BY day"
)
HOURS = (
    "SELECT hour, max(posts) AS posts, avg(views) AS median FROM ("
    "  SELECT substr(date, 12, 2) AS hour, views, count(*) OVER (PARTITION BY substr(date, 12, 2)) AS posts,"
    "   row_number() OVER (PARTITION BY substr(date, 12, 2) ORDER BY views) AS place"
    "  FROM posts INDEXED BY posts_date CROSS JOIN post_latest USING (channel_id, msg_id)"
    f"  WHERE {_SPAN} AND views IS NOT NULL)"
    " WHERE place IN ((posts + 1) / 2, (posts + 2) / 2) GROUP BY hour"
)
REACTIONS = (
    "SELECT key, sum(value) AS count FROM posts INDEXED BY posts_date"
    " CROSS JOIN post_latest USING (channel_id, msg_id) CROSS JOIN json_each(reactions_json)"
    f" WHERE {_SPAN} GROUP BY key HAVING sum(value) > 0 ORDER BY count DESC, key LIMIT ?4"
)
_LINKS = (
    " AS what, count(DISTINCT posts.msg_id) AS posts FROM posts INDEXED BY posts_date"
    f" CROSS JOIN links USING (channel_id, msg_id) WHERE {_SPAN}"
    " GROUP BY what HAVING what <> '' ORDER BY posts DESC, what LIMIT ?4"
)
LINKS = f"SELECT url{_LINKS}"
_REST = "replace(replace(lower(substr(url, instr(url, '://') + 3)), '?', '/'), '#', '/') || '/'"
_HOST = f"substr({_REST}, 1, instr({_REST}, '/') - 1)"
SITES = f"SELECT iif(instr(url, '://') = 0, '', iif({_HOST} LIKE 'www.%', substr({_HOST}, 5), {_HOST})){_LINKS}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """A day, a week or a month, as long as the span makes sensible, from `begins` on.

    `views` and `reactions` are those of its posts by now; `gained` are views that were read to be new within it, None
    where nothing was read.
    """

    begins: date
    posts: int = 0
    views: int = 0
    reactions: int = 0
    gained: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """An hour of the day: how many posts of it have views, and the median of these."""

    hour: int
    posts: int
    median: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that a report tells; `grain` is "day", "week" or "month".

    `before` is the span as many days earlier, up to the same hour; None where not all of it is collected. `begins` is
    the date of the oldest post that is stored, where older ones are still missing in this span.
    `subscribers` are (moment, number) as they were read. `reactions`, `links` and `sites` go with how many there are of
    each, most frequent first.
    """

    channel: Channel
    days: int
    since: datetime
    at: datetime
    complete_at: datetime | None
    summary: Summary
    before: Summary | None
    begins: datetime | None
    grain: str
    buckets: tuple[Bucket, ...]
    hours: tuple[Hour, ...]
    subscribers: tuple[tuple[datetime, int], ...]
    reactions: tuple[tuple[str, int], ...]
    top: tuple[CountedPost, ...]
    trends: tuple[tuple[Trend, Post | None], ...]
    links: tuple[tuple[str, int], ...]
    sites: tuple[tuple[str, int], ...]


def gather(store: CollectorStore, channel: Channel, *, days: int, at: datetime) -> Facts:
    """Everything of the `days` (at least one) that end with `at`. Blocking; raises DatabaseUnavailable."""
    at = at.astimezone(UTC)
    first_day = at.date() - timedelta(days=days - 1)
    since = datetime.combine(first_day, time(), UTC)
    channel_id, file = channel.channel_id, store.file
    span = (channel_id, to_text(since), to_text(at))
    grown_up = (channel_id, to_text(since), to_text(at - GROWN_UP))
    cursor, oldest = store.channels.cursor(channel_id), _oldest(file, channel_id)
    earlier = since - timedelta(days=days)
    has_all_before = cursor.backfill_done or oldest < earlier
    grain = "day" if days <= 92 else "week" if days <= 732 else "month"
    return Facts(
        channel=channel,
        days=days,
        since=since,
        at=at,
        complete_at=cursor.complete_at,
        summary=store.queries.summary(channel_id, since=since, until=at),
        before=(
            store.queries.summary(channel_id, since=earlier, until=at - timedelta(days=days))
            if has_all_before
            else None
        ),
        begins=oldest if not cursor.backfill_done and since <= oldest < at else None,
        grain=grain,
        buckets=_buckets(file, channel_id, since, at, grain),
        hours=tuple(
            Hour(hour=int(row["hour"]), posts=row["posts"], median=row["median"]) for row in file.read(HOURS, *grown_up)
        ),
        subscribers=thinned(store.metrics.subscribers(channel_id, since, at)),
        reactions=tuple((row["key"], row["count"]) for row in file.read(REACTIONS, *span, TOP_REACTIONS)),
        top=store.queries.top_by_views(channel_id, TOP_POSTS, since=since, until=at),
        trends=tuple(
            (trend, store.posts.find(channel_id, trend.msg_id))
            for trend in store.queries.trending(channel_id, TRENDS, at=at, since=since)
        ),
        links=tuple((row["what"], row["posts"]) for row in file.read(LINKS, *span, TOP_LINKS)),
        sites=tuple((row["what"], row["posts"]) for row in file.read(SITES, *span, TOP_SITES)),
    )


def bucket_of(day: date, grain: str) -> date:
    """The day with which the day's bucket begins: itself, a Monday, or the first of a month."""
    if grain == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if grain == "month" else day


def thinned(line: Sequence[tuple[datetime, int]]) -> tuple[tuple[datetime, int], ...]:
    """At most MOST_POINTS of a line, in even steps from its end; its beginning and its end stay."""
    step = -(-len(line) // MOST_POINTS) or 1
    kept = line[::-1][::step][::-1]
    return tuple(kept if not line or kept[0] == line[0] else [line[0], *kept[1:]])


def _oldest(file: SqliteFile, channel_id: int) -> datetime:
    """The date of the oldest post that is stored; the end of time where there is none."""
    row = file.read_one("SELECT date FROM posts WHERE channel_id = ? ORDER BY date LIMIT 1", channel_id)
    return END if row is None else known_moment(row["date"])


def _buckets(file: SqliteFile, channel_id: int, since: datetime, at: datetime, grain: str) -> tuple[Bucket, ...]:
    """Every bucket of the span, quiet ones too, oldest first."""
    told = {row["day"]: row for row in file.read(DAYS, channel_id, to_text(since), to_text(at))}
    begun = to_text(since - STILL_GROWING)
    gains = {row["day"]: row["gained"] for row in file.read(GAINED, channel_id, begun, to_text(at), to_text(since))}
    found: dict[date, Bucket] = {}
    for number in range((at.date() - since.date()).days + 1):
        day = since.date() + timedelta(days=number)
        begins = max(bucket_of(day, grain), since.date())
        before = found.get(begins, Bucket(begins=begins))
        row, gained = told.get(day.isoformat()), gains.get(day.isoformat())
        found[begins] = Bucket(
            begins=begins,
            posts=before.posts + (row["posts"] if row else 0),
            views=before.views + (row["views"] if row else 0),
            reactions=before.reactions + (row["reactions"] if row else 0),
            gained=before.gained if gained is None else (before.gained or 0) + gained,
        )
    return tuple(found.values())
