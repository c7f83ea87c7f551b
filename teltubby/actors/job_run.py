"""One attempt at one large file: find it, fetch it into the spool by whatever way leads to it, store it, report."""

from __future__ import annotations

import logging
import math
import mimetypes
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

import anyio

from teltubby.actors.effort import Effort, kept
from teltubby.actors.media_reading import MediaRead, MediaReading
from teltubby.actors.pulse import Emit, Pulse
from teltubby.actors.ways import Found, Search, Ways
from teltubby.adapters.metrics import Metrics
from teltubby.errors import JobStopped
from teltubby.messages.jobs import Job, JobCompleted, JobStarted
from teltubby.messages.routes import ARTIFACT_ROUTE
from teltubby.messages.stages import Stage
from teltubby.messages.transfer import AbortUpload, FetchLarge, Stored, StoreFile, UploadMessage
from teltubby.supervision import Ref, SupervisionError, tracing
from teltubby.transfer.spool import Spool
from teltubby.transfer.spool_folder import SpoolFolder

_LOG = logging.getLogger(__name__)

ABORT_SECONDS = 30.0
STOP_SECONDS = 10.0
"""What the store gets, once an attempt is to stop, to finish the request that is on its way."""

_BYTES = "application/octet-stream"
_LONGEST_TYPE = 127
"""Of each of its two names, says RFC 6838, 4.2; whole ones that are in use are shorter."""
_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_TYPE = re.compile(rf'{_WORD}/{_WORD}(?:[ \t]*;[ \t]*{_WORD}=(?:{_WORD}|"[ !#-\[\]-~]*"))*')
"""RFC 9110, 8.3.1 (media-type), without characters that need to be quoted twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRun:
    """How this worker performs a job; the same for every job."""

    worker: str
    ways: Ways
    download: Ref[FetchLarge]
    upload: Ref[UploadMessage]
    spools: SpoolFolder
    media: MediaReading = field(default_factory=MediaReading)
    metrics: Metrics = field(default_factory=Metrics)

    async def perform(self, job: Job, attempt: int, emit: Emit, effort: Effort | None = None) -> JobCompleted:
        """Archive the job's file and return the final event, not yet published.

        Raises Permanent when no attempt can succeed, and what went wrong otherwise; what was fetched and uploaded by
        then stays for the next attempt, until `bury`. BrokerUnavailable means that it was not begun. Told to stop by
        `effort`, it raises JobStopped, unless it completes at the same moment.
        """
        effort = effort or Effort()
        with tracing(job.job_id, effort.tally):
            return await self._perform(job, attempt, emit, effort)

    async def _perform(self, job: Job, attempt: int, emit: Emit, effort: Effort) -> JobCompleted:
        effort.check()
        self.metrics.took(Stage.TURN, effort.seconds)
        effort.began = anyio.current_time()
        started, stages = datetime.now(UTC), effort.stages
        await emit(JobStarted(job_id=job.job_id, worker=self.worker, attempt=attempt, at=started, stages=stages))
        pulse = Pulse(job, attempt, worker=self.worker, emit=emit)
        failures: list[Exception] = []
        answers: list[tuple[Stored, MediaRead]] = []
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(pulse.beat)
            with kept(failures, tasks.cancel_scope):
                answers.append(await self._archive(job, effort, pulse))
            tasks.cancel_scope.cancel()
        effort.transferred_bytes = pulse.transferred
        if failures:
            raise failures[0]
        ((stored, read),) = answers
        via = effort.via
        assert via is not None, "what was stored was found by some way"
        return JobCompleted(
            job_id=job.job_id,
            worker=self.worker,
            attempt=attempt,
            at=datetime.now(UTC),
            key=stored.key,
            size_bytes=stored.size_bytes,
            sha256=stored.sha256,
            route=ARTIFACT_ROUTE[via.account],
            seconds=effort.seconds,
            duplicate_of=stored.duplicate_of,
            via=via,
            routes=effort.routes,
            details=read.details,
            preview=read.preview,
            stages=effort.stages,
        )

    async def bury(self, job: Job) -> None:
        """The job is dead: let go of what was fetched and uploaded for it, as far as that is possible now."""
        try:
            begun = await self.spools.discard(job.job_id)
            if begun is None:  # nor may it be ours: the worker that began it may have died elsewhere
                request = AbortUpload(key=job.target.key, upload_id=None)
            else:
                request = AbortUpload(key=begun.key, upload_id=begun.upload_id)
            await self.upload.ask(request, within=ABORT_SECONDS)
        except (SupervisionError, TimeoutError) as error:  # every TeltubbyError is a SupervisionError
            _LOG.warning("job %s leaves something behind: %s", job.job_id, error)

    async def _archive(self, job: Job, effort: Effort, pulse: Pulse) -> tuple[Stored, MediaRead]:
        search = Search(job, self.ways, effort)
        began = anyio.current_time()
        found = await self._find_unless_stopped(search, effort)
        took = anyio.current_time() - began
        _LOG.info("job %s is found by way of %s in %.1f s", job.job_id, found.way.route, took)
        async with self.spools.open(
            job.job_id, document_id=found.location.document_id, size=found.location.size, key=job.target.key
        ) as spool:
            pulse.follow(spool)
            if spool.resumed_bytes:
                _LOG.info("job %s goes on with %d bytes of an earlier attempt", job.job_id, spool.resumed_bytes)
            began = anyio.current_time()
            stored = await self._transfer(job, effort, pulse, partial(self._fetch, search, found, spool), spool)
            took = anyio.current_time() - began
            where = stored.duplicate_of or stored.key
            _LOG.info("job %s is stored as %s, %d bytes in %.1f s", job.job_id, where, stored.size_bytes, took)
            with self.metrics.timed(Stage.DETAILS):
                read = await self.media.read(
                    spool.path,
                    job.file_info.file_type,
                    _content_type(job),
                    key=stored.key if stored.duplicate_of is None else None,
                    upload=self.upload,
                )
            await spool.finish()
        return stored, read

    async def _find_unless_stopped(self, search: Search, effort: Effort) -> Found:
        found: list[Found] = []
        failures: list[Exception] = []

        async def heed() -> None:
            await effort.wait_stopping()
            tasks.cancel_scope.cancel()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(heed)
            with kept(failures, tasks.cancel_scope):
                found.append(await self._found(search))
            tasks.cancel_scope.cancel()
        effort.check()
        if failures:
            raise failures[0]
        return found[0]

    async def _fetch(self, search: Search, found: Found, spool: Spool) -> None:
        """Fill the spool; where one way ends, the next goes on."""
        while True:
            request = FetchLarge(
                account=found.way.route.account, location=found.location, refresh=found.way.locate, into=spool
            )
            try:
                await self.download.ask(request, within=math.inf)
                return
            except (SupervisionError, TimeoutError) as error:  # every TeltubbyError is a SupervisionError
                search.missed(found, error)
            found = await self._found(search)

    async def _found(self, search: Search) -> Found:
        with self.metrics.timed(Stage.WAY):
            return await search.next()

    async def _transfer(
        self, job: Job, effort: Effort, pulse: Pulse, fill: Callable[[], Awaitable[None]], spool: Spool
    ) -> Stored:
        request = StoreFile(
            key=job.target.key,
            source=spool,
            content_type=_content_type(job),
            stored=pulse.uploaded,
            log=spool.uploads,
        )
        failures: list[Exception] = []
        answers: list[Stored] = []
        fetching = anyio.CancelScope()

        async def fetch() -> None:
            with fetching, kept(failures, tasks.cancel_scope):
                try:
                    await fill()
                except (SupervisionError, TimeoutError) as error:
                    spool.fail(error)  # whoever reads it learns why no more comes
                    raise

        async def store() -> None:
            with kept(failures, tasks.cancel_scope):
                answers.append(await self.upload.ask(request, within=math.inf))
                tasks.cancel_scope.cancel()

        async def heed() -> None:
            """Told to stop: the source dries up, which ends an upload that has not got it all, and no other."""
            await effort.wait_stopping()
            fetching.cancel()
            spool.fail(JobStopped("the job was cancelled"))
            await anyio.sleep(STOP_SECONDS)
            tasks.cancel_scope.cancel()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(fetch)
            tasks.start_soon(store)
            tasks.start_soon(heed)
        if answers:
            return answers[0]
        effort.check()
        raise failures[0]


def _content_type(job: Job) -> str:
    return content_type(job.file_info.file_name, job.file_info.mime_type)


def content_type(name: str | None, mime_type: str | None) -> str:
    """What the object is served as: what Telegram said, else what the name suggests; bytes where neither is a type.

    Whoever sent the file chose both, and a store is told it in a header.
    """
    guessed, _ = mimetypes.guess_type(name or "")  # also of "data:" and whatever follows
    types = (kind for kind in (mime_type, guessed) if kind is not None)
    return next((kind for kind in types if len(kind) <= _LONGEST_TYPE and _TYPE.fullmatch(kind)), _BYTES)
