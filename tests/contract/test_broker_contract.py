"""What every broker keeps: durable queues with confirms, at least once, the same on both backends."""

from __future__ import annotations

import time
from functools import partial

import anyio
import pytest

from teltubby.adapters.base import Broker, Delivery, Destination
from teltubby.adapters.broker_rules import REASON_CHARACTERS
from teltubby.errors import BrokerUnavailable
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


BODIES = {
    "empty": b"",
    "unicode": '{"caption": "Привет, мир 🦉"}'.encode(),
    "binary": bytes(range(256)),
    "1 MiB": bytes(range(256)) * 4096,
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


async def test_many_publish_at_once(brokers: BrokerWorld) -> None:
    async with opened(brokers.client()) as broker:
        async with anyio.create_task_group() as tasks:
            for n in range(40):
                tasks.start_soon(broker.publish, Destination.EVENTS, message(f"event {n}"))
        assert (await broker.depths())[Destination.EVENTS] == 40
        received = await take_names(await broker.consume([Destination.EVENTS], prefetch=10), 40)
        assert sorted(received) == sorted(f"event {n}" for n in range(40))


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


async def test_a_short_delay_does_not_wait_for_a_long_one(brokers: BrokerWorld) -> None:
    async with opened(brokers.client()) as broker:
        stream = await broker.consume(JOBS, prefetch=4)
        began = time.monotonic()
        await broker.publish(Destination.RETRY, message("long"), delay=1.5)
        await broker.publish(Destination.RETRY, message("short"), delay=0.4)
        await broker.publish(Destination.RETRY, message("none"))
        await await_depth(broker, Destination.RETRY, 2)
        none = await take(stream)
        assert (name_of(none), none.source, none.headers) == ("none", Destination.JOBS, {"schema": "1.0"})
        short = await take(stream)
        assert 0.4 <= time.monotonic() - began < 1.4
        assert (name_of(short), short.source, short.headers) == ("short", Destination.JOBS, {"schema": "1.0"})
        assert await take_names(stream, 1) == ["long"]
        assert time.monotonic() - began >= 1.5


async def test_only_retries_are_delayed(brokers: BrokerWorld) -> None:
    async with opened(brokers.client()) as broker:
        for destination in set(Destination) - {Destination.RETRY}:
            with pytest.raises(ValueError, match="delayed"):
                await broker.publish(destination, message(), delay=1)
        with pytest.raises(ValueError, match="delayed"):
            await broker.publish(Destination.RETRY, message(), delay=-1)


async def test_what_cannot_be_consumed_is_refused(brokers: BrokerWorld) -> None:
    async with opened(brokers.client()) as broker:
        with pytest.raises(ValueError, match="consumed"):
            await broker.consume([Destination.RETRY], prefetch=1)
        with pytest.raises(ValueError, match="consumed"):
            await broker.consume([], prefetch=1)
        with pytest.raises(ValueError, match="prefetch"):
            await broker.consume(JOBS, prefetch=0)


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


async def test_depths_count_what_is_ready(brokers: BrokerWorld) -> None:
    async with opened(brokers.client()) as broker:
        assert await broker.depths() == dict.fromkeys(Destination, 0)
        for count, destination in enumerate(Destination, start=1):
            for _ in range(count):
                await broker.publish(destination, message(), delay=600 if destination is Destination.RETRY else 0)
        assert await broker.depths() == {destination: n for n, destination in enumerate(Destination, start=1)}
        await take(await broker.consume([Destination.JOBS], prefetch=1))
        await await_depth(broker, Destination.JOBS, 0)
