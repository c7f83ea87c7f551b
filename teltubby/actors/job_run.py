"""One attempt at one large file: locate, prove identity, fetch into the spool, store, report."""

from __future__ import annotations

import logging
import math
import mimetypes
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

import anyio

from teltubby.actors.speed import Speed, seconds_left
from teltubby.archive.identity import document_id
from teltubby.errors import BrokerUnavailable, IdentityMismatch, Permanent
from teltubby.messages.jobs import Job, JobCompleted, JobEvent, JobProgress, JobStarted
from teltubby.messages.media import Route
from teltubby.messages.session import DescribeSession
from teltubby.messages.transfer import (
    PART_BYTES,
    AbortUpload,
    FetchLarge,
    FileLocation,
    Locate,
    Stored,
    StoreFile,
    UploadMessage,
)
from teltubby.supervision import Ref, SupervisionError
from teltubby.transfer.spool import Spool
from teltubby.transfer.spool_folder import SpoolFolder

_LOG = logging.getLogger(__name__)

Emit = Callable[[JobEvent], Awaitable[None]]

LOCATE_SECONDS = 60.0
ABORT_SECONDS = 30.0
PROGRESS_SECONDS = 1.0


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
    spools: SpoolFolder
    max_bytes: int
    route: Route = field(default=Route.MTPROTO_BOT)

    async def perform(self, job: Job, attempt: int, emit: Emit) -> JobCompleted:
        """Archive the job's file and return the final event, not yet published.

        Raises Permanent when no attempt can succeed, and what went wrong otherwise; what was fetched and uploaded by
        then stays for the next attempt, until `bury`.
        """
        began = anyio.current_time()
        await emit(JobStarted(job_id=job.job_id, worker=self.worker, attempt=attempt, at=datetime.now(UTC)))
        location = await self._locate(job)
        async with self.spools.open(
            job.job_id, document_id=location.document_id, size=location.size, key=job.target.key
        ) as spool:
            if spool.resumed_bytes:
                _LOG.info("job %s goes on with %d bytes of an earlier attempt", job.job_id, spool.resumed_bytes)
            stored = await self._transfer(job, attempt, emit, location, spool)
            await spool.finish()
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

    async def bury(self, job: Job) -> None:
        """The job is dead: let go of what was fetched and uploaded for it, as far as that is possible now."""
        try:
            begun = await self.spools.discard(job.job_id)
            if begun is not None:
                request = AbortUpload(key=begun.key, upload_id=begun.upload_id)
                await self.upload.ask(request, within=ABORT_SECONDS)
        except (SupervisionError, TimeoutError) as error:  # every TeltubbyError is a SupervisionError
            _LOG.warning("job %s leaves something behind: %s", job.job_id, error)

    async def _locate(self, job: Job) -> FileLocation:
        location = await self.session.ask(Locate(job=job), within=LOCATE_SECONDS)
        self._prove(job, location)
        return location

    def _prove(self, job: Job, location: FileLocation) -> None:
        """The document id is the same for every account (telegram.md): another id or size is another file."""
        expected = document_id(job.file_info.file_unique_id)
        if expected is None:
            raise IdentityMismatch("the job's file_unique_id names no document, so no file can be proved to be it")
        if location.document_id != expected:
            raise IdentityMismatch(f"document {location.document_id} was found where {expected} was handed in")
        announced = job.file_info.file_size
        if announced is not None and location.size != announced:
            raise IdentityMismatch(f"the document has {location.size} bytes, {announced} were announced")
        if location.size > self.max_bytes:
            raise Permanent(f"{location.size} bytes are more than this archive accepts (MAX_FILE_GB)")

    async def _transfer(self, job: Job, attempt: int, emit: Emit, location: FileLocation, spool: Spool) -> Stored:
        uploaded = _Uploaded()
        request = StoreFile(
            key=job.target.key,
            source=spool,
            content_type=content_type(job.file_info.file_name, job.file_info.mime_type),
            stored=uploaded.tell,
            log=spool.uploads,
        )
        fetch_large = FetchLarge(location=location, refresh=partial(self._locate, job), into=spool)
        failures: list[Exception] = []
        answers: list[Stored] = []

        async def fetch() -> None:
            with _kept(failures, tasks.cancel_scope):
                await self.download.ask(fetch_large, within=math.inf)

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
        down, up = Speed(spool.size, spool.resumed_bytes), Speed(spool.size, uploaded.count)
        while True:
            await anyio.sleep(PROGRESS_SECONDS)
            fetched = min(spool.size, len(spool.present) * PART_BYTES)
            down.learn(fetched, PROGRESS_SECONDS)
            up.learn(uploaded.count, PROGRESS_SECONDS)
            try:
                await emit(
                    JobProgress(
                        job_id=job.job_id,
                        worker=self.worker,
                        attempt=attempt,
                        at=datetime.now(UTC),
                        downloaded_bytes=fetched,
                        uploaded_bytes=uploaded.count,
                        total_bytes=spool.size,
                        bytes_per_second=(down if fetched < spool.size else up).rate,
                        seconds_left=seconds_left(down, up),
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
