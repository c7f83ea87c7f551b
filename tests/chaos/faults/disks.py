"""Disks without room: that of the spool, and that of the database."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from tests.chaos.faults.base import Fault, Variant
from tests.chaos.stage import Stage


@dataclass(frozen=True)
class FullDisk(Fault):
    """Nothing more can be written there."""

    family = "disks"
    disk: Literal["spool", "database"]

    def strike(self, stage: Stage) -> None:
        stage.crew.may_end = stage.crew.may_end or self.disk == "database"
        stage.disks.fill(self.disk)

    def heal(self, stage: Stage) -> None:
        stage.disks.free(self.disk)


def variants() -> Iterator[Variant]:
    """Each of them."""
    yield Variant(name="FullDisk spool", made=lambda _: FullDisk("spool"))
    yield Variant(name="FullDisk database", made=lambda _: FullDisk("database"))


def drawn(rng: random.Random) -> Fault:
    """One of them."""
    return FullDisk(rng.choice(("spool", "database")))
