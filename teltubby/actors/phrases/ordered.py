"""What is said about orders: to who gave one, in plain words, and on the job's own line, as HTML."""

from __future__ import annotations

from typing import assert_never

from teltubby.actors.phrases.words import job_line, size
from teltubby.messages.jobs import Job, JobCancelled, JobState, Priority
from teltubby.messages.ledger_jobs import CommandAnswer

NO_SUCH_JOB = "there is no such job, or the beginning of its id fits several"


def cancelled(answer: CommandAnswer) -> str:
    """What `/cancel` did."""
    if answer.view is None:
        return NO_SUCH_JOB
    match answer.view.previous if answer.accepted else answer.view.state:
        case JobState.PENDING:
            return "was waiting: taken out of the queue"
        case JobState.RETRYING:
            return "was waiting for its next attempt: taken out of the queue"
        case JobState.PROCESSING:
            return "is running: being stopped"
        case JobState.COMPLETED:
            return "is archived already: there is nothing to cancel"
        case JobState.FAILED:
            return "has failed already: there is nothing to cancel"
        case JobState.CANCELLED:
            return "is cancelled"
        case state:
            assert_never(state)


def retried(answer: CommandAnswer) -> str:
    """What `/retry` did."""
    if answer.view is None:
        return NO_SUCH_JOB
    match answer.view.previous if answer.accepted else answer.view.state:
        case JobState.FAILED:
            return "had failed: waits in the queue again, with all its tries"
        case JobState.CANCELLED:
            return "was cancelled: waits in the queue again, with all its tries"
        case JobState.PENDING:
            return "waits in the queue"
        case JobState.RETRYING:
            return "waits for its next attempt, which comes by itself"
        case JobState.PROCESSING:
            return "is running"
        case JobState.COMPLETED:
            return "is archived already: there is nothing to do again"
        case state:
            assert_never(state)


def prioritised(answer: CommandAnswer, priority: Priority) -> str:
    """What `/priority` did."""
    if answer.view is None:
        return NO_SUCH_JOB
    if answer.accepted:
        overtakes = "" if priority is Priority.NORMAL else ": it overtakes those of normal priority"
        return f"has {priority} priority now{overtakes}"
    match answer.view.state:
        case JobState.PENDING | JobState.RETRYING:
            return f"has {answer.view.job.job_metadata.priority} priority"
        case JobState.PROCESSING:
            return "is running: nothing is before it"
        case JobState.COMPLETED:
            return "is archived already"
        case JobState.FAILED | JobState.CANCELLED:
            return "is in no queue: /retry puts it there again"
        case state:
            assert_never(state)


def cancelled_line(answer: CommandAnswer) -> str:
    """The job's line after `/cancel`; of a job that was cancelled before, nothing is known of how it stood then."""
    assert answer.view is not None
    what = ""
    if answer.accepted:
        running = answer.view.previous is JobState.PROCESSING
        what = ": its worker is told to stop" if running else ": taken out of the queue"
    return f"🚫 Cancelled{what}\n{job_line(answer.view.job)}"


def stopped_line(job: Job, event: JobCancelled) -> str:
    """The job's line when the worker has stopped."""
    return f"🚫 Cancelled: stopped after {size(event.transferred_bytes)}, nothing was kept\n{job_line(job)}"


def requeued_line(job: Job) -> str:
    """The job's line after a retry."""
    return f"⏳ In the queue again\n{job_line(job)}"


def prioritised_line(job: Job) -> str:
    """The job's line after its priority was changed."""
    return f"⏳ In the queue, priority {job.job_metadata.priority}\n{job_line(job)}"
