"""Questions across RabbitMQ: the asker's side, which waits for answers, and the side that takes questions.

A question carries the name of its asker's queue and a correlation id, by which the asker knows what an answer is to;
an answer that nobody waits for any more is dropped, here or by RabbitMQ. A question is acknowledged when it is taken:
the asker is told soon or never, so it is of no use to put it again.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager

import aio_pika
import anyio
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from anyio.abc import ObjectReceiveStream

from teltubby.adapters.base import HeaderValue, Question
from teltubby.adapters.rabbitmq_delivery import own_headers
from teltubby.adapters.rabbitmq_errors import broker_errors, close_quietly
from teltubby.adapters.rabbitmq_topology import QueueDeclaration
from teltubby.errors import BrokerUnavailable
from teltubby.flavour import asyncio_hosted
from teltubby.supervision.mailbox import Reply

logger = logging.getLogger("teltubby.broker")

Answer = Callable[[str, aio_pika.Message], Awaitable[None]]
"""Publishes an answer to an address."""


class RabbitReplies:
    """The answers to our questions, in `queue` on a channel of its own. Asyncio-flavoured, but for `end`."""

    def __init__(self, channel: AbstractChannel, queue: QueueDeclaration) -> None:
        self._channel = channel
        self._queue = queue
        self._waiting: dict[str, Reply[bytes]] = {}
        self._ended = False

    @property
    def address(self) -> str:
        """Where to send answers."""
        return self._queue.name

    @property
    def ended(self) -> bool:
        """Whether no answer can come any more."""
        return self._ended

    async def start(self) -> None:
        """Declare the queue and wait for answers. Raises what aio-pika raises."""
        await on_end(self._channel, self.end)
        queue = await self._channel.declare_queue(
            self._queue.name, exclusive=True, auto_delete=True, arguments=dict(self._queue.arguments)
        )
        await queue.bind(self._queue.exchange, routing_key=self._queue.name)
        await queue.consume(self._on_answer, no_ack=True)

    @contextmanager
    def expected(self) -> Iterator[tuple[str, Reply[bytes]]]:
        """A correlation id, and where the answer with it arrives: its body, or BrokerUnavailable after the end."""
        correlation_id, reply = uuid.uuid4().hex, Reply[bytes]()
        self._waiting[correlation_id] = reply
        if self._ended:
            reply.fail(BrokerUnavailable("the connection is lost"))
        try:
            yield correlation_id, reply
        finally:
            del self._waiting[correlation_id]

    def end(self, reason: object) -> None:
        """Expect nothing more: who waits is told."""
        self._ended = True
        for reply in self._waiting.values():
            reply.fail(BrokerUnavailable(f"the question is lost: {reason or 'the connection was closed'}"))

    async def aclose(self) -> None:
        """End, and close the channel, with which the queue goes."""
        self.end(None)
        await close_quietly(self._channel)

    async def _on_answer(self, message: AbstractIncomingMessage) -> None:
        reply = self._waiting.get(message.correlation_id or "")
        if reply is None:
            logger.debug("an answer came too late")
        else:
            reply.answer(message.body)


class RabbitQuestion:
    """A question that was taken from its queue."""

    def __init__(self, message: AbstractIncomingMessage, *, answer: Answer) -> None:
        self._message = message
        self._answer = answer

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
        return own_headers(self._message.headers)

    async def answer(self, body: bytes) -> None:
        """See Question."""
        answer = aio_pika.Message(
            body, content_type="application/json", type=self.type, correlation_id=self._message.correlation_id
        )
        await self._answer(self._message.reply_to or "", answer)


class RabbitQuestions(ObjectReceiveStream[Question]):
    """Questions of the queue `name`, on a channel of its own. At most one is in our memory and not taken."""

    def __init__(self, channel: AbstractChannel, name: str, *, timeout: float, answer: Answer) -> None:
        self._channel = channel
        self._name = name
        self._timeout = timeout
        self._answer = answer
        self._send, self._receive = anyio.create_memory_object_stream[tuple[AbstractIncomingMessage, float]](1)
        self._ended = False

    @asyncio_hosted
    async def start(self) -> None:
        """Begin to consume. Raises what aio-pika raises."""
        await on_end(self._channel, self._end_because)
        await self._channel.set_qos(prefetch_count=1, timeout=self._timeout)
        queue = await self._channel.get_queue(self._name, ensure=False)
        await queue.consume(self._on_message, timeout=self._timeout)

    async def receive(self) -> Question:
        """The next question. Raises EndOfStream when the channel, the connection or the broker is closed."""
        while not self._ended:
            try:
                message, arrived = await self._receive.receive()
                with anyio.CancelScope(shield=True), broker_errors("the question is lost"):
                    await self._take(message)
            except (anyio.EndOfStream, anyio.ClosedResourceError, BrokerUnavailable):
                break  # ended while we waited
            if not message.reply_to or not message.correlation_id:
                logger.warning("a question in %s says not where its answer goes", self._name)
            elif time.monotonic() < arrived + _patience(message):
                return RabbitQuestion(message, answer=self._answer)
        self.end()
        raise anyio.EndOfStream

    async def aclose(self) -> None:
        """End the stream; a question that nobody has taken is left to others. Safe to call twice."""
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

    @asyncio_hosted
    async def _take(self, message: AbstractIncomingMessage) -> None:
        async with asyncio.timeout(self._timeout):
            await message.ack()

    async def _on_message(self, message: AbstractIncomingMessage) -> None:
        if not self._ended:
            self._send.send_nowait((message, time.monotonic()))

    def _end_because(self, reason: object) -> None:
        if not self._ended:
            logger.warning("taking questions from %s ends: %s", self._name, reason or "closed")
            self.end()


async def on_end(channel: AbstractChannel, ended: Callable[[object], None]) -> None:
    """Have `ended` called with the reason when the channel is closed, or the broker ends a consumer on it."""

    async def on_closed(closed: AbstractChannel | None, reason: BaseException | None) -> None:
        del closed
        ended(reason)

    def on_cancelled(frame: object) -> None:
        del frame
        ended("the queue was deleted, or its server is going down")

    channel.close_callbacks.add(on_closed)
    transport = await channel.get_underlay_channel()
    transport.on_consumer_cancel_callbacks.add(on_cancelled)


def _patience(message: AbstractIncomingMessage) -> float:
    """How long the asker waits from now on at most, seconds."""
    return message.expiration if isinstance(message.expiration, int | float) else math.inf
