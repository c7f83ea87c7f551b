"""The worker wing on twins: session, download, upload and, if wanted, the consuming queue."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from teltubby.actors.download import DownloadActor
from teltubby.actors.job_run import JobRun
from teltubby.actors.queue_worker import ConsumingQueueActor
from teltubby.actors.session import SessionActor, SessionMessage
from teltubby.actors.upload import UploadActor
from teltubby.adapters.base import Broker
from teltubby.messages.jobs import Job
from teltubby.messages.queue import ConsumerMessage
from teltubby.messages.transfer import FetchLarge, UploadMessage
from teltubby.supervision import Backoff, ChildSpec, Mailbox, Supervisor
from teltubby.transfer.engine import Engine
from teltubby.transfer.pacing import Limits
from teltubby.transfer.spool_folder import SpoolFolder
from teltubby.transfer.upload import FirstCopy
from tests.actors.stage import ANNA, MIB, running
from tests.mtproto_twins import RemoteTwin, SessionTwin
from tests.twins import MemoryStore

BACKOFF = Backoff(first=0.5, cap=30.0)


async def nobody_knows(digest: str) -> str | None:
    del digest
    return None


@dataclass
class WorkerWing:
    """What a test reaches of it."""

    tree: Supervisor
    session: SessionTwin
    store: MemoryStore
    run: JobRun
    spool_dir: Path

    def hand_in(self, job: Job, body: bytes, *, size: int | None = None, document_id: int | None = None) -> RemoteTwin:
        """The curator's message of this job, with this document in it."""
        remote = RemoteTwin(1000 + job.message_id if document_id is None else document_id, body, size=size)
        self.session.documents[ANNA, job.message_id] = remote
        return remote

    def spooled(self) -> list[str]:
        """What lies in the spool."""
        return [path.name for path in self.spool_dir.glob("*")] if self.spool_dir.exists() else []


@asynccontextmanager
async def worker_wing(
    spool_dir: Path,
    *,
    broker: Broker | None = None,
    concurrency: int = 2,
    first_copy: FirstCopy = nobody_knows,
    limits: Limits | None = None,
    max_bytes: int = 1 << 32,
    retry_seconds: float = 60.0,
    session: SessionTwin | None = None,
    store: MemoryStore | None = None,
    worker: str = "host:1",
) -> AsyncIterator[WorkerWing]:
    """The wing, running; without a broker its jobs are performed by `wing.run`."""
    session = session or SessionTwin()
    store = store or MemoryStore(part_size=MIB)
    mail = Mailbox[SessionMessage]("session")
    download = Mailbox[FetchLarge]("download")
    upload = Mailbox[UploadMessage]("upload")
    queue = Mailbox[ConsumerMessage]("queue", capacity=256)
    run = JobRun(
        worker=worker,
        session=mail.ref,
        download=download.ref,
        upload=upload.ref,
        spools=SpoolFolder(spool_dir, keep_seconds=3600),
        max_bytes=max_bytes,
    )
    rng = random.Random(1)

    def uploader() -> UploadActor:
        return UploadActor(store, width=concurrency, multipart_bytes=2 * MIB, first_copy=first_copy)

    def downloader() -> DownloadActor:
        return DownloadActor(mail.ref, width=concurrency, engine=partial(Engine, limits=limits))

    def consumer() -> ConsumingQueueActor:
        assert broker is not None
        return ConsumingQueueActor(
            broker,
            run=run,
            session=mail.ref,
            concurrency=concurrency,
            retry_seconds=retry_seconds,
            backoff=BACKOFF,
            rng=rng,
        )

    children = [
        ChildSpec("upload", uploader, mailbox=upload),
        ChildSpec(
            "session",
            lambda: SessionActor(session, announce=queue.ref.tell, backoff=BACKOFF, rng=rng),
            mailbox=mail,
        ),
        ChildSpec(
            "download",
            lambda: DownloadActor(mail.ref, width=concurrency, engine=partial(Engine, limits=limits)),
            mailbox=download,
        ),
    ]
    if broker is not None:
        children.append(ChildSpec("queue", consumer, mailbox=queue))
    async with running(*children) as tree:
        yield WorkerWing(tree, session, store, run, spool_dir)
