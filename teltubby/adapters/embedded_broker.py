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

from teltubby.adapters import embedded_control, embedded_questions
from teltubby.adapters.base import Delivery, Destination, Heard, Outgoing, Question
from teltubby.adapters.broker_rules import check_delay, preferred_first
from teltubby.adapters.embedded_commit import GroupCommit
from teltubby.adapters.embedded_control import EmbeddedListener
from teltubby.adapters.embedded_doorbell import Doorbell
from teltubby.adapters.embedded_leases import LeaseRenewal
from teltubby.adapters.embedded_questions import EmbeddedQuestions
from teltubby.adapters.embedded_store import EmbeddedStore, insert
from teltubby.adapters.embedded_subscription import EmbeddedSubscription, OpenQueue
from teltubby.errors import BrokerUnavailable

Stream = EmbeddedSubscription | EmbeddedQuestions | EmbeddedListener

_WAITING_FOR = {Destination.RETRY: Destination.JOBS, Destination.RETRY_PRIORITY: Destination.PRIORITY}
"""Where delayed messages are for everybody but `depths`."""


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
        self._streams: list[Stream] = []

    async def open(self) -> None:
        """See Broker. Creates the file, and its directory; does nothing when it is open."""
        if self._queue is None:
            self._queue = await anyio.to_thread.run_sync(self._open)

    async def aclose(self) -> None:
        """See Broker."""
        with anyio.CancelScope(shield=True):
            streams, self._streams = self._streams, []
            for stream in streams:
                await stream.aclose()
            queue, self._queue = self._queue, None
            if queue is not None:
                await anyio.to_thread.run_sync(queue.leases.stop)
                await queue.call(EmbeddedStore.close)
                self._doorbell.ring()  # who waits for an answer finds it closed

    async def publish(self, destination: Destination, message: Outgoing, *, delay: float = 0.0) -> None:
        """See Broker: confirmed means committed, and on the disk."""
        check_delay(destination, delay)
        queue = _WAITING_FOR.get(destination, destination)
        now = self._clock()
        await self._opened().commits.run(
            lambda connection: insert(connection, queue, message, delayed_at=now, delay=delay)
        )
        self._doorbell.ring()

    async def consume(self, sources: Sequence[Destination], *, prefetch: int) -> ObjectReceiveStream[Delivery]:
        """See Broker. Raises ValueError for RETRY and RETRY_PRIORITY among the sources."""
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

    async def broadcast(self, message: Outgoing) -> None:
        """See Broker."""
        await embedded_control.broadcast(self._opened(), message)

    async def listen(self) -> ObjectReceiveStream[Heard]:
        """See Broker."""
        listener = await embedded_control.listen(self._opened())
        self._keep(listener)
        return listener

    async def depths(self) -> Mapping[Destination, int]:
        """See Broker. RETRY and RETRY_PRIORITY count the jobs that wait for their time."""
        return await self._opened().call(lambda store: store.depths(now=self._clock()))

    def _keep(self, stream: Stream) -> None:
        """End it when the broker is closed."""
        self._streams = [*(one for one in self._streams if not one.ended), stream]

    def _open(self) -> OpenQueue:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise BrokerUnavailable(f"The directory of the queue {self._path} cannot be made: {exc.strerror}.") from exc
        store = EmbeddedStore(self._path, busy_seconds=self._busy_seconds)
        leases = LeaseRenewal(store, seconds=self._lease_seconds, clock=self._clock)
        leases.start()
        limiter = anyio.CapacityLimiter(1)
        return OpenQueue(
            store=store,
            commits=GroupCommit(store, limiter=limiter),
            leases=leases,
            doorbell=self._doorbell,
            limiter=limiter,
            clock=self._clock,
        )

    def _opened(self) -> OpenQueue:
        if self._queue is None:
            raise BrokerUnavailable(f"The queue {self._path} is not open.")
        return self._queue
