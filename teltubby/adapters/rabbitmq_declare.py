"""Declares the topology at a RabbitMQ, and names what is in the way."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass

from aio_pika.abc import AbstractChannel
from aio_pika.exceptions import ChannelPreconditionFailed

from teltubby.adapters.rabbitmq_topology import (
    BrokerNames,
    ExchangeKind,
    QueueDeclaration,
    QueueType,
    exchanges,
    queues,
)
from teltubby.errors import TopologyConflict

DECLARING_AT_ONCE = 4
"""Channels. Every declaration is a round trip, and so is every binding: over a long line they would take seconds."""

OpenChannel = Callable[[], Awaitable[AbstractChannel]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """A queue that exists with other arguments than ours: the broker's `reason`, and how many messages it holds."""

    queue: str
    reason: str
    messages: int


async def declare(open_channel: OpenChannel, names: BrokerNames, queue_type: QueueType, *, vhost: str) -> None:
    """Every exchange and queue, with its binding. Raises TopologyConflict, with the remedy; asyncio-flavoured."""
    for name, kind in exchanges(names).items():
        await _declare_exchange(open_channel, name, kind, vhost=vhost)
    waiting = queues(names, queue_type)
    done = await asyncio.gather(
        *(_declare_queues(open_channel, waiting) for _ in range(DECLARING_AT_ONCE)), return_exceptions=True
    )
    conflicts: list[Conflict] = []
    for result in done:  # every one of them has ended, also where one failed
        if isinstance(result, BaseException):
            raise result
        conflicts += result
    if conflicts:
        raise TopologyConflict(conflicts_in_words(sorted(conflicts, key=lambda conflict: conflict.queue), vhost=vhost))


async def _declare_exchange(open_channel: OpenChannel, name: str, kind: ExchangeKind, *, vhost: str) -> None:
    async with await open_channel() as channel:
        try:
            await channel.declare_exchange(name, kind, durable=True)
        except ChannelPreconditionFailed as exc:
            raise TopologyConflict(exchange_conflict_in_words(name, str(exc), vhost=vhost)) from exc


async def _declare_queues(open_channel: OpenChannel, waiting: Iterator[QueueDeclaration]) -> Sequence[Conflict]:
    """Declare what is waiting, taking turns with others who do; the conflicts found. Each costs its channel."""
    conflicts: list[Conflict] = []
    channel = await open_channel()
    for declaration in waiting:
        try:
            queue = await channel.declare_queue(declaration.name, durable=True, arguments=dict(declaration.arguments))
            await queue.bind(declaration.exchange, routing_key=declaration.name)
        except ChannelPreconditionFailed as exc:
            channel = await open_channel()
            found = await channel.declare_queue(declaration.name, passive=True)
            messages = found.declaration_result.message_count or 0
            conflicts.append(Conflict(queue=declaration.name, reason=str(exc), messages=messages))
    await channel.close()
    return conflicts


def exchange_conflict_in_words(name: str, reason: str, *, vhost: str) -> str:
    """What is in the way, and the remedy."""
    term = f'rabbit_exchange:delete(rabbit_misc:r(<<"{vhost}">>, exchange, <<"{name}">>), false, <<"teltubby">>).'
    return (
        f"The exchange {name!r} exists with other properties than ours ({reason}). No message is in an exchange: "
        f"delete it with `rabbitmqctl eval {shlex.quote(term)}`."
    )


def conflicts_in_words(conflicts: Sequence[Conflict], *, vhost: str) -> str:
    """What is in the way, the remedy, and what would be lost by it."""
    first, *others = conflicts
    delete = f"rabbitmqctl delete_queue --vhost {shlex.quote(vhost)}"
    if others:
        which = f"{len(conflicts)} queues exist with other arguments than ours, {first.queue!r} for one"
        names = " ".join(shlex.quote(conflict.queue) for conflict in conflicts)
        command = f'for queue in {names}; do {delete} "$queue"; done'
    else:
        which = f"The queue {first.queue!r} exists with other arguments than ours"
        command = f"{delete} {shlex.quote(first.queue)}"
    held = ", ".join(f"{conflict.messages} in {conflict.queue!r}" for conflict in conflicts if conflict.messages)
    loss = f"Messages that would be lost: {held}." if held else "No messages would be lost."
    back = "Set JOB_QUEUE_TYPE back to what it was, or delete" if "'x-queue-type'" in first.reason else "Delete"
    return f"{which} ({first.reason}). {back} what is in the way: `{command}`. {loss}"
