"""Doubtful keys: at which an object may lie, or appear, that nobody will ever name."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from sqlite_utils import Database

from teltubby.adapters.sqlite_file import SqliteFile, known_moment, to_text
from teltubby.adapters.sqlite_job_rows import SELECT_JOBS, view_of
from teltubby.adapters.sqlite_trail import record
from teltubby.archive.doubts import IN_THE_STEAD, LOOKS, REMEMBERED, next_look
from teltubby.archive.keys import preview_key
from teltubby.archive.settlement import status_of
from teltubby.messages.jobs import JobState
from teltubby.messages.ledger_doubts import Doubt, DoubtfulKey, Verdict
from teltubby.messages.media import ItemStatus
from teltubby.messages.trail import TrailEntry, TrailKind

LEFTOVER = "leftover"
"""What the audit trail calls the deletion of one, and that one stays."""

_NAMED_BESIDE = "the artifact beside it does, which may be newer: `teltubby reindex` brings the ledger to it"


def keys_are_doubted(db: Database) -> None:
    """A migration: where an object may lie that nobody names."""
    for statement in (
        """CREATE TABLE doubtful_keys (
            key TEXT PRIMARY KEY, why TEXT NOT NULL, job_id TEXT, since TEXT NOT NULL, look_at TEXT NOT NULL,
            looks INTEGER NOT NULL DEFAULT 0, claimed_at TEXT)""",
        "CREATE INDEX doubtful_keys_due ON doubtful_keys (look_at)",
    ):
        db.conn.execute(statement)


def doubt(
    connection: sqlite3.Connection, keys: Iterable[str], why: Doubt, now: datetime, *, job_id: str | None = None
) -> None:
    """Nobody will name these from now on, in the caller's transaction; what was doubted before is looked at anew."""
    first = next_look(0, claimed=False)
    assert first is not None
    connection.executemany(
        "INSERT INTO doubtful_keys (key, why, job_id, since, look_at) VALUES (?, ?, ?, ?, ?) ON CONFLICT (key)"
        " DO UPDATE SET why = excluded.why, job_id = excluded.job_id, since = excluded.since,"
        " look_at = excluded.look_at, looks = 0",
        [(key, why.name, job_id, to_text(now), to_text(now + first)) for key in keys],
    )


def trust(connection: sqlite3.Connection, key: str) -> None:
    """The key is named again, in the caller's transaction; not for one that is claimed."""
    connection.execute("DELETE FROM doubtful_keys WHERE key = ? AND claimed_at IS NULL", (key,))


def is_claimed(connection: sqlite3.Connection, key: str) -> bool:
    """Whether what lies there was deleted, or is about to be."""
    sql = "SELECT 1 FROM doubtful_keys WHERE key = ? AND claimed_at IS NOT NULL"
    return connection.execute(sql, (key,)).fetchone() is not None


class Doubts:
    """Looks after them; every method raises DatabaseUnavailable."""

    def __init__(self, file: SqliteFile, clock: Callable[[], datetime]) -> None:
        self._file = file
        self._clock = clock

    def due(self, limit: int) -> tuple[DoubtfulKey, ...]:
        """Those to look at by now, the longest due first."""
        rows = self._file.read(
            "SELECT * FROM doubtful_keys WHERE look_at <= ? ORDER BY look_at, key LIMIT ?",
            to_text(self._clock()),
            limit,
        )
        return tuple(
            DoubtfulKey(key=row["key"], why=Doubt[row["why"]], since=known_moment(row["since"]), job_id=row["job_id"])
            for row in rows
        )

    def claim(self, key: str, *, named: bool, size: int | None) -> Verdict:
        """Say what becomes of what lies there, and write that into the audit trail: see ClaimLeftover.

        Reads all artifacts, as nobody has an index of what they name; it is asked for what was found, which is rare.
        """
        now = self._clock()
        with self._file.write() as connection:
            row = self._file.read_one("SELECT * FROM doubtful_keys WHERE key = ?", key)
            if row is None:
                return Verdict.NAMED
            quoted = json.dumps(key, ensure_ascii=False)
            sql = f"{SELECT_JOBS} WHERE job_id = ? OR instr(payload_json, ?)"
            jobs = self._file.read(sql, row["job_id"], quoted)
            if self._is_behind(key, jobs):
                return Verdict.LATER
            if self._is_named(key) or any(
                quoted in (job["payload_json"] or "") and self._may_name(job) for job in jobs
            ):
                return Verdict.NAMED
            kept = _NAMED_BESIDE if named else self._why_kept(row, jobs, size)
            if kept is not None:
                record(connection, [_decided(row, now, f"{key} stays, and the ledger does not name it: {kept}")])
                _let_go(connection, row, now)
                return Verdict.KEPT
            if row["claimed_at"] is None:
                connection.execute(
                    "UPDATE doubtful_keys SET claimed_at = ?, looks = 0 WHERE key = ?", (to_text(now), key)
                )
                record(connection, [_decided(row, now, f"{key} is deleted, which nothing names: {Doubt[row['why']]}")])
            return Verdict.DELETE

    def looked(self, key: str, *, counts: bool) -> None:
        """Say when to look next, or let go of it."""
        now = self._clock()
        with self._file.write() as connection:
            row = self._file.read_one("SELECT looks, claimed_at FROM doubtful_keys WHERE key = ?", key)
            if row is None:
                return
            looks = row["looks"] + counts
            wait = next_look(looks, claimed=row["claimed_at"] is not None) if counts else IN_THE_STEAD
            if wait is None:
                connection.execute("DELETE FROM doubtful_keys WHERE key = ?", (key,))
            else:
                connection.execute(
                    "UPDATE doubtful_keys SET looks = ?, look_at = ? WHERE key = ?", (looks, to_text(now + wait), key)
                )

    def _is_behind(self, key: str, jobs: Sequence[sqlite3.Row]) -> bool:
        """Whether the store has an older artifact than the ledger, or the ledger one that a cancelled job waits in."""
        folder = key[: key.rfind("/") + 1]
        artifacts = "SELECT artifact_stored FROM messages WHERE base_path = ? AND artifact_json IS NOT NULL"
        return any(not row["artifact_stored"] for row in self._file.read(artifacts, folder)) or any(
            _state(job) is JobState.CANCELLED and self._status(job) is ItemStatus.QUEUED for job in jobs
        )

    def _is_named(self, key: str) -> bool:
        """Whether a file or an artifact names it, or its preview."""
        preview = preview_key(key)
        for named in (key,) if preview is None else (key, preview):
            quoted = json.dumps(named, ensure_ascii=False)
            if self._file.read_one("SELECT 1 FROM files WHERE s3_key = ?", named) is not None:
                return True
            artifacts = "SELECT 1 FROM messages WHERE instr(artifact_json, ?) LIMIT 1"
            if self._file.read_one(artifacts, quoted) is not None:
                return True
        return False

    def _may_name(self, job: sqlite3.Row) -> bool:
        """Whether it is open, or done and not yet found to be a copy of another."""
        state = _state(job)
        if state is JobState.COMPLETED:
            return self._status(job) is not ItemStatus.DUPLICATE
        return state not in (JobState.CANCELLED, JobState.FAILED)

    def _why_kept(self, row: sqlite3.Row, jobs: Sequence[sqlite3.Row], size: int | None) -> str | None:
        """Why it may be whole and wanted, or not ours; None where neither can be."""
        if row["why"] == Doubt.LEFT_OUT.name:
            return Doubt.LEFT_OUT
        for job in jobs:
            failed = "SELECT 1 FROM transitions WHERE job_id = ? AND to_state = ?"
            if self._file.read_one(failed, job["job_id"], JobState.FAILED) is not None:
                return Doubt.FAILED
            view = view_of(job)
            expected = None if view is None else view.job.file_info.file_size
            if size is not None and expected is not None and size != expected:
                return f"it has {size} bytes, and the job's file {expected}"
        return None

    def _status(self, job: sqlite3.Row) -> ItemStatus | None:
        """How its file stands in the ledger's artifact; None where that cannot be read."""
        submission = self._file.read_one(
            "SELECT artifact_json FROM messages WHERE chat_id = ? AND message_id = ?",
            job["chat_id"],
            job["message_id"] if job["submission_message_id"] is None else job["submission_message_id"],
        )
        try:
            artifact = {} if submission is None else json.loads(submission["artifact_json"] or "{}")
            return status_of(artifact, job["job_id"])
        except (ValueError, AttributeError, RecursionError):
            return None


def _state(job: sqlite3.Row) -> JobState | None:
    try:
        return JobState(str(job["state"] or "").upper())
    except ValueError:
        return None


def _let_go(connection: sqlite3.Connection, row: sqlite3.Row, now: datetime) -> None:
    """Look no more; what was claimed is remembered all the same."""
    if row["claimed_at"] is None:
        connection.execute("DELETE FROM doubtful_keys WHERE key = ?", (row["key"],))
    else:
        connection.execute(
            "UPDATE doubtful_keys SET looks = ?, look_at = ? WHERE key = ?",
            (LOOKS, to_text(now + REMEMBERED), row["key"]),
        )


def _decided(row: sqlite3.Row, now: datetime, detail: str) -> TrailEntry:
    """What an auditor reads of it."""
    return TrailEntry(at=now, kind=TrailKind.DECISION, command=LEFTOVER, job_id=row["job_id"], detail=detail)
