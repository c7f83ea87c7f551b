"""What only RabbitMQ can do to us: the wire is cut, it hangs, restarts, refuses us, or its queues are not ours."""

from __future__ import annotations

import asyncio
import time

import aio_pika
import anyio
import anyio.to_thread
import pytest

from teltubby.adapters.base import Destination, HeaderValue
from teltubby.adapters.rabbitmq import RabbitBroker
from teltubby.adapters.rabbitmq_errors import CLOSE_SECONDS
from teltubby.adapters.rabbitmq_topology import BrokerNames
from teltubby.errors import BrokerUnavailable
from teltubby.flavour import asyncio_hosted
from tests.contract.brokers import (
    JOBS,
    PATIENCE,
    RabbitWorld,
    as_a_stranger,
    assert_silent,
    await_depth,
    depth_of,
    eventually,
    message,
    opened,
    take,
    take_names,
)
from tests.servers.tcp_proxy import TcpProxy

pytestmark = pytest.mark.anyio

NAMES = BrokerNames()


async def test_a_cut_wire_ends_everything_until_opened_again(wired: RabbitWorld, rabbit_proxy: TcpProxy) -> None:
    broker = wired.client()
    async with opened(broker):
        for name in ("one", "two", "three"):
            await broker.publish(Destination.JOBS, message(name))
        stream = await broker.consume(JOBS, prefetch=2)
        delivery = await take(stream)
        assert rabbit_proxy.cut() == 1
        with anyio.fail_after(PATIENCE), pytest.raises(anyio.EndOfStream):
            while True:
                await stream.receive()
        for settle in (delivery.ack, delivery.requeue):
            with pytest.raises(BrokerUnavailable, match="come again"):
                await settle()
        with pytest.raises(BrokerUnavailable, match="come again"):
            await delivery.dead_letter("lost", attempt=1)
        with pytest.raises(BrokerUnavailable, match="RabbitMQ at 127"):
            await broker.publish(Destination.JOBS, message("lost"))
        with pytest.raises(BrokerUnavailable):
            await broker.depths()
        await broker.open()
        await broker.publish(Destination.JOBS, message("four"))
        assert await take_names(await broker.consume(JOBS, prefetch=1), 4) == ["one", "two", "three", "four"]


@pytest.mark.parametrize("sources", [JOBS, (Destination.JOBS,)], ids=["two queues", "one queue"])
async def test_a_cut_wire_ends_a_waiting_consumer(
    wired: RabbitWorld,
    rabbit_proxy: TcpProxy,
    sources: tuple[Destination, ...],
) -> None:
    async with opened(wired.client()) as broker:
        stream = await broker.consume(sources, prefetch=1)
        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(assert_ends, stream)
                await anyio.wait_all_tasks_blocked()
                rabbit_proxy.cut()


async def assert_ends(stream: anyio.abc.ObjectReceiveStream[object]) -> None:
    """It ends without anything more."""
    with pytest.raises(anyio.EndOfStream):
        await stream.receive()


async def test_an_ack_on_a_cut_wire_fails_or_is_redelivered(wired: RabbitWorld, rabbit_proxy: TcpProxy) -> None:
    async with opened(wired.client()) as broker:
        await broker.publish(Destination.JOBS, message())
        delivery = await take(await broker.consume(JOBS, prefetch=1))
        rabbit_proxy.cut()
        with pytest.raises(BrokerUnavailable):  # the reader may not have noticed yet; later, everything must fail
            while True:
                await delivery.ack()
                await broker.depths()
        await broker.open()
        assert await take_names(await broker.consume(JOBS, prefetch=1), 1) == ["job"]


async def has_opened(broker: RabbitBroker) -> bool:
    """Whether the broker was reached, and everything declared, in time."""
    try:
        await broker.open()
    except BrokerUnavailable:
        return False
    return True


async def test_a_broker_that_hangs_is_given_up(wired: RabbitWorld, rabbit_proxy: TcpProxy) -> None:
    broker = wired.client(patience=1.5)
    with anyio.fail_after(4 * PATIENCE):
        while not await has_opened(broker):  # on a busy machine the declarations alone may take longer
            pass
    rabbit_proxy.stall()
    began = time.monotonic()
    with pytest.raises(BrokerUnavailable, match="no answer in time"):
        await broker.publish(Destination.JOBS, message())
    with pytest.raises(BrokerUnavailable, match="no answer in time"):
        await broker.depths()
    await broker.aclose()
    with pytest.raises(BrokerUnavailable, match="no answer in time"):
        await broker.open()
    assert time.monotonic() - began < 2 * PATIENCE
    rabbit_proxy.resume()
    rabbit_proxy.cut()


async def test_nobody_listens(wired: RabbitWorld, rabbit_proxy: TcpProxy) -> None:
    broker = wired.client()
    rabbit_proxy.refuse()
    with pytest.raises(BrokerUnavailable, match=f"cannot reach RabbitMQ at 127.0.0.1:{rabbit_proxy.port}"):
        await broker.open()
    rabbit_proxy.accept()
    async with opened(broker):
        assert (await broker.depths())[Destination.JOBS] == 0


async def test_wrong_credentials_name_the_user_and_not_the_password(direct: RabbitWorld) -> None:
    with pytest.raises(BrokerUnavailable, match="refuses the user 'guest'") as caught:
        await direct.client(password="hunter2").open()
    assert "hunter2" not in str(caught.value)


async def test_a_missing_virtual_host_is_named(direct: RabbitWorld) -> None:
    with pytest.raises(BrokerUnavailable, match="no virtual host 'nowhere'"):
        await direct.client(vhost="nowhere").open()


async def test_classic_queues_work_as_well(direct: RabbitWorld) -> None:
    async with opened(direct.client(queue_type="classic")) as broker:
        stream = await broker.consume(JOBS, prefetch=1)
        await broker.publish(Destination.RETRY, message("delayed"), delay=0.3)
        assert await take_names(stream, 1) == ["delayed"]


async def test_a_deleted_queue_is_declared_again(direct: RabbitWorld) -> None:
    async with opened(direct.client()) as broker:
        stream = await broker.consume(JOBS, prefetch=1)
        direct.node.delete_queue(direct.vhost, NAMES.jobs)
        with anyio.fail_after(PATIENCE):
            await assert_ends(stream)
        with pytest.raises(BrokerUnavailable, match=r"no queue for 'teltubby.large_files'"):
            await broker.publish(Destination.JOBS, message())
        with pytest.raises(BrokerUnavailable):
            await broker.depths()
        await broker.publish(Destination.EVENTS, message())  # the rest goes on
        await broker.open()
        await broker.publish(Destination.JOBS, message())


async def test_a_dead_letter_without_a_queue_leaves_the_delivery_ours(direct: RabbitWorld) -> None:
    async with opened(direct.client()) as broker:
        await broker.publish(Destination.JOBS, message())
        delivery = await take(await broker.consume(JOBS, prefetch=1))
        direct.node.delete_queue(direct.vhost, NAMES.dead)
        with pytest.raises(BrokerUnavailable, match="no queue"):
            await delivery.dead_letter("hopeless", attempt=1)
        await delivery.requeue()
        await await_depth_of(direct, NAMES.jobs, 0)  # our own consumer has it again


@pytest.mark.parametrize("orderly", [True, False], ids=["restarted", "killed"])
async def test_messages_outlive_the_server(direct: RabbitWorld, orderly: bool) -> None:
    broker = direct.client()
    async with opened(broker):
        stream = await broker.consume(JOBS, prefetch=1)
        await broker.publish(Destination.JOBS, message("held"))
        delivery = await take(stream)
        await broker.publish(Destination.JOBS, message("waiting"))
        await broker.publish(Destination.RETRY, message("delayed"), delay=1)
        await anyio.to_thread.run_sync(lambda: direct.node.restart(orderly=orderly))
        with anyio.fail_after(PATIENCE):
            await assert_ends(stream)
        with pytest.raises(BrokerUnavailable):
            await delivery.ack()
        await broker.open()
        names = await take_names(await broker.consume(JOBS, prefetch=1), 3)
        assert sorted(names) == ["delayed", "held", "waiting"]


async def test_a_message_of_a_stranger_is_delivered(direct: RabbitWorld) -> None:
    async with opened(direct.client()) as broker:
        headers: dict[str, object] = {"list": [1, 2], "schema": "0.1", "none": None}

        async def publish(channel: aio_pika.abc.AbstractChannel) -> None:
            foreign = aio_pika.Message(b"not json", headers=headers)  # type: ignore[arg-type]  # values of any kind
            await channel.default_exchange.publish(foreign, NAMES.jobs)

        await as_a_stranger(direct, publish)
        delivery = await take(await broker.consume(JOBS, prefetch=1))
        expected: dict[str, HeaderValue] = {"schema": "0.1"}
        assert (delivery.body, delivery.type, dict(delivery.headers)) == (b"not json", "", expected)
        await delivery.dead_letter("not a job", attempt=0)
        await await_depth(broker, Destination.DEAD, 1)


async def test_what_lies_in_the_retry_queue_becomes_a_job_again(direct: RabbitWorld) -> None:
    async with opened(direct.client()) as broker:
        stream = await broker.consume(JOBS, prefetch=1)
        await as_a_stranger(
            direct, lambda channel: channel.default_exchange.publish(aio_pika.Message(b"{}"), NAMES.retry)
        )
        assert (await take(stream)).source is Destination.JOBS


async def test_nothing_is_left_behind(wired: RabbitWorld, rabbit_proxy: TcpProxy) -> None:
    async with opened(wired.client()) as broker:
        before = await tasks_of_the_loop()
    for harm in (lambda: None, rabbit_proxy.cut, rabbit_proxy.stall):
        async with opened(wired.client()) as broker:
            stream = await broker.consume(JOBS, prefetch=2)
            await broker.publish(Destination.JOBS, message())
            await take(stream)
            harm()
            began = time.monotonic()
        assert time.monotonic() - began < CLOSE_SECONDS + 1
    rabbit_proxy.resume()

    async def fewer_tasks() -> bool:
        return await tasks_of_the_loop() < before

    await eventually(fewer_tasks)
    async with opened(wired.client()) as broker:
        await assert_silent(await broker.consume([Destination.DEAD], prefetch=1), 0.05)


@asyncio_hosted
async def tasks_of_the_loop() -> int:
    """How many tasks the hosted asyncio loop has."""
    return len(asyncio.all_tasks())


async def await_depth_of(world: RabbitWorld, queue: str, count: int) -> None:
    """Wait until so many messages are ready in a queue."""

    async def reached() -> bool:
        return await depth_of(world, queue) == count

    await eventually(reached)
