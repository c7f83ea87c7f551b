"""RabbitMQ closes the channel of whoever holds a delivery for too long: one stream ends, and nothing else does."""

from __future__ import annotations

import anyio
import pytest
from anyio.abc import ObjectReceiveStream

from teltubby.adapters.base import Destination, Outgoing
from teltubby.errors import BrokerUnavailable
from tests.contract.brokers import (
    JOBS,
    PATIENCE,
    RabbitWorld,
    assert_silent,
    await_depth,
    message,
    name_of,
    opened,
    take,
    take_names,
)
from tests.servers.rabbitmq import RabbitNode
from tests.servers.rabbitmq_fixtures import CONSUMER_TIMEOUT_SECONDS

pytestmark = pytest.mark.anyio

BOTH = pytest.mark.parametrize("sources", [JOBS, (Destination.JOBS,)], ids=["two queues", "one queue"])


@pytest.fixture
def impatient(impatient_rabbit: RabbitNode, rabbit_vhost: str) -> RabbitWorld:
    """Clients that may not hold a delivery for long."""
    return RabbitWorld(node=impatient_rabbit, vhost=rabbit_vhost, port=impatient_rabbit.port)


async def assert_ends(stream: ObjectReceiveStream[object]) -> None:
    """It ends without anything more."""
    with anyio.fail_after(CONSUMER_TIMEOUT_SECONDS + PATIENCE), pytest.raises(anyio.EndOfStream):
        await stream.receive()


@BOTH
async def test_a_delivery_held_too_long_costs_its_stream_alone(
    impatient: RabbitWorld, sources: tuple[Destination, ...], caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(impatient.client()) as broker:
        await broker.publish(Destination.JOBS, message("long"))
        stream = await broker.consume(sources, prefetch=1)
        events = await broker.consume([Destination.EVENTS], prefetch=2)
        listener, questions = await broker.listen(), await broker.questions()
        delivery = await take(stream)
        await assert_ends(stream)
        assert "delivery acknowledgement on channel" in caplog.text
        for settle in (delivery.ack, delivery.requeue):
            with pytest.raises(BrokerUnavailable, match="come again"):
                await settle()
        with pytest.raises(BrokerUnavailable, match="come again"):
            await delivery.dead_letter("too late", attempt=1)

        await broker.publish(Destination.EVENTS, message("event"))
        assert await take_names(events, 1) == ["event"]
        await broker.broadcast(message("order"))
        with anyio.fail_after(PATIENCE):
            assert (await listener.receive()).type == message().type

        async def answer() -> None:
            await (await questions.receive()).answer(b"well")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(answer)
            assert await broker.ask(Outgoing(body=b"", type="t", message_id="1"), within=PATIENCE) == b"well"

        again = await broker.consume(sources, prefetch=1)
        same = await take(again)
        assert (name_of(same), same.message_id) == ("long", delivery.message_id)
        await same.ack()
        await assert_silent(again)
        assert await broker.depths() == dict.fromkeys(Destination, 0)


@BOTH
async def test_what_else_the_stream_held_comes_again_too(
    impatient: RabbitWorld, sources: tuple[Destination, ...]
) -> None:
    async with opened(impatient.client()) as broker, opened(impatient.client()) as other:
        for name in ("long", "short", "next"):
            await broker.publish(Destination.JOBS, message(name))
        stream = await broker.consume(sources, prefetch=2)
        held = [await take(stream), await take(stream)]
        await assert_ends(stream)
        await await_depth(other, Destination.JOBS, 3)
        for delivery in held:
            with pytest.raises(BrokerUnavailable):
                await delivery.ack()
        names = await take_names(await other.consume(sources, prefetch=1), 3)
        assert sorted(names) == ["long", "next", "short"]


async def test_a_listener_that_is_busy_for_long_stays(impatient: RabbitWorld) -> None:
    """It holds nothing that RabbitMQ would wait for."""
    async with opened(impatient.client()) as broker:
        listener = await broker.listen()
        await broker.broadcast(message("order"))
        await broker.publish(Destination.JOBS, message("long"))
        stream = await broker.consume(JOBS, prefetch=1)
        await take(stream)
        await assert_ends(stream)  # so much time has passed
        await broker.broadcast(message("order"))
        with anyio.fail_after(PATIENCE):
            assert [(await listener.receive()).type for _ in range(2)] == [message().type] * 2
