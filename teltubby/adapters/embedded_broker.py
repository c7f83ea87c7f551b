"""The broker in a SQLite file: for one machine, without any server; several processes may use the file at once.

What RabbitMQ's connection is, a lease is here: it runs `lease_seconds` and is renewed while the process lives, so a
killed process's messages come back when their leases run out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import anyio
import anyio.to_thread
from anyio.abc import ObjectReceiveStream

from teltubby.adapters import embedded_questions
from teltubby.adapters.base import Delivery, Destination, Outgoing, Question
from teltubby.adapters.broker_rules import check_delay, preferred_first
from teltubby.adapters.embedded_doorbell import Doorbell
from teltubby.adapters.embedded_leases import LeaseRenewal
from teltubby.adapters.embedded_questions import EmbeddedQuestions
from teltubby.adapters.embedded_store import EmbeddedStore
from teltubby.adapters.embedded_subscription import EmbeddedSubscription, OpenQueue
from teltubby.errors import BrokerUnavailable


class EmbeddedBroker:
    """A queue in the file `path`, fulfilling `Broker`; `clock` gives seconds since the epoch.

    Actors that open and close on their own (the two wings of `teltubby run`) get an instance each, on the same path,
    and share a `doorbell`, through which one wakes the other's consumers at once. An instance may be shared too, by
    several consumers; then whoever closes it closes it for all. `busy_seconds` is how long to wait for a locked file.
    """

    def __init__(
        self,
        path: Path,
        *,
        lease_seconds: float = 60.0,
        clock: Callable[[], float] = time.time,
        doorbell: Doorbell | None = None,
        busy_seconds: float = 5.0,
    ) -> None:
        self._path = path
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._doorbell = doorbell or Doorbell()
        self._busy_seconds = busy_seconds
        self._queue: OpenQueue | None = None
        self._subscriptions: list[EmbeddedSubscription | EmbeddedQuestions] = []

    async def open(self) -> None:
        """See Broker. Creates the file, and its directory; does nothing when it is open."""
        if self._queue is None:
            self._queue = await anyio.to_thread.run_sync(self._open)

    async def aclose(self) -> None:
        """See Broker."""
        with anyio.CancelScope(shield=True):
            subscriptions, self._subscriptions = self._subscriptions, []
            for subscription in subscriptions:
                await subscription.aclose()
            queue, self._queue = self._queue, None
            if queue is not None:
                await anyio.to_thread.run_sync(queue.leases.stop)
                await queue.call(EmbeddedStore.close)
                self._doorbell.ring()  # who waits for an answer finds it closed

    async def publish(self, destination: Destination, message: Outgoing, *, delay: float = 0.0) -> None:
        """See Broker: confirmed means committed, and on the disk."""
        check_delay(destination, delay)
        queue = Destination.JOBS if destination is Destination.RETRY else destination
        visible_at = self._clock() + delay if delay else 0.0
        await self._opened().call(lambda store: store.insert(queue, message, visible_at=visible_at))
        self._doorbell.ring()

    async def consume(self, sources: Sequence[Destination], *, prefetch: int) -> ObjectReceiveStream[Delivery]:
        """See Broker. Raises ValueError for RETRY among the sources."""
        subscription = EmbeddedSubscription(self._opened(), preferred_first(sources, prefetch), prefetch=prefetch)
        self._keep(subscription)
        return subscription

    async def ask(self, question: Outgoing, *, within: float) -> bytes:
        """See Broker. A file that is locked can make it take `busy_seconds` longer."""
        return await embedded_questions.ask(self._opened(), question, within=within)

    async def questions(self) -> ObjectReceiveStream[Question]:
        """See Broker."""
        questions = EmbeddedQuestions(self._opened())
        self._keep(questions)
        return questions

    async def depths(self) -> Mapping[Destination, int]:
        """See Broker. RETRY counts the jobs that wait for their time."""
        return await self._opened().call(lambda store: store.depths(now=self._clock()))

    def _keep(self, stream: EmbeddedSubscription | EmbeddedQuestions) -> None:
        """End it when the broker is closed."""
        self._subscriptions = [*(one for one in self._subscriptions if not one.ended), stream]

    def _open(self) -> OpenQueue:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise BrokerUnavailable(f"The directory of the queue {self._path} cannot be made: {exc.strerror}.") from exc
        store = EmbeddedStore(self._path, busy_seconds=self._busy_seconds)
        leases = LeaseRenewal(store, seconds=self._lease_seconds, clock=self._clock)
        leases.start()
        return OpenQueue(
            store=store,
            leases=leases,
            doorbell=self._doorbell,
            limiter=anyio.CapacityLimiter(1),
            clock=self._clock,
        )

    def _opened(self) -> OpenQueue:
        if self._queue is None:
            raise BrokerUnavailable(f"The queue {self._path} is not open.")
        return self._queue
