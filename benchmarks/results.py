"""Rows of the benchmark: what was measured, in which unit, against which goal."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path


class CannotRun(Exception):
    """Something that a row needs is not there: the row stays empty, with this reason, and that is no failure."""


def percentile(values: Iterable[float], percent: int) -> float:
    """The nearest rank. Raises IndexError when there are no values."""
    ranked = sorted(values)
    return ranked[max(math.ceil(percent / 100 * len(ranked)) - 1, 0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """At least, or at most, `bound` in the row's unit."""

    bound: float
    at_least: bool

    def met(self, value: float) -> bool:
        return value >= self.bound if self.at_least else value <= self.bound

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.bound:g}"


def at_least(bound: float) -> Goal:
    return Goal(bound=bound, at_least=True)


def at_most(bound: float) -> Goal:
    return Goal(bound=bound, at_least=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """What a row measures. One without a goal is a figure behind the others."""

    name: str
    unit: str
    goal: Goal | None = None

    def row(self, value: float, note: str = "") -> Row:
        return Row(measure=self, value=value, note=note)

    def empty(self, reason: str) -> Row:
        return Row(measure=self, value=None, note=reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A measure and its value; None where it could not be taken, and `note` says why.

    `block` names the table of docs/performance.md that it goes into, if not the large one.
    """

    measure: Measure
    value: float | None
    note: str = ""
    block: str = ""

    @property
    def met(self) -> bool | None:
        """None for a figure without a goal, and for a row without a value."""
        goal = self.measure.goal
        return None if goal is None or self.value is None else goal.met(self.value)

    @property
    def shown(self) -> str:
        """The value for people, in three or four digits."""
        if self.value is None:
            return "–"
        digits = 0 if abs(self.value) >= 100 or self.value == int(self.value) else 1 if abs(self.value) >= 10 else 2
        return f"{self.value:.{digits}f}"

    def as_json(self) -> Mapping[str, object]:
        goal = self.measure.goal
        return {
            "name": self.measure.name,
            "value": None if self.value is None else round(self.value, 4),
            "unit": self.measure.unit,
            "goal": None if goal is None else str(goal),
            "met": self.met,
            "note": self.note,
        }


def write_json(path: Path, rows: Iterable[Row]) -> None:
    """All rows as a list of {name, value, unit, goal, met, note}."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([row.as_json() for row in rows], ensure_ascii=False, indent=1) + "\n")
