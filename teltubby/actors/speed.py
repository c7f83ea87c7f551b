"""How fast one side of a transfer is, and how long both still take. Pure."""

from __future__ import annotations

SMOOTHING = 0.3
"""Weight of the newest interval in the moving average."""


class Speed:
    """Rate (bytes per second, a moving average) of `total` bytes, of which `done` were there before it began."""

    def __init__(self, total: int, done: int) -> None:
        self._total = total
        self._done = done
        self._rate: float | None = None

    @property
    def rate(self) -> float:
        return self._rate or 0.0

    def learn(self, done: int, seconds: float) -> None:
        """`seconds` after the last time, so many bytes are there."""
        newest = max(done - self._done, 0) / seconds
        self._rate = newest if self._rate is None else SMOOTHING * newest + (1 - SMOOTHING) * self._rate
        self._done = done

    @property
    def seconds_left(self) -> float | None:
        """How long the rest takes at this rate; None while there is no telling."""
        left = self._total - self._done
        if left <= 0:
            return 0.0
        return left / self._rate if self._rate else None


def seconds_left(down: Speed, up: Speed) -> float | None:
    """How long a transfer takes whose sides overlap: as long as the slower one."""
    if down.seconds_left is None or up.seconds_left is None:
        return None
    return max(down.seconds_left, up.seconds_left)
