"""Consumers of the embedded broker and what they receive."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import anyio
import anyio.to_thread
from anyio.abc import ObjectReceiveStream

from teltubby.adapters.base import Delivery, Destination, HeaderValue
from teltubby.adapters.broker_rules import dead_letter_headers
from teltubby.adapters.embedded_commit import GroupCommit
from teltubby.adapters.embedded_doorbell import Doorbell
from teltubby.adapters.embedded_leases import LeaseRenewal
from teltubby.adapters.embedded_store import EmbeddedStore, Lease, delete, move
from teltubby.errors import BrokerUnavailable

POLL_SECONDS = 1.0
"""How late the messages of another process are seen at most; those of our own ring the doorbell."""

_SHORTEST_WAIT = 0.005

R = TypeVar("R")

logger = logging.getLogger("teltubby.broker")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenQueue:
    """What an open broker consists of; `clock` gives seconds since the epoch."""

    store: EmbeddedStore
    commits: GroupCommit
    leases: LeaseRenewal
    doorbell: Doorbell
    limiter: anyio.CapacityLimiter
    clock: Callable[[], float]

    async def call(self, work: Callable[[EmbeddedStore], R]) -> R:
        """Do blocking work in a thread; not abandoned when the caller is cancelled."""
        return await anyio.to_thread.run_sync(work, self.store, limiter=self.limiter)


class EmbeddedDelivery:
    """A leased message. Settling it a second time does nothing: the first settlement counts.

    When the lease has ended, settling raises BrokerUnavailable: the message comes again, or did already. Settling is
    not cut off by cancellation.
    """

    def __init__(self, queue: OpenQueue, lease: Lease, *, on_ended: Callable[[Lease], None]) -> None:
        self._queue = queue
        self._lease = lease
        self._on_ended = on_ended
        self._settled = False

    @property
    def body(self) -> bytes:
        return self._lease.body

    @property
    def type(self) -> str:
        return self._lease.type

    @property
    def message_id(self) -> str:
        return self._lease.message_id

    @property
    def headers(self) -> Mapping[str, HeaderValue]:
        return self._lease.headers

    @property
    def source(self) -> Destination:
        return self._lease.source

    async def ack(self) -> None:
        """See Delivery."""
        await self._settle(lambda: self._queue.commits.run(lambda connection: delete(connection, self._lease)))

    async def requeue(self) -> None:
        """See Delivery. It goes to the head of its queue."""
        await self._settle(lambda: self._queue.call(lambda store: store.release([self._lease]) > 0))

    async def dead_letter(self, reason: str, *, attempt: int) -> None:
        """See Delivery. It moves in one transaction."""
        headers = dead_letter_headers(self.headers, reason=reason, attempt=attempt, at=self._queue.clock())
        dead = Destination.DEAD
        await self._settle(
            lambda: self._queue.commits.run(lambda connection: move(connection, self._lease, dead, headers))
        )

    async def _settle(self, write: Callable[[], Awaitable[bool]]) -> None:
        if self._settled:
            return
        with anyio.CancelScope(shield=True):
            settled = await write()
        if not settled:
            self._on_ended(self._lease)
            raise BrokerUnavailable("the lease on the delivery has ended, it will come again")
        self._settled = True
        self._on_ended(self._lease)
        self._queue.doorbell.ring()


class EmbeddedSubscription(ObjectReceiveStream[Delivery]):
    """Deliveries of `sources`, the first of them before the others; claimed only when somebody receives."""

    def __init__(self, queue: OpenQueue, sources: Sequence[Destination], *, prefetch: int) -> None:
        self._queue = queue
        self._sources = sources
        self._prefetch = prefetch
        self._held: dict[int, Lease] = {}
        self._claiming = 0
        self._ended = False

    async def receive(self) -> Delivery:
        """The next delivery. Raises EndOfStream when the stream or the broker is closed, or the file fails."""
        while not self._ended:
            ring = self._queue.doorbell.next_ring()
            if len(self._held) + self._claiming >= self._prefetch:
                await ring.wait()
                continue
            try:
                lease, patience = await self._claim()
            except BrokerUnavailable as exc:
                logger.warning("consuming %s ends: %s", ", ".join(self._sources), exc)
                await self.aclose()
                break
            if lease is not None:
                return EmbeddedDelivery(self._queue, lease, on_ended=self._on_ended)
            with anyio.move_on_after(patience):
                await ring.wait()
        raise anyio.EndOfStream

    async def aclose(self) -> None:
        """End the stream and give back what is unsettled. Safe to call twice."""
        self._ended = True
        self._queue.doorbell.ring()
        with anyio.CancelScope(shield=True):
            while self._claiming:
                await self._queue.doorbell.next_ring().wait()
            held = tuple(self._held.values())
            for lease in held:
                self._on_ended(lease)
            if held:
                with contextlib.suppress(BrokerUnavailable):  # then the leases run out
                    await self._queue.call(lambda store: store.release(held))
                self._queue.doorbell.ring()

    @property
    def ended(self) -> bool:
        """Whether it hands out nothing more."""
        return self._ended

    async def _claim(self) -> tuple[Lease | None, float]:
        """A lease, or None and how long to wait at most."""
        self._claiming += 1
        try:
            lease, next_change = await self._queue.call(self._look)
            if lease is not None:
                self._held[lease.id] = lease
                self._queue.leases.hold(lease)
        finally:
            self._claiming -= 1
            if self._ended:
                self._queue.doorbell.ring()  # aclose waits for us, and gives this one back as well
        if self._ended:
            return None, 0.0
        if next_change is None:
            return lease, POLL_SECONDS
        return lease, min(max(next_change - self._queue.clock(), _SHORTEST_WAIT), POLL_SECONDS)

    def _look(self, store: EmbeddedStore) -> tuple[Lease | None, float | None]:
        now, until = self._queue.clock(), self._queue.leases.expiry()
        lease = store.claim(self._sources, now=now, until=until)
        return lease, None if lease else store.next_change(self._sources, now=now, until=until)

    def _on_ended(self, lease: Lease) -> None:
        self._held.pop(lease.id, None)
        self._queue.leases.drop(lease)
