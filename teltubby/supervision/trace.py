"""What the work at hand is for, which goes with every message to whoever does a part of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

current_trace: ContextVar[str | None] = ContextVar("teltubby_trace", default=None)
"""The id of a job, say; for whoever formats log records. None: the work is for nothing in particular."""


@contextmanager
def tracing(trace: str | None) -> Iterator[None]:
    """What is done in the block, by whichever actor that is told or asked of it, is for this."""
    before = current_trace.set(trace)
    try:
        yield
    finally:
        current_trace.reset(before)
