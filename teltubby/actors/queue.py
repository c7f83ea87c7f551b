"""What the two QueueActors share: one broker connection, kept by the actor's own loop."""

from __future__ import annotations

import logging
import math
import random
from abc import abstractmethod
from functools import partial
from typing import TypeVar

import anyio

from teltubby.actors.troubles import Troubles
from teltubby.adapters.base import Broker
from teltubby.errors import BrokerUnavailable, TopologyConflict
from teltubby.supervision import Actor, Backoff, Context

_LOG = logging.getLogger(__name__)

M = TypeVar("M")

CONFLICT_SECONDS = 60.0
"""A conflicting declaration needs an operator; it is looked at again this seldom."""
SERVED_SECONDS = 5.0
"""A connection that was open for so long ended an outage: what comes after its loss is another one."""
PART_OF_OUTAGE = 0.5
"""What a pause between two tries may be of the outage so far: after a short one, nobody waits for long."""
CONFLICT = "queue"
"""Where a conflicting declaration stands among the troubles."""


class QueueActor(Actor[M]):
    """Owns one broker connection; `connected` is what a subclass does while there is one."""

    def __init__(
        self, broker: Broker, *, backoff: Backoff, rng: random.Random, troubles: Troubles | None = None
    ) -> None:
        self._broker = broker
        self._troubles = troubles or Troubles()
        self._backoff = backoff
        self._rng = rng
        self._standing = "not connected yet"

    @property
    def standing(self) -> str:
        """How the connection stands, in words."""
        return self._standing

    @abstractmethod
    async def connected(self, context: Context[M]) -> None:
        """Work until a stop is asked for. Raises BrokerUnavailable when the connection is lost."""

    async def run(self, context: Context[M]) -> None:
        context.started()
        await context.serve(self.handle, partial(self._stay_connected, context))

    async def _stay_connected(self, context: Context[M]) -> None:
        failures, down_since = 0, anyio.current_time()
        while not context.stopping.is_set():
            opened_at, least = math.inf, 0.0
            try:
                with context.interruptible():
                    await self._broker.open()
                if not context.stopping.is_set():
                    self._standing, opened_at = "connected", anyio.current_time()
                    self._troubles.leave(CONFLICT)
                    await self.connected(context)
            except* BrokerUnavailable as lost:
                self._lost(lost)
            except* TopologyConflict as conflict:
                self._lost(conflict)
                self._troubles.enter(CONFLICT, self._standing)
                least = CONFLICT_SECONDS
            finally:
                with anyio.move_on_after(5, shield=True):
                    await self._broker.aclose()
            now = anyio.current_time()
            if now - opened_at >= SERVED_SECONDS:
                failures, down_since = 0, now
            failures += 1
            longest = max(self._backoff.first, PART_OF_OUTAGE * (now - down_since))
            with context.interruptible():
                await anyio.sleep(max(least, min(longest, self._backoff.delay(failures + 1, self._rng))))

    def _lost(self, errors: ExceptionGroup[Exception]) -> None:
        reason = str(_first(errors))
        if self._standing != reason:
            self._standing = reason
            _LOG.warning("broker: %s", reason)


def _first(error: Exception) -> Exception:
    return _first(error.exceptions[0]) if isinstance(error, ExceptionGroup) else error
