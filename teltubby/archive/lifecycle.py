"""The states of a job: what a worker's report and a command do to them, as one table; and the message a command makes.

Attempts are numbered from 1 over the whole life of a job, a curator's retry included, so that a report can be placed:
reports cross a broker, which may repeat them and bring them late. Messages are numbered by tickets, so that a command
can make those void that are still in a queue.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import assert_never

from teltubby.messages.jobs import (
    Job,
    JobCancelled,
    JobCommand,
    JobCompleted,
    JobEvent,
    JobFailed,
    JobProgress,
    JobRetrying,
    JobStarted,
    JobState,
    Priority,
)


class _From(Enum):
    """Against the newest attempt known: from which one on a report counts. A command counts whenever it is given."""

    ANY_ATTEMPT = auto()
    SAME_ATTEMPT = auto()
    LATER_ATTEMPT = auto()

    def counts(self, attempt: int, known_attempt: int) -> bool:
        match self:
            case _From.ANY_ATTEMPT:
                return True
            case _From.SAME_ATTEMPT:
                return attempt >= known_attempt
            case _From.LATER_ATTEMPT:
                return attempt > known_attempt
            case _:
                assert_never(self)


@dataclass(frozen=True, slots=True)
class _Move:
    to: JobState
    since: _From = _From.ANY_ATTEMPT


_COMPLETE = _Move(JobState.COMPLETED)
_START = _Move(JobState.PROCESSING, _From.LATER_ATTEMPT)
_CANCEL = _Move(JobState.CANCELLED)
_QUEUE = _Move(JobState.PENDING)

# A retry in the broker comes back by itself, so RETRYING and FAILED are left by the start of a later attempt; the
# start of the same attempt is old news there. An attempt that runs twice (its worker died after reporting a retry)
# may still fail for good. A curator's retry has no delay to wait for: it passes RETRYING in the instant in which it is
# PENDING again.
_TABLE: Mapping[JobState, Mapping[type[JobEvent] | JobCommand, _Move]] = {
    JobState.PENDING: {
        JobStarted: _START,
        JobRetrying: _Move(JobState.RETRYING, _From.LATER_ATTEMPT),
        JobFailed: _Move(JobState.FAILED, _From.LATER_ATTEMPT),
        JobCompleted: _COMPLETE,
        JobCommand.CANCEL: _CANCEL,
        JobCommand.PRIORITISE: _QUEUE,
        JobCommand.REVIVE: _QUEUE,
    },
    JobState.PROCESSING: {
        JobRetrying: _Move(JobState.RETRYING, _From.SAME_ATTEMPT),
        JobFailed: _Move(JobState.FAILED, _From.SAME_ATTEMPT),
        JobCompleted: _COMPLETE,
        JobCommand.CANCEL: _CANCEL,
        JobCommand.REVIVE: _QUEUE,
    },
    JobState.RETRYING: {
        JobStarted: _START,
        JobFailed: _Move(JobState.FAILED, _From.SAME_ATTEMPT),
        JobCompleted: _COMPLETE,
        JobCommand.CANCEL: _CANCEL,
        JobCommand.PRIORITISE: _QUEUE,
        JobCommand.REVIVE: _QUEUE,
    },
    JobState.FAILED: {
        JobStarted: _START,
        JobRetrying: _Move(JobState.RETRYING, _From.LATER_ATTEMPT),
        JobCompleted: _COMPLETE,
        JobCommand.RETRY: _QUEUE,
    },
    JobState.CANCELLED: {JobCompleted: _COMPLETE, JobCommand.RETRY: _QUEUE},
    JobState.COMPLETED: {},
}


def next_state(state: JobState, event: JobEvent, *, known_attempt: int = 0) -> JobState:
    """Where a job in `state` stands after a worker's report; the same state where the report is late or repeated.

    `known_attempt` is the newest attempt that any report named so far (0: none yet). A completion counts always, even
    for a cancelled job and from an old attempt: the file is in the store, and the archive says what is true. Progress
    never moves a job; a start repeated after a worker's crash finds it PROCESSING and leaves it there. That a worker
    stopped never moves it either: the ledger cancelled the job before the worker heard of it, and when it is not
    CANCELLED any more, it was retried meanwhile.
    """
    match event:
        case JobProgress() | JobCancelled():
            return state
        case JobStarted() | JobCompleted() | JobRetrying() | JobFailed():
            move = _TABLE[state].get(type(event))
            return move.to if move is not None and move.since.counts(event.attempt, known_attempt) else state
        case _:
            assert_never(event)


def as_stopped(event: JobCompleted | JobRetrying | JobFailed) -> JobCancelled:
    """What it counts as when the object that it tells of is deleted, or its job is cancelled: it was stopped."""
    return JobCancelled(
        job_id=event.job_id,
        worker=event.worker,
        attempt=event.attempt,
        at=event.at,
        transferred_bytes=event.size_bytes if isinstance(event, JobCompleted) else event.transferred_bytes,
        seconds=event.seconds,
        route=event.route,
        routes=event.routes,
        stages=event.stages,
    )


def after_command(state: JobState, command: JobCommand) -> JobState | None:
    """Where a job in `state` stands after a command, or None where the command is refused.

    Failed and cancelled jobs can be retried; those that are neither over nor failed can be cancelled and revived, and
    of these those that do not run can be prioritised.
    """
    move = _TABLE[state].get(command)
    return None if move is None else move.to


def new_message(
    job: Job, command: JobCommand, *, running: bool, known_attempt: int, priority: Priority | None = None
) -> Job:
    """The job's message after a command that makes all earlier ones void: a new ticket, and the attempt after those
    that are known.

    RETRY gives all tries again. A revival of a `running` job spends one, as nobody knows what ended its worker, but
    leaves the last.
    """
    metadata = job.job_metadata
    tries = 0 if command is JobCommand.RETRY else metadata.retry_count
    if command is JobCommand.REVIVE and running:
        tries = min(tries + 1, max(metadata.max_retries, tries))
    return replace(
        job,
        job_metadata=replace(
            metadata,
            ticket=metadata.ticket + 1,
            priority=priority or metadata.priority,
            retry_count=tries,
            times_parked=max(known_attempt - tries, 0),
        ),
    )
