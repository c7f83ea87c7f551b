"""The embedded queue in virtual time, and a view of what lies in it."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path

import anyio
import anyio.to_thread

from teltubby.adapters.base import Delivery, Destination, Outgoing
from teltubby.adapters.embedded_broker import EmbeddedBroker
from teltubby.adapters.embedded_doorbell import Doorbell
from teltubby.messages.collector import CollectorReport
from teltubby.messages.jobs import Job, JobEvent, JobProgress
from teltubby.messages.wire import (
    JOB_TYPE,
    SCHEMA,
    decode_collector_report,
    decode_event,
    decode_job,
    decode_worker_report,
    encode_event,
    encode_job,
    event_type,
    is_collector_report,
    is_worker_report,
)
from teltubby.messages.workers import WorkerReport
from tests.twins import BrokerTwin, Watcher
from tests.virtual_time import seconds_clock

LEASE_SECONDS = 1e9
"""Renewed by a thread in real time, which would come late."""


class Queue:
    """The queue as tests see it: they put messages in, and look at what the house made of them.

    What workers report of themselves is not counted among the events; once events are taken it is in `reports`, and
    what collectors tell in `collected`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._doorbell = Doorbell()
        self._own = self.client()
        self.reports: list[WorkerReport] = []
        self.collected: list[CollectorReport] = []

    def client(self) -> EmbeddedBroker:
        """Another connection."""
        return EmbeddedBroker(self._path, lease_seconds=LEASE_SECONDS, clock=seconds_clock, doorbell=self._doorbell)

    def twin(self, watch: Watcher | None = None) -> BrokerTwin:
        """Another connection, with trouble on order."""
        return BrokerTwin(self.client(), watch=watch)

    async def open(self) -> None:
        await self._own.open()

    async def aclose(self) -> None:
        await self._own.aclose()

    async def put_job(self, job: Job, destination: Destination = Destination.JOBS) -> None:
        await self.put(destination, encode_job(job), type=JOB_TYPE, message_id=job.job_id)

    async def put_event(self, event: JobEvent) -> None:
        await self.put(Destination.EVENTS, encode_event(event), type=event_type(event), message_id=event.job_id)

    async def put(
        self,
        destination: Destination,
        body: bytes,
        *,
        type: str = JOB_TYPE,
        message_id: str = "m",
        schema: str | None = SCHEMA,
    ) -> None:
        headers = {} if schema is None else {"schema": schema}
        await self._own.publish(destination, Outgoing(body=body, type=type, message_id=message_id, headers=headers))

    async def depth(self, destination: Destination) -> int:
        """Messages that wait there (those that somebody holds do not count)."""
        if destination is Destination.EVENTS:
            return sum(not is_worker_report(type) for type in await anyio.to_thread.run_sync(self._waiting_events))
        return (await self._own.depths())[destination]

    def _waiting_events(self) -> list[str]:
        with closing(sqlite3.connect(self._path)) as connection:
            rows = connection.execute(
                "SELECT type FROM queue_messages WHERE queue = 'events' AND leased_until <= ? AND visible_at <= ?",
                (seconds_clock(), seconds_clock()),
            )
            return [type for (type,) in rows]

    async def settle(self, destination: Destination, count: int) -> None:
        """Wait until so many messages wait there."""
        began = anyio.current_time()
        with anyio.fail_after(100_000):
            while await self.depth(destination) != count:
                await anyio.sleep(max(0.05, (anyio.current_time() - began) / 100))

    async def take(self, *sources: Destination) -> list[Delivery]:
        """Take everything that waits there."""
        deliveries = []
        for source in sources:
            async with await self._own.consume([source], prefetch=1000) as stream:
                for _ in range((await self._own.depths())[source]):
                    deliveries.append(await stream.receive())
                    await deliveries[-1].ack()
        return deliveries

    async def jobs(self, *sources: Destination) -> list[Job]:
        """Take the jobs that wait there."""
        taken = await self.take(*(sources or (Destination.JOBS,)))
        return [decode_job(delivery.body, schema=str(delivery.headers["schema"])) for delivery in taken]

    async def events(self, *, progress: bool = False) -> list[JobEvent]:
        """Take the reports that wait, without those of progress unless wanted."""
        taken = await self.take(Destination.EVENTS)
        found = []
        for one in taken:
            schema = str(one.headers["schema"])
            if is_worker_report(one.type):
                self.reports.append(decode_worker_report(one.body, one.type, schema))
            elif is_collector_report(one.type):
                self.collected.append(decode_collector_report(one.body, one.type, schema))
            else:
                found.append(decode_event(one.body, type=one.type, schema=schema))
        return [event for event in found if progress or not isinstance(event, JobProgress)]


@asynccontextmanager
async def queue_at(path: Path) -> AsyncIterator[Queue]:
    """An open queue."""
    queue = Queue(path)
    await queue.open()
    try:
        yield queue
    finally:
        with anyio.CancelScope(shield=True):
            await queue.aclose()


def names(events: Sequence[JobEvent]) -> list[str]:
    """What was reported, in words: `started`, `completed`, …"""
    return [event_type(event).rpartition(".")[2] for event in events]
