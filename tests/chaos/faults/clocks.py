"""A wall clock that is set, forwards and backwards, while processes run."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from tests.chaos.faults.base import Fault, Variant
from tests.chaos.installation import ROLES, Installation
from tests.chaos.stage import Stage

STEPS = (-3600.0, -600.0, -30.0, 30.0, 240.0, 600.0, 3600.0, 86400.0)
"""S3 refuses what is signed 15 minutes beside its own clock, Telegram what is 5 minutes old: both happens."""


@dataclass(frozen=True)
class Step(Fault):
    """The clock of one process jumps, or those of all (None), and back again in the end."""

    family = "clocks"
    seconds: float
    role: str | None

    def fits(self, installation: Installation) -> bool:
        return self.role is None or self.role in installation.roles

    def strike(self, stage: Stage) -> None:
        stage.ground.clocks.step(self.seconds, *self._whose)

    def heal(self, stage: Stage) -> None:
        stage.ground.clocks.step(0.0, *self._whose)

    @property
    def _whose(self) -> tuple[str, ...]:
        return () if self.role is None else (self.role,)


def variants() -> Iterator[Variant]:
    """Each step of all clocks, and some step of each process's own."""
    for seconds in STEPS:
        yield Variant(name=f"Step {seconds:+.0f}", made=partial(_all_stepped, seconds))
    for role in ROLES:
        yield Variant(name=f"Step {role}", made=partial(_one_stepped, role))


def _all_stepped(seconds: float, _: random.Random) -> Step:
    return Step(seconds, None)


def _one_stepped(role: str, rng: random.Random) -> Step:
    return Step(rng.choice(STEPS), role)


def drawn(rng: random.Random) -> Fault:
    """One of them."""
    return Step(rng.choice(STEPS), rng.choice((None, *ROLES)))
