"""What crosses the worker's QueueActor for the collector: orders to it, and what it tells, once the broker has it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest

from teltubby.actors.collected_channels import waiting_in
from teltubby.actors.letters import collector_report_letter, order_letter
from teltubby.adapters.base import Destination
from teltubby.errors import BrokerUnavailable, DatabaseUnavailable, MalformedMessage
from teltubby.messages.collected import Post
from teltubby.messages.collector import (
    ChannelMediaFound,
    ChannelsTold,
    CollectorOrder,
    CollectorReport,
    DescribeChannels,
    MakeReport,
    ReportCollected,
    ReportTold,
    TrackChannel,
    UntrackChannel,
)
from teltubby.messages.control import DescribeWorkers, Order
from teltubby.messages.queue import DescribeQueue
from teltubby.messages.wire_collector import PAGE_BYTES
from teltubby.supervision import Actor, ChildSpec, Mailbox
from tests.actors.office import office
from tests.actors.queues import Queue, queue_at
from tests.actors.stage import restarts, running
from tests.actors.worker_wing import WorkerWing, worker_wing
from tests.twins import BrokerTwin
from tests.virtual_time import BEGINNING, until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

ORDERS: list[CollectorOrder] = [
    TrackChannel(order_id="1", peer="@news", user_id=7),
    UntrackChannel(order_id="2", peer="@news", user_id=7),
    DescribeChannels(order_id="3"),
    MakeReport(order_id="4", peer="@news", days=30),
]
TOLD = ChannelsTold(worker="host:1", order_id="3", at=BEGINNING, channels=())
FOUND = ChannelMediaFound(
    worker="host:1",
    at=BEGINNING,
    post=Post(channel_id=5, msg_id=6, date=BEGINNING),
    title="News",
    username=None,
    user_id=7,
)


@dataclass
class Collector(Actor[CollectorOrder]):
    """Stands for the CollectorActor: it notes its orders."""

    orders: list[CollectorOrder]

    async def handle(self, message: CollectorOrder, /) -> None:
        self.orders.append(message)


@dataclass
class Line:
    """A worker with a collector, the queue, and who is at its other end."""

    wing: WorkerWing
    queue: Queue
    broker: BrokerTwin
    orders: list[CollectorOrder] = field(default_factory=list)

    async def order(self, *orders: Order) -> None:
        """Broadcast them, as the bot does."""
        other = self.queue.client()
        await other.open()
        for order in orders:
            await other.broadcast(order_letter(order))
        await other.aclose()

    async def tell(self, report: CollectorReport) -> None:
        await self.wing.queue.ask(ReportCollected(report=report), within=60)

    async def told(self) -> list[CollectorReport]:
        """All that the broker has, taken."""
        await self.queue.events()
        return self.queue.collected


@asynccontextmanager
async def line(tmp_path: Path, *, is_collecting: bool = True) -> AsyncIterator[Line]:
    orders: list[CollectorOrder] = []
    mailbox = Mailbox[CollectorOrder]("collector")
    async with (
        queue_at(tmp_path / "queue.db") as queue,
        running(ChildSpec("collector", lambda: Collector(orders), mailbox=mailbox)),
    ):
        broker = queue.twin()
        collector = mailbox.ref if is_collecting else None
        async with worker_wing(tmp_path / "spool", broker=broker, collector=collector) as wing:
            await wing.ready()
            await until(lambda: broker.script.count("listen") == 1)
            yield Line(wing, queue, broker, orders)


async def test_orders_about_channels_go_to_the_collector_in_order(tmp_path: Path) -> None:
    async with line(tmp_path) as here:
        await here.order(*ORDERS)
        await until(lambda: len(here.orders) == 4)
        assert here.orders == ORDERS


async def test_without_a_collector_they_are_for_others(tmp_path: Path) -> None:
    async with line(tmp_path, is_collecting=False) as here:
        said = here.broker.script.count("report")
        await here.order(*ORDERS, DescribeWorkers())
        await until(lambda: here.broker.script.count("report") > said)
        assert here.orders == [] and restarts(here.wing.tree) == {}


async def test_a_collector_whose_mailbox_is_full_loses_orders_and_nothing_else(tmp_path: Path) -> None:
    mailbox = Mailbox[CollectorOrder]("collector", capacity=1)  # nobody reads it
    async with queue_at(tmp_path / "queue.db") as queue:
        broker = queue.twin()
        async with worker_wing(tmp_path / "spool", broker=broker, collector=mailbox.ref) as wing:
            await wing.ready()
            await until(lambda: broker.script.count("listen") == 1)
            said = broker.script.count("report")
            await Line(wing, queue, broker).order(*ORDERS, DescribeWorkers())
            await until(lambda: broker.script.count("report") > said)
            assert restarts(wing.tree) == {}


async def test_what_it_tells_is_durable_when_it_is_answered(tmp_path: Path) -> None:
    async with line(tmp_path) as here:
        for report in (TOLD, FOUND):
            await here.tell(report)
        assert await here.told() == [TOLD, FOUND]


async def test_a_collector_can_count_what_the_bot_has_not_taken(tmp_path: Path) -> None:
    async with line(tmp_path) as here:
        waiting = waiting_in(here.wing.queue)
        before = await waiting()  # the worker says how it stands
        await here.tell(FOUND)
        await here.queue.put(Destination.DEAD, b"{}")
        assert await waiting() == before + 1
        here.broker.script.break_down("depths", BrokerUnavailable("away"))
        with pytest.raises(BrokerUnavailable):
            await waiting()


async def test_a_broker_that_is_away_refuses_it_and_it_can_be_told_again(tmp_path: Path) -> None:
    async with line(tmp_path) as here:
        here.broker.script.fail("publish", BrokerUnavailable("away"))
        with pytest.raises(BrokerUnavailable):
            await here.tell(TOLD)
        await until(lambda: here.broker.script.count("listen") == 2)
        await here.tell(TOLD)
        assert await here.told() == [TOLD]


async def test_while_it_waits_for_the_confirm_the_worker_answers(tmp_path: Path) -> None:
    async with line(tmp_path) as here, anyio.create_task_group() as tasks:
        refusals: list[BrokerUnavailable] = []

        async def tell() -> None:
            try:
                await here.tell(TOLD)
            except BrokerUnavailable as error:
                refusals.append(error)

        here.broker.script.hold("publish")
        tasks.start_soon(tell)
        await until(lambda: here.broker.script.count("publish") == 1)
        began = anyio.current_time()
        assert await here.wing.queue.ask(DescribeQueue(), within=60) == "connected"
        assert anyio.current_time() == began
        await until(lambda: refusals, within=60)
        assert restarts(here.wing.tree) == {}


async def test_what_is_too_long_is_refused_for_good(tmp_path: Path) -> None:
    page = b64encode(b"x" * (PAGE_BYTES + 1)).decode()
    async with line(tmp_path) as here:
        with pytest.raises(MalformedMessage, match="page"):
            await here.tell(ReportTold(worker="host:1", order_id="4", at=BEGINNING, peer="@news", page=page))
        assert await here.told() == [] and restarts(here.wing.tree) == {}


# -- at the bot's end


async def put(queue: Queue, report: CollectorReport) -> None:
    letter = collector_report_letter(report)
    await queue.put(Destination.EVENTS, letter.body, type=letter.type, message_id=letter.message_id)


async def test_the_bot_is_told_until_it_has_it(tmp_path: Path) -> None:
    async with office(tmp_path) as here:
        here.trouble.append(DatabaseUnavailable("locked"))
        await put(here.queue, FOUND)
        await until(lambda: here.collected == [FOUND])
        await put(here.queue, TOLD)
        await until(lambda: here.collected == [FOUND, TOLD])
        assert await here.queue.depth(Destination.EVENTS) == 0 and await here.queue.depth(Destination.DEAD) == 0


async def test_what_cannot_be_read_is_a_dead_letter(tmp_path: Path) -> None:
    async with office(tmp_path) as here:
        await here.queue.put(Destination.EVENTS, b"{}", type="teltubby.collector.channels")
        await put(here.queue, TOLD)
        await until(lambda: here.collected == [TOLD])
        await here.queue.settle(Destination.DEAD, 1)
