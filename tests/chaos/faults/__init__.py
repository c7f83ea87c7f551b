"""The faults, one family per file; `drawn` takes one of them by the dice, and VARIANTS names all there are."""

from __future__ import annotations

import random
from collections.abc import Callable

from tests.chaos.faults import broker, clocks, disks, processes, servers, store, telegram, wires
from tests.chaos.faults.base import Fault, Variant
from tests.chaos.installation import Installation

FAMILIES: tuple[tuple[Callable[[random.Random], Fault], int], ...] = (
    (processes.drawn, 6),
    (wires.drawn, 4),
    (telegram.drawn, 5),
    (disks.drawn, 2),
    (clocks.drawn, 2),
)
"""And how often each."""
OF_SERVERS: tuple[tuple[Callable[[random.Random], Fault], int], ...] = (
    (store.drawn, 3),
    (servers.drawn, 1),
    (broker.drawn, 2),
)
"""Those of what a single box does not have."""
VARIANTS: tuple[Variant, ...] = (
    *processes.variants(),
    *wires.variants(),
    *telegram.variants(),
    *disks.variants(),
    *clocks.variants(),
    *store.variants(),
    *servers.variants(),
    *broker.variants(),
)


def drawn(rng: random.Random, installation: Installation) -> Fault:
    """One fault of any family that there can be in that installation."""
    families = FAMILIES if installation.is_box else FAMILIES + OF_SERVERS
    family = rng.choices([each for each, _ in families], [weight for _, weight in families])[0]
    while not (fault := family(rng)).fits(installation):
        pass
    return fault
