"""Finds the shortest sequence of faults with which a scenario still fails, by playing it with fewer of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from tests.chaos.scenario import Scenario, Strike

MOST_PLAYS = 12
"""A play that is well takes some twenty seconds, and one that never becomes quiet some ninety."""

Fails = Callable[[Scenario], bool]


def shrunk(scenario: Scenario, fails: Fails, *, most_plays: int = MOST_PLAYS) -> Scenario:
    """The scenario with as few faults as it takes to fail, by delta debugging (Zeller, Hildebrandt 2002).

    No single fault of what is left can be taken away without the scenario passing, unless plays ran out first. What
    depends on chance may pass once though it can fail: then more is left than it takes, never less.
    """
    plays = 0

    def still_fails(strikes: Sequence[Strike]) -> bool:
        nonlocal plays
        if plays >= most_plays:
            return False
        plays += 1
        return fails(replace(scenario, strikes=tuple(strikes)))

    left = list(scenario.strikes)
    pieces = 2
    while len(left) >= 2:
        size = -(-len(left) // pieces)
        chunks = [left[start : start + size] for start in range(0, len(left), size)]
        rests = [[strike for strike in left if strike not in chunk] for chunk in chunks]
        if (found := next((some for some in chunks if still_fails(some)), None)) is not None:
            left, pieces = found, 2
        elif (found := next((some for some in rests if some and still_fails(some)), None)) is not None:
            left, pieces = found, max(pieces - 1, 2)
        elif pieces >= len(left):
            break
        else:
            pieces = min(2 * pieces, len(left))
    if len(left) == 1 and still_fails([]):
        left = []
    return replace(scenario, strikes=tuple(left))
