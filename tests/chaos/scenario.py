"""What happens in one scenario, drawn from its seed: who hands in when, and what goes wrong when and for how long."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from tests.chaos import faults, hands
from tests.chaos.crowd import MIB, Habits
from tests.chaos.faults.base import Fault
from tests.chaos.faults.processes import KillAtCall, KillAtRequest
from tests.chaos.faults.servers import KillBroker
from tests.chaos.faults.store import ErrorIn200, UploadsForgotten
from tests.chaos.faults.telegram import Trouble
from tests.chaos.installation import USUAL, Installation

SECONDS = 4.0
"""In which everything is handed in, and every fault begins."""
HABITS = Habits(small=24, album=10, again=12, large=24, mixed_album=6, words=4, command=4, edit=8, order=8,
                sizes=(MIB // 2, 12 * MIB), abroad=0.3)  # fmt: skip
BUSY = replace(HABITS, small=8, large=60)
"""Where it is measured how soon jobs go on, and where a fault is of large files."""
WAITING = (KillAtCall, KillAtRequest, Trouble)
"""Faults that wait for something to be asked, until all is healed: they begin soon, else nothing may be."""
SOON = 1.5
WHILE_STARTING = 20.0
"""Who stands still for longer while it starts is taken to be unable to start, and says so (30 s)."""
READY_FIRST = 0.7
"""The share of scenarios that begin when all is ready; in the others faults meet processes that are just starting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """A fault that begins `at` seconds and is healed `lasts` seconds later."""

    at: float
    lasts: float
    fault: Fault

    def __str__(self) -> str:
        return f"{self.at:5.2f} s, for {self.lasts:g} s: {self.fault}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """`hand_ins` are the seconds at which somebody hands in something, by dice that begin with `seed`.

    `bandwidth` is what all lines to Telegram carry together while faults last, in bytes per second. With `waits` the
    first second begins when all processes are ready, else when they are started.
    """

    seed: int
    hand_ins: tuple[float, ...]
    strikes: tuple[Strike, ...]
    bandwidth: float
    habits: Habits = HABITS
    waits: bool = True
    installation: Installation = USUAL

    @property
    def seconds(self) -> float:
        """When the last of it is over."""
        return max([*self.hand_ins, *(strike.at + strike.lasts for strike in self.strikes)])


def of_seed(seed: int) -> Scenario:
    """The scenario of that seed: the same at all times and on all machines."""
    rng, hand = random.Random(seed), hands.of_seed(seed)
    hand_ins = tuple(sorted(round(rng.uniform(0.0, SECONDS), 2) for _ in range(rng.randint(8, 16))))
    bandwidth = rng.choice((4.0, 8.0, 16.0)) * MIB
    if hand.measured is not None:
        return Scenario(
            seed=seed,
            hand_ins=hand_ins,
            strikes=(_in_the_midst(rng, hand.measured),),
            bandwidth=bandwidth,
            habits=BUSY,
            installation=hand.installation,
        )
    strikes = [_strike(rng, variant.made(rng), variant.lasts) for variant in hand.variants]
    while len(strikes) < hand.faults:
        strikes.append(_strike(rng, faults.drawn(rng, hand.installation)))
    return Scenario(
        seed=seed,
        hand_ins=hand_ins,
        strikes=_without_repeated(sorted(strikes, key=lambda each: each.at)),
        bandwidth=bandwidth,
        habits=BUSY if any(_is_of_uploads(strike.fault) for strike in strikes) else HABITS,
        waits=rng.random() < READY_FIRST or any(strike.lasts > WHILE_STARTING for strike in strikes),
        installation=hand.installation,
    )


def _strike(rng: random.Random, fault: Fault, lasts: float | None = None) -> Strike:
    seconds = rng.uniform(0.2, 3.0) if lasts is None else lasts
    latest = SOON if isinstance(fault, WAITING) else SECONDS
    return Strike(at=round(rng.uniform(0.2, latest), 2), lasts=round(seconds, 2), fault=fault)


def _is_of_uploads(fault: Fault) -> bool:
    """Of files in several parts: of large ones."""
    return isinstance(fault, ErrorIn200 | UploadsForgotten) or (
        isinstance(fault, KillAtRequest) and "upload" in fault.pattern
    )


def _in_the_midst(rng: random.Random, fault: Fault) -> Strike:
    """Of the work."""
    lasts = round(rng.uniform(0.5, 3.0), 2)
    return Strike(at=round(rng.uniform(1.5, SECONDS), 2), lasts=lasts, fault=fault)


def _without_repeated(strikes: list[Strike]) -> tuple[Strike, ...]:
    """The broker is killed once at most: it takes longer to start than all else."""
    brokers = [strike for strike in strikes if isinstance(strike.fault, KillBroker)]
    return tuple(strike for strike in strikes if strike not in brokers[1:])
