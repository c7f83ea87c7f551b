"""What the two QueueActors share: one broker connection, kept by the actor's own loop."""

from __future__ import annotations

import logging
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
        failures = 0
        while not context.stopping.is_set():
            began, least = anyio.current_time(), 0.0
            try:
                with context.interruptible():
                    await self._broker.open()
                if not context.stopping.is_set():
                    self._standing = "connected"
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
            if anyio.current_time() - began >= self._backoff.healthy_after:
                failures = 0
            failures += 1
            with context.interruptible():
                await anyio.sleep(max(least, self._backoff.delay(failures + 1, self._rng)))

    def _lost(self, errors: ExceptionGroup[Exception]) -> None:
        reason = str(_first(errors))
        if self._standing != reason:
            self._standing = reason
            _LOG.warning("broker: %s", reason)


def _first(error: Exception) -> Exception:
    return _first(error.exceptions[0]) if isinstance(error, ExceptionGroup) else error
