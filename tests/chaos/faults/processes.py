"""Processes of the product that are killed, at any time or in the midst of a call, and such that stand still."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import Literal

from tests.chaos.crew import ROLES
from tests.chaos.faults.base import Fault
from tests.chaos.stage import Stage

CALLS = {
    "bot": ("getUpdates", "getFile", "file", "sendMessage", "editMessageText", "sendChatAction"),
    "worker": ("upload.getFile", "messages.getMessages", "auth.importBotAuthorization"),
}
"""What Telegram is asked by whom."""
REQUESTS = ("PUT", "POST .*uploads", "PUT .*uploadId", "POST .*uploadId", "PUT .*message.json", "HEAD")
"""What the store is asked, as patterns of "METHOD path?query"."""


@dataclass(frozen=True)
class Kill(Fault):
    """kill -9."""

    family = "processes"
    role: str
    away: float

    def strike(self, stage: Stage) -> None:
        stage.kill(self.role, away=self.away)


@dataclass(frozen=True)
class PowerCut(Fault):
    """The worker's machine has no power: what was not synced of its spool is gone, and it boots."""

    family = "processes"
    away: float

    def strike(self, stage: Stage) -> None:
        stage.kill("worker", away=self.away)
        stage.crew.of("worker").wait()
        stage.tell(f"{stage.power.cut()} bytes of the spool were lost")


@dataclass(frozen=True)
class KillAtCall(Fault):
    """kill -9 in the moment in which Telegram is asked something for the n-th time from now."""

    family = "processes"
    role: str
    method: str
    skip: int

    def strike(self, stage: Stage) -> None:
        faults = stage.house.telegram.world.faults
        stage.house.in_world(lambda: faults.add(self.method, skip=self.skip, then=lambda: stage.kill(self.role)))


@dataclass(frozen=True)
class KillAtRequest(Fault):
    """kill -9 in the moment in which the store is asked something for the n-th time from now, done or not done."""

    family = "processes"
    role: str
    pattern: str
    skip: int
    outcome: Literal["lose the request", "lose the answer"]

    def strike(self, stage: Stage) -> None:
        left = [self.skip]

        def matches(line: str) -> bool:
            if re.search(self.pattern, line) is None:
                return False
            left[0] -= 1
            if left[0] >= 0:
                return False
            stage.kill(self.role)
            return True

        stage.store.once(matches, self.outcome)


@dataclass(frozen=True)
class Freeze(Fault):
    """SIGSTOP, and SIGCONT in the end."""

    family = "processes"
    role: str

    def strike(self, stage: Stage) -> None:
        stage.crew.freeze(self.role)

    def heal(self, stage: Stage) -> None:
        stage.crew.thaw(self.role)


def drawn(rng: random.Random) -> Fault:
    """One of them."""
    role = rng.choice(ROLES)
    match rng.randrange(6):
        case 0:
            return Freeze(role)
        case 3:
            return PowerCut(round(rng.uniform(0.0, 2.0), 2))
        case 1:
            return KillAtCall(role, rng.choice(CALLS[role]), rng.randrange(6))
        case 2:
            outcome: Literal["lose the request", "lose the answer"] = rng.choice(
                ("lose the request", "lose the answer")
            )
            return KillAtRequest(role, rng.choice(REQUESTS), rng.randrange(5), outcome)
        case _:
            return Kill(role, round(rng.uniform(0.0, 2.0), 2))
