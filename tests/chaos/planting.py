"""For each planted bug the scenario in which it does harm, and no product without it fails."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.chaos.crowd import MIB, Habits
from tests.chaos.faults.broker import MemoryAlarm
from tests.chaos.faults.processes import Kill, PowerCut
from tests.chaos.faults.telegram import FileExchanged
from tests.chaos.ground import Ground
from tests.chaos.installation import BOT, WORKER
from tests.chaos.run import Outcome, play
from tests.chaos.scenario import Scenario, Strike

VARIABLE = "CHAOS_PLANT"
WITHIN = 30.0
"""Seconds after which what is not archived counts as lost here."""
PHOTOS = Habits(small=1, album=0, again=0, large=0, mixed_album=0, words=0, command=0)
FILMS = Habits(small=0, album=0, again=0, large=1, mixed_album=0, words=0, command=0, sizes=(8 * MIB, 9 * MIB))
QUICKLY = (0.2, 0.4, 0.6, 0.8)

PLANTS: Mapping[str, Scenario] = {
    "acknowledge updates early": Scenario(
        seed=1,
        hand_ins=(0.5, 1.0, 1.5, 2.0),
        strikes=tuple(Strike(at=at, lasts=0.1, fault=Kill(BOT, 0.0)) for at in (0.8, 2.2)),
        bandwidth=16.0 * MIB,
        habits=PHOTOS,
    ),
    "acknowledge jobs early": Scenario(
        seed=2,
        hand_ins=QUICKLY,
        strikes=(Strike(at=3.0, lasts=0.1, fault=Kill(WORKER, 0.0)),),
        bandwidth=3.0 * MIB,
        habits=FILMS,
    ),
    "skip fsync": Scenario(
        seed=3,
        hand_ins=QUICKLY[:1],
        strikes=(Strike(at=5.0, lasts=0.1, fault=PowerCut(WORKER, 0.0)),),
        bandwidth=1.0 * MIB,
        habits=FILMS,
    ),
    "drop the outbox": Scenario(
        seed=4,
        hand_ins=QUICKLY,
        strikes=(
            Strike(at=0.0, lasts=4.5, fault=MemoryAlarm()),
            Strike(at=4.0, lasts=0.1, fault=Kill(BOT, 0.0)),
        ),
        bandwidth=16.0 * MIB,
        habits=FILMS,
    ),
    "never sync the database": Scenario(
        seed=6,
        hand_ins=QUICKLY,
        strikes=(Strike(at=3.0, lasts=0.1, fault=PowerCut(BOT, 0.0)),),
        bandwidth=3.0 * MIB,
        habits=FILMS,
    ),
    "ignore the identity check": Scenario(
        seed=5,
        hand_ins=(0.5,),
        strikes=(
            Strike(at=0.0, lasts=2.0, fault=Kill(WORKER, 2.0)),
            Strike(at=1.5, lasts=0.1, fault=FileExchanged(7)),
        ),
        bandwidth=16.0 * MIB,
        habits=FILMS,
    ),
}


def found_by(ground: Ground, home: Path, name: str) -> Outcome:
    """What comes of the scenario with the bug of that name in both processes."""
    return play(ground, home, PLANTS[name], within=WITHIN, **{VARIABLE: name})


def well_without(ground: Ground, home: Path, name: str) -> Outcome:
    """And without it."""
    return play(ground, home, PLANTS[name], within=2 * WITHIN)
