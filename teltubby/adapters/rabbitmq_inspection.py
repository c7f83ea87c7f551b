"""Looks at a RabbitMQ without leaving a trace: what is there, what fits, and what our user may do.

Whatever could create something is asked with an argument that no server accepts. RabbitMQ looks at the permission
first, and at the argument only then (`rabbit_channel:handle_method`, seen with 3.10.8): 403 means that it is
forbidden, 406 that it is not. Reading is asked by a consumer with such an argument, writing by removing a binding that
never was.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TypeVar

import aiormq.abc
from aio_pika.abc import AbstractConnection
from aio_pika.exceptions import AMQPError, ChannelClosed, ChannelNotFoundEntity, ChannelPreconditionFailed
from aiormq.exceptions import ChannelAccessRefused, ChannelLockedResource

from teltubby.adapters.rabbitmq_connect import BrokerAddress, connect
from teltubby.adapters.rabbitmq_declare import Conflict, conflicts_in_words, exchange_conflict_in_words
from teltubby.adapters.rabbitmq_errors import broker_errors, close_quietly
from teltubby.adapters.rabbitmq_topology import (
    BrokerNames,
    ExchangeKind,
    QueueDeclaration,
    QueueType,
    answer_queue,
    exchanges,
    listener_queue,
    queues,
)
from teltubby.flavour import asyncio_hosted

_LOG = logging.getLogger(__name__)

AT_ONCE = 4
"""Channels that ask at once: over a long line some 150 round trips one after the other would take too long."""

BLOCKED_SECONDS = 3.0
"""A broker that confirms nothing for so long takes no messages: that is what a memory or disk alarm does."""

Channel = aiormq.abc.AbstractChannel
R = TypeVar("R")


@dataclass(slots=True)
class BrokerFacts:
    """What was found. `missing` will be declared; `conflicts` says in words, with the remedy, what is in the way.

    `forbidden` maps a permission (configure, write, read) to the names for which our user lacks it. `is_blocked`: it
    takes no messages now.
    """

    version: str
    fitting: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)
    forbidden: dict[str, list[str]] = field(default_factory=dict)
    is_blocked: bool = False


class _Answer(Enum):
    YES = auto()
    MISSING = auto()
    FORBIDDEN = auto()
    REFUSED = auto()


async def inspect_broker(
    address: BrokerAddress, names: BrokerNames, queue_type: QueueType, *, unread: Collection[str] = ()
) -> BrokerFacts:
    """Connect, look, leave; `unread` are queues that are there for others to read.

    Raises BrokerUnavailable, of which CredentialsRefused, VhostRefused and TlsRefused are kinds.
    """
    with broker_errors(f"cannot reach {address}"):
        return await _inspect(address, names, queue_type, unread)


@asyncio_hosted
async def _inspect(
    address: BrokerAddress, names: BrokerNames, queue_type: QueueType, unread: Collection[str]
) -> BrokerFacts:
    connection = await connect(address)
    try:
        visit = _Visit(connection, names, queue_type, address.vhost, unread)
        await visit.queues()
        await visit.exchanges()
        await visit.alarm()
        return visit.facts
    finally:
        await close_quietly(connection)


class _Visit:
    """One look at everything, over one connection."""

    def __init__(
        self,
        connection: AbstractConnection,
        names: BrokerNames,
        queue_type: QueueType,
        vhost: str,
        unread: Collection[str],
    ) -> None:
        self._unread = unread
        self._connection = connection
        self._names = names
        self._queue_type = queue_type
        self._vhost = vhost
        self._nowhere = f"teltubby.doctor.{uuid.uuid4().hex}"
        self._conflicting: list[Conflict] = []
        self.facts = BrokerFacts(version=_version(connection))

    async def exchanges(self) -> None:
        """Each of them, one after the other: there are three."""
        for name, kind in exchanges(self._names).items():
            await self._exchange(name, kind)

    async def queues(self) -> None:
        """All of them, and what those are asked for that only exist while somebody asks or listens."""
        waiting = queues(self._names, self._queue_type)
        await asyncio.gather(*(self._look_at(waiting) for _ in range(AT_ONCE)))
        for passing in (answer_queue(self._names, "doctor"), listener_queue(self._names, "doctor")):
            await self._permissions(passing)
        if self._conflicting:
            found = sorted(self._conflicting, key=lambda conflict: conflict.queue)
            self.facts.conflicts.append(conflicts_in_words(found, vhost=self._vhost))

    async def alarm(self) -> None:
        """Publish twice to where nothing is bound: the first message brings the alarm about, the second is held up."""
        for _ in range(2):
            with suppress(AMQPError):  # unroutable, as it should be; or forbidden, which is known by now
                try:
                    async with asyncio.timeout(BLOCKED_SECONDS):
                        channel = await self._channel()
                        await channel.basic_publish(
                            b"", exchange=self._names.exchange, routing_key=self._nowhere, mandatory=True
                        )
                except TimeoutError:
                    self.facts.is_blocked = True
                    return

    async def _exchange(self, name: str, kind: ExchangeKind) -> None:
        there, _ = await self._ask(lambda channel: channel.exchange_declare(name, passive=True))
        if there is _Answer.YES:
            fits, why = await self._ask(
                lambda channel: channel.exchange_declare(name, exchange_type=kind, durable=True)
            )
            if fits is _Answer.REFUSED:
                self.facts.conflicts.append(exchange_conflict_in_words(name, why, vhost=self._vhost))
            elif fits is _Answer.YES:
                self.facts.fitting.append(name)
        else:
            self.facts.missing.append(name)
            fits, _ = await self._ask(
                lambda channel: channel.exchange_declare(name, exchange_type=kind, arguments={"alternate-exchange": 1})
            )
        self._note("configure", name, fits)
        written, _ = await self._ask(lambda channel: channel.exchange_unbind(name, name, self._nowhere))
        if name not in self.facts.forbidden.get("read", ()):  # which is asked for, too
            self._note("write", name, written)

    async def _look_at(self, waiting: Iterator[QueueDeclaration]) -> None:
        for queue in waiting:
            await self._queue(queue)

    async def _queue(self, queue: QueueDeclaration) -> None:
        messages = 0

        async def look(channel: Channel) -> None:
            nonlocal messages
            found = await channel.queue_declare(queue.name, passive=True)
            messages = found.message_count or 0

        fits, why = await self._ask(look)
        if fits is _Answer.MISSING:
            self.facts.missing.append(queue.name)
        elif fits is _Answer.YES:
            fits, why = await self._ask(
                lambda channel: channel.queue_declare(queue.name, durable=True, arguments=dict(queue.arguments))
            )
        if fits is _Answer.REFUSED:
            self._conflicting.append(Conflict(queue=queue.name, reason=why, messages=messages))
        elif fits is _Answer.YES:
            self.facts.fitting.append(queue.name)
        await self._permissions(queue)

    async def _permissions(self, queue: QueueDeclaration) -> None:
        """What our user may do with a queue, be it there or not; see the module's docstring."""
        declared, _ = await self._ask(
            lambda channel: channel.queue_declare(queue.name, durable=True, arguments={"x-expires": "never"})
        )
        bound, why = await self._ask(
            lambda channel: channel.queue_unbind(queue.name, queue.exchange, self._nowhere),
        )
        read, _ = await self._ask(
            lambda channel: channel.basic_consume(queue.name, _nobody, arguments={"x-priority": "none"})
        )
        self._note("configure", queue.name, declared)
        if "access to exchange" in why:  # a binding asks for writing the queue, and then for reading the exchange
            self._note("read", queue.exchange, bound)
        else:
            self._note("write", queue.name, bound)
        # Who declares a queue that is not there has to read it, too: it dead-letters.
        if queue.name not in self._unread or queue.name in self.facts.missing:
            self._note("read", queue.name, read)

    def _note(self, permission: str, name: str, answer: _Answer) -> None:
        names = self.facts.forbidden.setdefault(permission, []) if answer is _Answer.FORBIDDEN else [name]
        if name not in names:
            names.append(name)

    async def _ask(self, question: Callable[[Channel], Awaitable[R]]) -> tuple[_Answer, str]:
        """What the broker answers, and why; on a channel of its own, for a no costs the channel."""
        channel = await self._channel()
        try:
            await question(channel)
        except ChannelAccessRefused as error:
            return _Answer.FORBIDDEN, str(error)
        except ChannelNotFoundEntity as error:
            return _Answer.MISSING, str(error)
        except (ChannelPreconditionFailed, ChannelLockedResource) as error:
            return _Answer.REFUSED, str(error)
        with suppress(ChannelClosed):
            await channel.close()
        return _Answer.YES, ""

    async def _channel(self) -> Channel:
        channel = self._connection.channel(publisher_confirms=True)
        await channel.initialize()
        return await channel.get_underlay_channel()


async def _nobody(message: object) -> None:
    """Nothing is ever delivered to it: its consumer is refused."""
    _LOG.error("a consumer that cannot be there was given %r", type(message))


def _version(connection: AbstractConnection) -> str:
    transport = connection.transport
    properties = {} if transport is None else getattr(transport.connection, "server_properties", {})
    version = properties.get("version", "?")
    return version.decode() if isinstance(version, bytes) else str(version)
