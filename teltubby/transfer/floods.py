"""When a flood is that of a whole data centre or account, and not of the one request that was answered with it."""

from __future__ import annotations

import math
from collections.abc import Hashable

FLOODS_TO_BAR = 3
SOURCES_TO_BAR = 2


class Floods:
    """Floods in a row under one roof, from `sources` below it: of a data centre its connections, of an account those.

    A row begins with a flood, and is refuted by a part that was asked for after it and came: then the floods were those
    of single requests. FLOODS_TO_BAR of them from SOURCES_TO_BAR sources bar all that is under the roof until the
    longest wait ends. Parts that were on their way when the row began refute nothing.
    """

    def __init__(self) -> None:
        self.wait_until = -math.inf
        """When the longest wait of the row ends; in the past when there is no row."""
        self._began = -math.inf
        self._floods = 0
        self._sources: set[Hashable] = set()

    @property
    def barred_until(self) -> float:
        """Nothing under this roof may be asked for before; in the past when all may."""
        barred = self._floods >= FLOODS_TO_BAR and len(self._sources) >= SOURCES_TO_BAR
        return self.wait_until if barred else -math.inf

    def add(self, source: Hashable, until: float, now: float) -> None:
        """A request of `source` was answered with a wait that ends at `until`."""
        if now >= self.wait_until:
            self._end()
        if not self._floods:
            self._began = now
        self._floods += 1
        self._sources.add(source)
        self.wait_until = max(self.wait_until, until)

    def served(self, asked_at: float) -> None:
        """A part that was asked for at that time came."""
        if self._floods and asked_at >= self._began:
            self._end()

    def _end(self) -> None:
        self.wait_until = -math.inf
        self._floods = 0
        self._sources.clear()
