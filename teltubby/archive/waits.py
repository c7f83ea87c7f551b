"""How long a job waited before a worker began with it, from clocks that need not agree."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from teltubby.messages.jobs import JobState
from teltubby.messages.stages import Stage, Stages


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """The job's newest message: since when it was to be published, and when the broker had confirmed it (None: not
    yet, as far as the ledger knows). Both by the ledger's clock.
    """

    posted_at: datetime
    published_at: datetime | None


def believed(told: datetime, *, since: datetime, heard: datetime) -> datetime:
    """When it happened by the ledger's clock: when the worker says, if that can be, else when the ledger heard of it.

    It cannot be before what it followed from (`since`), nor after it was heard of: a clock that says so is wrong by an
    unknown amount, and says nothing. Believed or not, the answer is never outside of the two.
    """
    return told if since <= told <= heard else max(since, heard)


def waited(
    state: JobState,
    *,
    since: datetime,
    due_at: datetime | None,
    post: Post | None,
    began: datetime,
    heard: datetime,
    turn: float,
) -> Stages:
    """What a job in `state` had waited for when a worker began with it; nothing where that cannot be known.

    `since` is when the ledger learnt that state, `due_at` until when it was parked then; `began` is the worker's word,
    `heard` when the ledger had it, and for `turn` seconds before it the worker had the message already.
    """
    match state:
        case JobState.PENDING if post is not None:
            start = believed(began, since=post.posted_at, heard=heard)
            published = min(post.published_at or start, start)
            return {
                Stage.OUTBOX: _seconds(post.posted_at, published),
                Stage.QUEUE: max(_seconds(published, start) - turn, 0.0),
            }
        case JobState.RETRYING if due_at is not None:
            start = believed(began, since=since, heard=heard)
            due = min(max(due_at, since), start)
            return {Stage.PARKED: _seconds(since, due), Stage.QUEUE: max(_seconds(due, start) - turn, 0.0)}
        case _:
            return {}  # a message that came again, after a worker that died: nobody knows when


def _seconds(begin: datetime, end: datetime) -> float:
    return max((end - begin).total_seconds(), 0.0)
