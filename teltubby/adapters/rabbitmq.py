"""The broker on RabbitMQ, through aio-pika's plain connection: its owner reconnects, by opening it again."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Mapping, Sequence

import aio_pika
import anyio
from aio_pika.abc import AbstractChannel, AbstractConnection, DeliveryMode
from aio_pika.exceptions import (
    AuthenticationError,
    DeliveryError,
    InvalidFrameError,
    ProbableAuthenticationError,
    PublishError,
)
from anyio.abc import ObjectReceiveStream

from teltubby.adapters.base import Delivery, Destination, HeaderValue, Outgoing, Question
from teltubby.adapters.broker_rules import check_delay, dead_letter_headers, preferred_first
from teltubby.adapters.rabbitmq_declare import declare
from teltubby.adapters.rabbitmq_delivery import RabbitDelivery
from teltubby.adapters.rabbitmq_errors import broker_errors, close_quietly
from teltubby.adapters.rabbitmq_questions import RabbitQuestions, RabbitReplies
from teltubby.adapters.rabbitmq_subscription import RabbitSubscription
from teltubby.adapters.rabbitmq_topology import (
    BrokerNames,
    QueueType,
    Route,
    answer_queue,
    question_route,
    queue_names,
    route,
)
from teltubby.errors import BrokerUnavailable, NotAnswered
from teltubby.flavour import asyncio_hosted

HEARTBEAT_SECONDS = 20
"""A peer that is silent for three of these is taken for lost."""


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
        tls: bool = False,
        timeout: float,
        client_name: str,
    ) -> None:
        self._host = host
        self._port = port
        self._username = username
        self._password = password
        self._vhost = vhost
        self._names = names
        self._queue_type = queue_type
        self._tls = tls
        self._timeout = timeout
        self._client_name = client_name
        self._connection: AbstractConnection | None = None
        self._publisher: AbstractChannel | None = None
        self._replies: RabbitReplies | None = None
        self._opening_replies = asyncio.Lock()
        self._subscriptions: list[RabbitSubscription | RabbitQuestions] = []

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
            await self._publish(route(self._names, destination, delay), _message(message))

    async def consume(self, sources: Sequence[Destination], *, prefetch: int) -> ObjectReceiveStream[Delivery]:
        """See Broker. Raises ValueError for RETRY among the sources."""
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

    async def depths(self) -> Mapping[Destination, int]:
        """See Broker. RETRY counts all delay levels."""
        with broker_errors(f"cannot count the messages at {self._where}"):
            return await self._depths()

    @property
    def _where(self) -> str:
        return f"RabbitMQ at {self._host}:{self._port}"

    @asyncio_hosted
    async def _open(self) -> None:
        url = aio_pika.connection.make_url(
            host=self._host,
            port=self._port,
            login=self._username,
            password=self._password,
            virtualhost=self._vhost,
            ssl=self._tls,
            heartbeat=HEARTBEAT_SECONDS,
        )
        # Not aio_pika.connect(), which drops a connection that did not come about without closing it: a task nobody
        # awaits, and a warning, when it is collected.
        connection = aio_pika.Connection(url, client_properties={"connection_name": self._client_name})
        try:
            await connection.connect(timeout=self._timeout)
            self._connection = connection
        except (AuthenticationError, ProbableAuthenticationError) as exc:
            raise BrokerUnavailable(f"{self._where} refuses the user {self._username!r} or its password") from exc
        except InvalidFrameError as exc:  # aiormq's answer when the server closes instead of opening the virtual host
            raise BrokerUnavailable(
                f"{self._where} has no virtual host {self._vhost!r}, or the user {self._username!r} may not use it"
            ) from exc
        finally:
            if self._connection is None:
                await connection.close()
        async with asyncio.timeout(self._timeout):
            self._publisher = await self._open_channel(confirms=True)
            await declare(self._publisher, self._names, self._queue_type, vhost=self._vhost)

    @asyncio_hosted
    async def _close(self) -> None:
        subscriptions, self._subscriptions = self._subscriptions, []
        for subscription in subscriptions:
            subscription.end()
        connection, self._connection, self._publisher = self._connection, None, None
        if self._replies is not None:
            self._replies.end("the broker was closed")
            self._replies = None
        for subscription in subscriptions:
            await subscription.stop()
        if connection is not None:
            await close_quietly(connection)

    @asyncio_hosted
    async def _publish(self, target: Route, message: aio_pika.Message, *, mandatory: bool = True) -> None:
        if self._publisher is None:
            raise BrokerUnavailable(f"not connected to {self._where}")
        exchange = await self._publisher.get_exchange(target.exchange, ensure=False)
        message.expiration = target.expiration
        try:
            await exchange.publish(message, target.routing_key, mandatory=mandatory, timeout=self._timeout)
        except PublishError as exc:
            raise BrokerUnavailable(
                f"{self._where} has no queue for {target.routing_key!r} at the exchange {target.exchange!r}; "
                "connecting again declares it"
            ) from exc
        except DeliveryError as exc:
            raise BrokerUnavailable(f"{self._where} refuses to store a message in {target.routing_key!r}") from exc

    @asyncio_hosted
    async def _consume(self, sources: Mapping[Destination, str], prefetch: int) -> RabbitSubscription:
        async with asyncio.timeout(self._timeout):
            channel = await self._open_channel(confirms=False)
        subscription = RabbitSubscription(
            channel, sources, prefetch=prefetch, timeout=self._timeout, dead_letter=self._dead_letter
        )
        try:
            await subscription.start()
        except BaseException:
            await subscription.aclose()
            raise
        self._keep(subscription)
        return subscription

    def _keep(self, stream: RabbitSubscription | RabbitQuestions) -> None:
        """End it when the broker is closed."""
        self._subscriptions = [*(one for one in self._subscriptions if not one.ended), stream]

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
                    message = _message(question, correlation_id=number, reply_to=replies.address)
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
                replies = RabbitReplies(await self._open_channel(confirms=False), queue)
                try:
                    await replies.start()
                except BaseException:
                    await replies.aclose()
                    raise
                self._replies = replies
            return self._replies

    @asyncio_hosted
    async def _take_questions(self) -> RabbitQuestions:
        async with asyncio.timeout(self._timeout):
            channel = await self._open_channel(confirms=False)
        questions = RabbitQuestions(channel, self._names.questions, timeout=self._timeout, answer=self._answer)
        try:
            await questions.start()
        except BaseException:
            await questions.aclose()
            raise
        self._keep(questions)
        return questions

    async def _answer(self, address: str, answer: aio_pika.Message) -> None:
        with broker_errors(f"{self._where} did not take an answer"):  # not mandatory: the asker may be gone
            await self._publish(Route(exchange=self._names.exchange, routing_key=address), answer, mandatory=False)

    @asyncio_hosted
    async def _depths(self) -> Mapping[Destination, int]:
        # A channel of its own: a queue that is missing costs the channel.
        async with asyncio.timeout(self._timeout), await self._open_channel(confirms=False) as channel:
            return {
                destination: sum([await self._ready(channel, name) for name in queue_names(self._names, destination)])
                for destination in Destination
            }

    async def _open_channel(self, *, confirms: bool) -> AbstractChannel:
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


def _message(message: Outgoing, *, correlation_id: str | None = None, reply_to: str | None = None) -> aio_pika.Message:
    """As the broker carries it: persistent, unless somebody waits for an answer."""
    return aio_pika.Message(
        message.body,
        headers=dict(message.headers),
        content_type="application/json",
        delivery_mode=DeliveryMode.PERSISTENT if reply_to is None else DeliveryMode.NOT_PERSISTENT,
        type=message.type,
        message_id=message.message_id,
        correlation_id=correlation_id,
        reply_to=reply_to,
    )
