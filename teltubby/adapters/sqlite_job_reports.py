"""What workers' reports do to jobs and their attempts."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import assert_never

from teltubby.adapters import sqlite_details, sqlite_stages
from teltubby.adapters.sqlite_doubts import doubt, is_claimed
from teltubby.adapters.sqlite_file import SqliteFile, to_text
from teltubby.adapters.sqlite_job_rows import exact
from teltubby.adapters.sqlite_outbox import posted, withdraw
from teltubby.adapters.sqlite_route_tries import to_json
from teltubby.adapters.sqlite_trail import record
from teltubby.archive.lifecycle import as_stopped, next_state
from teltubby.archive.waits import waited
from teltubby.messages.details import FileDetails
from teltubby.messages.jobs import (
    JobCancelled,
    JobCompleted,
    JobEvent,
    JobFailed,
    JobProgress,
    JobRetrying,
    JobStarted,
    JobState,
)
from teltubby.messages.ledger_doubts import Doubt
from teltubby.messages.ledger_jobs import JobView, NoteStages
from teltubby.messages.media import Route
from teltubby.messages.routes import FileRoute, RouteTry
from teltubby.messages.stages import Stage, Stages
from teltubby.messages.trail import TrailEntry, TrailKind

_Report = JobStarted | JobCompleted | JobRetrying | JobFailed | JobCancelled
_OPEN = (JobState.PENDING, JobState.PROCESSING, JobState.RETRYING)
_FINAL = (JobState.COMPLETED, JobState.FAILED)


@dataclass(frozen=True, slots=True)
class _End:
    """How an attempt ended."""

    success: bool
    error: str | None
    transferred_bytes: int
    seconds: float
    route: Route | None
    via: FileRoute | None
    routes: tuple[RouteTry, ...]
    details: FileDetails | None = None
    preview_key: str | None = None


class Reports:
    """The writer of what workers report; every method raises DatabaseUnavailable."""

    def __init__(self, file: SqliteFile, clock: Callable[[], datetime]) -> None:
        self._file = file
        self._clock = clock

    def apply(self, event: JobEvent) -> JobView | None:
        """Move the job as the event says, if it may, and return where it stands; progress is not written."""
        if isinstance(event, JobProgress):
            return exact(self._file, event.job_id)
        with self._file.write() as connection:
            before = exact(self._file, event.job_id)
            if before is None:
                return None
            now = self._clock()
            void = isinstance(event, JobCompleted) and _is_void(connection, event, now)
            if void and isinstance(event, JobCompleted) and before.state is not JobState.COMPLETED:
                event = as_stopped(event)
            waited = self._waited(before, event, now)
            news = _record_attempt(connection, event, waited, now)
            state = next_state(before.state, event, known_attempt=before.attempt)
            if state is not before.state:
                _stand(connection, before, event, state, now)
                _pass(connection, before, event, state, now)
                if isinstance(event, JobFailed) and state is JobState.FAILED:
                    record(connection, [_given_up(event, now)])
                if state in _FINAL:
                    withdraw(connection, event.job_id)
            elif _confirms(event, state) and (
                event.attempt > before.attempt or (news and event.attempt == before.attempt)
            ):
                _stand(connection, before, event, state, now)
            elif event.attempt >= before.attempt:
                _hear(connection, before, event, now)
            if not void:
                _doubt(connection, before, event, state, now)
            after = exact(self._file, event.job_id)
            assert after is not None
            changed = state is not before.state
            return replace(after, previous=before.state, changed=changed, waited=waited if news else {}, void=void)

    def note(self, told: NoteStages) -> None:
        """What else is known of the time of an attempt."""
        with self._file.write() as connection:
            connection.execute(
                f"UPDATE job_attempts SET stages_json = {sqlite_stages.MERGED}"
                " WHERE job_id = ? AND attempt = ? AND worker = ?",
                (sqlite_stages.to_json(told.stages), told.job_id, told.attempt, told.worker),
            )

    def _waited(self, before: JobView, event: _Report, now: datetime) -> Stages:
        """What the job had waited for, if this is the first word of an attempt."""
        if not isinstance(event, JobStarted):
            return {}
        return waited(
            before.state,
            since=before.updated_at,
            due_at=before.due_at,
            post=posted(self._file, event.job_id),
            began=event.at,
            heard=now,
            turn=event.stages.get(Stage.TURN, 0.0),
        )


def _is_void(connection: sqlite3.Connection, event: JobCompleted, now: datetime) -> bool:
    """Whether it speaks of an object that is deleted, as nobody named it; one that was stored after that goes, too."""
    if event.duplicate_of is not None or not is_claimed(connection, event.key):
        return False
    doubt(connection, [event.key], Doubt.LATE, now, job_id=event.job_id)
    return True


def _doubt(connection: sqlite3.Connection, before: JobView, event: _Report, state: JobState, now: datetime) -> None:
    """Doubt the job's key where the report ends what might have named it, or shows that somebody worked on it still."""
    key = before.job.target.key
    match event:
        case JobFailed() if state is JobState.FAILED and state is not before.state:
            doubt(connection, [key], Doubt.FAILED, now, job_id=event.job_id)
        case JobCancelled() if state is JobState.CANCELLED:
            doubt(connection, [key], Doubt.CANCELLED, now, job_id=event.job_id)
        case JobCompleted(duplicate_of=str()):
            doubt(connection, [event.key], Doubt.DUPLICATE, now, job_id=event.job_id)
        case _:
            pass


def _end(event: _Report) -> _End | None:
    """How the attempt ended, or None when it only began."""
    match event:
        case JobStarted():
            return None
        case JobCompleted():
            kept = (event.details, None if event.preview is None else event.preview.key)
            return _End(True, None, event.size_bytes, event.seconds, event.route, event.via, event.routes, *kept)
        case JobRetrying() | JobFailed():
            return _End(False, event.reason, event.transferred_bytes, event.seconds, event.route, None, event.routes)
        case JobCancelled():
            return _End(False, "cancelled", event.transferred_bytes, event.seconds, event.route, None, event.routes)
        case _:
            assert_never(event)


def _record_attempt(connection: sqlite3.Connection, event: _Report, waited: Stages, now: datetime) -> bool:
    """Note the attempt's begin or end, once, and return whether that was new; only a success replaces an end.

    A message that comes to a second worker is a second row under the same number: each says what its worker did.
    Rows of an older program name no worker; the first that reports that attempt takes them over.
    """
    whose = "job_id = ?1 AND attempt = ?2 AND (worker = ?3 OR worker IS NULL)"
    at = to_text(event.at)
    before = connection.total_changes
    connection.execute(
        "INSERT INTO job_attempts (job_id, attempt, worker, started_at, heard_at, stages_json)"
        f" SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE NOT EXISTS (SELECT 1 FROM job_attempts WHERE {whose})",
        (
            event.job_id,
            event.attempt,
            event.worker,
            at,
            to_text(now),
            sqlite_stages.to_json({**waited, **event.stages}),
        ),
    )
    end = _end(event)
    if end is not None:
        connection.execute(
            "UPDATE job_attempts SET worker = ?3, finished_at = ?4, success = ?5, error = ?6, transferred_bytes = ?7,"
            " seconds = ?8, route = ?9, via = ?10, routes_json = ?11, details_json = ?12, preview_key = ?13,"
            f" stages_json = {sqlite_stages.MERGED.replace('?', '?14')}"
            f" WHERE {whose} AND (finished_at IS NULL OR (?5 AND NOT success))",
            (
                event.job_id,
                event.attempt,
                event.worker,
                at,
                end.success,
                end.error,
                end.transferred_bytes,
                end.seconds,
                end.route,
                end.via,
                to_json(end.routes),
                sqlite_details.to_json(end.details),
                end.preview_key,
                sqlite_stages.to_json(event.stages),
            ),
        )
    return connection.total_changes > before


def _confirms(event: _Report, state: JobState) -> bool:
    """Whether the event tells anew of the state in which the job is; a job that is over keeps its end as it is."""
    match event:
        case JobStarted():
            return state is JobState.PROCESSING
        case JobRetrying():
            return state is JobState.RETRYING
        case JobFailed():
            return state is JobState.FAILED
        case JobCompleted() | JobCancelled():
            return False
        case _:
            assert_never(event)


def _stand(connection: sqlite3.Connection, before: JobView, event: _Report, state: JobState, now: datetime) -> None:
    """Write where the job stands after the event."""
    end = _end(event)
    at = to_text(event.at)
    began, ended = (at, None) if end is None else (None, at)
    due_at = None
    if isinstance(event, JobRetrying):  # a worker's clock may be fast: its delay is not
        due_at = to_text(min(event.at, now) + timedelta(seconds=event.delay_seconds))
    connection.execute(
        "UPDATE jobs SET state = ?, attempt = ?, worker = ?, updated_at = ?, last_error = ?,"
        " started_at = coalesce(?, started_at), finished_at = ?, due_at = ? WHERE job_id = ?",
        (
            state,
            max(before.attempt, event.attempt),
            event.worker,
            to_text(now),
            None if end is None else end.error,
            began,
            ended,
            due_at,
            event.job_id,
        ),
    )


def _pass(connection: sqlite3.Connection, before: JobView, event: _Report, state: JobState, now: datetime) -> None:
    """Write the transition, by the worker's clock and by ours."""
    end = _end(event)
    connection.execute(
        "INSERT INTO transitions (job_id, at, from_state, to_state, attempt, worker, reason, heard_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            event.job_id,
            to_text(event.at),
            before.state,
            state,
            event.attempt,
            event.worker,
            None if end is None else end.error,
            to_text(now),
        ),
    )


def _given_up(event: JobFailed, now: datetime) -> TrailEntry:
    """What an auditor reads of it; the curator may well retry it."""
    return TrailEntry(
        at=now,
        kind=TrailKind.DECISION,
        command="failed",
        job_id=event.job_id,
        detail=f"attempt {event.attempt}, {event.worker}: {event.reason}",
    )


def _hear(connection: sqlite3.Connection, before: JobView, event: _Report, now: datetime) -> None:
    """A report that changes nothing names the newest attempt, and of an open job it is a sign of life."""
    heard_at = to_text(now if before.state in _OPEN else before.updated_at)
    connection.execute(
        "UPDATE jobs SET attempt = ?, updated_at = ? WHERE job_id = ?", (event.attempt, heard_at, event.job_id)
    )
