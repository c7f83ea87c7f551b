"""No traceback, neither in the log nor before a person."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class _Ear(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.bugs: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1] is not None:
            self.bugs.append(f"{record.name}: {record.getMessage()}: {record.exc_info[1]!r}")


@contextmanager
def no_tracebacks() -> Iterator[None]:
    """Fails when something was logged meanwhile that nobody had foreseen."""
    ear, root = _Ear(), logging.getLogger()
    root.addHandler(ear)
    try:
        yield
    finally:
        root.removeHandler(ear)
    assert ear.bugs == []


def assert_for_people(said: Iterable[str]) -> None:
    """These are sentences, not what Python says."""
    for text in said:
        assert "Traceback" not in text and "Error(" not in text, text
