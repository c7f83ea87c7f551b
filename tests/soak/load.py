"""The load and the faults of a soak, drawn from its seed: a steady crowd, and now and then something in trouble."""

from __future__ import annotations

import random
from collections.abc import Iterator

from tests.chaos import faults
from tests.chaos.crowd import MIB, Habits
from tests.chaos.faults.base import Fault
from tests.chaos.faults.disks import FullDisk
from tests.chaos.faults.processes import Freeze, Kill, KillAtCall, KillAtRequest, PowerCut
from tests.chaos.faults.telegram import FileExchanged, KeysForgotten
from tests.chaos.installation import Installation
from tests.chaos.scenario import Scenario, Strike

HABITS = Habits(small=50, album=8, again=10, large=15, mixed_album=1, words=6, command=6, edit=5, order=1,
                sizes=(MIB // 2, 12 * MIB))  # fmt: skip
HASTY = Habits(small=55, album=0, again=5, large=35, mixed_album=0, words=5, command=0, sizes=(MIB // 2, MIB))
"""Much in a short time."""
BANDWIDTH = 8.0 * MIB
LONGEST = 8.0
"""Seconds of most faults."""
MINUTE = 60.0
IN_A_MINUTE = 5
"""Of so many processes that stand still, one does so for a minute."""
MOST_SIGN_INS = 2
"""Of a person who was signed out: /mtlogin is obeyed five times in an hour, and one may be asked in vain."""
ENDING = (Kill, PowerCut, KillAtCall, KillAtRequest)
"""What ends a process, and with it all that was measured of it."""


def of_seed(seed: int, *, seconds: float, every: float, fault_every: float, habits: Habits = HABITS) -> Scenario:
    """Somebody hands in something about `every` seconds, and a fault begins about `fault_every` seconds, on average."""
    rng = random.Random(seed)
    return Scenario(
        seed=seed,
        hand_ins=tuple(_moments(rng, seconds, every)),
        strikes=_with_few_sign_ins([_strike(rng, at, seconds) for at in _moments(rng, seconds, fault_every)]),
        bandwidth=BANDWIDTH,
        habits=habits,
    )


def _moments(rng: random.Random, seconds: float, every: float) -> Iterator[float]:
    at = rng.uniform(0.0, every)
    while at < seconds:
        yield round(at, 2)
        at += rng.uniform(0.5, 1.5) * every


def _strike(rng: random.Random, at: float, seconds: float) -> Strike:
    fault = _drawn(rng)
    lasts = rng.uniform(0.5, LONGEST)
    if isinstance(fault, Freeze) and rng.randrange(IN_A_MINUTE) == 0:
        lasts = MINUTE
    return Strike(at=at, lasts=round(min(lasts, seconds - at), 2), fault=fault)


def _with_few_sign_ins(strikes: list[Strike]) -> tuple[Strike, ...]:
    """All but the first few times in which Telegram forgets all keys."""
    forgotten = [strike for strike in strikes if isinstance(strike.fault, KeysForgotten)]
    return tuple(strike for strike in strikes if strike not in forgotten[MOST_SIGN_INS:])


def _drawn(rng: random.Random) -> Fault:
    """Any but those that end a process, and another file in the place of one: what was handed in is to be archived."""
    while True:
        fault = faults.drawn(rng, Installation())
        without_room = isinstance(fault, FullDisk) and fault.disk == "database"  # a bot may end then
        if not isinstance(fault, (*ENDING, FileExchanged)) and not without_room:
            return fault
