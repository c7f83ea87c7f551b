"""What every broker keeps: durable queues with confirms, at least once, the same on both backends."""

from __future__ import annotations

import time

import anyio
import pytest
from anyio.abc import TaskStatus

from teltubby.adapters.base import Broker, Destination
from teltubby.adapters.broker_rules import DELAYED, REASON_CHARACTERS
from teltubby.errors import BrokerUnavailable
from teltubby.messages.wire_collector import REPORT_BYTES
from tests.contract.brokers import (
    JOBS,
    BrokerWorld,
    assert_silent,
    await_depth,
    message,
    name_of,
    opened,
    take,
    take_names,
)

pytestmark = pytest.mark.anyio


BODIES = {
    "empty": b"",
    "unicode": '{"caption": "Привет, мир 🦉"}'.encode(),
    "binary": bytes(range(256)),
    "1 MiB": bytes(range(256)) * 4096,
    "the longest": bytes(range(256)) * (REPORT_BYTES // 256),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
async def test_a_message_arrives_as_it_was_published(brokers: BrokerWorld, body: bytes) -> None:
    sent = message(body=body, headers={"schema": "1.0", "attempt": 3, "ratio": 0.5, "last": False, "имя": "значение"})
    async with opened(brokers.client()) as broker:
        await broker.publish(Destination.JOBS, sent)
        stream = await broker.consume([Destination.JOBS], prefetch=1)
        received = await take(stream)
        assert received.body == body
        assert (received.type, received.message_id) == (sent.type, sent.message_id)
        assert received.headers == sent.headers
        assert received.source is Destination.JOBS
        await received.ack()


async def test_messages_keep_their_order(brokers: BrokerWorld) -> None:
    names = [f"job {n}" for n in range(20)]
    async with opened(brokers.client()) as broker:
        for name in names:
            await broker.publish(Destination.JOBS, message(name))
        assert await take_names(await broker.consume(JOBS, prefetch=4), len(names)) == names


async def test_confirmed_messages_outlive_the_connection(brokers: BrokerWorld) -> None:
    async with opened(brokers.client()) as broker:
        await broker.publish(Destination.EVENTS, message("event"))
    async with opened(brokers.client()) as broker:
        assert await take_names(await broker.consume([Destination.EVENTS], prefetch=1), 1) == ["event"]


async def test_many_publish_at_once_and_those_begun_first_come_first(brokers: BrokerWorld) -> None:
    names = [f"event {n}" for n in range(60)]

    async def publish(name: str, *, task_status: TaskStatus[None]) -> None:
        task_status.started()
        await broker.publish(Destination.EVENTS, message(name))

    async with opened(brokers.client()) as broker:
        async with anyio.create_task_group() as tasks:
            for name in names:
                await tasks.start(publish, name)
        assert (await broker.depths())[Destination.EVENTS] == len(names)
        assert await take_names(await broker.consume([Destination.EVENTS], prefetch=10), len(names)) == names


async def test_a_cancelled_publication_takes_no_other_with_it(brokers: BrokerWorld) -> None:
    """Whether a cancelled one was stored nobody knows; all others are, and the next ones are confirmed as ever."""
    confirmed: list[str] = []

    async def publish(name: str) -> None:
        await broker.publish(Destination.EVENTS, message(name))
        confirmed.append(name)

    async def publish_for(seconds: float, name: str) -> None:
        with anyio.move_on_after(seconds):
            await publish(name)

    async with opened(brokers.client()) as broker:
        async with anyio.create_task_group() as tasks:
            for n in range(30):
                tasks.start_soon(publish, f"kept {n}")
                tasks.start_soon(publish_for, n * 0.001, f"cancelled {n}")
        await publish("last")
        depth = (await broker.depths())[Destination.EVENTS]
        received = await take_names(await broker.consume([Destination.EVENTS], prefetch=10), depth)
        assert len(received) == len(set(received))
        assert set(confirmed) <= set(received)
        assert {f"kept {n}" for n in range(30)} <= set(confirmed)
        assert received[-1] == "last"


async def test_many_redeliveries_do_not_make_a_message_poison(brokers: BrokerWorld) -> None:
    async with opened(brokers.client()) as broker:
        await broker.publish(Destination.JOBS, message())
        stream = await broker.consume(JOBS, prefetch=1)
        for _ in range(30):
            await (await take(stream)).requeue()
        last = await take(stream)
        assert name_of(last) == "job"
        assert dict(last.headers) == {"schema": "1.0"}
        assert (await broker.depths())[Destination.DEAD] == 0


async def test_an_acknowledged_message_is_gone(brokers: BrokerWorld) -> None:
    async with opened(brokers.client()) as broker:
        await broker.publish(Destination.JOBS, message())
        stream = await broker.consume(JOBS, prefetch=1)
        await (await take(stream)).ack()
        await stream.aclose()
    async with opened(brokers.client()) as broker:
        await assert_silent(await broker.consume(JOBS, prefetch=1))
        assert set((await broker.depths()).values()) == {0}


async def test_closing_the_stream_gives_back_what_is_unsettled(brokers: BrokerWorld) -> None:
    async with opened(brokers.client()) as broker:
        for name in ("one", "two", "three"):
            await broker.publish(Destination.JOBS, message(name))
        stream = await broker.consume(JOBS, prefetch=3)
        await (await take(stream)).ack()
        await take(stream)
        await stream.aclose()
        await stream.aclose()
        await await_depth(broker, Destination.JOBS, 2)
        assert await take_names(await broker.consume(JOBS, prefetch=1), 2) == ["two", "three"]


async def test_closing_the_broker_gives_back_what_is_unsettled(brokers: BrokerWorld) -> None:
    async with opened(brokers.client()) as other:
        async with opened(brokers.client()) as broker:
            await broker.publish(Destination.JOBS, message())
            await take(await broker.consume(JOBS, prefetch=1))
        assert await take_names(await other.consume(JOBS, prefetch=1), 1) == ["job"]


async def test_a_requeued_message_comes_again_at_once(brokers: BrokerWorld) -> None:
    async with opened(brokers.client()) as broker:
        for name in ("one", "two"):
            await broker.publish(Destination.JOBS, message(name))
        stream = await broker.consume(JOBS, prefetch=1)
        await (await take(stream)).requeue()
        assert await take_names(stream, 2) == ["one", "two"]


async def test_a_dead_letter_says_why_and_when(brokers: BrokerWorld) -> None:
    async with opened(brokers.client()) as broker:
        await broker.publish(Destination.PRIORITY, message("hopeless"))
        stream = await broker.consume(JOBS, prefetch=1)
        before = time.time()
        await (await take(stream)).dead_letter("нет такого файла", attempt=4)
        assert (await broker.depths())[Destination.DEAD] == 1
        await stream.aclose()
        dead = await take(await broker.consume([Destination.DEAD], prefetch=1))
        assert name_of(dead) == "hopeless"
        assert dead.type == "teltubby.large_file.job"
        assert dead.headers["x-reason"] == "нет такого файла"
        assert dead.headers["x-attempt"] == 4
        assert dead.headers["schema"] == "1.0"
        assert str(dead.headers["x-failed-at"])[:10] == time.strftime("%Y-%m-%d", time.gmtime(before))
        await dead.ack()
        assert set((await broker.depths()).values()) == {0}


async def test_an_endless_reason_is_cut(brokers: BrokerWorld) -> None:
    async with opened(brokers.client()) as broker:
        await broker.publish(Destination.JOBS, message())
        stream = await broker.consume(JOBS, prefetch=1)
        await (await take(stream)).dead_letter("ы" * 1_000_000, attempt=1)
        dead = await take(await broker.consume([Destination.DEAD], prefetch=1))
        assert dead.headers["x-reason"] == "ы" * REASON_CHARACTERS


async def test_the_first_settlement_counts(brokers: BrokerWorld) -> None:
    async with opened(brokers.client()) as broker:
        for name in ("one", "two", "three"):
            await broker.publish(Destination.JOBS, message(name))
        stream = await broker.consume(JOBS, prefetch=1)
        one = await take(stream)
        await one.ack()
        await one.ack()
        await one.requeue()
        await one.dead_letter("too late", attempt=1)
        two = await take(stream)
        await two.dead_letter("hopeless", attempt=1)
        await two.requeue()
        assert await take_names(stream, 1) == ["three"]
        await await_depth(broker, Destination.JOBS, 0)
        assert (await broker.depths())[Destination.DEAD] == 1


async def test_a_delivery_of_a_closed_stream_cannot_be_settled(brokers: BrokerWorld) -> None:
    async with opened(brokers.client()) as broker:
        await broker.publish(Destination.JOBS, message())
        stream = await broker.consume(JOBS, prefetch=1)
        delivery = await take(stream)
        await stream.aclose()
        with pytest.raises(BrokerUnavailable):
            await delivery.dead_letter("nobody will know", attempt=1)
        with pytest.raises(BrokerUnavailable):
            await delivery.ack()
        with pytest.raises(BrokerUnavailable):
            await delivery.requeue()
        await await_depth(broker, Destination.JOBS, 1)
        assert (await broker.depths())[Destination.DEAD] == 0


async def test_closing_the_broker_ends_the_streams(brokers: BrokerWorld) -> None:
    broker = brokers.client()
    await broker.open()
    waiting, closed = (await broker.consume(JOBS, prefetch=1)), (await broker.consume(JOBS, prefetch=1))
    received = []

    async def receive_all() -> None:
        received.extend([name_of(delivery) async for delivery in waiting])

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(receive_all)
            await anyio.wait_all_tasks_blocked()
            await broker.aclose()
        assert received == []
        with pytest.raises(anyio.EndOfStream):
            await closed.receive()
        await broker.aclose()


async def assert_closed(broker: Broker) -> None:
    """Nothing works on it, and it says so."""
    with pytest.raises(BrokerUnavailable):
        await broker.publish(Destination.JOBS, message())
    with pytest.raises(BrokerUnavailable):
        await broker.consume(JOBS, prefetch=1)
    with pytest.raises(BrokerUnavailable):
        await broker.depths()


async def test_a_broker_can_be_opened_again(brokers: BrokerWorld) -> None:
    broker = brokers.client()
    await assert_closed(broker)
    async with opened(broker):
        await broker.publish(Destination.JOBS, message())
    await assert_closed(broker)
    async with opened(broker):
        assert await take_names(await broker.consume(JOBS, prefetch=1), 1) == ["job"]


async def test_depths_count_what_is_ready(brokers: BrokerWorld) -> None:
    async with opened(brokers.client()) as broker:
        assert await broker.depths() == dict.fromkeys(Destination, 0)
        for count, destination in enumerate(Destination, start=1):
            for _ in range(count):
                await broker.publish(destination, message(), delay=600 if destination in DELAYED else 0)
        assert await broker.depths() == {destination: n for n, destination in enumerate(Destination, start=1)}
        await take(await broker.consume([Destination.JOBS], prefetch=1))
        await await_depth(broker, Destination.JOBS, 0)
