"""Declares the topology at a RabbitMQ, and names what is in the way."""

from __future__ import annotations

import aio_pika
from aio_pika.abc import AbstractChannel
from aio_pika.exceptions import ChannelPreconditionFailed

from teltubby.adapters.rabbitmq_topology import BrokerNames, QueueType, exchanges, queues
from teltubby.errors import TopologyConflict


async def declare(channel: AbstractChannel, names: BrokerNames, queue_type: QueueType, *, vhost: str) -> None:
    """Every exchange and queue, with its binding. Raises TopologyConflict, with the remedy; asyncio-flavoured."""
    for name in exchanges(names):
        try:
            await channel.declare_exchange(name, aio_pika.ExchangeType.DIRECT, durable=True)
        except ChannelPreconditionFailed as exc:
            raise TopologyConflict(
                f"The exchange {name!r} exists with other properties than ours ({exc}). Delete it with "
                f"`rabbitmqadmin --vhost={vhost} delete exchange name={name}`, or configure another name."
            ) from exc
    for declaration in queues(names, queue_type):
        try:
            queue = await channel.declare_queue(declaration.name, durable=True, arguments=dict(declaration.arguments))
        except ChannelPreconditionFailed as exc:
            raise TopologyConflict(
                f"The queue {declaration.name!r} exists with other arguments than ours ({exc}). When it is empty, "
                f"delete it with `rabbitmqctl delete_queue --vhost {vhost} {declaration.name}`, "
                "or configure another name."
            ) from exc
        await queue.bind(declaration.exchange, routing_key=declaration.name)
