"""How fast messages go through the queues. Run as a process: what to do is its argument, in JSON; it prints one line.

Everybody publishes the same body as persistent and mandatory into the same queue, with confirms, and is measured from
the first message to the last confirm. Contestants take turns, and the queue is emptied in between.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aio_pika
from aio_pika.abc import AbstractConnection

from benchmarks.clients.serving import say
from teltubby.adapters.base import Broker, Destination, Outgoing
from teltubby.adapters.embedded_broker import EmbeddedBroker
from teltubby.adapters.rabbitmq import RabbitBroker
from teltubby.adapters.rabbitmq_topology import BrokerNames

BODY = json.dumps({"job_id": "0" * 32, "caption": "x" * 600}).encode()
"""As long as a job is."""

NAMES = BrokerNames()
TIMEOUT = 60.0
TYPE, HEADERS = "teltubby.large_file.job", {"schema": "1.0"}

Publish = Callable[[], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Task:
    """`count` messages, `at_once` of them under way, so many `rounds`; `trips` of them one after the other."""

    server: Mapping[str, Any]
    path: str
    count: int
    at_once: int
    rounds: int
    trips: int


def job() -> Outgoing:
    return Outgoing(body=BODY, type=TYPE, message_id=uuid.uuid4().hex, headers=HEADERS)


async def published(publish: Publish, task: Task) -> float:
    """Messages per second."""
    numbers = iter(range(task.count))

    async def some() -> None:
        for _ in numbers:
            await publish()

    began = time.perf_counter()
    await asyncio.gather(*(some() for _ in range(task.at_once)))
    return task.count / (time.perf_counter() - began)


async def empty(broker: Broker, count: int) -> float:
    """Take and acknowledge as many, as an eager consumer does; how many per second."""
    stream = await broker.consume([Destination.JOBS], prefetch=100)
    began = time.perf_counter()
    acks: set[asyncio.Task[None]] = set()
    for _ in range(count):
        acks.add(asyncio.ensure_future((await stream.receive()).ack()))
    await asyncio.gather(*acks)
    rate = count / (time.perf_counter() - began)
    await stream.aclose()
    return rate


async def round_trip(broker: Broker, trips: int) -> float:
    """Seconds from publishing a job to its acknowledgement by an idle worker, the median of many."""
    stream = await broker.consume([Destination.PRIORITY, Destination.JOBS], prefetch=1)
    seconds = []
    for _ in range(trips):
        began = time.perf_counter()
        await broker.publish(Destination.JOBS, job())
        await (await stream.receive()).ack()
        seconds.append(time.perf_counter() - began)
    await stream.aclose()
    return sorted(seconds)[len(seconds) // 2]


async def aio_pika_publish(connection: AbstractConnection) -> Publish:
    """aio-pika as its documentation shows it: a channel with confirms, and the exchange's publish."""
    exchange = await (await connection.channel()).get_exchange(NAMES.exchange)

    async def publish() -> None:
        message = aio_pika.Message(
            BODY,
            headers=dict(HEADERS),
            content_type="application/json",
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            type=TYPE,
            message_id=uuid.uuid4().hex,
        )
        await exchange.publish(message, NAMES.jobs, mandatory=True)

    return publish


@asynccontextmanager
async def opened(broker: Broker) -> AsyncIterator[Broker]:
    await broker.open()
    try:
        yield broker
    finally:
        await broker.aclose()


async def measure(task: Task) -> dict[str, list[float]]:
    """Rates and seconds by what was measured, one for each round."""
    found: dict[str, list[float]] = {}
    rabbit_broker = RabbitBroker(**task.server, names=NAMES, timeout=TIMEOUT, client_name="benchmark")
    async with AsyncExitStack() as stack:
        rabbit = await stack.enter_async_context(opened(rabbit_broker))
        embedded = await stack.enter_async_context(opened(EmbeddedBroker(Path(task.path))))
        connection = await aio_pika.connect(
            host=task.server["host"],
            port=task.server["port"],
            login=task.server["username"],
            password=task.server["password"],
            virtualhost=task.server["vhost"],
        )
        await stack.enter_async_context(connection)
        contestants: dict[str, tuple[Publish, Broker]] = {
            "aio-pika": (await aio_pika_publish(connection), rabbit),
            "rabbitmq": (lambda: rabbit.publish(Destination.JOBS, job()), rabbit),
            "embedded": (lambda: embedded.publish(Destination.JOBS, job()), embedded),
        }
        for _ in range(task.rounds):
            for name, (publish, broker) in contestants.items():
                found.setdefault(f"{name} published", []).append(await published(publish, task))
                found.setdefault(f"{name} taken", []).append(await empty(broker, task.count))
            for name, broker in (("rabbitmq", rabbit), ("embedded", embedded)):
                found.setdefault(f"{name} trip", []).append(await round_trip(broker, task.trips))
    return found


if __name__ == "__main__":
    say(**asyncio.run(measure(Task(**json.loads(sys.argv[1])))))
