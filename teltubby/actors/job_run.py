"""One attempt at one large file: locate, prove identity, fetch into the spool, store, report."""

from __future__ import annotations

import logging
import math
import mimetypes
import shutil
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import anyio
from anyio import to_thread

from teltubby.archive.identity import document_id
from teltubby.errors import BrokerUnavailable, IdentityMismatch, Permanent, SpoolFull
from teltubby.messages.jobs import Job, JobCompleted, JobEvent, JobProgress, JobStarted
from teltubby.messages.media import Route
from teltubby.messages.session import DescribeSession
from teltubby.messages.transfer import FetchLarge, Locate, RemoteFile, Stored, StoreFile, UploadMessage
from teltubby.supervision import Ref
from teltubby.transfer.spool import Spool

_LOG = logging.getLogger(__name__)

Emit = Callable[[JobEvent], Awaitable[None]]

LOCATE_SECONDS = 60.0
PROGRESS_SECONDS = 1.0
SMOOTHING = 0.5
"""Weight of the newest second in the moving average of the rate."""


@dataclass(slots=True)
class _Uploaded:
    """How many bytes are up: the UploadActor tells, the progress report reads."""

    count: int = 0

    def tell(self, count: int) -> None:
        self.count = count


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRun:
    """How this worker performs a job; the same for every job. `max_bytes` is MAX_FILE_GB."""

    worker: str
    session: Ref[Locate | DescribeSession]
    download: Ref[FetchLarge]
    upload: Ref[UploadMessage]
    spool_dir: Path
    max_bytes: int
    route: Route = field(default=Route.MTPROTO_BOT)

    async def perform(self, job: Job, attempt: int, emit: Emit) -> JobCompleted:
        """Archive the job's file and return the final event, not yet published.

        Raises Permanent when no attempt can succeed, and what went wrong otherwise; nothing stays in the spool.
        """
        began = anyio.current_time()
        await emit(JobStarted(job_id=job.job_id, worker=self.worker, attempt=attempt, at=datetime.now(UTC)))
        remote = await self.session.ask(Locate(job=job), within=LOCATE_SECONDS)
        self._prove(job, remote)
        await to_thread.run_sync(self._require_room, remote.size)
        async with Spool(self.spool_dir / f"{job.job_id}-{uuid.uuid4().hex}.part", remote.size) as spool:
            stored = await self._transfer(job, attempt, emit, remote, spool)
        return JobCompleted(
            job_id=job.job_id,
            worker=self.worker,
            attempt=attempt,
            at=datetime.now(UTC),
            key=stored.key,
            size_bytes=stored.size_bytes,
            sha256=stored.sha256,
            route=self.route,
            seconds=anyio.current_time() - began,
            duplicate_of=stored.duplicate_of,
        )

    def _prove(self, job: Job, remote: RemoteFile) -> None:
        """The document id is the same for every account (telegram.md): another id or size is another file."""
        expected = document_id(job.file_info.file_unique_id)
        if expected is None:
            raise IdentityMismatch("the job's file_unique_id names no document, so no file can be proved to be it")
        if remote.document_id != expected:
            raise IdentityMismatch(f"document {remote.document_id} was found where {expected} was handed in")
        announced = job.file_info.file_size
        if announced is not None and remote.size != announced:
            raise IdentityMismatch(f"the document has {remote.size} bytes, {announced} were announced")
        if remote.size > self.max_bytes:
            raise Permanent(f"{remote.size} bytes are more than this archive accepts (MAX_FILE_GB)")

    def _require_room(self, size: int) -> None:
        self.spool_dir.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.spool_dir).free
        if free < size:
            raise SpoolFull(f"the spool has {free} bytes free, the file needs {size}")

    async def _transfer(self, job: Job, attempt: int, emit: Emit, remote: RemoteFile, spool: Spool) -> Stored:
        uploaded = _Uploaded()
        request = StoreFile(
            key=job.target.key,
            source=spool,
            content_type=content_type(job.file_info.file_name, job.file_info.mime_type),
            stored=uploaded.tell,
        )
        failures: list[Exception] = []
        answers: list[Stored] = []

        async def fetch() -> None:
            with _kept(failures, tasks.cancel_scope):
                await self.download.ask(FetchLarge(document=remote, spool=spool), within=math.inf)

        async def store() -> None:
            with _kept(failures, tasks.cancel_scope):
                answers.append(await self.upload.ask(request, within=math.inf))
                tasks.cancel_scope.cancel()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._report, job, attempt, emit, spool, uploaded)
            tasks.start_soon(fetch)
            tasks.start_soon(store)
        if failures:
            raise failures[0]
        return answers[0]

    async def _report(self, job: Job, attempt: int, emit: Emit, spool: Spool, uploaded: _Uploaded) -> None:
        """Tell how far it is, once a second; a report that does not get through is no harm."""
        rate, before, uploading = 0.0, 0, False
        while True:
            await anyio.sleep(PROGRESS_SECONDS)
            if not uploading and spool.prefix == spool.size:
                uploading, rate, before = True, 0.0, uploaded.count
            done = uploaded.count if uploading else spool.prefix
            newest = (done - before) / PROGRESS_SECONDS
            rate = newest if rate == 0.0 else SMOOTHING * newest + (1 - SMOOTHING) * rate
            before = done
            try:
                await emit(
                    JobProgress(
                        job_id=job.job_id,
                        worker=self.worker,
                        attempt=attempt,
                        at=datetime.now(UTC),
                        downloaded_bytes=spool.prefix,
                        uploaded_bytes=uploaded.count,
                        total_bytes=spool.size,
                        bytes_per_second=rate,
                    )
                )
            except BrokerUnavailable as error:
                _LOG.info("a progress report was lost: %s", error)


@contextmanager
def _kept(failures: list[Exception], scope: anyio.CancelScope) -> Iterator[None]:
    """Keep the first thing that goes wrong on either side and end the other: it is raised without a group around it."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - raised again by _transfer
        failures.append(error)
        scope.cancel()


def content_type(name: str | None, mime_type: str | None) -> str:
    """What the object is served as: what Telegram said, else what the name suggests."""
    guessed, _ = mimetypes.guess_type(name or "")
    return mime_type or guessed or "application/octet-stream"
