"""Waiting that ends with a stop: what only waits has nothing to finish, and is taken up again after the start."""

from __future__ import annotations

from typing import Any

import anyio

from teltubby.errors import NotAnswered
from teltubby.supervision import Context


class Patience:
    """How the parts of one actor wait; it heeds the actor's context from the moment it runs."""

    def __init__(self) -> None:
        self._context: Context[Any] | None = None

    def heed(self, context: Context[Any]) -> None:
        self._context = context

    @property
    def is_over(self) -> bool:
        """Whether a stop was asked for."""
        return self._context is not None and self._context.stopping.is_set()

    async def wait(self, seconds: float) -> None:
        """Return after `seconds`. Raises NotAnswered as soon as a stop is asked for."""
        if self._context is None:
            await anyio.sleep(seconds)
            return
        with self._context.interruptible():
            await anyio.sleep(seconds)
        if self.is_over:
            raise NotAnswered("teltubby stops; this is taken up again after the next start")
