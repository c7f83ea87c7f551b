"""The worker wing on twins: sessions, download, upload and, if wanted, the consuming queue."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from teltubby.actors.download import DownloadActor
from teltubby.actors.job_run import JobRun
from teltubby.actors.media_reading import MediaReading
from teltubby.actors.queue_worker import ConsumingQueueActor, nothing
from teltubby.actors.relay_asked import RelayCopies
from teltubby.actors.session import SessionActor, SessionMessage
from teltubby.actors.sign_in_steps import SignInMeans
from teltubby.actors.troubles import Troubles
from teltubby.actors.upload import UploadActor
from teltubby.actors.ways import Ways
from teltubby.actors.worker_reports import all_is_well
from teltubby.adapters.base import Broker
from teltubby.adapters.metrics import Metrics
from teltubby.adapters.sealed_boxes import SealedBoxes
from teltubby.messages.collector import CollectorOrder
from teltubby.messages.health import Standing
from teltubby.messages.jobs import Job
from teltubby.messages.queue import ConsumerMessage, ReportSignIn
from teltubby.messages.routes import AccountKind, FileRoute
from teltubby.messages.session import SessionChanged, SessionState
from teltubby.messages.transfer import FetchLarge, UploadMessage
from teltubby.messages.workers import SignInTold
from teltubby.supervision import Backoff, ChildSpec, Mailbox, Ref, Supervisor
from teltubby.transfer.engine import Engine
from teltubby.transfer.pacing import Limits
from teltubby.transfer.spool_folder import SpoolFolder
from teltubby.transfer.upload import FirstCopy
from tests.actors.stage import ANNA, MIB, running
from tests.mtproto_twins import RemoteTwin, SessionTwin
from tests.person_twin import PersonTwin
from tests.twins import BOT, MemoryStore
from tests.virtual_time import until, wall_clock

BACKOFF = Backoff(first=0.5, cap=30.0)


async def nobody_knows(digest: str) -> str | None:
    del digest
    return None


@dataclass
class WorkerWing:
    """What a test reaches of it; `session` is the bot's, `person` that of the user account, if it has one.

    It uses those that its routes need.
    """

    tree: Supervisor
    session: SessionTwin
    person: PersonTwin | None
    store: MemoryStore
    run: JobRun
    spool_dir: Path
    states: dict[AccountKind, SessionState]
    queue: Ref[ConsumerMessage]

    def hand_in(self, job: Job, body: bytes, *, size: int | None = None, document_id: int | None = None) -> RemoteTwin:
        """The curator's message of this job, with this document in it."""
        remote = RemoteTwin(1000 + job.message_id if document_id is None else document_id, body, size=size)
        self.session.documents[ANNA, job.message_id] = remote
        return remote

    async def ready(self) -> None:
        """Wait until every session is signed in and said so."""
        await until(lambda: self.states and all(state is SessionState.READY for state in self.states.values()))

    def spooled(self) -> list[str]:
        """What lies in the spool."""
        return [path.name for path in self.spool_dir.glob("*")] if self.spool_dir.exists() else []


@asynccontextmanager
async def worker_wing(
    spool_dir: Path,
    *,
    broker: Broker | None = None,
    collector: Ref[CollectorOrder] | None = None,
    collector_trouble: Callable[[], str | None] = nothing,
    unwell: Callable[[], Sequence[Standing]] = all_is_well,
    concurrency: int = 2,
    first_copy: FirstCopy = nobody_knows,
    limits: Limits | None = None,
    media: MediaReading | None = None,
    metrics: Metrics | None = None,
    max_bytes: int = 1 << 32,
    person: PersonTwin | None = None,
    relay: RelayCopies | None = None,
    retry_seconds: float = 60.0,
    routes: Sequence[FileRoute] = (FileRoute.BOT,),
    session: SessionTwin | None = None,
    store: MemoryStore | None = None,
    worker: str = "host:1",
) -> AsyncIterator[WorkerWing]:
    """The wing, running; without a broker its jobs are performed by `wing.run`, without a `person` it is the bot's."""
    bot, metrics = session or SessionTwin(), metrics or Metrics()
    needed = {route.account for route in routes}
    gateways: dict[AccountKind, SessionTwin] = {AccountKind.BOT: bot} if AccountKind.BOT in needed else {}
    if person is not None and (AccountKind.USER in needed or collector is not None):
        gateways[AccountKind.USER] = person
    store = store or MemoryStore(part_size=MIB)
    mail = {account: Mailbox[SessionMessage](f"{account}_session") for account in gateways}
    sessions = {account: mailbox.ref for account, mailbox in mail.items()}
    download = Mailbox[FetchLarge]("download")
    upload = Mailbox[UploadMessage]("upload")
    queue = Mailbox[ConsumerMessage]("queue", capacity=256)
    states = dict.fromkeys(gateways, SessionState.DISCONNECTED)
    run = JobRun(
        worker=worker,
        ways=Ways(sessions=sessions, routes=tuple(routes), bot_id=BOT.id, max_bytes=max_bytes, relay=relay),
        download=download.ref,
        upload=upload.ref,
        spools=SpoolFolder(spool_dir, keep_seconds=3600),
        media=media or MediaReading(),
        metrics=metrics,
    )
    rng, boxes = random.Random(1), SealedBoxes()

    def announce(changed: SessionChanged) -> None:
        states[changed.standing.account] = changed.standing.state
        if broker is not None:
            queue.ref.tell(changed)

    def tell(step: SignInTold) -> None:
        if broker is not None:
            queue.ref.tell(ReportSignIn(report=step))

    def keeper(account: AccountKind) -> SessionActor:
        return SessionActor(
            gateways[account],
            account=account,
            is_needed=all(route.account is account for route in routes),
            announce=announce,
            troubles=Troubles(),
            backoff=BACKOFF,
            rng=rng,
            clock=wall_clock,
            session_file=spool_dir / f"{account}.session",
            sign_in=SignInMeans(gateway=person, boxes=boxes, tell=tell) if gateways[account] is person else None,
        )

    def uploader() -> UploadActor:
        return UploadActor(store, width=concurrency, multipart_bytes=2 * MIB, first_copy=first_copy, metrics=metrics)

    def downloader() -> DownloadActor:
        return DownloadActor(sessions, width=concurrency, engine=partial(Engine, limits=limits), metrics=metrics)

    def consumer() -> ConsumingQueueActor:
        assert broker is not None
        return ConsumingQueueActor(
            broker,
            run=run,
            sessions=sessions,
            place="host, /data/bot.session",
            public_key=boxes.public_key,
            routes=routes,
            concurrency=concurrency,
            retry_seconds=retry_seconds,
            backoff=BACKOFF,
            rng=rng,
            clock=wall_clock,
            collector=collector,
            collector_trouble=collector_trouble,
            unwell=unwell,
        )

    children = [
        ChildSpec("upload", uploader, mailbox=upload),
        *(ChildSpec(f"{account}_session", partial(keeper, account), mailbox=mail[account]) for account in gateways),
        ChildSpec("download", downloader, mailbox=download),
    ]
    if broker is not None:
        children.append(ChildSpec("queue", consumer, mailbox=queue))
    async with running(*children) as tree:
        yield WorkerWing(tree, bot, person, store, run, spool_dir, states, queue.ref)
