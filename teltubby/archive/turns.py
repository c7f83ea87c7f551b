"""Whose turn it is: what becomes of a job's message that a worker holds, as far as the ledger and the workers tell."""

from __future__ import annotations

from typing import assert_never

from teltubby.messages.history import JobHistory
from teltubby.messages.jobs import JobCommand, JobState
from teltubby.messages.ledger_jobs import JobView
from teltubby.messages.questions import Turn, TurnAsked


def turn_of(view: JobView | None, asked: TurnAsked, alive: bool | None) -> Turn:
    """What the worker that asks does with its message; `view` is None where the ledger does not know the job.

    `alive` says whether another worker gave a sign of life of this job just now, None where nobody can tell yet: a job
    that the ledger knows to be another worker's counts as alive then. What is over or void is told before
    anything else, so that no message of a job waits for a worker to end.
    """
    if view is None:
        return Turn.UNKNOWN
    over = _over(view, asked)
    if over is not None:
        return over
    if alive is None:
        alive = view.state is JobState.PROCESSING and view.worker != asked.worker
    return Turn.WAIT if alive else Turn.GO


def lost_runs(history: JobHistory, asked: TurnAsked) -> int:
    """How many runs before the one that is asked for began and never ended, since a curator's last retry.

    A message that came again has the same attempt's number, and other workers: each of them is a run.
    """
    retries = [told.at for told in history.commands if told.command == JobCommand.RETRY and told.accepted]
    return sum(
        run.success is None
        and (run.attempt < asked.attempt or (run.attempt == asked.attempt and run.worker != asked.worker))
        and (not retries or run.started_at > retries[-1])
        for run in history.attempts
    )


def _over(view: JobView, asked: TurnAsked) -> Turn | None:
    """Why the message is void, or None where it is not."""
    superseded = asked.ticket < view.job.job_metadata.ticket
    match view.state:
        case JobState.COMPLETED:
            return Turn.OVER
        case JobState.CANCELLED:
            return Turn.CANCELLED
        case JobState.FAILED:
            # A later attempt than the one that failed is a retry that came in its stead: see archive.lifecycle.
            return Turn.OVER if superseded or asked.attempt <= view.attempt else None
        case JobState.PENDING | JobState.PROCESSING | JobState.RETRYING:
            return Turn.SUPERSEDED if superseded else None
        case _:
            assert_never(view.state)
