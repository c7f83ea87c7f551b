"""For each planted bug the scenario in which it does harm, and no product without it fails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.crowd import MIB, Habits
from tests.chaos.faults.broker import MemoryAlarm
from tests.chaos.faults.processes import Kill, PowerCut
from tests.chaos.faults.telegram import FileExchanged
from tests.chaos.ground import Ground
from tests.chaos.installation import BOT, WORKER, Installation
from tests.chaos.run import Outcome, play
from tests.chaos.scenario import Scenario, Strike

VARIABLE = "CHAOS_PLANT"
WITHIN = 30.0
"""Seconds after which what is not archived counts as lost here."""
PHOTOS = Habits(small=1, album=0, again=0, large=0, mixed_album=0, words=0, command=0)
COPIES = Habits(small=1, album=0, again=5, large=1, mixed_album=0, words=0, command=0, sizes=(MIB // 2, MIB))
FILMS = Habits(small=0, album=0, again=0, large=1, mixed_album=0, words=0, command=0, sizes=(8 * MIB, 9 * MIB))
QUICKLY = (0.2, 0.4, 0.6, 0.8)
ENDED = "ended by itself"
"""What a process did that a bug crashed: that is no proof that anybody looks for the harm that it does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """`phrase` is what is said of the harm that the bug does in the scenario."""

    phrase: str
    scenario: Scenario

    def is_found(self, outcome: Outcome) -> bool:
        """Whether it is seen what the bug did, and not merely that something went wrong."""
        return any(self.phrase in problem and ENDED not in problem for problem in outcome.problems)


PLANTS: Mapping[str, Plant] = {
    "acknowledge updates early": Plant(
        phrase="unanswered [(",
        scenario=Scenario(
            seed=1,
            hand_ins=(0.5, 1.0, 1.5, 2.0),
            strikes=tuple(Strike(at=at, lasts=0.1, fault=Kill(BOT, 0.0)) for at in (0.8, 2.2)),
            bandwidth=16.0 * MIB,
            habits=PHOTOS,
        ),
    ),
    "acknowledge jobs early": Plant(
        phrase="'PROCESSING'",
        scenario=Scenario(
            seed=2,
            hand_ins=QUICKLY,
            strikes=(Strike(at=3.0, lasts=0.1, fault=Kill(WORKER, 0.0)),),
            bandwidth=3.0 * MIB,
            habits=FILMS,
        ),
    ),
    "skip fsync": Plant(
        phrase="nobody handed in: {",
        scenario=Scenario(
            seed=3,
            hand_ins=QUICKLY[:1],
            strikes=(Strike(at=5.0, lasts=0.1, fault=PowerCut(WORKER, 0.0)),),
            bandwidth=1.0 * MIB,
            habits=FILMS,
        ),
    ),
    "drop the outbox": Plant(
        phrase="'PENDING'",
        scenario=Scenario(
            seed=4,
            hand_ins=QUICKLY,
            strikes=(
                Strike(at=0.0, lasts=4.5, fault=MemoryAlarm()),
                Strike(at=4.0, lasts=0.1, fault=Kill(BOT, 0.0)),
            ),
            bandwidth=16.0 * MIB,
            habits=FILMS,
        ),
    ),
    "never sync the database": Plant(
        phrase="lines of jobs that nobody knows",
        scenario=Scenario(
            seed=6,
            hand_ins=QUICKLY,
            strikes=(Strike(at=3.0, lasts=0.1, fault=PowerCut(BOT, 0.0)),),
            bandwidth=3.0 * MIB,
            habits=FILMS,
        ),
    ),
    "ignore the identity check": Plant(
        phrase="nobody handed in: {",
        scenario=Scenario(
            seed=5,
            hand_ins=(0.5,),
            strikes=(
                Strike(at=0.0, lasts=2.0, fault=Kill(WORKER, 2.0)),
                Strike(at=1.5, lasts=0.1, fault=FileExchanged(7)),
            ),
            bandwidth=16.0 * MIB,
            habits=FILMS,
        ),
    ),
    "never drop a copy": Plant(
        phrase="nobody dropped [",
        scenario=Scenario(
            seed=7,
            hand_ins=(0.5,) * 8,
            strikes=(),
            bandwidth=1.0 * MIB,
            habits=COPIES,
            installation=Installation(workers=2),
        ),
    ),
}


def found_by(ground: Ground, home: Path, name: str) -> Outcome:
    """What comes of the scenario with the bug of that name in both processes."""
    return play(ground, home, PLANTS[name].scenario, within=WITHIN, **{VARIABLE: name})


def well_without(ground: Ground, home: Path, name: str) -> Outcome:
    """And without it."""
    return play(ground, home, PLANTS[name].scenario, within=2 * WITHIN)
