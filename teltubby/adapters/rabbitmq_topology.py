"""The exchanges and queues that teltubby declares at RabbitMQ: pure declarations, valid from 3.10 to 4.x.

```
JOB_EXCHANGE (direct, durable)                               JOB_DLX_EXCHANGE (direct, durable)
├─ JOB_QUEUE_NAME      ─┐ rejected messages go to            └─ JOB_DEAD_LETTER_QUEUE
├─ JOB_PRIORITY_QUEUE  ─┘ JOB_DLX_EXCHANGE
├─ teltubby.events
├─ teltubby.questions: what workers ask, each with a TTL of its own, the seconds that its asker waits
├─ teltubby.answers.<id>: of one connection that asked, exclusive; it ends with the connection
├─ JOB_RETRY_QUEUE, JOB_RETRY_QUEUE.2s, .4s, … .65536s: after their time messages go on to JOB_QUEUE_NAME
└─ JOB_RETRY_QUEUE.priority, JOB_RETRY_QUEUE.priority.2s, … .65536s: the same, to JOB_PRIORITY_QUEUE

teltubby.control (fanout, durable)
└─ teltubby.control.<id>: of one who listens, exclusive; it ends with the connection
```

A queue expires messages only at its head, so a long delay must never stand before a short one. There is one retry queue
per power of two: a message waits in the first that is not shorter than its delay, with a TTL of its own. Alone it waits
exactly its delay; behind others at most that queue's time, which is less than twice its delay (or 1 s). The contract
name JOB_RETRY_QUEUE is the level of one second, so whatever an operator puts there by hand becomes a job again. All
levels are declared at once (5 ms each the first time) and not as needed, so that depths are true and a conflict shows
at the start; none has `x-expires`, because an unused queue is deleted with the messages in it. Urgent jobs have levels
of their own: one that kept where its messages are bound for could serve both, but nobody could count them apart.

The retry queues dead-letter "at-least-once". With the default, "at-most-once", 80 of 160 delayed messages were lost in
four restarts of RabbitMQ 3.10.8: what expires while the target has no leader yet is dropped. The work queues do
without: nothing of ours rejects from them, and at-least-once has a price (rabbitmq-server issue 16652: when the node's
dead-letter supervisor gives up, such queues stand still until the node is restarted).

The delivery limit is as good as none: RabbitMQ 4 would otherwise take the 21st delivery for a poisoned message, and it
is our count of attempts that decides: every lost connection and every restarted worker redelivers what it held, and
says nothing about the message. Poison does not loop all the same: what cannot be read, or not be done, is settled by a
dead letter and never given back; only a job that ends its worker's whole process comes again for as long as it does.
With a limit set, what is given back goes to the head of the queue.

Questions wait in a queue like the others, although nothing of them need survive: a classic one would be missing while
its node is, and with it every connection that declares it. Answers come to a queue of the asker's own and not through
RabbitMQ's direct reply-to, because that is published to the default exchange: a user whose permissions are those of
our names (`^teltubby[.]`) is refused there, at the price of the channel (seen with 3.10.8).

What is broadcast is transient, and what a listener has not taken is bounded in age and size.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, assert_never

from teltubby.adapters.base import Destination

QueueType = Literal["quorum", "classic"]
ExchangeKind = Literal["direct", "fanout"]
Argument = str | int

RETRY_LEVELS = tuple(2**power for power in range(17))
"""Seconds; a delay beyond the last one is cut to it (18 hours)."""

DELIVERY_LIMIT = 1_000_000_000

BROADCAST_SECONDS = 60
"""How long a broadcast waits for a listener that reads nothing."""

UNHEARD_BYTES = 1 << 20
"""How much waits for such a listener at most; the oldest is dropped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerNames:
    """The configured names; the defaults are those of compatibility.md."""

    exchange: str = "teltubby.exchange"
    dlx_exchange: str = "teltubby.dlx"
    jobs: str = "teltubby.large_files"
    priority: str = "teltubby.priority_jobs"
    retry: str = "teltubby.retry_jobs"
    dead: str = "teltubby.failed_jobs"
    events: str = "teltubby.events"
    questions: str = "teltubby.questions"
    answers: str = "teltubby.answers"
    """What the names of the askers' own queues begin with."""
    control: str = "teltubby.control"
    """The exchange of broadcasts, and what the names of the listeners' own queues begin with."""

    @property
    def urgent_retry(self) -> str:
        """The first of the retry queues of urgent jobs."""
        return f"{self.retry}.priority"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueDeclaration:
    """A queue, bound to `exchange` by its own name; durable, unless it is of one connection alone."""

    name: str
    exchange: str
    arguments: Mapping[str, Argument]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where a message is published; `expiration` (seconds) is how long it may stay in that queue."""

    exchange: str
    routing_key: str
    expiration: float | None = None


def exchanges(names: BrokerNames) -> dict[str, ExchangeKind]:
    """The durable exchanges."""
    return {names.exchange: "direct", names.dlx_exchange: "direct", names.control: "fanout"}


def queues(names: BrokerNames, queue_type: QueueType) -> Iterator[QueueDeclaration]:
    """Every queue, in the order of declaration: what others dead-letter to comes first."""
    plain = _arguments(queue_type)
    work = {**plain, **_dead_lettering(names.dlx_exchange, names.dead)}
    yield QueueDeclaration(name=names.dead, exchange=names.dlx_exchange, arguments=plain)
    yield QueueDeclaration(name=names.jobs, exchange=names.exchange, arguments=work)
    yield QueueDeclaration(name=names.priority, exchange=names.exchange, arguments=work)
    yield QueueDeclaration(name=names.events, exchange=names.exchange, arguments=plain)
    yield QueueDeclaration(name=names.questions, exchange=names.exchange, arguments=plain)
    for first, target in ((names.retry, names.jobs), (names.urgent_retry, names.priority)):
        delayed = {**plain, **_dead_lettering(names.exchange, target), **_at_least_once(queue_type)}
        for seconds, name in retry_queues(first).items():
            yield QueueDeclaration(
                name=name, exchange=names.exchange, arguments={**delayed, "x-message-ttl": seconds * 1000}
            )


def retry_queues(first: str) -> dict[int, str]:
    """The retry queue of each level, by its seconds; `first` is the name of the one that has the shortest."""
    return {level: first if level == 1 else f"{first}.{level}s" for level in RETRY_LEVELS}


def queue_names(names: BrokerNames, destination: Destination) -> tuple[str, ...]:
    """The queues behind a destination: one, and for a delayed one as many as there are levels."""
    match destination:
        case Destination.JOBS:
            return (names.jobs,)
        case Destination.PRIORITY:
            return (names.priority,)
        case Destination.RETRY:
            return tuple(retry_queues(names.retry).values())
        case Destination.RETRY_PRIORITY:
            return tuple(retry_queues(names.urgent_retry).values())
        case Destination.DEAD:
            return (names.dead,)
        case Destination.EVENTS:
            return (names.events,)
        case _:
            assert_never(destination)


def route(names: BrokerNames, destination: Destination, delay: float) -> Route:
    """Where to publish; `delay` in seconds. A retry without delay goes to the jobs, or the urgent ones, directly."""
    match destination:
        case Destination.RETRY:
            return _delayed(names, names.retry, delay) if delay > 0 else route(names, Destination.JOBS, 0)
        case Destination.RETRY_PRIORITY:
            return _delayed(names, names.urgent_retry, delay) if delay > 0 else route(names, Destination.PRIORITY, 0)
        case Destination.DEAD:
            return Route(exchange=names.dlx_exchange, routing_key=names.dead)
        case Destination.JOBS | Destination.PRIORITY | Destination.EVENTS:
            return Route(exchange=names.exchange, routing_key=queue_names(names, destination)[0])
        case _:
            assert_never(destination)


def question_route(names: BrokerNames, patience: float) -> Route:
    """Where a question is published whose asker waits for so many seconds."""
    return Route(exchange=names.exchange, routing_key=names.questions, expiration=max(patience, 0.0))


def answer_queue(names: BrokerNames, identity: str) -> QueueDeclaration:
    """The queue of one asker: declared exclusive and not durable, which only a classic queue can be."""
    return QueueDeclaration(
        name=f"{names.answers}.{identity}", exchange=names.exchange, arguments={"x-queue-type": "classic"}
    )


def broadcast_route(names: BrokerNames) -> Route:
    """Where everybody who listens is told something."""
    return Route(exchange=names.control, routing_key="", expiration=BROADCAST_SECONDS)


def listener_queue(names: BrokerNames, identity: str) -> QueueDeclaration:
    """The queue of one listener, declared as an `answer_queue` is."""
    return QueueDeclaration(
        name=f"{names.control}.{identity}",
        exchange=names.control,
        arguments={
            "x-queue-type": "classic",
            "x-message-ttl": BROADCAST_SECONDS * 1000,
            "x-max-length-bytes": UNHEARD_BYTES,
        },
    )


def _delayed(names: BrokerNames, first: str, delay: float) -> Route:
    seconds = min(delay, RETRY_LEVELS[-1])
    level = next(level for level in RETRY_LEVELS if level >= seconds)
    return Route(exchange=names.exchange, routing_key=retry_queues(first)[level], expiration=seconds)


def _arguments(queue_type: QueueType) -> dict[str, Argument]:
    match queue_type:
        case "quorum":
            return {"x-queue-type": "quorum", "x-delivery-limit": DELIVERY_LIMIT}
        case "classic":
            return {"x-queue-type": "classic"}
        case _:
            assert_never(queue_type)


def _dead_lettering(exchange: str, routing_key: str) -> dict[str, Argument]:
    return {"x-dead-letter-exchange": exchange, "x-dead-letter-routing-key": routing_key}


def _at_least_once(queue_type: QueueType) -> dict[str, Argument]:
    match queue_type:
        case "quorum":
            # It needs reject-publish, which without a maximum length rejects nothing.
            return {"x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish"}
        case "classic":
            return {}  # classic queues know at-most-once only
        case _:
            assert_never(queue_type)
