"""How an attempt that did not complete is told: the reports of its end, and the job's message for another time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from teltubby.actors.jobs_in_hand import JobInHand
from teltubby.actors.letters import is_urgent, job_letter
from teltubby.adapters.base import Destination, Outgoing
from teltubby.messages.jobs import Job, JobCancelled, JobFailed, JobRetrying


def retrying(hand: JobInHand, worker: str, reason: str, delay: float) -> JobRetrying:
    """It failed for a passing reason; the job comes back after `delay` seconds."""
    return JobRetrying(
        job_id=hand.job.job_id,
        worker=worker,
        attempt=hand.attempt,
        at=datetime.now(UTC),
        reason=reason,
        delay_seconds=delay,
        transferred_bytes=hand.effort.transferred_bytes,
        seconds=hand.effort.seconds,
        route=hand.effort.route,
        routes=hand.effort.routes,
        stages=hand.effort.stages,
    )


def failed(hand: JobInHand, worker: str, reason: str) -> JobFailed:
    """It failed for good."""
    return JobFailed(
        job_id=hand.job.job_id,
        worker=worker,
        attempt=hand.attempt,
        at=datetime.now(UTC),
        reason=reason,
        transferred_bytes=hand.effort.transferred_bytes,
        seconds=hand.effort.seconds,
        route=hand.effort.route,
        routes=hand.effort.routes,
        stages=hand.effort.stages,
    )


def cancelled(hand: JobInHand, worker: str) -> JobCancelled:
    """It was stopped on order."""
    return JobCancelled(
        job_id=hand.job.job_id,
        worker=worker,
        attempt=hand.attempt,
        at=datetime.now(UTC),
        transferred_bytes=hand.effort.transferred_bytes,
        seconds=hand.effort.seconds,
        route=hand.effort.route,
        routes=hand.effort.routes,
        stages=hand.effort.stages,
    )


def again(job: Job) -> tuple[Destination, Outgoing]:
    """The job's message for another time, and where it waits: it comes back to the queue it belongs to."""
    return Destination.RETRY_PRIORITY if is_urgent(job) else Destination.RETRY, job_letter(job)


def spent(job: Job) -> Job:
    """The job with one try less."""
    metadata = job.job_metadata
    return replace(job, job_metadata=replace(metadata, retry_count=metadata.retry_count + 1))


def unspent(job: Job) -> Job:
    """The job with as many tries left as before; parking counts too, so that no two attempts have one number."""
    metadata = job.job_metadata
    return replace(job, job_metadata=replace(metadata, times_parked=metadata.times_parked + 1))
