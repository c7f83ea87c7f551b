"""Somebody has declared other things under our names: what is in the way is named, with the command that removes it."""

from __future__ import annotations

import re
from functools import partial

import anyio.to_thread
import pytest
from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel

from teltubby.adapters.base import Broker, Destination
from teltubby.adapters.rabbitmq_topology import BrokerNames, exchanges, queues
from teltubby.errors import TopologyConflict
from tests.contract.brokers import JOBS, RabbitWorld, as_a_stranger, message, opened, take_names

pytestmark = pytest.mark.anyio

NAMES = BrokerNames()


async def conflict_of(broker: Broker) -> str:
    """What it says instead of opening."""
    with pytest.raises(TopologyConflict) as caught:
        await broker.open()
    return str(caught.value)


async def obey(world: RabbitWorld, text: str) -> None:
    """Enter the command that the text gives, as an operator would."""
    (command,) = re.findall("`([^`]+)`", text)
    assert command.startswith(("rabbitmqctl ", "for queue in "))
    await anyio.to_thread.run_sync(world.node.shell, command)


async def declare_exchange(name: str, kind: ExchangeType, channel: AbstractChannel) -> None:
    await channel.declare_exchange(name, kind, durable=True)


async def declare_queue(name: str, channel: AbstractChannel) -> None:
    await channel.declare_queue(name, durable=True, arguments={"x-max-length": 1})


@pytest.mark.parametrize("name", exchanges(NAMES))
async def test_an_exchange_of_another_kind_is_named(direct: RabbitWorld, name: str) -> None:
    await as_a_stranger(direct, partial(declare_exchange, name, ExchangeType.TOPIC))
    text = await conflict_of(direct.client())
    assert f"The exchange '{name}' exists with other properties than ours (PRECONDITION_FAILED" in text


async def test_all_queues_of_another_type_are_named_at_once(direct: RabbitWorld) -> None:
    async with opened(direct.client(queue_type="classic")) as broker:
        await broker.publish(Destination.DEAD, message("dead"))
        for _ in range(3):
            await broker.publish(Destination.RETRY_PRIORITY, message("waiting"), delay=60)
    text = await conflict_of(direct.client(queue_type="quorum"))
    (named,) = re.findall("for queue in (.+?); do", text)
    assert named.split() == sorted(queue.name for queue in queues(NAMES, "quorum"))
    assert "Set JOB_QUEUE_TYPE back to what it was, or delete what is in the way" in text
    assert text.endswith(
        "Messages that would be lost: 1 in 'teltubby.failed_jobs', 3 in 'teltubby.retry_jobs.priority.64s'."
    )
    async with opened(direct.client(queue_type="classic")) as broker:  # nothing was harmed by looking
        assert (await broker.depths())[Destination.RETRY_PRIORITY] == 3
        assert await take_names(await broker.consume([Destination.DEAD], prefetch=1), 1) == ["dead"]


@pytest.mark.parametrize("others", [(), (NAMES.questions, f"{NAMES.retry}.8s")], ids=["one", "several"])
async def test_the_commands_resolve_it(direct: RabbitWorld, others: tuple[str, ...]) -> None:
    """First that for the exchange, then that for the queues."""
    await as_a_stranger(direct, partial(declare_exchange, NAMES.control, ExchangeType.DIRECT))
    for queue in (NAMES.jobs, *others):
        await as_a_stranger(direct, partial(declare_queue, queue))
    text = await conflict_of(direct.client())
    assert "The exchange 'teltubby.control'" in text
    await obey(direct, text)
    text = await conflict_of(direct.client())
    assert "No messages would be lost" in text
    await obey(direct, text)
    async with opened(direct.client()) as broker:
        await broker.publish(Destination.JOBS, message())
        assert await take_names(await broker.consume(JOBS, prefetch=1), 1) == ["job"]
