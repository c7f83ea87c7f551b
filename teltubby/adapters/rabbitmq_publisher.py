"""Publishing to RabbitMQ with confirms: any number of messages at once, each confirmed by itself."""

from __future__ import annotations

import aio_pika
from aio_pika.abc import DeliveryMode
from aio_pika.exceptions import DeliveryError, PublishError
from aiormq.abc import AbstractChannel
from aiormq.channel import Channel

from teltubby.adapters.base import Outgoing
from teltubby.adapters.rabbitmq_topology import Route
from teltubby.errors import BrokerUnavailable


class RabbitPublisher:
    """A channel with confirms at the broker that `where` names; `timeout` (seconds) bounds each message."""

    def __init__(self, channel: AbstractChannel, *, where: str, timeout: float) -> None:
        assert isinstance(channel, Channel), "publish needs what only aiormq's own channel can do"
        self._channel = channel
        self._where = where
        self._timeout = timeout

    async def publish(self, target: Route, message: aio_pika.Message, *, mandatory: bool = True) -> None:
        """Return when it is confirmed; those begun first are written first. Asyncio-flavoured.

        Not through aio-pika's exchange, which waits within the channel's lock until the socket has taken each message:
        whoever waits for the confirm need not wait for that, and without it many are on their way at once.
        """
        message.expiration = target.expiration
        try:
            await self._channel.basic_publish(
                message.body,
                exchange=target.exchange,
                routing_key=target.routing_key,
                properties=message.properties,
                mandatory=mandatory,
                timeout=self._timeout,
                wait=False,
            )
        except PublishError as exc:
            raise BrokerUnavailable(
                f"{self._where} has no queue for {target.routing_key!r} at the exchange {target.exchange!r}; "
                "connecting again declares it"
            ) from exc
        except DeliveryError as exc:
            raise BrokerUnavailable(f"{self._where} refuses to store a message in {target.routing_key!r}") from exc


def persistent(message: Outgoing) -> aio_pika.Message:
    """As the broker carries what it may not lose."""
    return _carried(message, DeliveryMode.PERSISTENT)


def transient(message: Outgoing, *, correlation_id: str | None = None, reply_to: str | None = None) -> aio_pika.Message:
    """As it carries what is of use now or not at all."""
    return _carried(message, DeliveryMode.NOT_PERSISTENT, correlation_id=correlation_id, reply_to=reply_to)


def _carried(
    message: Outgoing, mode: DeliveryMode, *, correlation_id: str | None = None, reply_to: str | None = None
) -> aio_pika.Message:
    return aio_pika.Message(
        message.body,
        headers=dict(message.headers),
        content_type="application/json",
        delivery_mode=mode,
        type=message.type,
        message_id=message.message_id,
        correlation_id=correlation_id,
        reply_to=reply_to,
    )
