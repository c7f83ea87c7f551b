"""The product's own rules in the model's words: the model has none of its own for what a report or a command does."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache

from teltubby.archive import lifecycle, settlement, turns
from teltubby.messages.jobs import (
    FileInfo,
    Job,
    JobCancelled,
    JobCommand,
    JobCompleted,
    JobEvent,
    JobFailed,
    JobMetadata,
    JobRetrying,
    JobStarted,
    JobState,
    Target,
    TelegramContext,
)
from teltubby.messages.ledger_jobs import JobView
from teltubby.messages.media import MediaKind, Route
from teltubby.messages.questions import Turn, TurnAsked
from tests.model.states import MAX_RETRIES, Message, Row

AT = datetime(2026, 11, 22, tzinfo=UTC)


def job_of(message: Message) -> Job:
    """The job with what its message says of tries and tickets."""
    return Job(
        job_id=f"{message.job:08}-0000-4000-8000-000000000000",
        user_id=7,
        chat_id=7,
        message_id=message.job + 1,
        file_info=FileInfo(
            file_id="f", file_unique_id=f"u{message.job}", file_size=1, file_type=MediaKind.VIDEO, file_name="f"
        ),
        telegram_context=TelegramContext(),
        job_metadata=JobMetadata(
            created_at=AT,
            ticket=message.ticket,
            retry_count=message.tries,
            times_parked=message.parked,
            max_retries=MAX_RETRIES,
        ),
        target=Target(key=f"teltubby/{message.job}"),
    )


def message_of(row: Row, job: int) -> Message:
    """The job's newest message."""
    return Message(job, row.ticket, row.tries, row.parked)


def event_of(kind: str, job: int, attempt: int, worker: int, duplicate_of: int = -1) -> JobEvent:
    """The report as the ledger reads it."""
    job_id, name = job_of(Message(job, 0, 0, 0)).job_id, str(worker)
    match kind:
        case "started":
            return JobStarted(job_id=job_id, worker=name, attempt=attempt, at=AT)
        case "retrying":
            return JobRetrying(job_id=job_id, worker=name, attempt=attempt, at=AT, reason="r", delay_seconds=1.0)
        case "failed":
            return JobFailed(job_id=job_id, worker=name, attempt=attempt, at=AT, reason="r")
        case "cancelled":
            return JobCancelled(job_id=job_id, worker=name, attempt=attempt, at=AT)
        case _:
            return JobCompleted(
                job_id=job_id,
                worker=name,
                attempt=attempt,
                at=AT,
                key=f"teltubby/{job}",
                size_bytes=1,
                sha256="a" * 64,
                route=Route.MTPROTO_BOT,
                seconds=1.0,
                duplicate_of=None if duplicate_of < 0 else f"teltubby/{duplicate_of}",
            )


@cache
def next_state(state: JobState, kind: str, attempt: int, known_attempt: int) -> JobState:
    """`archive.lifecycle.next_state`."""
    return lifecycle.next_state(state, event_of(kind, 0, attempt, 0), known_attempt=known_attempt)


@cache
def after_command(state: JobState, command: JobCommand) -> JobState | None:
    """`archive.lifecycle.after_command`."""
    return lifecycle.after_command(state, command)


@cache
def new_message(message: Message, command: JobCommand, running: bool, known_attempt: int) -> Message:
    """`archive.lifecycle.new_message`."""
    job = lifecycle.new_message(job_of(message), command, running=running, known_attempt=known_attempt)
    metadata = job.job_metadata
    return Message(message.job, metadata.ticket, metadata.retry_count, metadata.times_parked)


@cache
def turn_of(state: JobState, ticket: int, known_attempt: int, message: Message, alive: bool) -> Turn:
    """`archive.turns.turn_of`, by somebody who knows whether another worker runs the job."""
    view = JobView(
        job=job_of(Message(message.job, ticket, 0, 0)),
        state=state,
        previous=state,
        changed=False,
        attempt=known_attempt,
        last_error=None,
        notice_message_id=1,
        created_at=AT,
        updated_at=AT,
        submission_chat_id=7,
        submission_message_id=1,
        worker=None,
    )
    asked = TurnAsked(job_id=view.job.job_id, ticket=message.ticket, attempt=message.attempt, worker="w")
    return turns.turn_of(view, asked, alive)


SAYS: Mapping[str, settlement.Settlement] = {
    "stored": settlement.StoredItem(s3_key="k", size_bytes=1, sha256="a", route=Route.MTPROTO_BOT),
    "duplicate": settlement.DuplicateItem(duplicate_of="k", size_bytes=1, sha256="a", route=Route.MTPROTO_BOT),
    "failed": settlement.FailedItem(reason="r"),
    "skipped": settlement.SkippedItem(),
    "queued": settlement.QueuedItem(s3_key="k"),
}


@cache
def is_true(says: str, state: JobState) -> bool:
    """`archive.settlement.is_true`."""
    return settlement.is_true(SAYS[says], state)
