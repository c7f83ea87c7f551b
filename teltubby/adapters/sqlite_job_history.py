"""What is kept of jobs that were, how fast they went, and how it is forgotten."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import datetime

from teltubby.adapters import sqlite_details, sqlite_stages
from teltubby.adapters.sqlite_file import SqliteFile, to_moment, to_text
from teltubby.adapters.sqlite_inbox import forget_done
from teltubby.adapters.sqlite_job_rows import OPEN_STATES, named, view_of
from teltubby.adapters.sqlite_route_tries import from_json
from teltubby.messages.history import Attempt, Command, JobHistory, QueuePace, Transition
from teltubby.messages.jobs import JobState, Priority
from teltubby.messages.media import Route
from teltubby.messages.routes import FileRoute
from teltubby.messages.trail import TrailKind

_LAST_JOBS = 20
"""How many of the last jobs tell how fast jobs go."""


class History:
    """The past of jobs; every method raises DatabaseUnavailable."""

    def __init__(self, file: SqliteFile, clock: Callable[[], datetime]) -> None:
        self._file = file
        self._clock = clock

    def read(self, job_id: str) -> JobHistory | None:
        """Everything about the job with this id, or with the only id that begins so."""
        rows = named(self._file, job_id)
        view = view_of(rows[0]) if len(rows) == 1 else None
        if view is None:
            return None
        job_id, born = view.job.job_id, view.created_at
        transitions = self._file.read("SELECT * FROM transitions WHERE job_id = ? ORDER BY id", job_id)
        attempts = self._file.read("SELECT * FROM job_attempts WHERE job_id = ? ORDER BY attempt, id", job_id)
        commands = self._file.read(
            "SELECT * FROM commands WHERE job_id = ? AND kind = ? ORDER BY id", job_id, TrailKind.COMMAND
        )
        return JobHistory(
            job=view.job,
            state=view.state,
            created_at=born,
            transitions=tuple(_transition(row, born) for row in transitions),
            attempts=tuple(_attempt(row, born) for row in attempts),
            commands=tuple(_command(row, born) for row in commands),
        )

    def pace(self, priority: Priority, job_id: str | None = None) -> QueuePace:
        """What is open and comes before: all that runs, and what waits in the same queue or in the faster one.

        A job that waits for its next attempt counts once that is due. With `job_id` only what came before that job.
        """
        ahead = tuple(Priority) if priority is Priority.NORMAL else (Priority.HIGH, Priority.URGENT)
        marks = ", ".join("?" * len(ahead))
        earlier, named = (
            ("", ()) if job_id is None else (" AND rowid < (SELECT rowid FROM jobs WHERE job_id = ?)", (job_id,))
        )
        (waiting,) = self._file.read(
            f"SELECT count(*) AS jobs, coalesce(sum(size_bytes), 0) AS bytes FROM jobs WHERE state IN {OPEN_STATES}"
            f" AND (state = 'PROCESSING' OR (priority IN ({marks}) AND (state = 'PENDING' OR due_at <= ?)))"
            f"{earlier}",
            *ahead,
            to_text(self._clock()),
            *named,
        )
        (lately,) = self._file.read(
            "SELECT sum(transferred_bytes) / sum(seconds) AS rate FROM (SELECT transferred_bytes, seconds"
            " FROM job_attempts WHERE success = 1 AND seconds > 0 ORDER BY finished_at DESC LIMIT ?)",
            _LAST_JOBS,
        )
        return QueuePace(
            jobs_ahead=waiting["jobs"], bytes_ahead=waiting["bytes"], bytes_per_second=lately["rate"] or None
        )

    def prune(self, before: datetime) -> int:
        """Forget jobs that ended before then, with all that is kept of them, and updates that were done by then.

        The audit trail stays. Returns the number of rows.
        """
        moment = to_text(before)
        # Older programs wrote other forms of time; what does not look like ours is kept.
        ended = (
            "SELECT job_id FROM jobs WHERE state IN ('COMPLETED', 'FAILED', 'CANCELLED')"
            " AND updated_at < ?1 AND updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-*'"
        )
        with self._file.write() as connection:
            forgotten = connection.total_changes
            for table in ("job_attempts", "transitions", "outbox"):
                connection.execute(f"DELETE FROM {table} WHERE job_id IN ({ended})", (moment,))
            connection.execute(f"DELETE FROM jobs WHERE job_id IN ({ended})", (moment,))
            forget_done(connection, before)
            return connection.total_changes - forgotten


def _transition(row: sqlite3.Row, born: datetime) -> Transition:
    return Transition(
        at=to_moment(row["at"]) or born,
        from_state=None if row["from_state"] is None else JobState(row["from_state"]),
        to_state=JobState(row["to_state"]),
        attempt=row["attempt"],
        worker=row["worker"],
        user_id=row["user_id"],
        reason=row["reason"],
        heard_at=to_moment(row["heard_at"]),
    )


def _attempt(row: sqlite3.Row, born: datetime) -> Attempt:
    return Attempt(
        attempt=row["attempt"],
        started_at=to_moment(row["started_at"]) or born,
        finished_at=to_moment(row["finished_at"]),
        success=None if row["success"] is None else bool(row["success"]),
        error=row["error"],
        worker=row["worker"],
        transferred_bytes=row["transferred_bytes"],
        seconds=row["seconds"],
        route=None if row["route"] is None else Route(row["route"]),
        routes=from_json(row["routes_json"]),
        via=None if row["via"] is None else FileRoute(row["via"]),
        details=sqlite_details.from_json(row["details_json"]),
        preview_key=row["preview_key"],
        stages=sqlite_stages.from_json(row["stages_json"]),
        heard_at=to_moment(row["heard_at"]),
    )


def _command(row: sqlite3.Row, born: datetime) -> Command:
    return Command(
        at=to_moment(row["at"]) or born,
        user_id=row["user_id"],
        command=row["command"],
        accepted=bool(row["accepted"]),
        detail=row["detail"],
    )
