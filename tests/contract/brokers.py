"""The brokers under contract, and what the tests say to them."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import aio_pika
import anyio
import pytest
from aio_pika.abc import AbstractChannel
from anyio.abc import ObjectReceiveStream

from teltubby.adapters.base import Broker, Delivery, Destination, HeaderValue, Outgoing
from teltubby.adapters.embedded_broker import EmbeddedBroker
from teltubby.adapters.rabbitmq import RabbitBroker
from teltubby.adapters.rabbitmq_topology import BrokerNames, QueueType
from teltubby.flavour import asyncio_hosted
from tests.servers.rabbitmq import RabbitNode

PATIENCE = 40.0
"""Seconds that anything may take on a busy machine."""

JOBS = (Destination.PRIORITY, Destination.JOBS)


class BrokerWorld(Protocol):
    """A set of queues, and any number of clients for it."""

    def client(self) -> Broker:
        """A new client, not yet open."""
        ...


@dataclass(frozen=True, kw_only=True)
class EmbeddedWorld:
    """The queues in a file."""

    path: Path

    def client(self, *, lease_seconds: float = 60.0, busy_seconds: float = 5.0) -> EmbeddedBroker:
        return EmbeddedBroker(self.path, lease_seconds=lease_seconds, busy_seconds=busy_seconds)


@dataclass(frozen=True, kw_only=True)
class RabbitWorld:
    """The queues in a virtual host of a node; `port` may be a proxy's."""

    node: RabbitNode
    vhost: str
    port: int

    def client(
        self,
        *,
        password: str | None = None,
        vhost: str | None = None,
        queue_type: QueueType = "quorum",
        patience: float = PATIENCE,
    ) -> RabbitBroker:
        return RabbitBroker(
            host=self.node.host,
            port=self.port,
            username=self.node.user,
            password=self.node.password if password is None else password,
            vhost=self.vhost if vhost is None else vhost,
            names=BrokerNames(),
            queue_type=queue_type,
            timeout=patience,
            client_name="contract-test",
        )


@asynccontextmanager
async def opened(broker: Broker) -> AsyncIterator[Broker]:
    """The broker, open."""
    await broker.open()
    try:
        yield broker
    finally:
        await broker.aclose()


def message(
    name: str = "job", *, body: bytes | None = None, headers: Mapping[str, HeaderValue] | None = None
) -> Outgoing:
    """A message that says its name."""
    return Outgoing(
        body=json.dumps({"name": name}).encode() if body is None else body,
        type="teltubby.large_file.job",
        message_id=uuid.uuid4().hex,
        headers={"schema": "1.0"} if headers is None else headers,
    )


def name_of(delivery: Delivery) -> str:
    """What `message` called it."""
    return str(json.loads(delivery.body)["name"])


async def take(stream: ObjectReceiveStream[Delivery]) -> Delivery:
    """The next delivery, soon."""
    with anyio.fail_after(PATIENCE):
        return await stream.receive()


async def take_names(stream: ObjectReceiveStream[Delivery], count: int) -> list[str]:
    """Take and acknowledge; the names in the order of arrival."""
    names = []
    for _ in range(count):
        delivery = await take(stream)
        names.append(name_of(delivery))
        await delivery.ack()
    return names


async def assert_silent(stream: ObjectReceiveStream[Delivery], seconds: float = 0.3) -> None:
    """Nothing arrives for this long, which is many times what a delivery takes."""
    with anyio.move_on_after(seconds):
        pytest.fail(f"unexpected delivery of {name_of(await stream.receive())!r}")


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until it holds."""
    deadline = time.monotonic() + PATIENCE
    while not await condition():
        if time.monotonic() > deadline:
            pytest.fail(f"{condition} does not become true")
        await anyio.sleep(0.02)


async def await_depth(broker: Broker, destination: Destination, count: int) -> None:
    """Wait until so many messages are ready there."""

    async def reached() -> bool:
        return (await broker.depths())[destination] == count

    await eventually(reached)


@asyncio_hosted
async def as_a_stranger(world: RabbitWorld, act: Callable[[AbstractChannel], Awaitable[object]]) -> None:
    """Do something at the node that our adapter would not."""
    connection = await aio_pika.connect(
        host=world.node.host, port=world.node.port, virtualhost=world.vhost, timeout=PATIENCE
    )
    async with connection, connection.channel() as channel:
        await act(channel)


async def depth_of(world: RabbitWorld, queue: str) -> int | None:
    """Messages ready in a queue, whatever else is missing."""
    counts: list[int | None] = []

    async def look(channel: AbstractChannel) -> None:
        counts.append((await channel.declare_queue(queue, passive=True)).declaration_result.message_count)

    await as_a_stranger(world, look)
    return counts[0]
