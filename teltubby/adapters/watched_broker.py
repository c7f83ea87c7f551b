"""A broker whose connection tells how it stands, and is measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from anyio.abc import ObjectReceiveStream

from teltubby.adapters.base import Broker, Delivery, Destination, Heard, Outgoing, Question
from teltubby.adapters.dependencies import Dependency
from teltubby.adapters.metrics import Metrics
from teltubby.errors import BrokerUnavailable, TopologyConflict


class WatchedBroker:
    """`broker`, which stands as its one connection does: well from `open` up to the loss that ends in `aclose`."""

    def __init__(self, broker: Broker, dependency: Dependency, metrics: Metrics) -> None:
        self._broker = broker
        self._dependency = dependency
        self._metrics = metrics
        self._is_open = False

    async def open(self) -> None:
        try:
            await self._broker.open()
        except (BrokerUnavailable, TopologyConflict) as error:
            self._dependency.down(str(error))
            raise
        self._is_open = True
        self._metrics.broker_connections.inc()
        self._dependency.works("connected")

    async def aclose(self) -> None:
        if self._is_open:
            self._is_open = False
            self._dependency.down("the connection is closed")
        await self._broker.aclose()

    async def publish(self, destination: Destination, message: Outgoing, *, delay: float = 0.0) -> None:
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
        return await self._broker.depths()
