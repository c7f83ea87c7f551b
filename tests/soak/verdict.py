"""Whether a series of measurements levels off: by laws, not by eye. Pure functions of numbers.

A series is a list of points (x, y) in the order of time. What comes before the warm-up's end, the first sixth, says
nothing. Each law returns what it measured and what it allows, both in the unit of y.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median
from typing import Protocol

Point = tuple[float, float]
Series = Sequence[Point]

SIXTHS = 6
BINS = 40
"""Of the time that is judged, so many pieces have a floor each."""
FEWEST = 3
"""Points of a piece."""
FEWEST_POINTS = 12
"""Of a whole series: with fewer nothing can be said, and a series that was hardly measured is not level."""
NOT_MEASURED = float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a law says of the series named `what`."""

    what: str
    law: str
    measured: float
    allowed: float

    @property
    def is_level(self) -> bool:
        return self.measured <= self.allowed

    def __str__(self) -> str:
        return f"{self.what} ({self.law}): {self.measured:,.0f}, allowed {self.allowed:,.0f}"


class Law(Protocol):
    """What is asked of one series."""

    def judge(self, what: str, series: Series) -> Finding: ...


@dataclass(frozen=True, slots=True)
class Floor:
    """What is never given back grows by no more than `slack` from the `since` of the series to its end.

    The floor, which is the least in each of forty pieces of that time, leaves out what work needs while it is done. Its
    growth is the Theil-Sen slope, the median of the slopes of all pairs, which a quarter of wild points does not move.
    What warms up has done so before `since`; what leaks goes on as before.
    """

    slack: float
    since: float

    def judge(self, what: str, series: Series) -> Finding:
        late = series[int(len(series) * self.since) :]
        return _finding(what, "growth of the floor", series, lambda: growth(late), self.slack)


@dataclass(frozen=True, slots=True)
class Level:
    """The floor of the last sixth, the median of its pieces', is above that of the second by at most `slack`."""

    slack: float

    def judge(self, what: str, series: Series) -> Finding:
        def rise() -> float:
            second, last = (floors(_sixths(series, *part), BINS // SIXTHS) for part in ((1, 2), (5, 6)))
            return _middle(last) - _middle(second)

        return _finding(what, "rise of the floor", series, rise, self.slack)


@dataclass(frozen=True, slots=True)
class Bounded:
    """It is never larger than that, from the first sixth on."""

    most: float

    def judge(self, what: str, series: Series) -> Finding:
        return _finding(what, "most", series, lambda: max(y for _, y in _sixths(series, 1, 6)), self.most)


@dataclass(frozen=True, slots=True)
class Proportional:
    """One more of x costs no more in the last third than it did in the second, but for a `share` of that and `slack`.

    A database must grow with what it keeps, and not with what it kept already.
    """

    share: float
    slack: float

    def judge(self, what: str, series: Series) -> Finding:
        second, last = (floors(_sixths(series, *part)) for part in ((2, 4), (4, 6)))
        allowed = (1 + self.share) * theil_sen(second) * _span(last) + self.slack
        return _finding(what, "growth in the last third", series, lambda: growth(last), allowed)


def growth(series: Series) -> float:
    """Of the floor, from the first x to the last; where x stands still, what y does meanwhile."""
    pieces = floors(series)
    if _span(pieces) == 0:
        return pieces[-1][1] - pieces[0][1]
    return theil_sen(pieces) * _span(series)


def theil_sen(series: Series) -> float:
    """The median of the slopes of all pairs of points; 0 when x stands still."""
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in combinations(series, 2) if b[0] != a[0]]
    return median(slopes) if slopes else 0.0


def floors(series: Series, bins: int = BINS) -> list[Point]:
    """The least y of each of so many pieces (fewer where they would be too small), at the middle x of the piece."""
    bins = max(min(bins, len(series) // FEWEST), 1)
    pieces = [series[len(series) * number // bins : len(series) * (number + 1) // bins] for number in range(bins)]
    return [(median(x for x, _ in piece), min(y for _, y in piece)) for piece in pieces if piece]


def _finding(what: str, law: str, series: Series, measure: _Measure, allowed: float) -> Finding:
    if len(series) < FEWEST_POINTS:
        return Finding(what=what, law=f"{law}, of {len(series)} points", measured=NOT_MEASURED, allowed=allowed)
    return Finding(what=what, law=law, measured=measure(), allowed=allowed)


class _Measure(Protocol):
    def __call__(self) -> float: ...


def _sixths(series: Series, first: int, end: int) -> Series:
    return series[len(series) * first // SIXTHS : len(series) * end // SIXTHS]


def _middle(series: Series) -> float:
    return median(y for _, y in series)


def _span(series: Series) -> float:
    return series[-1][0] - series[0][0] if series else 0.0
