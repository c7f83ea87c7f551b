"""The broker on RabbitMQ, through aio-pika's plain connection: its owner reconnects, by opening it again."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import TypeVar

import aio_pika
import anyio
from aio_pika.abc import AbstractChannel, AbstractConnection
from anyio.abc import ObjectReceiveStream

from teltubby.adapters.base import Delivery, Destination, HeaderValue, Heard, Outgoing, Question
from teltubby.adapters.broker_rules import check_delay, dead_letter_headers, preferred_first
from teltubby.adapters.rabbitmq_connect import BrokerAddress, connect
from teltubby.adapters.rabbitmq_control import RabbitListener
from teltubby.adapters.rabbitmq_declare import declare
from teltubby.adapters.rabbitmq_delivery import RabbitDelivery
from teltubby.adapters.rabbitmq_errors import broker_errors, close_quietly
from teltubby.adapters.rabbitmq_publisher import RabbitPublisher, persistent, transient
from teltubby.adapters.rabbitmq_questions import RabbitQuestions, RabbitReplies
from teltubby.adapters.rabbitmq_subscription import RabbitSubscription
from teltubby.adapters.rabbitmq_topology import (
    BrokerNames,
    QueueType,
    Route,
    answer_queue,
    broadcast_route,
    listener_queue,
    question_route,
    queue_names,
    route,
)
from teltubby.adapters.tls import Tls
from teltubby.errors import BrokerUnavailable, NotAnswered
from teltubby.flavour import asyncio_hosted

Stream = RabbitSubscription | RabbitQuestions | RabbitListener
S = TypeVar("S", bound=Stream)


class RabbitBroker:
    """One connection to RabbitMQ, fulfilling `Broker`; `timeout` (seconds) bounds every exchange with it.

    Messages are persistent, published with confirms and as mandatory; see rabbitmq_topology for the queues. Wrong
    credentials and a missing virtual host are BrokerUnavailable too: the text names them, and once they are mended the
    next open works.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        username: str,
        password: str,
        vhost: str,
        names: BrokerNames,
        queue_type: QueueType = "quorum",
        tls: Tls | None = None,
        timeout: float,
        client_name: str,
    ) -> None:
        self._address = BrokerAddress(
            host=host,
            port=port,
            username=username,
            password=password,
            vhost=vhost,
            tls=tls,
            timeout=timeout,
            client_name=client_name,
        )
        self._names = names
        self._queue_type = queue_type
        self._timeout = timeout
        self._connection: AbstractConnection | None = None
        self._publisher: RabbitPublisher | None = None
        self._replies: RabbitReplies | None = None
        self._opening_replies = asyncio.Lock()
        self._streams: list[Stream] = []

    async def open(self) -> None:
        """See Broker. What is left of a lost connection is closed first."""
        await self.aclose()
        try:
            with broker_errors(f"cannot reach {self._where}"):
                await self._open()
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """See Broker. Takes at most CLOSE_SECONDS when RabbitMQ does not answer."""
        with anyio.CancelScope(shield=True):
            await self._close()

    async def publish(self, destination: Destination, message: Outgoing, *, delay: float = 0.0) -> None:
        """See Broker. A delay beyond 18 hours is cut to that. After BrokerUnavailable the message may be there."""
        check_delay(destination, delay)
        with broker_errors(f"{self._where} did not confirm a message for {destination}"):
            await self._publish(route(self._names, destination, delay), persistent(message))

    async def consume(self, sources: Sequence[Destination], *, prefetch: int) -> ObjectReceiveStream[Delivery]:
        """See Broker. Raises ValueError for RETRY and RETRY_PRIORITY among the sources.

        A stream ends alone when RabbitMQ closes its channel, as it does to whoever holds a delivery for longer than its
        `consumer_timeout`; everything else goes on, and consuming again brings the delivery back.
        """
        queues_by_source = {
            source: queue_names(self._names, source)[0] for source in preferred_first(sources, prefetch)
        }
        with broker_errors(f"cannot consume from {self._where}"):
            return await self._consume(queues_by_source, prefetch)

    async def ask(self, question: Outgoing, *, within: float) -> bytes:
        """See Broker. The first question of a connection declares a queue for the answers."""
        with broker_errors(f"cannot ask a question at {self._where}"):
            return await self._ask(question, within)

    async def questions(self) -> ObjectReceiveStream[Question]:
        """See Broker."""
        with broker_errors(f"cannot take questions from {self._where}"):
            return await self._take_questions()

    async def broadcast(self, message: Outgoing) -> None:
        """See Broker. Returns when it is in the queue of everybody who listens."""
        with broker_errors(f"{self._where} did not take a broadcast"):
            await self._publish(broadcast_route(self._names), transient(message), mandatory=False)

    async def listen(self) -> ObjectReceiveStream[Heard]:
        """See Broker. Who does not receive for long misses some of it."""
        with broker_errors(f"cannot listen at {self._where}"):
            return await self._listen()

    async def depths(self) -> Mapping[Destination, int]:
        """See Broker. RETRY and RETRY_PRIORITY count all delay levels."""
        with broker_errors(f"cannot count the messages at {self._where}"):
            return await self._depths()

    @property
    def _where(self) -> str:
        return str(self._address)

    @asyncio_hosted
    async def _open(self) -> None:
        self._connection = await connect(self._address)
        async with asyncio.timeout(self._timeout):
            await declare(self._open_channel, self._names, self._queue_type, vhost=self._address.vhost)
            channel = await (await self._open_channel(confirms=True)).get_underlay_channel()
            self._publisher = RabbitPublisher(channel, where=self._where, timeout=self._timeout)

    @asyncio_hosted
    async def _close(self) -> None:
        streams, self._streams = self._streams, []
        for stream in streams:
            stream.end()
        connection, self._connection, self._publisher = self._connection, None, None
        if self._replies is not None:
            self._replies.end("the broker was closed")
            self._replies = None
        for stream in streams:
            await stream.stop()
        if connection is not None:
            await close_quietly(connection)

    @asyncio_hosted
    async def _publish(self, target: Route, message: aio_pika.Message, *, mandatory: bool = True) -> None:
        if self._publisher is None:
            raise BrokerUnavailable(f"not connected to {self._where}")
        await self._publisher.publish(target, message, mandatory=mandatory)

    @asyncio_hosted
    async def _consume(self, sources: Mapping[Destination, str], prefetch: int) -> RabbitSubscription:
        channel = await self._open_channel_soon()
        return await self._started(
            RabbitSubscription(
                channel, sources, prefetch=prefetch, timeout=self._timeout, dead_letter=self._dead_letter
            )
        )

    async def _started(self, stream: S) -> S:
        """The stream, begun; it ends when the broker is closed."""
        try:
            await stream.start()
        except BaseException:
            await stream.aclose()
            raise
        self._streams = [*(one for one in self._streams if not one.ended), stream]
        return stream

    async def _dead_letter(self, delivery: RabbitDelivery, reason: str, attempt: int) -> None:
        headers: dict[str, HeaderValue] = dead_letter_headers(
            delivery.headers, reason=reason, attempt=attempt, at=time.time()
        )
        await self.publish(
            Destination.DEAD,
            Outgoing(body=delivery.body, type=delivery.type, message_id=delivery.message_id, headers=headers),
        )

    @asyncio_hosted
    async def _ask(self, question: Outgoing, within: float) -> bytes:
        try:
            async with asyncio.timeout(within):
                asked_until = time.monotonic() + within
                replies = await self._open_replies()
                with replies.expected() as (number, reply):
                    message = transient(question, correlation_id=number, reply_to=replies.address)
                    await self._publish(question_route(self._names, asked_until - time.monotonic()), message)
                    return await reply.wait()
        except TimeoutError as exc:
            raise NotAnswered(f"no answer within {within:g} s") from exc

    async def _open_replies(self) -> RabbitReplies:
        async with self._opening_replies:
            if self._replies is None or self._replies.ended:
                if self._replies is not None:
                    await self._replies.aclose()
                queue = answer_queue(self._names, uuid.uuid4().hex)
                replies = RabbitReplies(await self._open_channel(), queue)
                try:
                    await replies.start()
                except BaseException:
                    await replies.aclose()
                    raise
                self._replies = replies
            return self._replies

    @asyncio_hosted
    async def _take_questions(self) -> RabbitQuestions:
        channel = await self._open_channel_soon()
        return await self._started(
            RabbitQuestions(channel, self._names.questions, timeout=self._timeout, answer=self._answer)
        )

    @asyncio_hosted
    async def _listen(self) -> RabbitListener:
        channel = await self._open_channel_soon()
        queue = listener_queue(self._names, uuid.uuid4().hex)
        return await self._started(RabbitListener(channel, queue, timeout=self._timeout))

    async def _answer(self, address: str, answer: aio_pika.Message) -> None:
        with broker_errors(f"{self._where} did not take an answer"):  # not mandatory: the asker may be gone
            await self._publish(Route(exchange=self._names.exchange, routing_key=address), answer, mandatory=False)

    @asyncio_hosted
    async def _depths(self) -> Mapping[Destination, int]:
        # A channel of its own: a queue that is missing costs the channel.
        async with asyncio.timeout(self._timeout), await self._open_channel() as channel:
            return {
                destination: sum([await self._ready(channel, name) for name in queue_names(self._names, destination)])
                for destination in Destination
            }

    async def _open_channel_soon(self) -> AbstractChannel:
        async with asyncio.timeout(self._timeout):
            return await self._open_channel()

    async def _open_channel(self, *, confirms: bool = False) -> AbstractChannel:
        if self._connection is None:
            raise BrokerUnavailable(f"not connected to {self._where}")
        channel = self._connection.channel(publisher_confirms=confirms, on_return_raises=confirms)
        try:
            await channel.initialize()
        except RuntimeError as exc:  # this is how aiormq says that the connection was lost
            raise BrokerUnavailable(f"the connection to {self._where} is lost") from exc
        return channel

    async def _ready(self, channel: AbstractChannel, queue: str) -> int:
        declared = await channel.declare_queue(queue, passive=True)
        return declared.declaration_result.message_count or 0
