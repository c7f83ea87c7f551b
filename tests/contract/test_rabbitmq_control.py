"""Broadcasts over RabbitMQ when something goes wrong, and what they leave behind."""

from __future__ import annotations

import asyncio
from functools import partial

import aio_pika
import anyio
import anyio.to_thread
import pytest
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from anyio.abc import ObjectReceiveStream

from teltubby.adapters.base import Broker, Destination, Heard
from teltubby.adapters.rabbitmq_control import HEARD_AHEAD
from teltubby.adapters.rabbitmq_topology import BROADCAST_SECONDS, BrokerNames
from teltubby.errors import BrokerUnavailable
from tests.contract.brokers import JOBS, PATIENCE, RabbitWorld, as_a_stranger, eventually, message, opened, take_names
from tests.servers.tcp_proxy import TcpProxy

pytestmark = pytest.mark.anyio

NAMES = BrokerNames()


async def assert_heard(teller: Broker, listener: ObjectReceiveStream[Heard]) -> None:
    """Broadcasts go their way."""
    told = message(body=b"now")
    await teller.broadcast(told)
    with anyio.fail_after(PATIENCE):
        assert (await listener.receive()).body == b"now"


async def assert_ends(listener: ObjectReceiveStream[Heard]) -> None:
    """It ends soon."""
    with anyio.fail_after(PATIENCE), pytest.raises(anyio.EndOfStream):
        await listener.receive()


async def listener_queues(world: RabbitWorld) -> list[str]:
    """The queues of those who listen."""
    listed = await anyio.to_thread.run_sync(
        world.node.evaluate,
        f'[binary_to_list(N) || Q <- rabbit_amqqueue:list(<<"{world.vhost}">>), '
        "{resource, _, queue, N} <- [amqqueue:get_name(Q)]]",
    )
    return [name for name in listed.replace("]", '"').split('"') if name.startswith(NAMES.control)]


async def test_a_cut_wire_ends_listening_until_opened_again(wired: RabbitWorld, rabbit_proxy: TcpProxy) -> None:
    async def gone() -> bool:
        return await listener_queues(wired) == []

    broker = wired.client()
    async with opened(broker):
        listener = await broker.listen()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(assert_ends, listener)
            await anyio.wait_all_tasks_blocked()
            rabbit_proxy.cut()
        with pytest.raises(BrokerUnavailable, match="RabbitMQ at 127"):
            await broker.broadcast(message())
        with pytest.raises(BrokerUnavailable):
            await broker.listen()
        await eventually(gone)
        await broker.open()
        await assert_heard(broker, await broker.listen())
    await eventually(gone)


async def test_a_deleted_queue_ends_one_listener_and_the_next_has_its_own(direct: RabbitWorld) -> None:
    async with opened(direct.client()) as broker:
        listener = await broker.listen()
        (name,) = await listener_queues(direct)
        await anyio.to_thread.run_sync(direct.node.delete_queue, direct.vhost, name)
        await assert_ends(listener)
        await assert_heard(broker, await broker.listen())


async def test_a_deleted_exchange_is_declared_again(direct: RabbitWorld) -> None:
    async def delete(channel: AbstractChannel) -> None:
        await channel.exchange_delete(NAMES.control)

    broker = direct.client()
    async with opened(broker):
        await as_a_stranger(direct, delete)
        with pytest.raises(BrokerUnavailable, match="did not take a broadcast"):
            await broker.broadcast(message())
        await broker.open()
        await assert_heard(broker, await broker.listen())
        await broker.publish(Destination.JOBS, message())
        assert await take_names(await broker.consume(JOBS, prefetch=1), 1) == ["job"]


async def test_a_user_who_may_use_our_names_only(direct: RabbitWorld) -> None:
    ours = '<<"^teltubby[.]">>'
    direct.node.evaluate(
        f'rabbit_auth_backend_internal:set_permissions(<<"{direct.node.user}">>, <<"{direct.vhost}">>, '
        f'{ours}, {ours}, {ours}, <<"tests">>)'
    )
    async with opened(direct.client()) as broker:
        await assert_heard(broker, await broker.listen())


async def test_a_broadcast_is_not_kept(direct: RabbitWorld) -> None:
    seen: list[AbstractIncomingMessage] = []
    async with opened(direct.client()) as broker:

        async def listen(channel: AbstractChannel) -> None:
            queue = await channel.declare_queue(exclusive=True, auto_delete=True)
            await queue.bind(NAMES.control)
            await broker.broadcast(message())
            while not (found := await queue.get(no_ack=True, fail=False)):
                await asyncio.sleep(0.01)
            seen.append(found)

        await as_a_stranger(direct, listen)
    (heard,) = seen
    assert heard.delivery_mode is aio_pika.DeliveryMode.NOT_PERSISTENT
    assert heard.expiration == BROADCAST_SECONDS


async def test_who_does_not_listen_for_long_misses_the_rest_and_holds_up_nobody(
    direct: RabbitWorld, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(direct.client()) as broker, opened(direct.client()) as other:
        idle = await other.listen()
        async with anyio.create_task_group() as tasks:
            for n in range(HEARD_AHEAD + 50):
                tasks.start_soon(partial(broker.broadcast, message(body=str(n).encode())))
        await assert_heard(broker, await broker.listen())

        async def dropped() -> bool:
            return caplog.text.count("a broadcast is dropped") >= 50

        await eventually(dropped)
        heard = {(await idle.receive()).body for _ in range(HEARD_AHEAD)}
        assert len(heard) == HEARD_AHEAD
        await assert_heard(broker, idle)
