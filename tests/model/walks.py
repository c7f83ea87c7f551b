"""Random walks through what is too large to be looked at whole: two jobs, two workers, and several faults.

A walk goes from the beginning to an end, a move at a time, by the dice. It meets states that no search comes to, and
proves nothing of those that it does not meet.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from tests.model import bot, faults, worker
from tests.model.bugs import Bug
from tests.model.search import Violation, at_the_end, never
from tests.model.states import State, beginning

SHARES = (0.02, 0.05, 0.1, 0.3)
"""Of the moves, how many are faults while any is left: early and late ones."""
LATE = 0.3
"""How often a fault strikes when there is nothing else left to do."""
MOST_MOVES = 600
"""Who waits may be told to wait again, and so for ever by these dice; with this many moves hardly a walk does."""


@dataclass(slots=True)
class Walked:
    """How far the walks came."""

    ends: int = 0
    broken_off: int = 0
    moves: int = 0


def walk(seed: int, walks: int, *, budget: int, bug: Bug | None = None, nets: bool = True) -> Walked:
    """So many walks of two jobs and two workers. Raises Violation where a law is broken, with the moves until there."""
    rng, walked = random.Random(seed), Walked()
    for _ in range(walks):
        _walk(rng, beginning(jobs=2, workers=2, budget=budget, same_bytes=rng.random() < 0.7), walked, bug, nets)
    return walked


def _walk(rng: random.Random, state: State, walked: Walked, bug: Bug | None, nets: bool) -> None:
    share, way = rng.choice(SHARES), list[str]()
    for _ in range(MOST_MOVES):
        wrong = never(state)
        moves = [move for move in (*worker.moves(state, bug), *bot.moves(state, bug, nets=nets)) if move[1] != state]
        if wrong is None and not moves:
            wrong = at_the_end(state)
        if wrong is not None:
            raise Violation("\n".join([wrong, *way, str(state)]))
        troubles = list(faults.moves(state, bug)) if rng.random() < (share if moves else LATE) else []
        if not moves and not troubles:
            walked.ends += 1
            return
        label, state = rng.choice(troubles or moves)
        walked.moves += 1
        way.append(label)
    walked.broken_off += 1
