"""A broker whose connection tells how it stands, and is measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from anyio.abc import ObjectReceiveStream

from teltubby.adapters.base import Broker, Delivery, Destination, Heard, Outgoing, Question
from teltubby.adapters.dependencies import Dependency
from teltubby.adapters.metrics import Metrics
from teltubby.errors import BrokerUnavailable, TopologyConflict

CONNECTED, CLOSED = "connected", "the connection is closed"


class WatchedBroker:
    """`broker`, which stands as its one connection does: well from `open` up to the loss that ends in `aclose`.

    One that is there and does not do what it is asked is not well either: a broker that hangs, or that is blocked,
    keeps its connections for minutes.
    """

    def __init__(self, broker: Broker, dependency: Dependency, metrics: Metrics) -> None:
        self._broker = broker
        self._dependency = dependency
        self._metrics = metrics
        self._is_open = False
        self._reason = CLOSED

    async def open(self) -> None:
        try:
            await self._broker.open()
        except (BrokerUnavailable, TopologyConflict) as error:
            self._dependency.down(str(error))
            raise
        self._is_open, self._reason = True, CLOSED
        self._metrics.broker_connections.inc()
        self._dependency.works(CONNECTED)

    async def aclose(self) -> None:
        if self._is_open:
            self._is_open = False
            self._dependency.down(self._reason)
        await self._broker.aclose()

    async def publish(self, destination: Destination, message: Outgoing, *, delay: float = 0.0) -> None:
        with self._told():
            await self._broker.publish(destination, message, delay=delay)
        self._metrics.messages_published.labels(queue=destination).inc()

    async def consume(self, sources: Sequence[Destination], *, prefetch: int) -> ObjectReceiveStream[Delivery]:
        return await self._broker.consume(sources, prefetch=prefetch)

    async def ask(self, question: Outgoing, *, within: float) -> bytes:
        return await self._broker.ask(question, within=within)

    async def questions(self) -> ObjectReceiveStream[Question]:
        return await self._broker.questions()

    async def broadcast(self, message: Outgoing) -> None:
        await self._broker.broadcast(message)

    async def listen(self) -> ObjectReceiveStream[Heard]:
        return await self._broker.listen()

    async def depths(self) -> Mapping[Destination, int]:
        if self._is_open:
            self._dependency.asked()
        with self._told():
            depths = await self._broker.depths()
        if self._is_open:
            self._reason = CLOSED
            self._dependency.works(CONNECTED)
        return depths

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except BrokerUnavailable as error:
            if self._is_open:
                self._reason = str(error)
                self._dependency.failed(self._reason)
            raise
