"""How many parts may be in flight on one connection."""

from __future__ import annotations

import math

FIRST_WINDOW = 2
"""Small, but one part is on its way while the next is asked for; tdesktop begins with 512 KiB (telegram.md)."""

SLOW_TO_SHRINK = 2
"""So many slow parts in a row halve the window: one may have had bad luck."""


class Window:
    """Additive increase, multiplicative decrease, between 1 and `most` parts, as TCP and tdesktop do it.

    It starts at FIRST_WINDOW and grows by one with every success, which doubles it per round trip; after the first
    trouble by one per full window of successes. Floods, time-outs, and SLOW_TO_SHRINK parts in a row that took over
    `slow_seconds` halve it; at 1, a part that the server puts off puts off all of the connection. Raises ValueError for
    an answer to nothing.
    """

    def __init__(self, most: int, slow_seconds: float) -> None:
        self.in_flight = 0
        self.rests_until = -math.inf
        """No part may be asked for before."""
        self._most = most
        self._slow_seconds = slow_seconds
        self._size = float(min(FIRST_WINDOW, most))
        self._untroubled = True
        self._timeouts = 0
        self._slow = 0

    @property
    def size(self) -> int:
        """Parts in flight at most; more may be, while it has just shrunk."""
        return int(self._size)

    def free(self, now: float) -> int:
        """How many more parts may be asked for."""
        return max(0, self.size - self.in_flight) if now >= self.rests_until else 0

    def sent(self) -> None:
        """A part was asked for."""
        self.in_flight += 1

    def succeeded(self, seconds: float) -> bool:
        """A part came, so many seconds after it was asked for. True if that was quick enough to grow by."""
        self.withdrawn()
        self._timeouts = 0
        if seconds > self._slow_seconds:
            self._slow += 1
            if self._slow >= SLOW_TO_SHRINK:
                self._halve()
            return False
        self._slow = 0
        self._size = min(self._most, self._size + (1.0 if self._untroubled else 1.0 / self._size))
        return True

    def flooded(self, until: float) -> None:
        """A part has to wait until then."""
        self.withdrawn()
        self._rest_at_one(until)
        self._halve()

    def timed_out(self) -> int:
        """A part did not come in time. Returns how many did not since the last that came."""
        self.withdrawn()
        self._halve()
        self._timeouts += 1
        return self._timeouts

    def unavailable(self, until: float) -> None:
        """The server cannot serve a part until then, which says little about the connection: one less."""
        self.withdrawn()
        self._rest_at_one(until)
        self._size = max(1.0, self._size - 1.0)

    def withdrawn(self) -> None:
        """A part is not in flight any more."""
        if not self.in_flight:
            raise ValueError("nothing is in flight on this connection")
        self.in_flight -= 1

    def _rest_at_one(self, until: float) -> None:
        if self.size == 1:
            self.rests_until = max(self.rests_until, until)

    def _halve(self) -> None:
        self._untroubled = False
        self._slow = 0
        self._size = max(1.0, self._size / 2)
