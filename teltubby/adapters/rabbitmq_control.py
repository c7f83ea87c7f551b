"""What is broadcast over RabbitMQ, as one listener hears it: each has a queue of its own at the control exchange."""

from __future__ import annotations

import logging

import anyio
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from anyio.abc import ObjectReceiveStream

from teltubby.adapters.base import Heard
from teltubby.adapters.rabbitmq_delivery import own_headers
from teltubby.adapters.rabbitmq_errors import close_quietly
from teltubby.adapters.rabbitmq_questions import on_end
from teltubby.adapters.rabbitmq_topology import QueueDeclaration
from teltubby.flavour import asyncio_hosted

HEARD_AHEAD = 256
"""What waits in our memory for a listener that is busy; beyond it, what comes is dropped."""

logger = logging.getLogger("teltubby.broker")


class RabbitListener(ObjectReceiveStream[Heard]):
    """What arrives in `queue`, which is declared on a channel of its own.

    Nothing is acknowledged: a channel that held something for a busy listener would be closed (consumer_timeout).
    """

    def __init__(self, channel: AbstractChannel, queue: QueueDeclaration, *, timeout: float) -> None:
        self._channel = channel
        self._queue = queue
        self._timeout = timeout
        self._send, self._receive = anyio.create_memory_object_stream[Heard](HEARD_AHEAD)
        self._ended = False

    @asyncio_hosted
    async def start(self) -> None:
        """Declare the queue and listen. Raises what aio-pika raises."""
        await on_end(self._channel, self._end_because)
        queue = await self._channel.declare_queue(
            self._queue.name,
            exclusive=True,
            auto_delete=True,
            arguments=dict(self._queue.arguments),
            timeout=self._timeout,
        )
        await queue.bind(self._queue.exchange, timeout=self._timeout)
        await queue.consume(self._on_message, no_ack=True, timeout=self._timeout)

    async def receive(self) -> Heard:
        """What comes next. Raises EndOfStream when the channel, the connection or the broker is closed."""
        if not self._ended:
            try:
                return await self._receive.receive()
            except (anyio.EndOfStream, anyio.ClosedResourceError):
                pass  # ended while we waited
        raise anyio.EndOfStream

    async def aclose(self) -> None:
        """End the stream, and with its channel the queue. Safe to call twice."""
        with anyio.CancelScope(shield=True):
            self.end()
            await close_quietly(self._channel)

    @property
    def ended(self) -> bool:
        """Whether it hands out nothing more."""
        return self._ended

    def end(self) -> None:
        """Hand out nothing more."""
        self._ended = True
        self._send.close()
        self._receive.close()

    async def stop(self) -> None:
        """End; the channel stays to be closed with its connection."""
        self.end()

    async def _on_message(self, message: AbstractIncomingMessage) -> None:
        if self._ended:
            return
        try:
            self._send.send_nowait(
                Heard(body=message.body, type=message.type or "", headers=own_headers(message.headers))
            )
        except anyio.WouldBlock:
            logger.warning("a broadcast is dropped: %d wait for a listener that is busy", HEARD_AHEAD)

    def _end_because(self, reason: object) -> None:
        if not self._ended:
            logger.warning("listening ends: %s", reason or "closed")
            self.end()
