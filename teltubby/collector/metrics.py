"""Snapshots of counters: recorded into their series, and thinned as they grow old."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from teltubby.adapters.sqlite_file import SqliteFile, SqlValue, Transaction, to_text
from teltubby.collector.posts import execute_many
from teltubby.collector.rows import METRICS_COLUMNS, UPSERT_METRICS
from teltubby.collector.series import Snapshot, inserted, merged, raised, redated, snapshot_of
from teltubby.messages.collected import Channel, PostMetrics

POSTS_AT_ONCE = 5000
"""So many posts are thinned in one transaction, that collecting waits for it a moment only."""

_SNAPSHOT = ", ".join(METRICS_COLUMNS[2:])  # in the order of Snapshot
_THIN = """
    DELETE FROM post_metrics WHERE (channel_id, msg_id, snapshot_time) IN (
        SELECT channel_id, msg_id, snapshot_time FROM (
            SELECT channel_id, msg_id, snapshot_time, row_number() OVER (
                PARTITION BY msg_id, unixepoch(snapshot_time) / :step ORDER BY snapshot_time DESC) AS place
            FROM post_metrics
            WHERE channel_id = :channel AND msg_id BETWEEN :first AND :last AND snapshot_time < :before)
        WHERE place > 1)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thinning:
    """Of snapshots older than `age`, the last of each `step` of time (counted from 1970) is kept."""

    age: timedelta
    step: timedelta


def record_metrics(
    connection: Transaction, channel_id: int, readings: Sequence[PostMetrics], bucket_seconds: int, until: str
) -> None:
    """Record readings of posts of one channel; what a series knows already costs nothing.

    Snapshots of these posts that are dated after `until` were read before, by a clock that ran ahead.
    """
    found = connection.execute(
        f"SELECT msg_id, {_SNAPSHOT} FROM post_latest"
        " WHERE channel_id = ? AND msg_id IN (SELECT value FROM json_each(?))",
        (channel_id, json.dumps([reading.msg_id for reading in readings])),
    )
    latest = {msg_id: Snapshot._make(facts) for msg_id, *facts in found}
    written: dict[tuple[int, str], tuple[SqlValue, ...]] = {}
    late: list[tuple[int, Snapshot]] = []
    for reading in readings:
        msg_id, snapshot = reading.msg_id, snapshot_of(reading, bucket_seconds)
        before = latest.get(msg_id)
        if before is not None and before.ts > until:
            ts = to_text(reading.ts - timedelta(microseconds=1))
            before = latest[msg_id] = _brought_back(connection, channel_id, msg_id, snapshot.time, ts, until)
        if before is not None:
            if snapshot.time < before.time:
                late.append((msg_id, snapshot))
                continue
            snapshot = merged(snapshot, before) if snapshot.time == before.time else raised(snapshot, before)
            if snapshot == before:
                continue
        latest[msg_id] = snapshot
        written[msg_id, snapshot.time] = (channel_id, msg_id, *snapshot)
    execute_many(connection, UPSERT_METRICS, list(written.values()))
    for msg_id, snapshot in late:
        _record_late(connection, channel_id, msg_id, snapshot)


def record_subscribers(connection: Transaction, channel: Channel, bucket_seconds: int, until: str) -> None:
    """Record how many follow a channel, if it was said: of one bucket the newest reading, of one moment the higher.

    What is dated after `until` was read at nobody knows what time, and goes.
    """
    if channel.subscribers is None:
        return
    connection.execute("DELETE FROM channel_metrics WHERE channel_id = ? AND ts > ?", (channel.channel_id, until))
    reading = PostMetrics(channel_id=channel.channel_id, msg_id=0, ts=channel.seen_at)
    snapshot = snapshot_of(reading, bucket_seconds)
    connection.execute(
        "INSERT INTO channel_metrics (channel_id, snapshot_time, subscribers, ts) VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET subscribers = excluded.subscribers, ts = excluded.ts"
        " WHERE (excluded.ts, excluded.subscribers) > (ts, subscribers)",
        (channel.channel_id, snapshot.time, channel.subscribers, snapshot.ts),
    )


def thin(file: SqliteFile, rules: Iterable[Thinning], now: datetime) -> int:
    """Remove what the rules do not keep; the newest snapshot of every post stays. Returns how many were removed."""
    removed = 0
    rules = tuple(rules)
    for (channel_id,) in file.read("SELECT channel_id FROM channels"):
        last = -1
        while (span := posts_to_thin(file, channel_id, last)) is not None:
            last = span[1]
            removed += thin_posts(file, channel_id, span, rules, now)
    return removed


def posts_to_thin(file: SqliteFile, channel_id: int, after: int) -> tuple[int, int] | None:
    """The first and the last id of the next posts (POSTS_AT_ONCE) that have snapshots; None when there are no more."""
    row = file.read_one(
        "SELECT min(msg_id) AS first, max(msg_id) AS last FROM"
        " (SELECT msg_id FROM post_latest WHERE channel_id = ? AND msg_id > ? ORDER BY msg_id LIMIT ?)",
        channel_id,
        after,
        POSTS_AT_ONCE,
    )
    return None if row is None or row["first"] is None else (row["first"], row["last"])


def thin_posts(
    file: SqliteFile, channel_id: int, span: tuple[int, int], rules: Iterable[Thinning], now: datetime
) -> int:
    """Do to the posts of a span of ids what `thin` does to all, in one transaction."""
    removed = 0
    first, last = span
    with file.write() as connection:
        for rule in rules:
            removed += connection.execute(
                _THIN,
                {
                    "channel": channel_id,
                    "first": first,
                    "last": last,
                    "before": to_text(now - rule.age),
                    "step": int(rule.step.total_seconds()),
                },
            ).rowcount
    return removed


def _brought_back(connection: Transaction, channel_id: int, msg_id: int, time: str, ts: str, until: str) -> Snapshot:
    """Make of a post's snapshots that are dated after `until` one that was read at `ts`; answers the newest then."""
    series = _series(connection, channel_id, msg_id)
    here = redated(series[-1], time, ts)  # which has what those before it have
    believed = [snapshot for snapshot in series if snapshot.ts <= until]
    kept = {snapshot.time: snapshot for snapshot in believed}
    kept |= {snapshot.time: snapshot for snapshot in inserted(believed, here)}
    newest = kept[max(kept)]
    of_post = (channel_id, msg_id)
    connection.execute("DELETE FROM post_metrics WHERE channel_id = ? AND msg_id = ?", of_post)
    connection.execute("DELETE FROM post_latest WHERE channel_id = ? AND msg_id = ?", of_post)
    execute_many(connection, UPSERT_METRICS, [(*of_post, *snapshot) for snapshot in kept.values()])
    return newest


def _series(connection: Transaction, channel_id: int, msg_id: int) -> list[Snapshot]:
    found = connection.execute(
        f"SELECT {_SNAPSHOT} FROM post_metrics WHERE channel_id = ? AND msg_id = ? ORDER BY snapshot_time",
        (channel_id, msg_id),
    )
    return [Snapshot._make(facts) for facts in found]


def _record_late(connection: Transaction, channel_id: int, msg_id: int, reading: Snapshot) -> None:
    """A reading for a bucket before the newest one: it may raise those after it."""
    changed = inserted(_series(connection, channel_id, msg_id), reading)
    execute_many(connection, UPSERT_METRICS, [(channel_id, msg_id, *snapshot) for snapshot in changed])
