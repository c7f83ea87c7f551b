"""How long a job rests before its next attempt."""

from __future__ import annotations

from random import Random

LONGEST_DELAY_SECONDS = 6 * 3600.0
"""No job rests longer than this, however often it failed."""


def retry_delay(attempt: int, *, base: float, rng: Random, longest: float = LONGEST_DELAY_SECONDS) -> float:
    """Seconds to wait after attempt number `attempt` (the first is 1) failed for a passing reason.

    The ceiling doubles with every attempt, from `base` to `longest`; the delay is anywhere between
    half of it and all of it, so that jobs which failed together do not come back together.
    """
    doublings = min(max(attempt - 1, 0), 64)  # beyond that every base is over the longest delay: no huge powers
    ceiling = min(max(base, 0.0) * 2.0**doublings, longest)
    return ceiling * rng.uniform(0.5, 1.0)
