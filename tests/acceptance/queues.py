"""RabbitMQ as somebody sees it who does not use our adapter: short visits with aio-pika."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from aio_pika.exceptions import ChannelNotFoundEntity

from tests.servers.rabbitmq import RabbitNode

R = TypeVar("R")

JOBS = "teltubby.large_files"
PRIORITY = "teltubby.priority_jobs"
DEAD = "teltubby.failed_jobs"
EVENTS = "teltubby.events"
QUESTIONS = "teltubby.questions"
RETRIES = ("teltubby.retry_jobs", *(f"teltubby.retry_jobs.{2**power}s" for power in range(1, 17)))
ALL = (JOBS, PRIORITY, DEAD, EVENTS, *RETRIES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Queues:
    """The queues of one virtual host."""

    node: RabbitNode
    vhost: str

    def declared(self) -> bool:
        """Whether the product made them."""
        try:
            self.depths()
        except ChannelNotFoundEntity:
            return False
        return True

    def depths(self) -> dict[str, int]:
        """Messages that are ready, by queue; empty queues are left out, as are questions, which come and go."""

        async def look(channel: AbstractChannel) -> dict[str, int]:
            found = {name: await channel.declare_queue(name, passive=True) for name in ALL}
            counts = {name: queue.declaration_result.message_count or 0 for name, queue in found.items()}
            return {name: count for name, count in counts.items() if count}

        return self._visit(look)

    def depth(self, queue: str) -> int:
        """Messages that are ready in one queue."""

        async def look(channel: AbstractChannel) -> int:
            return (await channel.declare_queue(queue, passive=True)).declaration_result.message_count or 0

        return self._visit(look)

    def put(self, queue: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Publish a message that teltubby did not write."""

        async def publish(channel: AbstractChannel) -> None:
            exchange = await channel.get_exchange("teltubby.exchange")
            message = aio_pika.Message(
                body, headers=dict(headers), content_type="application/json", type="teltubby.large_file.job"
            )
            await exchange.publish(message, queue)

        self._visit(publish)

    def take(self, queue: str) -> AbstractIncomingMessage | None:
        """The first message, removed; None when there is none."""

        async def get(channel: AbstractChannel) -> AbstractIncomingMessage | None:
            return await (await channel.declare_queue(queue, passive=True)).get(no_ack=True, fail=False)

        return self._visit(get)

    def _visit(self, work: Callable[[AbstractChannel], Awaitable[R]]) -> R:
        async def visit() -> R:
            connection = await aio_pika.connect(
                host=self.node.host,
                port=self.node.port,
                login=self.node.user,
                password=self.node.password,
                virtualhost=self.vhost,
            )
            async with connection, connection.channel() as channel:
                return await work(channel)

        return asyncio.run(visit())
