"""The outbox: jobs that the ledger wants in the queue go there, many at once and in order, and are marked there."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import anyio
from anyio.abc import TaskStatus

from teltubby.actors.letters import is_urgent, job_letter
from teltubby.adapters.base import Broker, Destination
from teltubby.errors import BrokerUnavailable, TopologyConflict
from teltubby.messages.jobs import Job
from teltubby.messages.ledger import LedgerMessage
from teltubby.messages.ledger_jobs import MarkPublished, PendingOutbox
from teltubby.supervision import Ref, tracing

_LOG = logging.getLogger(__name__)

OUTBOX_BATCH = 500
UNDER_WAY = 250
"""Messages that wait for the broker's confirm at the same time."""
ASK_SECONDS = 60.0
MARK_SECONDS = 5.0
"""How long a stop waits until what the broker has confirmed is marked; unmarked, it is published twice."""


def never() -> bool:
    """There is always room."""
    return False


class Outbox:
    """Publishes what the ledger has in its outbox, at least once each; `broker` is open meanwhile.

    While `full` says that the archive is, the files of channels wait there: nobody would have room for them, and their
    number has no limit.
    """

    def __init__(self, broker: Broker, *, ledger: Ref[LedgerMessage], full: Callable[[], bool] = never) -> None:
        self._broker = broker
        self._ledger = ledger
        self._full = full

    async def drain(self) -> None:
        """Publish until nothing is left. Raises BrokerUnavailable, and what the ledger refuses with."""
        while jobs := await self._ledger.ask(
            PendingOutbox(limit=OUTBOX_BATCH, with_channels=not self._full()), within=ASK_SECONDS
        ):
            confirmed: list[Job] = []
            failures: list[Exception] = []
            try:
                await self._publish_all(jobs, confirmed, failures)
            finally:
                if confirmed:
                    await self._mark(confirmed)
            if failures:
                raise failures[0]

    async def _publish_all(self, jobs: Sequence[Job], confirmed: list[Job], failures: list[Exception]) -> None:
        """The first failure ends it, for what comes after must not overtake what failed."""
        slots = anyio.Semaphore(UNDER_WAY)

        async def publish(job: Job, *, task_status: TaskStatus[None]) -> None:
            try:
                task_status.started()  # and on without a pause: publishing begins in the order of starting
                await self._publish(job)
                confirmed.append(job)
            except (BrokerUnavailable, TopologyConflict) as error:
                failures.append(error)
                tasks.cancel_scope.cancel()
            finally:
                slots.release()

        async with anyio.create_task_group() as tasks:
            for job in jobs:
                await slots.acquire()
                await tasks.start(publish, job)

    async def _publish(self, job: Job) -> None:
        destination = Destination.PRIORITY if is_urgent(job) else Destination.JOBS
        await self._broker.publish(destination, job_letter(job))

    async def _mark(self, confirmed: Sequence[Job]) -> None:
        published = tuple((job.job_id, job.job_metadata.ticket) for job in confirmed)
        with anyio.CancelScope(shield=True):
            await self._ledger.ask(MarkPublished(published=published), within=MARK_SECONDS)
        for job in confirmed:
            with tracing(job.job_id):
                _LOG.info("job %s is in the queue, with priority %s", job.job_id, job.job_metadata.priority)
