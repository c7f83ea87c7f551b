"""Keeps the leases of a living process alive, from a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from teltubby.adapters.embedded_store import EmbeddedStore, Lease
from teltubby.errors import BrokerUnavailable

RENEWALS_PER_LEASE = 3
"""So that one renewal may fail, on a locked file say, without the lease being lost."""

logger = logging.getLogger("teltubby.broker")


class LeaseRenewal:
    """The leases that a broker holds. A thread renews them: an event loop that is busy for long must not lose them."""

    def __init__(self, store: EmbeddedStore, *, seconds: float, clock: Callable[[], float]) -> None:
        self._store = store
        self._seconds = seconds
        self._clock = clock
        self._held: dict[int, Lease] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="teltubby-leases", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Blocks until the thread has ended; what is still held runs out."""
        self._stopping.set()
        self._thread.join()

    def expiry(self) -> float:
        """When a lease that begins now runs out."""
        return self._clock() + self._seconds

    def hold(self, lease: Lease) -> None:
        """Renew this lease from now on."""
        self._held[lease.id] = lease

    def drop(self, lease: Lease) -> None:
        """Renew it no more."""
        self._held.pop(lease.id, None)

    def _run(self) -> None:
        while not self._stopping.wait(self._seconds / RENEWALS_PER_LEASE):
            leases = tuple(self._held.values())  # one step of the interpreter: the loop's thread cannot come between
            if not leases:
                continue
            try:
                self._store.renew(leases, until=self.expiry())
            except BrokerUnavailable as exc:
                logger.warning("leases of %d messages were not renewed: %s", len(leases), exc)
