"""A job's row: how it is found, and read as a JobView."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable

from teltubby.adapters.sqlite_file import SqliteFile, known_moment, to_moment
from teltubby.errors import MalformedMessage
from teltubby.messages.jobs import JobState
from teltubby.messages.ledger_jobs import JobView
from teltubby.messages.wire import decode_job

logger = logging.getLogger(__name__)

SELECT_JOBS = (
    "SELECT jobs.*, outbox.job_id IS NULL OR outbox.published_at IS NOT NULL AS published"
    " FROM jobs LEFT JOIN outbox USING (job_id)"
)
"""What `view_of` reads. Jobs of an older program have no outbox entry: whoever made them published them."""

OPEN_STATES = "('PENDING', 'PROCESSING', 'RETRYING')"

_SHORTEST_PREFIX = 4
AFTER_EVERY_ID = "\U0010ffff"
"""After what an id begins with, it is more than every id that begins so."""


def exact(file: SqliteFile, job_id: str) -> JobView | None:
    """The job with this whole id, or None when there is none that can be read."""
    row = file.read_one(f"{SELECT_JOBS} WHERE job_id = ?", job_id)
    return None if row is None else view_of(row)


def named(file: SqliteFile, job_id: str) -> list[sqlite3.Row]:
    """The row with this id, else those (two at most) whose ids begin so, if that is 4 characters or more."""
    rows = file.read(f"{SELECT_JOBS} WHERE job_id = ?", job_id)
    if not rows and len(job_id) >= _SHORTEST_PREFIX:
        rows = file.read(f"{SELECT_JOBS} WHERE job_id >= ? AND job_id < ? LIMIT 2", job_id, job_id + AFTER_EVERY_ID)
    return rows


def readable(rows: Iterable[sqlite3.Row]) -> tuple[JobView, ...]:
    """Those that can be read, in their order."""
    return tuple(view for row in rows if (view := view_of(row)) is not None)


def view_of(row: sqlite3.Row) -> JobView | None:
    """The job of a row, or None (and a warning) when an older program wrote what we cannot read."""
    try:
        job = decode_job((row["payload_json"] or "").encode())
        state = JobState((row["state"] or "").upper())
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
        worker=row["worker"],
        due_at=to_moment(row["due_at"]),
        published=bool(row["published"]),
    )
