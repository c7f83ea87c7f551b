"""How readings of a post's counters become a series of snapshots, one for each span of time (bucket): pure.

A snapshot has what was known at the end of its bucket. Every rule is a maximum of some order, so that the same readings
give the same series in any order and repetition.

- **Views and forwards only grow** at Telegram: a lower reading comes from a server that lags. A snapshot has the most
  that was read up to its time, whatever a later reading says.
- **Replies, comments and reactions can really become fewer** (withdrawn, deleted): the newest reading that tells of
  them has the word, fewer or not; of two readings of one moment the one with more. An older one changes nothing, and
  one that does not tell (None, `reactions_told`) changes nothing either.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from teltubby.adapters.sqlite_file import to_text
from teltubby.collector.rows import reactions_json
from teltubby.messages.collected import PostMetrics


class Snapshot(NamedTuple):
    """A row of `post_metrics` without the post's key; moments are texts of the database, which sort as time does."""

    time: str
    views: int | None
    forwards: int | None
    replies: int | None
    comments: int | None
    reactions_json: str
    reactions_count: int
    ts: str
    replies_ts: str
    comments_ts: str
    reactions_ts: str
    """The three are when the counter was told last, empty for never."""


def snapshot_of(metrics: PostMetrics, bucket_seconds: int) -> Snapshot:
    """A reading, as the snapshot of the bucket that it falls into; buckets are counted from 1970."""
    time, ts = _times(metrics.ts, bucket_seconds)
    return Snapshot(
        time=time,
        views=metrics.views,
        forwards=metrics.forwards,
        replies=metrics.replies,
        comments=metrics.comments,
        reactions_json=reactions_json(metrics.reactions),
        reactions_count=metrics.reactions_count,
        ts=ts,
        replies_ts="" if metrics.replies is None else ts,
        comments_ts="" if metrics.comments is None else ts,
        reactions_ts=ts if metrics.reactions_told else "",
    )


def redated(snapshot: Snapshot, time: str, ts: str) -> Snapshot:
    """A snapshot as if it had been read at `ts`, in the bucket of `time`; what it was told of before stays so."""
    return snapshot._replace(
        time=time,
        ts=ts,
        replies_ts=min(snapshot.replies_ts, ts),
        comments_ts=min(snapshot.comments_ts, ts),
        reactions_ts=min(snapshot.reactions_ts, ts),
    )


@lru_cache(maxsize=16)  # a page is read at one moment
def _times(ts: datetime, bucket_seconds: int) -> tuple[str, str]:
    seconds = int(ts.timestamp())
    return to_text(datetime.fromtimestamp(seconds - seconds % bucket_seconds, UTC)), to_text(ts)


def merged(one: Snapshot, other: Snapshot) -> Snapshot:
    """Two readings of one bucket as one."""
    return raised(one, other)._replace(ts=max(one.ts, other.ts))


def raised(later: Snapshot, earlier: Snapshot) -> Snapshot:
    """The later one, with what it does not tell as it was, and counters that only grow at least as high."""
    replies, comments, reactions = later, later, later  # whose word it is on each
    if earlier.replies_ts >= later.replies_ts and _replies_told(earlier) > _replies_told(later):
        replies = earlier
    if earlier.comments_ts >= later.comments_ts and _comments_told(earlier) > _comments_told(later):
        comments = earlier
    if earlier.reactions_ts >= later.reactions_ts and _reactions_told(earlier) > _reactions_told(later):
        reactions = earlier
    return Snapshot(
        time=later.time,
        views=_most(later.views, earlier.views),
        forwards=_most(later.forwards, earlier.forwards),
        replies=replies.replies,
        comments=comments.comments,
        reactions_json=reactions.reactions_json,
        reactions_count=reactions.reactions_count,
        ts=later.ts,
        replies_ts=replies.replies_ts,
        comments_ts=comments.comments_ts,
        reactions_ts=reactions.reactions_ts,
    )


def inserted(series: Iterable[Snapshot], reading: Snapshot) -> list[Snapshot]:
    """Those snapshots that change when a reading comes into a series, which is sorted by time."""
    held = list(series)
    place = bisect_left(held, reading.time, key=lambda snapshot: snapshot.time)
    here = reading
    if place > 0:
        here = raised(here, held[place - 1])
    if place < len(held) and held[place].time == reading.time:
        here, after = merged(here, held[place]), held[place + 1 :]
        changed = [] if here == held[place] else [here]
    else:
        after, changed = held[place:], [here]
    for snapshot in after:
        higher = raised(snapshot, here)
        if higher == snapshot:
            break  # what follows is as high already
        changed.append(higher)
    return changed


def _replies_told(snapshot: Snapshot) -> tuple[str, int]:
    return snapshot.replies_ts, -1 if snapshot.replies is None else snapshot.replies


def _comments_told(snapshot: Snapshot) -> tuple[str, int]:
    return snapshot.comments_ts, -1 if snapshot.comments is None else snapshot.comments


def _reactions_told(snapshot: Snapshot) -> tuple[str, int, str]:
    return snapshot.reactions_ts, snapshot.reactions_count, snapshot.reactions_json


def _most(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return max(one, other)
