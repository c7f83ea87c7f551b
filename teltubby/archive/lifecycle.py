"""The states of a job: what a worker's report and a curator's command do to them, as one table each.

Attempts are numbered from 1 over the whole life of a job, a curator's retry included, so that a report can be placed:
reports cross a broker, which may repeat them and bring them late.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import assert_never

from teltubby.messages.jobs import (
    JobCompleted,
    JobEvent,
    JobFailed,
    JobProgress,
    JobRetrying,
    JobStarted,
    JobState,
)


class JobCommand(StrEnum):
    """What a curator may ask of a job."""

    RETRY = "retry"
    CANCEL = "cancel"


class _Since(IntEnum):
    """How much newer than the newest attempt known a report's own attempt has to be, to count."""

    SAME_ATTEMPT = 0
    LATER_ATTEMPT = 1


@dataclass(frozen=True, slots=True)
class _Move:
    to: JobState
    since: _Since


_TO_PROCESSING = _Move(JobState.PROCESSING, _Since.LATER_ATTEMPT)
_TO_RETRYING = _Move(JobState.RETRYING, _Since.LATER_ATTEMPT)
_TO_FAILED = _Move(JobState.FAILED, _Since.LATER_ATTEMPT)

# A retry in the broker comes back by itself, so RETRYING and FAILED are left by the start of a later attempt; the
# start of the same attempt is old news there. An attempt that runs twice (its worker died after reporting a retry)
# may still fail for good.
_REPORTED: Mapping[JobState, Mapping[type[JobEvent], _Move]] = {
    JobState.PENDING: {JobStarted: _TO_PROCESSING, JobRetrying: _TO_RETRYING, JobFailed: _TO_FAILED},
    JobState.PROCESSING: {
        JobRetrying: _Move(JobState.RETRYING, _Since.SAME_ATTEMPT),
        JobFailed: _Move(JobState.FAILED, _Since.SAME_ATTEMPT),
    },
    JobState.RETRYING: {JobStarted: _TO_PROCESSING, JobFailed: _Move(JobState.FAILED, _Since.SAME_ATTEMPT)},
    JobState.FAILED: {JobStarted: _TO_PROCESSING, JobRetrying: _TO_RETRYING},
    JobState.CANCELLED: {},
    JobState.COMPLETED: {},
}

# A curator's retry has no delay to wait for: it passes RETRYING in the instant in which it is PENDING again.
_COMMANDED: Mapping[JobState, Mapping[JobCommand, JobState]] = {
    JobState.PENDING: {JobCommand.CANCEL: JobState.CANCELLED},
    JobState.PROCESSING: {JobCommand.CANCEL: JobState.CANCELLED},
    JobState.RETRYING: {JobCommand.CANCEL: JobState.CANCELLED},
    JobState.FAILED: {JobCommand.RETRY: JobState.PENDING},
    JobState.CANCELLED: {JobCommand.RETRY: JobState.PENDING},
    JobState.COMPLETED: {},
}


def next_state(state: JobState, event: JobEvent, *, known_attempt: int = 0) -> JobState:
    """Where a job in `state` stands after a worker's report; the same state where the report is late or repeated.

    `known_attempt` is the newest attempt that any report named so far (0: none yet). A completion counts always, even
    for a cancelled job and from an old attempt: the file is in the store, and the archive says what is true. Progress
    never moves a job; a start repeated after a worker's crash finds it PROCESSING and leaves it there.
    """
    match event:
        case JobCompleted():
            return JobState.COMPLETED
        case JobProgress():
            return state
        case JobStarted() | JobRetrying() | JobFailed():
            move = _REPORTED[state].get(type(event))
            return move.to if move is not None and event.attempt >= known_attempt + move.since else state
        case _:
            assert_never(event)


def after_command(state: JobState, command: JobCommand) -> JobState | None:
    """Where a job in `state` stands after a curator's command, or None where the command is refused.

    Failed and cancelled jobs can be retried; those that are neither over nor failed can be cancelled.
    """
    return _COMMANDED[state].get(command)
