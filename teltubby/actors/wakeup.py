"""A bell that remembers it was rung."""

from __future__ import annotations

import anyio


class Wakeup:
    """One loop waits on it; a ring while the loop is busy makes its next wait return at once."""

    def __init__(self) -> None:
        self._rung = anyio.Event()

    def ring(self) -> None:
        self._rung.set()

    async def wait(self, *, at_most: float) -> None:
        """Return when it is rung, or after `at_most` seconds."""
        with anyio.move_on_after(at_most):
            await self._rung.wait()
        self._rung = anyio.Event()
