"""What happens in one scenario, drawn from its seed: who hands in when, and what goes wrong when and for how long."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from tests.chaos import faults, installation
from tests.chaos.crowd import MIB, Habits
from tests.chaos.faults.base import Fault
from tests.chaos.faults.processes import Freeze, Kill
from tests.chaos.faults.servers import KillBroker, KillStore
from tests.chaos.faults.store import Refusing
from tests.chaos.faults.telegram import SignedOut
from tests.chaos.faults.wires import Cut
from tests.chaos.installation import USUAL, WORKER, Installation, Wire

SECONDS = 4.0
"""In which everything is handed in, and every fault begins."""
MOST_FAULTS = 6
HABITS = Habits(small=24, album=10, again=12, large=24, mixed_album=6, words=4, command=4, edit=8, order=8,
                sizes=(MIB // 2, 12 * MIB), abroad=0.3)  # fmt: skip
BUSY = replace(HABITS, small=8, large=60)
"""Where it is measured how soon jobs go on."""
MEASURED = 3
"""Of so many scenarios one has a single fault, so that it can be measured how soon the work goes on after it."""
READY_FIRST = 0.7
"""The share of scenarios that begin when all is ready; in the others faults meet processes that are just starting."""
ENDS: tuple[tuple[Fault, bool, int], ...] = (
    (KillBroker(), False, 3),
    (Cut(Wire.WORKER_BROKER), False, 2),
    (Kill(WORKER, 0.3), False, 6),
    (KillStore(), False, 2),
    (Refusing(1.0, 0, 503, "SlowDown"), False, 2),
    (SignedOut(cut=False, moved=False), False, 4),
    (SignedOut(cut=False, moved=False), True, 5),
)
"""Faults after whose end it is measured when the work goes on; by a person's account or not, and how often each."""
MINUTE = 60.0
IN_A_MINUTE = 25
"""Of so many processes that stand still, one does so for a minute."""


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
    rng = random.Random(seed)
    hand_ins = tuple(sorted(round(rng.uniform(0.0, SECONDS), 2) for _ in range(rng.randint(8, 16))))
    bandwidth = rng.choice((4.0, 8.0, 16.0)) * MIB
    if seed % MEASURED == 0:
        strike, by_person = _measured(rng)
        return Scenario(
            seed=seed,
            hand_ins=hand_ins,
            strikes=(strike,),
            bandwidth=bandwidth,
            habits=BUSY,
            installation=Installation(by_person=by_person, for_media=rng.random() < installation.FOR_MEDIA),
        )
    installed = installation.drawn(rng)
    strikes = sorted((_strike(rng, installed) for _ in range(rng.randint(1, MOST_FAULTS))), key=lambda each: each.at)
    return Scenario(
        seed=seed,
        hand_ins=hand_ins,
        strikes=_without_repeated(strikes),
        bandwidth=bandwidth,
        waits=rng.random() < READY_FIRST,
        installation=installed,
    )


def _strike(rng: random.Random, installed: Installation) -> Strike:
    fault = faults.drawn(rng, installed)
    lasts = rng.uniform(0.2, 3.0)
    if isinstance(fault, Freeze) and rng.randrange(IN_A_MINUTE) == 0:
        lasts = MINUTE
    return Strike(at=round(rng.uniform(0.2, SECONDS), 2), lasts=round(lasts, 2), fault=fault)


def _measured(rng: random.Random) -> tuple[Strike, bool]:
    """One of those whose end is measured, in the midst of the work, and whether a person's account fetches."""
    fault, by_person, _ = rng.choices(ENDS, [weight for _, _, weight in ENDS])[0]
    lasts = round(rng.uniform(0.5, 3.0), 2)
    return Strike(at=round(rng.uniform(1.5, SECONDS), 2), lasts=lasts, fault=fault), by_person


def _without_repeated(strikes: list[Strike]) -> tuple[Strike, ...]:
    """The broker is killed once at most: it takes longer to start than all else."""
    brokers = [strike for strike in strikes if isinstance(strike.fault, KillBroker)]
    return tuple(strike for strike in strikes if strike not in brokers[1:])
