"""Jobs, their attempts and transitions, and the outbox from which they are published."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import assert_never

from teltubby.adapters.sqlite_file import SqliteFile, known_moment, to_text
from teltubby.archive.lifecycle import next_state
from teltubby.errors import MalformedMessage
from teltubby.messages.jobs import (
    Job,
    JobCompleted,
    JobEvent,
    JobFailed,
    JobProgress,
    JobRetrying,
    JobStarted,
    JobState,
)
from teltubby.messages.ledger import JobView
from teltubby.messages.wire import decode_job, encode_job

logger = logging.getLogger(__name__)

_Report = JobStarted | JobCompleted | JobRetrying | JobFailed
_OVER = (JobState.COMPLETED, JobState.CANCELLED)
_SHORTEST_PREFIX = 4
_AFTER_EVERY_ID = "\U0010ffff"


def insert_job(connection: sqlite3.Connection, job: Job, *, submission_message_id: int, now: datetime) -> None:
    """Write a new job, its first transition and its outbox entry into the caller's transaction.

    Raises MalformedMessage for a job that nobody could read again: it would wait in the outbox for ever.
    """
    moment = to_text(now)
    payload = encode_job(job)
    decode_job(payload)
    connection.execute(
        "INSERT INTO jobs (job_id, user_id, chat_id, message_id, state, priority, created_at, updated_at, payload_json,"
        " submission_message_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
        ),
    )
    connection.execute(
        "INSERT INTO transitions (job_id, at, from_state, to_state, attempt) VALUES (?, ?, NULL, ?, 0)",
        (job.job_id, moment, JobState.PENDING),
    )
    connection.execute("INSERT INTO outbox (job_id, created_at) VALUES (?, ?)", (job.job_id, moment))


class Jobs:
    """The one writer of job states. A row that cannot be read (an older program's) is logged and otherwise left alone.

    Every method raises DatabaseUnavailable.
    """

    def __init__(self, file: SqliteFile, clock: Callable[[], datetime]) -> None:
        self._file = file
        self._clock = clock

    def pending_outbox(self, limit: int) -> tuple[Job, ...]:
        """Jobs that the broker has not confirmed, oldest first."""
        rows = self._file.read(
            "SELECT jobs.* FROM outbox JOIN jobs USING (job_id) WHERE published_at IS NULL"
            " ORDER BY outbox.created_at, outbox.rowid LIMIT ?",
            limit,
        )
        return tuple(view.job for view in _readable(rows))

    def mark_published(self, job_id: str) -> None:
        """The broker confirmed it; the first time counts."""
        with self._file.write() as connection:
            connection.execute(
                "UPDATE outbox SET published_at = ? WHERE job_id = ? AND published_at IS NULL",
                (to_text(self._clock()), job_id),
            )

    def find(self, job_id: str) -> JobView | None:
        """By the whole id, or by a beginning that only one id has."""
        rows = self._file.read("SELECT * FROM jobs WHERE job_id = ?", job_id)
        if not rows and len(job_id) >= _SHORTEST_PREFIX:
            rows = self._file.read(
                "SELECT * FROM jobs WHERE job_id >= ? AND job_id < ? LIMIT 2", job_id, job_id + _AFTER_EVERY_ID
            )
        return _view(rows[0]) if len(rows) == 1 else None

    def list(self, states: Sequence[JobState], limit: int) -> tuple[JobView, ...]:
        """Those in any of the states, newest first."""
        marks = ", ".join("?" * len(states))
        rows = self._file.read(
            f"SELECT * FROM jobs WHERE state IN ({marks}) ORDER BY created_at DESC, rowid DESC LIMIT ?", *states, limit
        )
        return _readable(rows)

    def set_notice(self, job_id: str, message_id: int) -> None:
        """The message that shows the job's progress."""
        with self._file.write() as connection:
            connection.execute("UPDATE jobs SET notice_message_id = ? WHERE job_id = ?", (message_id, job_id))

    def apply(self, event: JobEvent) -> JobView | None:
        """Move the job as the event says, if it may, and return where it stands; progress is not written."""
        if isinstance(event, JobProgress):
            return self._exact(event.job_id)
        with self._file.write() as connection:
            before = self._exact(event.job_id)
            if before is None:
                return None
            _record_attempt(connection, event)
            state = next_state(before.state, event, known_attempt=before.attempt)
            if state is before.state and event.attempt <= before.attempt:
                return before
            if state is before.state in _OVER:
                connection.execute("UPDATE jobs SET attempt = ? WHERE job_id = ?", (event.attempt, event.job_id))
            else:
                _move(connection, before, event, state, to_text(self._clock()))
            after = self._exact(event.job_id)
            assert after is not None
            return replace(after, previous=before.state, changed=state is not before.state)

    def _exact(self, job_id: str) -> JobView | None:
        row = self._file.read_one("SELECT * FROM jobs WHERE job_id = ?", job_id)
        return None if row is None else _view(row)


def _outcome(event: _Report) -> tuple[bool | None, str | None]:
    """Whether the attempt succeeded (None: it only began), and why not."""
    match event:
        case JobStarted():
            return None, None
        case JobCompleted():
            return True, None
        case JobRetrying() | JobFailed():
            return False, event.reason
        case _:
            assert_never(event)


def _record_attempt(connection: sqlite3.Connection, event: _Report) -> None:
    """Note the attempt's begin or end, once; only a success replaces an end that is there."""
    at = to_text(event.at)
    success, error = _outcome(event)
    connection.execute(
        "INSERT INTO job_attempts (job_id, attempt, started_at) SELECT ?1, ?2, ?3"
        " WHERE NOT EXISTS (SELECT 1 FROM job_attempts WHERE job_id = ?1 AND attempt = ?2)",
        (event.job_id, event.attempt, at),
    )
    if success is not None:
        connection.execute(
            "UPDATE job_attempts SET finished_at = ?3, success = ?4, error = ?5"
            " WHERE job_id = ?1 AND attempt = ?2 AND (finished_at IS NULL OR (?4 AND NOT success))",
            (event.job_id, event.attempt, at, success, error),
        )


def _move(connection: sqlite3.Connection, before: JobView, event: _Report, state: JobState, now: str) -> None:
    """Write where the job stands after the event, and the transition when the state is another one."""
    success, error = _outcome(event)
    at = to_text(event.at)
    began, ended = (at, None) if success is None else (None, at)
    attempt = max(before.attempt, event.attempt)
    connection.execute(
        "UPDATE jobs SET state = ?, attempt = ?, worker = ?, updated_at = ?, last_error = ?,"
        " started_at = coalesce(?, started_at), finished_at = ? WHERE job_id = ?",
        (state, attempt, event.worker, now, error, began, ended, event.job_id),
    )
    if state is not before.state:
        connection.execute(
            "INSERT INTO transitions (job_id, at, from_state, to_state, attempt, worker, reason)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (event.job_id, at, before.state, state, event.attempt, event.worker, error),
        )


def _readable(rows: Iterable[sqlite3.Row]) -> tuple[JobView, ...]:
    return tuple(view for row in rows if (view := _view(row)) is not None)


def _view(row: sqlite3.Row) -> JobView | None:
    """The job of a row, or None (and a warning) when an older program wrote what we cannot read."""
    try:
        job = decode_job(row["payload_json"].encode())
        state = JobState(row["state"].upper())
        created_at, updated_at = known_moment(row["created_at"]), known_moment(row["updated_at"])
    except (MalformedMessage, ValueError) as exc:
        logger.warning("job %s cannot be read and is left alone: %s", row["job_id"], exc)
        return None
    return JobView(
        job=job,
        state=state,
        previous=state,
        changed=False,
        attempt=row["attempt"],
        last_error=row["last_error"],
        notice_message_id=row["notice_message_id"],
        created_at=created_at,
        updated_at=updated_at,
        submission_chat_id=job.chat_id,
        submission_message_id=job.message_id if row["submission_message_id"] is None else row["submission_message_id"],
    )
