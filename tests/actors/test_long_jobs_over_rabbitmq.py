"""A job that takes longer than RabbitMQ's consumer_timeout: its delivery is taken away, and it is done exactly once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import anyio
import pytest

from teltubby.adapters.base import Broker, Destination, Outgoing
from teltubby.messages.jobs import Job, JobEvent, JobProgress
from teltubby.messages.questions import Turn, TurnAsked
from teltubby.messages.wire import JOB_TYPE, SCHEMA, decode_event, encode_job, is_worker_report
from tests.actors.clerk import Clerk
from tests.actors.queues import names
from tests.actors.stage import MIB, large_job, noise, restarts
from tests.actors.worker_wing import WorkerWing, worker_wing
from tests.contract.brokers import RabbitWorld, opened
from tests.servers.rabbitmq import RabbitNode
from tests.servers.rabbitmq_fixtures import (
    CONSUMER_TIMEOUT_SECONDS,
    impatient_rabbit,
    rabbit_node,
    rabbit_vhost,
)
from tests.twins import MemoryStore

__all__ = ["impatient_rabbit", "rabbit_node", "rabbit_vhost"]

pytestmark = pytest.mark.anyio

BODY = noise(2 * MIB + 77)
PATIENCE = 60.0
WAITING = (Destination.JOBS, Destination.PRIORITY, Destination.RETRY, Destination.RETRY_PRIORITY, Destination.DEAD)


@pytest.fixture
def impatient(impatient_rabbit: RabbitNode, rabbit_vhost: str) -> RabbitWorld:
    """RabbitMQ, which takes a delivery back after CONSUMER_TIMEOUT_SECONDS."""
    return RabbitWorld(node=impatient_rabbit, vhost=rabbit_vhost, port=impatient_rabbit.port)


class House:
    """The bot's side of the queue: it lets the first worker that asks run a job, and the others wait for it."""

    def __init__(self, broker: Broker, store: MemoryStore) -> None:
        self.broker = broker
        self.store = store
        self.clerk = Clerk(broker, self._turn)
        self.events: list[JobEvent] = []
        self._runners: dict[str, str] = {}

    def _turn(self, asked: TurnAsked) -> Turn:
        if "completed" in names([event for event in self.events if event.job_id == asked.job_id]):
            return Turn.OVER
        return Turn.GO if self._runners.setdefault(asked.job_id, asked.worker) == asked.worker else Turn.WAIT

    async def put_job(self, job: Job) -> None:
        message = Outgoing(body=encode_job(job), type=JOB_TYPE, message_id=job.job_id, headers={"schema": SCHEMA})
        await self.broker.publish(Destination.JOBS, message)

    async def read(self) -> None:
        """Take the reports, for ever."""
        async with await self.broker.consume([Destination.EVENTS], prefetch=100) as reports:
            async for report in reports:
                if not is_worker_report(report.type):
                    event = decode_event(report.body, type=report.type)
                    if not isinstance(event, JobProgress):
                        self.events.append(event)
                await report.ack()

    async def until_quiet(self) -> None:
        """Wait until nothing is ready in any queue of jobs."""
        with anyio.fail_after(PATIENCE):
            while any([(await self.broker.depths())[place] for place in WAITING]):
                await anyio.sleep(0.1)


@asynccontextmanager
async def house(world: RabbitWorld) -> AsyncIterator[House]:
    async with opened(world.client()) as broker, anyio.create_task_group() as tasks:
        here = House(broker, MemoryStore(part_size=MIB))
        tasks.start_soon(here.clerk.work)
        tasks.start_soon(here.read)
        yield here
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def worker(
    world: RabbitWorld, here: House, folder: Path, job: Job, concurrency: int
) -> AsyncIterator[WorkerWing]:
    store = MemoryStore(part_size=MIB)
    store.objects = here.store.objects
    async with worker_wing(
        folder, broker=world.client(), concurrency=concurrency, store=store, worker=folder.name
    ) as wing:
        wing.hand_in(job, BODY)
        yield wing
        assert restarts(wing.tree) == {}


@contextmanager
def slow_completion(*wings: WorkerWing) -> Iterator[None]:
    """The store takes its time with the last step, until the block is left."""
    gates = [wing.store.script.hold("complete") for wing in wings]
    yield
    for gate in gates:
        gate.set()


@pytest.mark.parametrize(("workers", "concurrency"), [(1, 1), (1, 2), (2, 1)])
async def test_it_finishes_exactly_once(impatient: RabbitWorld, tmp_path: Path, concurrency: int, workers: int) -> None:
    job = large_job(size=len(BODY))
    async with house(impatient) as here:
        async with AsyncExitStack() as stack:
            folders = [tmp_path / name for name in ("one", "two")[:workers]]
            wings = [
                await stack.enter_async_context(worker(impatient, here, folder, job, concurrency)) for folder in folders
            ]
            with slow_completion(*wings):
                await here.put_job(job)
                await anyio.sleep(2.5 * CONSUMER_TIMEOUT_SECONDS)
                assert not here.store.objects
            with anyio.fail_after(PATIENCE):
                while "completed" not in names(here.events):
                    await anyio.sleep(0.05)
            await here.until_quiet()
            await anyio.sleep(CONSUMER_TIMEOUT_SECONDS)  # a worker that was told to wait just before asks again
        await here.until_quiet()  # what a worker held would be back now
        assert sum(wing.session.script.count("locate") for wing in wings) == 1
        assert names(here.events) == ["started", "completed"]
        assert here.store.objects == {job.target.key: BODY}
