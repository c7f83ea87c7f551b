"""What every broker keeps of its consumers: priorities, a bounded number of deliveries, and work that is shared."""

from __future__ import annotations

from functools import partial

import anyio
import pytest

from teltubby.adapters.base import Broker, Delivery, Destination
from teltubby.adapters.broker_rules import DELAYED
from tests.contract.brokers import (
    JOBS,
    PATIENCE,
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


async def test_priority_overtakes_whatever_has_not_begun(brokers: BrokerWorld) -> None:
    async with opened(brokers.client()) as broker:
        for name in ("normal 1", "normal 2", "normal 3"):
            await broker.publish(Destination.JOBS, message(name))
        await broker.publish(Destination.PRIORITY, message("urgent 1"))
        stream = await broker.consume([Destination.JOBS, Destination.PRIORITY], prefetch=1)
        first = await take(stream)
        assert (name_of(first), first.source) == ("urgent 1", Destination.PRIORITY)
        await first.ack()
        second = await take(stream)
        assert (name_of(second), second.source) == ("normal 1", Destination.JOBS)
        await broker.publish(Destination.PRIORITY, message("urgent 2"))
        await broker.publish(Destination.PRIORITY, message("urgent 3"))
        await second.ack()
        assert await take_names(stream, 4) == ["urgent 2", "urgent 3", "normal 2", "normal 3"]


async def test_an_idle_consumer_gets_what_comes(brokers: BrokerWorld) -> None:
    async with opened(brokers.client()) as broker:
        stream = await broker.consume(JOBS, prefetch=1)
        for destination, name in ((Destination.JOBS, "normal"), (Destination.PRIORITY, "urgent")) * 3:
            await broker.publish(destination, message(name))
            assert await take_names(stream, 1) == [name]


@pytest.mark.parametrize("sources", [JOBS, (Destination.JOBS,)], ids=["two queues", "one queue"])
async def test_no_more_than_prefetch_are_unsettled(brokers: BrokerWorld, sources: tuple[Destination, ...]) -> None:
    async with opened(brokers.client()) as broker:
        for n in range(6):
            await broker.publish(Destination.JOBS, message(f"job {n}"))
        stream = await broker.consume(sources, prefetch=2)
        first, second = await take(stream), await take(stream)
        await assert_silent(stream)
        await await_depth(broker, Destination.JOBS, 4)
        await second.ack()
        third = await take(stream)
        await assert_silent(stream)
        await await_depth(broker, Destination.JOBS, 3)
        assert [name_of(delivery) for delivery in (first, second, third)] == ["job 0", "job 1", "job 2"]


async def test_a_busy_consumer_withholds_nothing_from_an_idle_one(brokers: BrokerWorld) -> None:
    async with opened(brokers.client()) as busy, opened(brokers.client()) as idle:
        await busy.publish(Destination.JOBS, message("long"))
        held = await take(await busy.consume(JOBS, prefetch=1))
        for name in ("next", "last"):
            await busy.publish(Destination.JOBS, message(name))
        await busy.publish(Destination.PRIORITY, message("urgent"))
        assert await take_names(await idle.consume(JOBS, prefetch=1), 3) == ["urgent", "next", "last"]
        await held.ack()


async def test_two_consumers_share_a_queue(brokers: BrokerWorld) -> None:
    async with opened(brokers.client()) as one, opened(brokers.client()) as two:
        streams = [await one.consume(JOBS, prefetch=1), await two.consume(JOBS, prefetch=1)]
        for name in ("a", "b"):
            await one.publish(Destination.JOBS, message(name))
        held = [await take(stream) for stream in streams]
        assert sorted(map(name_of, held)) == ["a", "b"]
        for delivery in held:
            await delivery.ack()


async def test_one_client_serves_several_consumers(brokers: BrokerWorld) -> None:
    async with opened(brokers.client()) as broker:
        jobs = await broker.consume(JOBS, prefetch=1)
        events = await broker.consume([Destination.EVENTS], prefetch=8)
        await broker.publish(Destination.EVENTS, message("event"))
        await broker.publish(Destination.JOBS, message("job"))
        assert await take_names(jobs, 1) == ["job"]
        await jobs.aclose()
        assert await take_names(events, 1) == ["event"]


async def test_what_cannot_be_consumed_is_refused(brokers: BrokerWorld) -> None:
    async with opened(brokers.client()) as broker:
        for destination in DELAYED:
            with pytest.raises(ValueError, match="consumed"):
                await broker.consume([destination], prefetch=1)
        with pytest.raises(ValueError, match="consumed"):
            await broker.consume([], prefetch=1)
        with pytest.raises(ValueError, match="prefetch"):
            await broker.consume(JOBS, prefetch=0)


@pytest.mark.parametrize("sources", [JOBS, (Destination.JOBS,)], ids=["two queues", "one queue"])
async def test_nothing_gets_stuck_between_busy_consumers(
    brokers: BrokerWorld, sources: tuple[Destination, ...]
) -> None:
    count, waiting, done = 60, set[str](), list[str]()

    async def work(broker: Broker, prefetch: int, every: int) -> None:
        stream = await broker.consume(sources, prefetch=prefetch)
        async with anyio.create_task_group() as tasks:
            seen = 0
            async for delivery in stream:
                seen += 1
                tasks.start_soon(delivery.requeue if seen % every == 0 else partial(finish, delivery))

    async def finish(delivery: Delivery) -> None:
        await delivery.ack()
        done.append(name_of(delivery))
        waiting.discard(name_of(delivery))
        if not waiting:
            everything.set()

    async with opened(brokers.client()) as publisher, opened(brokers.client()) as one, opened(brokers.client()) as two:
        for n in range(count):
            waiting.add(f"job {n}")
        everything = anyio.Event()
        async with anyio.create_task_group() as tasks:
            for broker, prefetch, every in ((one, 1, 3), (one, 3, 5), (two, 2, 4)):
                tasks.start_soon(work, broker, prefetch, every)
            for n in range(count):
                await publisher.publish(sources[n % len(sources)], message(f"job {n}"))
            with anyio.fail_after(PATIENCE):
                await everything.wait()
            await one.aclose()
            await two.aclose()
        assert len(done) == count


@pytest.mark.parametrize("sources", [JOBS, (Destination.JOBS,)], ids=["two queues", "one queue"])
async def test_a_cancelled_receive_loses_nothing(brokers: BrokerWorld, sources: tuple[Destination, ...]) -> None:
    async with opened(brokers.client()) as broker:
        stream = await broker.consume(sources, prefetch=1)
        names = [f"job {n}" for n in range(12)]
        received: list[Delivery] = []
        for n, name in enumerate(names):
            await broker.publish(Destination.JOBS, message(name))
            with anyio.move_on_after(n * 0.001):
                received.append(await stream.receive())
                await received[-1].ack()
        for delivery in received:
            await delivery.ack()  # where the time ran out between the two
        rest = await take_names(stream, len(names) - len(received))
        assert [name_of(delivery) for delivery in received] + rest == names
