"""Who gets which faults: of any 200 seeds some meet every variant there is, and the dice fill the rest.

Dice alone leave out what is rare: of 150 variants, 460 faults by chance miss seven, and others every time.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from tests.chaos import faults, installation
from tests.chaos.faults.base import Fault, Variant
from tests.chaos.faults.processes import Kill
from tests.chaos.faults.servers import KillBroker, KillStore
from tests.chaos.faults.store import Refusing
from tests.chaos.faults.telegram import SignedOut
from tests.chaos.faults.wires import Cut
from tests.chaos.installation import WORKER, Installation, Wire

ROUND = 200
"""So many seeds, from 1, 201, 401 on, meet all variants together."""
MOST_FAULTS = 6
MEASURED = 3
"""Of so many scenarios one has a single fault, so that it can be measured how soon the work goes on after it."""
ENDS: tuple[tuple[Fault, bool, int], ...] = (
    (KillBroker(), False, 3),
    (Cut(Wire.WORKER_BROKER), False, 2),
    (Kill(WORKER, 0.3), False, 6),
    (KillStore(), False, 2),
    (Refusing(1.0, 0, 503, "SlowDown"), False, 1),
    (SignedOut(cut=False, moved=False), False, 4),
    (SignedOut(cut=False, moved=False), True, 4),
)
"""Faults after whose end it is measured when the work goes on; by a person's account or not, and how often each in a
third of a round."""


@dataclass(slots=True, kw_only=True)
class Hand:
    """What one seed gets: the fault that is `measured`, or so many `faults`, of which these `variants` are dealt."""

    installation: Installation
    faults: int
    measured: Fault | None = None
    variants: list[Variant] = field(default_factory=list)

    def has_room_for(self, variant: Variant) -> bool:
        """Each has its variants once."""
        return len(self.variants) < self.faults and all(known is not variant for known in self.variants)


def of_seed(seed: int) -> Hand:
    """The same at all times and on all machines."""
    number, place = divmod(seed - 1, ROUND)
    return dealt(number)[place]


@lru_cache(maxsize=4)
def dealt(number: int) -> Sequence[Hand]:
    """All hands of a round. Raises LookupError where a variant has no place, which the tests look for."""
    rng = random.Random(f"round {number}")
    ends = [(fault, by_person) for fault, by_person, times in ENDS for _ in range(times)]
    rng.shuffle(ends)
    hands: list[Hand] = []
    measured = 0
    for seed in range(number * ROUND + 1, (number + 1) * ROUND + 1):
        if seed % MEASURED == 0:
            fault, by_person = ends[measured % len(ends)]
            measured += 1
            for_media = rng.random() < installation.FOR_MEDIA
            installed = Installation(by_person=by_person, for_media=for_media)
            hands.append(Hand(installation=installed, faults=0, measured=fault))
        else:
            hands.append(Hand(installation=installation.drawn(rng), faults=rng.randint(1, MOST_FAULTS)))
    deck = [variant for variant in faults.VARIANTS for _ in range(variant.copies)]
    rng.shuffle(deck)
    kinds = Counter(hand.installation for hand in hands)
    places = {each.name: {kind for kind in kinds if each.fits(kind)} for each in faults.VARIANTS}
    for variant in sorted(deck, key=lambda each: sum(kinds[kind] for kind in places[each.name])):
        fitting = [each for each in hands if each.has_room_for(variant) and each.installation in places[variant.name]]
        if not fitting:
            raise LookupError(f"no seed of round {number} has a place for {variant.name}")
        rng.choice(fitting).variants.append(variant)
    return hands
