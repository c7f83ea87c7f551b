"""Locks by name, which are there as long as somebody holds or waits for them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

import anyio


class InTurn:
    """Those who work on the same thing take turns, in the order they came; others do not wait for each other."""

    def __init__(self) -> None:
        self._turns: dict[Hashable, anyio.Lock] = {}
        self._wanted: dict[Hashable, int] = {}

    @asynccontextmanager
    async def at(self, thing: Hashable) -> AsyncIterator[None]:
        """Nobody else is at this thing while the block runs."""
        turn = self._turns.setdefault(thing, anyio.Lock())
        self._wanted[thing] = self._wanted.get(thing, 0) + 1
        try:
            async with turn:
                yield
        finally:
            self._wanted[thing] -= 1
            if not self._wanted[thing]:
                del self._wanted[thing], self._turns[thing]
