"""A message that RabbitMQ lent to us."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import anyio
from aio_pika.abc import AbstractIncomingMessage

from teltubby.adapters.base import Destination, HeaderValue
from teltubby.adapters.rabbitmq_errors import broker_errors
from teltubby.errors import BrokerUnavailable
from teltubby.flavour import asyncio_hosted

BROKER_HEADERS = ("x-death", "x-first-death-", "x-last-death-", "x-delivery-count", "x-acquired-count", "x-opt-")
"""What RabbitMQ itself writes on a message that waited, was rejected or was redelivered."""

_LOST = "the delivery is no longer ours, it will come again"

DeadLetter = Callable[["RabbitDelivery", str, int], Awaitable[None]]


class RabbitDelivery:
    """A delivery on one channel. Settling it a second time does nothing: the first settlement counts.

    Once a settlement could not be written, it and every further one raise BrokerUnavailable; the message comes again.
    A settlement that has begun is not cut off by cancellation; `timeout` (seconds) bounds it.
    """

    def __init__(
        self,
        message: AbstractIncomingMessage,
        source: Destination,
        *,
        timeout: float,
        dead_letter: DeadLetter,
        on_settled: Callable[[AbstractIncomingMessage], None],
        is_lost: Callable[[], bool],
    ) -> None:
        self._message = message
        self._source = source
        self._headers = own_headers(message.headers)
        self._timeout = timeout
        self._dead_letter = dead_letter
        self._on_settled = on_settled
        self._is_lost = is_lost
        self._settled = False
        self._failed = False

    @property
    def body(self) -> bytes:
        return self._message.body

    @property
    def type(self) -> str:
        return self._message.type or ""

    @property
    def message_id(self) -> str:
        return self._message.message_id or ""

    @property
    def headers(self) -> Mapping[str, HeaderValue]:
        return self._headers

    @property
    def source(self) -> Destination:
        return self._source

    async def ack(self) -> None:
        """See Delivery. AMQP does not confirm it: if the broker never saw the ack, the message comes again."""
        await self._settle(self._ack)

    async def requeue(self) -> None:
        """See Delivery. It goes to the head of its queue."""
        await self._settle(self._nack)

    async def dead_letter(self, reason: str, *, attempt: int) -> None:
        """See Delivery. While the dead-letter queue does not take it, this raises and the delivery stays ours.

        It is published, then acknowledged: should the connection be lost in between, it is in both queues.
        """
        if self._settled and not self._failed:
            return
        if self._failed or self._is_lost():
            raise BrokerUnavailable(_LOST)
        with anyio.CancelScope(shield=True):
            await self._dead_letter(self, reason, attempt)
            await self._settle(self._ack)

    async def _settle(self, write: Callable[[], Awaitable[None]]) -> None:
        if self._failed:
            raise BrokerUnavailable(_LOST)
        if self._settled:
            return
        self._settled = True  # before the write: a second frame for the same delivery would cost the channel
        try:
            with anyio.CancelScope(shield=True), broker_errors(_LOST):
                await write()
        except BrokerUnavailable:
            self._failed = True
            raise

    @asyncio_hosted
    async def _ack(self) -> None:
        async with asyncio.timeout(self._timeout):
            await self._message.ack()
        self._on_settled(self._message)

    @asyncio_hosted
    async def _nack(self) -> None:
        async with asyncio.timeout(self._timeout):
            await self._message.nack(requeue=True)
        self._on_settled(self._message)


def own_headers(headers: Mapping[str, object]) -> dict[str, HeaderValue]:
    """The headers that a publisher set: without those of the broker, and without values that are no HeaderValue."""
    return {
        name: value
        for name, value in headers.items()
        if isinstance(value, str | int | float | bool) and not name.startswith(BROKER_HEADERS)
    }
