"""What curators and the reconciler do to jobs, and the audit trail of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from teltubby.adapters.sqlite_doubts import doubt, is_claimed, trust
from teltubby.adapters.sqlite_file import SqliteFile, to_text
from teltubby.adapters.sqlite_job_rows import exact, named, view_of
from teltubby.adapters.sqlite_outbox import post, withdraw
from teltubby.archive.keys import another_key
from teltubby.archive.lifecycle import after_command, new_message
from teltubby.messages.jobs import Job, JobCommand, JobState, Target
from teltubby.messages.ledger_doubts import Doubt
from teltubby.messages.ledger_jobs import CommandAnswer, CommandJob, JobView
from teltubby.messages.wire import encode_job

_LONGEST_ID = 64
"""What is kept of an id that no job has: it is whatever somebody typed."""


class Commands:
    """The writer of what is commanded; every method raises DatabaseUnavailable."""

    def __init__(self, file: SqliteFile, clock: Callable[[], datetime]) -> None:
        self._file = file
        self._clock = clock

    def obey(self, order: CommandJob) -> CommandAnswer:
        """Do it, if it may be done, and write the audit trail in any case, in one transaction."""
        now = self._clock()
        with self._file.write() as connection:
            rows = named(self._file, order.job_id)
            before = view_of(rows[0]) if len(rows) == 1 else None
            if before is None:
                what = ("no job has this id", "the job cannot be read", "several ids begin so")[len(rows)]
                _audit(connection, order, order.job_id[:_LONGEST_ID], now, refusal=what)
                return CommandAnswer(view=None, accepted=False)
            job_id = before.job.job_id
            refusal = _refusal(before, order)
            _audit(connection, order, job_id, now, refusal=refusal)
            if refusal is not None:
                return CommandAnswer(view=before, accepted=False)
            state = after_command(before.state, order.command)
            assert state is not None
            if _changes(before, order):
                _do(connection, before, order, state, now)
            after = exact(self._file, job_id)
            assert after is not None
            view = replace(after, previous=before.state, changed=after.state is not before.state)
            return CommandAnswer(view=view, accepted=True)


def _refusal(before: JobView, order: CommandJob) -> str | None:
    """Why the command is refused, or None."""
    newest = before.job.job_metadata.ticket
    if order.ticket is not None and order.ticket != newest:
        return f"message {order.ticket} is void, {newest} is the newest"
    if after_command(before.state, order.command) is None:
        return f"the job is {before.state}"
    if order.command is JobCommand.PRIORITISE and order.priority is None:
        return "no priority was named"
    return None


def _changes(before: JobView, order: CommandJob) -> bool:
    """Whether there is anything to do: a job that is queued so already keeps its place in the queue."""
    queued_so = before.state is JobState.PENDING and before.job.job_metadata.priority is order.priority
    return not (order.command is JobCommand.PRIORITISE and queued_so)


def _do(connection: sqlite3.Connection, before: JobView, order: CommandJob, state: JobState, now: datetime) -> None:
    job_id, moment = before.job.job_id, to_text(now)
    if order.command is JobCommand.CANCEL:
        withdraw(connection, job_id)
        connection.execute("UPDATE jobs SET finished_at = ? WHERE job_id = ?", (moment, job_id))
        # A worker may have stored the file and not told yet; if it dies before it does, nobody names what is there.
        doubt(connection, [before.job.target.key], Doubt.CANCELLED, now, job_id=job_id)
    else:
        job = new_message(
            before.job,
            order.command,
            running=before.state is JobState.PROCESSING,
            known_attempt=before.attempt,
            priority=order.priority if order.command is JobCommand.PRIORITISE else None,
        )
        job = _with_a_key_to_name(connection, job)
        connection.execute(
            "UPDATE jobs SET payload_json = ?, ticket = ?, priority = ?, worker = NULL, finished_at = NULL"
            " WHERE job_id = ?",
            (encode_job(job).decode(), job.job_metadata.ticket, job.job_metadata.priority, job_id),
        )
        post(connection, job, now)
    connection.execute(
        "UPDATE jobs SET state = ?, updated_at = ?, last_error = ?, due_at = NULL WHERE job_id = ?",
        (state, moment, order.reason, job_id),
    )
    if state is not before.state:
        connection.execute(
            "INSERT INTO transitions (job_id, at, from_state, to_state, attempt, user_id, reason)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (job_id, moment, before.state, state, before.attempt, order.user_id, order.reason),
        )


def _with_a_key_to_name(connection: sqlite3.Connection, job: Job) -> Job:
    """The job with its key, which nobody doubts any more; or with another where what lay there is being deleted: a
    deletion whose answer was lost may take effect after the file was stored anew.
    """
    key = job.target.key
    if is_claimed(connection, key):
        return replace(job, target=Target(key=another_key(key, job.job_metadata.ticket)))
    trust(connection, key)
    return job


def _audit(
    connection: sqlite3.Connection, order: CommandJob, job_id: str, now: datetime, *, refusal: str | None
) -> None:
    detail = "; ".join(part for part in (order.priority, order.reason, refusal) if part)
    connection.execute(
        "INSERT INTO commands (at, user_id, command, job_id, accepted, detail) VALUES (?, ?, ?, ?, ?, ?)",
        (to_text(now), order.user_id, order.command, job_id, refusal is None, detail or None),
    )
