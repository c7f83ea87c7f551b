"""What happens in one scenario, drawn from its seed: who hands in when, and what goes wrong when and for how long."""

from __future__ import annotations

import random
from dataclasses import dataclass

from tests.chaos import faults
from tests.chaos.crowd import MIB, Habits
from tests.chaos.faults.base import Fault
from tests.chaos.faults.processes import Freeze, Kill
from tests.chaos.faults.servers import KillBroker, KillStore
from tests.chaos.faults.store import Refusing
from tests.chaos.faults.telegram import SignedOut
from tests.chaos.faults.wires import Cut
from tests.chaos.stage import Wire

SECONDS = 4.0
"""In which everything is handed in, and every fault begins."""
MOST_FAULTS = 6
HABITS = Habits(small=24, album=10, again=12, large=24, mixed_album=6, words=4, command=4, edit=8, order=8,
                sizes=(MIB // 2, 12 * MIB))  # fmt: skip
MEASURED = 4
"""Of so many scenarios one has a single fault, so that it can be measured how soon the work goes on after it."""
READY_FIRST = 0.7
"""The share of scenarios that begin when all is ready; in the others faults meet processes that are just starting."""
BY_PERSON = 0.2
"""The share of scenarios in which a person's account fetches."""
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
    first second begins when both processes are ready, else when they are started. `by_person` large files are fetched
    by the account of a person who signs in by QR code, through the relay channel, else by the bot's.
    """

    seed: int
    hand_ins: tuple[float, ...]
    strikes: tuple[Strike, ...]
    bandwidth: float
    habits: Habits = HABITS
    waits: bool = True
    by_person: bool = False

    @property
    def seconds(self) -> float:
        """When the last of it is over."""
        return max([*self.hand_ins, *(strike.at + strike.lasts for strike in self.strikes)])


def of_seed(seed: int) -> Scenario:
    """The scenario of that seed: the same at all times and on all machines."""
    rng = random.Random(seed)
    hand_ins = tuple(sorted(round(rng.uniform(0.0, SECONDS), 2) for _ in range(rng.randint(8, 16))))
    if seed % MEASURED == 0:
        strikes = [_measured(rng)]
    else:
        strikes = sorted((_strike(rng) for _ in range(rng.randint(1, MOST_FAULTS))), key=lambda strike: strike.at)
    return Scenario(
        seed=seed,
        hand_ins=hand_ins,
        strikes=_without_repeated(strikes),
        bandwidth=rng.choice((4.0, 8.0, 16.0)) * MIB,
        waits=rng.random() < READY_FIRST,
        by_person=rng.random() < BY_PERSON,
    )


def _strike(rng: random.Random) -> Strike:
    fault = faults.drawn(rng)
    lasts = rng.uniform(0.2, 3.0)
    if isinstance(fault, Freeze) and rng.randrange(IN_A_MINUTE) == 0:
        lasts = MINUTE
    return Strike(at=round(rng.uniform(0.2, SECONDS), 2), lasts=round(lasts, 2), fault=fault)


def _measured(rng: random.Random) -> Strike:
    """One of those whose end is measured, in the midst of the work."""
    faults: tuple[Fault, ...] = (
        KillBroker(),
        Cut(Wire.WORKER_BROKER),
        Kill("worker", 0.3),
        KillStore(),
        Refusing(1.0, 0, 503, "SlowDown"),
        SignedOut(cut=False),
    )
    lasts = round(rng.uniform(0.5, 3.0), 2)
    return Strike(at=round(rng.uniform(1.5, SECONDS), 2), lasts=lasts, fault=rng.choice(faults))


def _without_repeated(strikes: list[Strike]) -> tuple[Strike, ...]:
    """The broker is killed once at most: it takes longer to start than all else."""
    brokers = [strike for strike in strikes if isinstance(strike.fault, KillBroker)]
    return tuple(strike for strike in strikes if strike not in brokers[1:])
