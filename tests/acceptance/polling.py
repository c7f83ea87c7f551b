"""Waiting for what other processes do: a condition with a deadline, never a pause that is hoped to suffice."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

R = TypeVar("R")

LOOK_SECONDS = 0.02


def eventually(condition: Callable[[], R], *, within: float = 20.0, what: str = "") -> R:
    """Return the condition's first true answer. Raises TimeoutError after `within` seconds."""
    deadline = time.monotonic() + within
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {within:g} s: {what or condition}")
        time.sleep(LOOK_SECONDS)
    return answer


def always(condition: Callable[[], object], *, seconds: float, what: str = "") -> None:
    """Hold the condition for so long: for what must not happen, many times what it would take to happen."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert condition(), f"no longer: {what or condition}"
        time.sleep(LOOK_SECONDS)
