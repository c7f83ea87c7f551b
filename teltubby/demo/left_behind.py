"""What must be over when the demonstration is: jobs done, queues empty, nothing half uploaded or spooled."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from teltubby.adapters.embedded_store import EmbeddedStore
from teltubby.adapters.folder_store import UPLOADS
from teltubby.adapters.sqlite_ledger import SqliteLedger
from teltubby.demo.place import Place
from teltubby.errors import TeltubbyError
from teltubby.messages.jobs import JobState
from teltubby.messages.ledger_jobs import JobView

BUSY_SECONDS = 5.0
UPLOAD_RECORD = "upload"
"""Of a finished upload the folder store keeps this note, in case that somebody completes it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedJob:
    """A large file's job; `seconds` from its creation to its last change of state."""

    job_id: str
    state: str
    key: str
    bytes: int | None
    attempts: int
    seconds: float

    @classmethod
    def of(cls, view: JobView) -> CheckedJob:
        """As the ledger has it."""
        return cls(
            job_id=view.job.job_id,
            state=view.state.value,
            key=view.job.target.key,
            bytes=view.job.file_info.file_size,
            attempts=view.attempt,
            seconds=round((view.updated_at - view.created_at).total_seconds(), 3),
        )


def check_ledger(place: Place, *, keys_of_jobs: Sequence[str]) -> tuple[tuple[CheckedJob, ...], list[str]]:
    """The jobs, oldest first, and what is wrong: `keys_of_jobs` are the objects that must have come by a job."""
    if not place.ledger.exists():
        return (), [f"{place.ledger}: there is no ledger."]
    try:
        ledger = SqliteLedger.open(place.ledger)
    except TeltubbyError as error:
        return (), [str(error)]
    try:
        overview = ledger.overview()
        jobs = tuple(CheckedJob.of(view) for view in reversed(ledger.jobs.list(tuple(JobState), limit=1000)))
    finally:
        ledger.close()
    problems = [f"Job {job.job_id} is {job.state}." for job in jobs if job.state != JobState.COMPLETED]
    if sorted(job.key for job in jobs) != sorted(keys_of_jobs):
        problems.append(
            f"There are jobs for {', '.join(job.key for job in jobs) or 'nothing'}, "
            f"but should be for {', '.join(keys_of_jobs) or 'nothing'}."
        )
    counts = {
        "update(s) in the inbox are not dealt with": overview.open_updates,
        "job(s) were never published": overview.unpublished,
        "artifact(s) never reached the store": overview.unstored_artifacts,
    }
    problems.extend(f"{count} {what}." for what, count in counts.items() if count)
    return jobs, problems


def check_leftovers(place: Place) -> list[str]:
    """Spool files, unfinished uploads and messages that still wait in the queue."""
    spooled = (path for path in place.spool.rglob("*") if not path.is_dir())
    uploads = (path for path in (place.archive / UPLOADS).rglob("*") if not path.is_dir())
    problems = [f"{_named(place, path)} was left in the spool." for path in spooled]
    problems += [f"{_named(place, path)} is an unfinished upload." for path in uploads if path.name != UPLOAD_RECORD]
    if not place.queue.exists():
        return [*problems, f"{place.queue}: there is no queue."]
    queue = EmbeddedStore(place.queue, busy_seconds=BUSY_SECONDS)
    try:
        depths = queue.depths(now=time.time())
    finally:
        queue.close()
    return problems + [f"{count} message(s) wait in the queue {name}." for name, count in depths.items() if count]


def _named(place: Place, path: Path) -> str:
    return path.relative_to(place.root).as_posix()
