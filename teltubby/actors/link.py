"""The connection to the broker as work sees it that outlives connections: waited for, used, found broken."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from teltubby.adapters.base import Broker, Destination, Outgoing
from teltubby.errors import BrokerUnavailable
from teltubby.supervision import Signal


class Link:
    """Connections are numbered; `changed` wakes whoever made this link, too. What breaks one is told to its owner."""

    def __init__(self, broker: Broker, changed: Signal) -> None:
        self._broker = broker
        self._changed = changed
        self._number = 0
        self._is_up = False
        self._failure: BrokerUnavailable | None = None

    def made(self) -> None:
        """There is a new connection."""
        self._number += 1
        self._is_up, self._failure = True, None
        self._changed.notify()

    def lost(self) -> None:
        """It is gone."""
        self._is_up = False

    async def wait_up(self) -> None:
        """Return when there is a connection."""
        while not self._is_up:
            await self._changed.wait()

    def check(self) -> None:
        """Raises BrokerUnavailable when somebody found this connection broken."""
        if self._failure is not None:
            raise BrokerUnavailable(str(self._failure)) from self._failure

    async def use(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do it once, over the connection there is now. Raises BrokerUnavailable, which ends this connection."""
        number = self._number
        try:
            await work()
        except BrokerUnavailable as error:
            if number == self._number and self._is_up:
                self._is_up, self._failure = False, error
                self._changed.notify()
            raise

    async def publish(self, destination: Destination, message: Outgoing, *, delay: float = 0.0) -> None:
        """Return once the broker has confirmed it, over whichever connection; it may be there more than once."""

        async def once() -> None:
            await self._broker.publish(destination, message, delay=delay)

        while True:
            await self.wait_up()
            try:
                await self.use(once)
            except BrokerUnavailable:
                continue  # the next connection is waited for: who makes it does so with backoff
            return
