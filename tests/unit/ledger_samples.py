"""Jobs, reports and a ledger on a disk, for the tests of the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from teltubby.adapters.sqlite_ledger import SqliteLedger
from teltubby.messages.jobs import (
    FileInfo,
    Job,
    JobCancelled,
    JobCommand,
    JobCompleted,
    JobEvent,
    JobFailed,
    JobMetadata,
    JobProgress,
    JobRetrying,
    JobStarted,
    Priority,
    Target,
    TelegramContext,
)
from teltubby.messages.ledger import Submit
from teltubby.messages.ledger_jobs import CommandAnswer, CommandJob, JobView
from teltubby.messages.media import MediaKind, Route

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
ID = "3f2a9c1e-0000-4000-8000-000000000001"
SIZE = 10**9


def numbered(number: int) -> str:
    """One of many job ids."""
    return f"{number:08}-0000-4000-8000-000000000000"


def a_job(
    job_id: str = ID,
    message_id: int = 11,
    *,
    user_id: int = 7,
    size: int | None = SIZE,
    priority: Priority = Priority.NORMAL,
) -> Job:
    return Job(
        job_id=job_id,
        user_id=user_id,
        chat_id=7,
        message_id=message_id,
        file_info=FileInfo(
            file_id="f", file_unique_id="u", file_size=size, file_type=MediaKind.VIDEO, file_name="Ёлка.mp4"
        ),
        telegram_context=TelegramContext(),
        job_metadata=JobMetadata(created_at=NOON, priority=priority),
        target=Target(key="teltubby/x.mp4"),
    )


def submit(job: Job) -> Submit:
    return Submit(
        chat_id=job.chat_id,
        message_id=job.message_id,
        media_group_id=None,
        base_path="teltubby/2026/11/anna/11/",
        artifact_json="{}",
        jobs=(job,),
        member_message_ids=(job.message_id,),
    )


@dataclass
class Clock:
    """Wall time that goes on by a second with every look at it."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


@contextmanager
def ledger_with(*jobs: Job, clock: Clock | None = None) -> Iterator[SqliteLedger]:
    with TemporaryDirectory() as folder:
        ledger = SqliteLedger.open(Path(folder) / "l.db", clock=clock or Clock())
        with closing(ledger):
            for job in jobs:
                ledger.submissions.submit(submit(job))
            yield ledger


def started(attempt: int = 1, job_id: str = ID, worker: str = "w") -> JobStarted:
    return JobStarted(job_id=job_id, worker=worker, attempt=attempt, at=NOON)


def completed(attempt: int = 1, job_id: str = ID, worker: str = "w") -> JobCompleted:
    return JobCompleted(
        job_id=job_id,
        worker=worker,
        attempt=attempt,
        at=NOON,
        key="teltubby/x.mp4",
        size_bytes=SIZE,
        sha256="a" * 64,
        route=Route.MTPROTO_BOT,
        seconds=10.0,
    )


def retrying(attempt: int = 1, job_id: str = ID, worker: str = "w", delay: float = 60.0) -> JobRetrying:
    return JobRetrying(
        job_id=job_id,
        worker=worker,
        attempt=attempt,
        at=NOON,
        reason="a timeout",
        delay_seconds=delay,
        transferred_bytes=5,
        seconds=2.0,
        route=Route.MTPROTO_USER,
    )


def failed(attempt: int = 1, job_id: str = ID, worker: str = "w") -> JobFailed:
    return JobFailed(job_id=job_id, worker=worker, attempt=attempt, at=NOON, reason="the file is gone")


def cancelled(attempt: int = 1, job_id: str = ID, worker: str = "w") -> JobCancelled:
    return JobCancelled(job_id=job_id, worker=worker, attempt=attempt, at=NOON, transferred_bytes=7, seconds=3.0)


def progress(attempt: int = 1, job_id: str = ID, worker: str = "w") -> JobProgress:
    return JobProgress(
        job_id=job_id,
        worker=worker,
        attempt=attempt,
        at=NOON,
        downloaded_bytes=5,
        uploaded_bytes=1,
        total_bytes=9,
        bytes_per_second=1.0,
    )


def apply(ledger: SqliteLedger, *events: JobEvent) -> JobView:
    """Where the job stands after the last of these."""
    view = None
    for event in events:
        view = ledger.reports.apply(event)
    assert view is not None
    return view


def order(
    ledger: SqliteLedger,
    command: JobCommand,
    job_id: str = ID,
    *,
    user_id: int | None = 7,
    reason: str | None = None,
    priority: Priority | None = None,
    ticket: int | None = None,
) -> CommandAnswer:
    return ledger.commands.obey(
        CommandJob(job_id=job_id, command=command, user_id=user_id, reason=reason, priority=priority, ticket=ticket)
    )


def accepted(answer: CommandAnswer) -> JobView:
    assert answer.accepted and answer.view is not None
    return answer.view


def moves(ledger: SqliteLedger, job_id: str = ID) -> list[tuple[str | None, str]]:
    rows = ledger.file.read("SELECT * FROM transitions WHERE job_id = ? ORDER BY id", job_id)
    return [(row["from_state"], row["to_state"]) for row in rows]
