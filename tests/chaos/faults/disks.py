"""Disks without room: that of the spool, and that of the database."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

from tests.chaos.faults.base import Fault
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


def drawn(rng: random.Random) -> Fault:
    """One of them."""
    return FullDisk(rng.choice(("spool", "database")))
