"""The faults, one family per file; `drawn` takes one of them by the dice."""

from __future__ import annotations

import random
from collections.abc import Callable

from tests.chaos.faults import broker, clocks, disks, processes, servers, store, telegram, wires
from tests.chaos.faults.base import Fault

FAMILIES: tuple[tuple[Callable[[random.Random], Fault], int], ...] = (
    (processes.drawn, 6),
    (wires.drawn, 4),
    (telegram.drawn, 5),
    (store.drawn, 3),
    (servers.drawn, 1),
    (broker.drawn, 2),
    (disks.drawn, 2),
    (clocks.drawn, 1),
)
"""And how often each."""


def drawn(rng: random.Random) -> Fault:
    """One fault of any family."""
    family = rng.choices([each for each, _ in FAMILIES], [weight for _, weight in FAMILIES])[0]
    return family(rng)
