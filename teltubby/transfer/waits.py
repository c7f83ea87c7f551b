"""For how long something had to wait, when several things that belong to it wait at the same time."""

from __future__ import annotations


class Waits:
    """Spans of time that may overlap, and count once; times are seconds of one clock that never runs backwards."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._until = 0.0

    def add(self, now: float, until: float) -> None:
        """From now on something waits until then."""
        if self._seconds == 0.0:
            self._until = now
        begin = max(now, self._until)
        self._seconds += max(until - begin, 0.0)
        self._until = max(self._until, until)

    def seconds(self, now: float) -> float:
        """How long it has been by now, without what is still to come."""
        return max(self._seconds - max(self._until - now, 0.0), 0.0) if self._seconds else 0.0
