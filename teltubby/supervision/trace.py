"""What the work at hand is for, and how long its parts take: both go with every message to whoever does a part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar


class Tally:
    """Seconds by the name of what they went by with, added up; one per piece of work, filled by all who do a part."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    @property
    def seconds(self) -> Mapping[str, float]:
        """What has been added until now."""
        return dict(self._seconds)

    def add(self, name: str, seconds: float) -> None:
        """So much more went by with it; nothing is ever taken off."""
        self._seconds[name] = self._seconds.get(name, 0.0) + max(seconds, 0.0)


current_trace: ContextVar[str | None] = ContextVar("teltubby_trace", default=None)
"""The id of a job, say; for whoever formats log records. None: the work is for nothing in particular."""
current_tally: ContextVar[Tally | None] = ContextVar("teltubby_tally", default=None)
"""Where those who do a part of it note how long it took. None: nobody wants to know."""


@contextmanager
def tracing(trace: str | None, tally: Tally | None = None) -> Iterator[None]:
    """What is done in the block, by whichever actor that is told or asked of it, is for this, and counted there."""
    before = current_trace.set(trace)
    counted = current_tally.set(tally)
    try:
        yield
    finally:
        current_tally.reset(counted)
        current_trace.reset(before)
