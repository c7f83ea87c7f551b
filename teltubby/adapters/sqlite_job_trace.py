"""All that the ledger keeps of one job, read at one moment, for whoever only looks."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime

from teltubby.adapters.sqlite_file import SqliteFile, to_moment
from teltubby.adapters.sqlite_job_history import History
from teltubby.adapters.sqlite_job_rows import AFTER_EVERY_ID, exact
from teltubby.adapters.sqlite_outbox import posted
from teltubby.archive.waits import Post
from teltubby.messages.history import JobHistory
from teltubby.messages.ledger_jobs import JobView

_MOST_SIBLINGS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """An update that brought the job's message, until it is forgotten; `done_at` is None while it is open."""

    update_id: int
    received_at: datetime
    done_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayCopy:
    """A copy of its message that was made in the relay channel."""

    at: datetime
    chat_id: int
    message_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobTrace:
    """A job with all that hangs on it.

    `siblings` are the other jobs of its submission (an album) with their states, `base_path` is where that lies,
    `answer_message_id` the bot's answer to it (None: there is none, or not yet).
    """

    view: JobView
    history: JobHistory
    post: Post | None
    updates: tuple[Update, ...]
    copies: tuple[RelayCopy, ...]
    siblings: tuple[tuple[str, str], ...]
    base_path: str | None
    answer_message_id: int | None


def ids_beginning(file: SqliteFile, prefix: str, limit: int) -> list[str]:
    """Ids of jobs that begin so, in their order. Raises DatabaseUnavailable."""
    rows = file.read(
        "SELECT job_id FROM jobs WHERE job_id >= ? AND job_id < ? ORDER BY job_id LIMIT ?",
        prefix,
        prefix + AFTER_EVERY_ID,
        limit,
    )
    return [row["job_id"] for row in rows]


def trace_of(file: SqliteFile, job_id: str, now: datetime) -> JobTrace | None:
    """The job with this whole id, None where there is none that can be read. Raises DatabaseUnavailable."""
    file.read("BEGIN")  # what is read belongs together, although the bot goes on writing
    try:
        view = exact(file, job_id)
        history = History(file, lambda: now).read(job_id)
        if view is None or history is None:
            return None
        chat_id, first = view.submission_chat_id, view.submission_message_id
        updates = file.read(
            "SELECT update_id, received_at, done_at FROM inbox WHERE chat_id = ? AND message_id = ? ORDER BY update_id",
            view.job.chat_id,
            view.job.message_id,
        )
        siblings = file.read(
            "SELECT job_id, state FROM jobs WHERE chat_id = ? AND submission_message_id = ? AND job_id <> ?"
            " ORDER BY rowid LIMIT ?",
            chat_id,
            first,
            job_id,
            _MOST_SIBLINGS,
        )
        copies = file.read("SELECT * FROM relay_copies WHERE job_id = ? ORDER BY id", job_id)
        submission = file.read_one(
            "SELECT base_path, ack_message_id FROM messages WHERE chat_id = ? AND message_id = ?", chat_id, first
        )
        return JobTrace(
            view=view,
            history=history,
            post=posted(file, job_id),
            updates=tuple(_update(row, view.created_at) for row in updates),
            copies=tuple(_copy(row, view.created_at) for row in copies),
            siblings=tuple((row["job_id"], row["state"]) for row in siblings),
            base_path=None if submission is None else submission["base_path"],
            answer_message_id=None if submission is None else submission["ack_message_id"],
        )
    finally:
        file.read("COMMIT")


def _update(row: sqlite3.Row, born: datetime) -> Update:
    received_at = to_moment(row["received_at"]) or born
    return Update(update_id=row["update_id"], received_at=received_at, done_at=to_moment(row["done_at"]))


def _copy(row: sqlite3.Row, born: datetime) -> RelayCopy:
    return RelayCopy(at=to_moment(row["made_at"]) or born, chat_id=row["chat_id"], message_id=row["message_id"])
