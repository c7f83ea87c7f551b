"""PublishingQueueActor between a real ledger, a real queue and a reader of its news, each with trouble on order."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from teltubby.actors.ledger import LedgerActor
from teltubby.actors.outbox import never
from teltubby.actors.queue_bot import PublishingQueueActor
from teltubby.actors.signs_of_life import SignsOfLife
from teltubby.actors.troubles import Troubles
from teltubby.errors import BrokerUnavailable
from teltubby.messages.collector import CollectorReport
from teltubby.messages.jobs import Job, JobEvent
from teltubby.messages.ledger import FindContent, LedgerMessage, Submit
from teltubby.messages.ledger_jobs import PendingOutbox
from teltubby.messages.questions import RelayTold
from teltubby.messages.queue import BotMessage, CollectorNews, JobNews, OutboxFilled, PublisherMessage
from teltubby.messages.relay import CopyForJob, RelayMessage
from teltubby.messages.workers import WorkerReport
from teltubby.supervision import Actor, ChildSpec, Mailbox, Ref, Supervisor
from teltubby.transfer.upload import FirstCopy
from tests.actors.ledgers import ledger_at
from tests.actors.queues import Queue, queue_at
from tests.actors.stage import running
from tests.actors.worker_wing import BACKOFF
from tests.twins import BrokerTwin, Script
from tests.virtual_time import wall_clock


@dataclass
class Reader(Actor[BotMessage]):
    """Stands for the BotActor: reads the news, or does with them what `trouble` says."""

    read: list[JobEvent]
    reports: list[WorkerReport]
    collected: list[CollectorReport] = field(default_factory=list)
    trouble: deque[Exception] = field(default_factory=deque)

    async def handle(self, message: BotMessage, /) -> None:
        if self.trouble:
            raise self.trouble.popleft()
        if isinstance(message, JobNews):
            self.read.append(message.event)
        elif isinstance(message, CollectorNews):
            self.collected.append(message.report)
        else:
            self.reports.append(message.report)


Copier = Callable[[CopyForJob], Awaitable[RelayTold]]


async def no_copy(wanted: CopyForJob) -> RelayTold:
    return RelayTold(job_id=wanted.job_id, reason="no relay")


@dataclass
class Copies(Actor[RelayMessage]):
    """Stands for the RelayActor."""

    copier: Copier

    async def handle(self, message: RelayMessage, /) -> RelayTold:
        return await self.copier(message)


class ScriptedLedger(LedgerActor):
    """The real one, with trouble on order."""

    def __init__(self, path: Path, script: Script) -> None:
        super().__init__(path, clock=wall_clock)
        self._script = script

    async def handle(self, message: LedgerMessage, /) -> object:
        await self._script.begin(type(message).__name__, message)
        return await super().handle(message)


@dataclass
class Office:
    """What a test reaches."""

    tree: Supervisor
    queue: Queue
    broker: BrokerTwin
    ledger: Ref[LedgerMessage]
    ledger_script: Script
    ref: Ref[PublisherMessage]
    read: list[JobEvent]
    reports: list[WorkerReport]
    collected: list[CollectorReport]
    trouble: deque[Exception]
    signs: SignsOfLife
    troubles: Troubles

    async def submit(self, *jobs: Job, tell: bool = True) -> None:
        """A submission with these jobs."""
        first = jobs[0].message_id
        await self.ledger.ask(
            Submit(
                chat_id=jobs[0].chat_id,
                message_id=first,
                media_group_id=None,
                base_path=f"teltubby/{first}/",
                artifact_json="{}",
                jobs=jobs,
                member_message_ids=(first,),
            ),
            within=100,
        )
        if tell:
            self.ref.tell(OutboxFilled())

    async def unpublished(self) -> list[str]:
        return [job.job_id for job in await self.ledger.ask(PendingOutbox(limit=1000), within=100)]


@asynccontextmanager
async def office(
    tmp_path: Path,
    *,
    broker_away: bool = False,
    first_copy: FirstCopy | None = None,
    full: Callable[[], bool] = never,
    relay: Copier | None = None,
) -> AsyncIterator[Office]:
    """All of it, running; workers are answered from the ledger, or by `first_copy`, about copies by `relay`, and about
    room by `full`.
    """
    async with queue_at(tmp_path / "queue.db") as queue:
        broker, script = queue.twin(), Script()
        if broker_away:
            broker.script.break_down("open", BrokerUnavailable("away"))
        ledger = Mailbox[LedgerMessage]("ledger", capacity=256)
        bot = Mailbox[BotMessage]("bot")
        copies = Mailbox[RelayMessage]("relay")
        mail = Mailbox[PublisherMessage]("queue", capacity=256)
        read: list[JobEvent] = []
        reports: list[WorkerReport] = []
        collected: list[CollectorReport] = []
        trouble: deque[Exception] = deque()
        signs, troubles = SignsOfLife(), Troubles()

        async def known(sha256: str) -> str | None:
            found = await ledger.ref.ask(FindContent(sha256=sha256), within=30)
            return None if found is None else found.s3_key

        def start() -> PublishingQueueActor:
            return PublishingQueueActor(
                broker,
                ledger=ledger.ref,
                news=bot.ref,
                relay=copies.ref,
                first_copy=first_copy or known,
                signs=signs,
                troubles=troubles,
                full=full,
                backoff=BACKOFF,
                rng=random.Random(1),
            )

        path = ledger_at(tmp_path / "ledger.db")
        async with running(
            ChildSpec("ledger", lambda: ScriptedLedger(path, script), mailbox=ledger),
            ChildSpec("bot", lambda: Reader(read, reports, collected, trouble), mailbox=bot),
            ChildSpec("relay", lambda: Copies(relay or no_copy), mailbox=copies),
            ChildSpec("queue", start, mailbox=mail),
        ) as tree:
            yield Office(
                tree, queue, broker, ledger.ref, script, mail.ref, read, reports, collected, trouble, signs, troubles
            )
