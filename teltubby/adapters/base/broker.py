"""What the house asks of a message broker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from anyio.abc import ObjectReceiveStream


class Destination(StrEnum):
    """Where a message goes; an adapter maps it to an exchange and a queue of the configured names."""

    JOBS = "jobs"
    PRIORITY = "priority"
    RETRY = "retry"
    RETRY_PRIORITY = "retry_priority"
    DEAD = "dead"
    EVENTS = "events"


HeaderValue = str | int | float | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A message for the broker: persistent, `application/json`; `message_id` makes a repetition recognisable."""

    body: bytes
    type: str
    message_id: str
    headers: Mapping[str, HeaderValue] = field(default_factory=dict)


class Delivery(Protocol):
    """A message lent to us: ours until settled by exactly one of ack, requeue or dead_letter, or the lease ends."""

    @property
    def body(self) -> bytes: ...

    @property
    def type(self) -> str: ...

    @property
    def message_id(self) -> str: ...

    @property
    def headers(self) -> Mapping[str, HeaderValue]: ...

    @property
    def source(self) -> Destination: ...

    async def ack(self) -> None:
        """It is done and durable. Raises BrokerUnavailable when the broker could not be told (it will come again)."""

    async def requeue(self) -> None:
        """Give it back at once, unspent."""

    async def dead_letter(self, reason: str, *, attempt: int) -> None:
        """Move it to the dead-letter queue with reason, attempt and time in its headers; confirmed before acked."""


class Question(Protocol):
    """What somebody asks us and waits for, put once: it does not come again when we leave it without an answer."""

    @property
    def body(self) -> bytes: ...

    @property
    def type(self) -> str: ...

    @property
    def message_id(self) -> str: ...

    @property
    def headers(self) -> Mapping[str, HeaderValue]: ...

    async def answer(self, body: bytes) -> None:
        """Tell the asker; the first answer counts, and one that comes too late is dropped. Raises BrokerUnavailable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What somebody broadcast."""

    body: bytes
    type: str
    headers: Mapping[str, HeaderValue]


class Broker(Protocol):
    """Durable queues with confirms; at least once. Beside them, questions and broadcasts: at most once, not durable.

    Everybody in the process may publish and ask, whoever owns the connection. The twins are RabbitMQ and an embedded
    SQLite queue.
    """

    async def open(self) -> None:
        """Connect and declare the topology. Raises BrokerUnavailable, TopologyConflict."""

    async def aclose(self) -> None:
        """Give back what is unsettled and disconnect; safe to call twice."""

    async def publish(self, destination: Destination, message: Outgoing, *, delay: float = 0.0) -> None:
        """Return once the broker has confirmed the message as durable.

        `delay` (seconds) only with RETRY and RETRY_PRIORITY: the message comes to the JOBS (PRIORITY) queue after it;
        no long delay holds up a short one. Several calls may be under way at once; those that begin in order are stored
        in order.
        """

    async def consume(self, sources: Sequence[Destination], *, prefetch: int) -> ObjectReceiveStream[Delivery]:
        """Deliveries of all `sources`, PRIORITY before JOBS; at most `prefetch` unsettled at a time.

        The stream ends when the connection is lost or the broker is closed; closing it gives back what is unsettled.
        """
        ...

    async def ask(self, question: Outgoing, *, within: float) -> bytes:
        """Put a question and return the answer's body.

        Raises NotAnswered after `within` seconds, and BrokerUnavailable at once when there is no connection or it is
        lost. While nobody takes questions this one waits for somebody who does, no longer than its asker.
        """
        ...

    async def questions(self) -> ObjectReceiveStream[Question]:
        """Questions, each to one taker, those put first coming first; what its asker gave up does not come.

        The stream ends as one of `consume` does.
        """
        ...

    async def broadcast(self, message: Outgoing) -> None:
        """Tell everybody who listens now. Raises BrokerUnavailable; that nobody listens is fine."""

    async def listen(self) -> ObjectReceiveStream[Heard]:
        """What is broadcast from now on, by others and by this process. It ends as one of `consume` does."""
        ...

    async def depths(self) -> Mapping[Destination, int]:
        """Messages ready in each queue."""
        ...
