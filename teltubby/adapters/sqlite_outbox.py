"""The outbox: which jobs' newest messages the broker has not confirmed yet."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from teltubby.adapters.sqlite_file import SqliteFile, to_moment, to_text
from teltubby.adapters.sqlite_job_rows import readable
from teltubby.archive.peers import CHANNEL_BASE
from teltubby.archive.waits import Post
from teltubby.messages.jobs import Job, Priority

_URGENCY: Mapping[Priority, int] = {Priority.URGENT: 0, Priority.HIGH: 1, Priority.NORMAL: 2}
_OF_CHANNELS = 3
"""The files of channels, of which there may be a million: no curator's waits for them, nor are they looked through."""


def post(connection: sqlite3.Connection, job: Job, now: datetime) -> None:
    """Have the job's message published, in place of any that waits, in the caller's transaction."""
    priority = job.job_metadata.priority
    last = priority is Priority.NORMAL and job.chat_id < CHANNEL_BASE
    connection.execute(
        "INSERT OR REPLACE INTO outbox (job_id, created_at, urgency) VALUES (?, ?, ?)",
        (job.job_id, to_text(now), _OF_CHANNELS if last else _URGENCY[priority]),
    )


def posted(file: SqliteFile, job_id: str) -> Post | None:
    """How its newest message stands; None of jobs of an older program."""
    row = file.read_one("SELECT created_at, published_at FROM outbox WHERE job_id = ?", job_id)
    at = None if row is None else to_moment(row["created_at"])
    if row is None or at is None:
        return None
    return Post(posted_at=at, published_at=to_moment(row["published_at"]))


def withdraw(connection: sqlite3.Connection, job_id: str) -> None:
    """Nothing is to be published for this job any more, in the caller's transaction."""
    connection.execute("DELETE FROM outbox WHERE job_id = ? AND published_at IS NULL", (job_id,))


class Outbox:
    """One entry per job, which carries its newest ticket. Every method raises DatabaseUnavailable."""

    def __init__(self, file: SqliteFile, clock: Callable[[], datetime]) -> None:
        self._file = file
        self._clock = clock

    def pending(self, limit: int, with_channels: bool = True) -> tuple[Job, ...]:
        """Jobs that the broker has not confirmed: urgent, high, normal, channels', and of each the oldest entry first.

        Without `with_channels`, none of the last.
        """
        rows = self._file.read(
            "SELECT jobs.*, 0 AS published FROM outbox CROSS JOIN jobs USING (job_id) WHERE published_at IS NULL"
            " AND outbox.urgency < ? ORDER BY outbox.urgency, outbox.created_at, outbox.rowid LIMIT ?",
            _OF_CHANNELS + with_channels,
            limit,
        )
        return tuple(view.job for view in readable(rows))

    def mark_published(self, published: Sequence[tuple[str, int]]) -> None:
        """The broker confirmed these (job id, ticket), all in one transaction; older tickets count for nothing."""
        now = to_text(self._clock())
        with self._file.write() as connection:
            connection.executemany(
                "UPDATE outbox SET published_at = ?1 WHERE job_id = ?2 AND published_at IS NULL"
                " AND ?3 = (SELECT ticket FROM jobs WHERE job_id = ?2)",
                [(now, job_id, ticket) for job_id, ticket in published],
            )
