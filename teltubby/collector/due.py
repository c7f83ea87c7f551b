"""Which stored posts are to be read again, as their counters are due.

Each question is answered by an index, page by page, and asks in the order of ids.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from teltubby.adapters.sqlite_file import SqliteFile, SqlValue, known_moment, to_text
from teltubby.collector.clocks import BELIEVED
from teltubby.messages.collector import MetricsStep

# The last reading is that which told of reactions: views alone come by updates too, and say nothing of the rest.
_OF_STEP = (
    "FROM posts INDEXED BY posts_date CROSS JOIN post_latest USING (channel_id, msg_id)"
    " WHERE posts.channel_id = ? AND date > ? AND date <= ? AND deleted_at IS NULL"
)
DUE = f"SELECT posts.msg_id {_OF_STEP} AND (reactions_ts <= ? OR reactions_ts > ?)"
FIRST_READ = f"SELECT min(reactions_ts) AS first {_OF_STEP}"
KNOWN = "SELECT msg_id FROM posts WHERE channel_id = ? AND msg_id IN (SELECT value FROM json_each(?))"


def due_posts(file: SqliteFile, channel_id: int, schedule: Sequence[MetricsStep], now: datetime) -> tuple[int, ...]:
    """Ids of a channel's posts whose counters are to be read now. Posts that never had any (service messages) are not,
    nor those that are older than the schedule says.
    """
    found: list[int] = []
    until = to_text(now + BELIEVED)  # what was read after it was, by a clock that ran ahead
    for step, *span in _spans(channel_id, schedule, now):
        found += [row["msg_id"] for row in file.read(DUE, *span, to_text(now - step.every), until)]
    return tuple(sorted(found))


def next_due_at(file: SqliteFile, channel_id: int, schedule: Sequence[MetricsStep], now: datetime) -> datetime | None:
    """When the next of a channel's posts is due, `now` at the earliest; None while there is none that can be.

    Posts that come until then are not foreseen.
    """
    moments = []
    for step, *span in _spans(channel_id, schedule, now):
        row = file.read_one(FIRST_READ, *span)
        if row is not None and row["first"] is not None:
            moments.append(known_moment(row["first"]) + step.every if row["first"] else now)
    return max(now, min(moments)) if moments else None


def known_posts(file: SqliteFile, channel_id: int, msg_ids: Iterable[int]) -> frozenset[int]:
    """Those of the ids whose posts are stored."""
    return frozenset(row["msg_id"] for row in file.read(KNOWN, channel_id, json.dumps(list(msg_ids))))


def _spans(
    channel_id: int, schedule: Sequence[MetricsStep], now: datetime
) -> Iterator[tuple[MetricsStep, SqlValue, SqlValue, SqlValue]]:
    """For each step the channel, and between which dates its posts are."""
    until = now + timedelta(days=1)  # a post may be from the future: clocks differ
    for step in schedule:
        yield step, channel_id, to_text(now - step.age), to_text(until)
        until = now - step.age
