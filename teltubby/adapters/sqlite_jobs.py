"""Jobs: how they come into the ledger and how they are found there."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime

from teltubby.adapters.sqlite_file import SqliteFile, to_text
from teltubby.adapters.sqlite_job_rows import OPEN_STATES, SELECT_JOBS, named, readable, view_of
from teltubby.adapters.sqlite_outbox import post
from teltubby.messages.jobs import Job, JobState
from teltubby.messages.ledger_jobs import JobView
from teltubby.messages.wire import decode_job, encode_job


def insert_job(connection: sqlite3.Connection, job: Job, *, submission_message_id: int, now: datetime) -> None:
    """Write a new job, its first transition and its outbox entry into the caller's transaction.

    Raises MalformedMessage for a job that nobody could read again: it would wait in the outbox for ever.
    """
    moment = to_text(now)
    payload = encode_job(job)
    decode_job(payload)
    connection.execute(
        "INSERT INTO jobs (job_id, user_id, chat_id, message_id, state, priority, created_at, updated_at, payload_json,"
        " submission_message_id, ticket, size_bytes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            job.job_id,
            job.user_id,
            job.chat_id,
            job.message_id,
            JobState.PENDING,
            job.job_metadata.priority,
            moment,
            moment,
            payload.decode(),
            submission_message_id,
            job.job_metadata.ticket,
            job.file_info.file_size,
        ),
    )
    connection.execute(
        "INSERT INTO transitions (job_id, at, from_state, to_state, attempt) VALUES (?, ?, NULL, ?, 0)",
        (job.job_id, moment, JobState.PENDING),
    )
    post(connection, job, now)


class Jobs:
    """Where each job stands. A row that cannot be read (an older program's) is logged and otherwise left alone.

    Every method raises DatabaseUnavailable.
    """

    def __init__(self, file: SqliteFile, clock: Callable[[], datetime]) -> None:
        self._file = file
        self._clock = clock

    def find(self, job_id: str) -> JobView | None:
        """By the whole id, or by a beginning that only one id has."""
        rows = named(self._file, job_id)
        return view_of(rows[0]) if len(rows) == 1 else None

    def list(
        self,
        states: Sequence[JobState],
        limit: int,
        *,
        offset: int = 0,
        user_id: int | None = None,
        in_turn: bool = False,
    ) -> tuple[JobView, ...]:
        """Those in any of the states (of that curator), newest first, or `in_turn`: see ListJobs."""
        if in_turn:
            return self._in_turn(states, limit, offset, user_id)
        whose, values = ("", ()) if user_id is None else (" AND user_id = ?", (user_id,))
        newest = (  # of each state from an index, so that a long history costs nothing
            f"SELECT * FROM (SELECT rowid FROM jobs WHERE state = ?{whose}"
            " ORDER BY created_at DESC, rowid DESC LIMIT ?)"
        )
        candidates = " UNION ALL ".join(newest for _ in states) or "NULL"
        bound = (value for state in states for value in (state, *values, limit + offset))
        rows = self._file.read(
            f"{SELECT_JOBS} WHERE jobs.rowid IN ({candidates})"
            " ORDER BY jobs.created_at DESC, jobs.rowid DESC LIMIT ? OFFSET ?",
            *bound,
            limit,
            offset,
        )
        return readable(rows)

    def _in_turn(self, states: Sequence[JobState], limit: int, offset: int, user_id: int | None) -> tuple[JobView, ...]:
        """What runs, what waits with priority, what waits, each by the age of its newest message; then what is parked.

        There is no index for it: it is meant for open jobs, of which there are not many.
        """
        rows = self._file.read(
            f"{SELECT_JOBS} WHERE jobs.state IN ({', '.join('?' * len(states))}) AND ? IN (jobs.user_id, -1)"
            " ORDER BY jobs.state <> 'PROCESSING', jobs.state = 'RETRYING' AND jobs.due_at > ?,"
            " jobs.priority = 'normal', coalesce(outbox.created_at, jobs.created_at), jobs.rowid LIMIT ? OFFSET ?",
            *states,
            -1 if user_id is None else user_id,
            to_text(self._clock()),
            limit,
            offset,
        )
        return readable(rows)

    def quiet(self, before: datetime, limit: int) -> tuple[JobView, ...]:
        """Open, published, and nothing durable heard since `before`, by the ledger's own clock: the oldest of them.

        What runs comes first: however many wait in the queue, they hide no job whose worker died. What was heard in
        times as far to come was heard by a clock that ran ahead, and is as quiet.
        """
        now = self._clock()
        rows = self._file.read(
            f"{SELECT_JOBS} WHERE jobs.state IN {OPEN_STATES} "
            " AND (jobs.updated_at < ?1 OR jobs.updated_at > ?3)"
            " AND (outbox.job_id IS NULL OR outbox.published_at < ?1 OR outbox.published_at > ?3)"
            " AND (jobs.state <> 'RETRYING' OR jobs.due_at IS NULL OR jobs.due_at < ?1)"
            " ORDER BY jobs.state <> 'PROCESSING', jobs.updated_at, jobs.rowid LIMIT ?2",
            to_text(before),
            limit,
            to_text(now + (now - before)),
        )
        return readable(rows)

    def set_notice(self, job_id: str, message_id: int) -> None:
        """The message that shows the job's progress."""
        with self._file.write() as connection:
            connection.execute("UPDATE jobs SET notice_message_id = ? WHERE job_id = ?", (message_id, job_id))
