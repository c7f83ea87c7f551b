"""Processes of the product that are killed, at any time or in the midst of a call, and such that stand still."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import Literal

from tests.chaos.faults.base import Fault
from tests.chaos.installation import BOT, BOX, ROLES, SECOND_WORKER, WORKER, Installation
from tests.chaos.stage import Stage

OF_BOTS = ("getUpdates", "getFile", "file", "sendMessage", "editMessageText", "sendChatAction")
OF_WORKERS = ("upload.getFile", "messages.getMessages", "auth.importBotAuthorization")
CALLS = {BOT: OF_BOTS, WORKER: OF_WORKERS, SECOND_WORKER: OF_WORKERS, BOX: OF_BOTS + OF_WORKERS}
"""What Telegram is asked by whom (which of two workers asks, it cannot know: the one that is meant is killed)."""
REQUESTS = ("PUT", "POST .*uploads", "PUT .*uploadId", "POST .*uploadId", "PUT .*message.json", "HEAD")
"""What the store is asked, as patterns of "METHOD path?query"."""


@dataclass(frozen=True)
class _OfOne(Fault):
    """Something that happens to the process of that role."""

    family = "processes"
    role: str

    def fits(self, installation: Installation) -> bool:
        return self.role in installation.roles


@dataclass(frozen=True)
class Kill(_OfOne):
    """kill -9."""

    away: float

    def strike(self, stage: Stage) -> None:
        stage.kill(self.role, away=self.away)


@dataclass(frozen=True)
class PowerCut(_OfOne):
    """The machine of that process has no power: what was not synced of its spool and databases is gone, and it boots.

    Workers are on one machine, and the bot is on another.
    """

    away: float

    def strike(self, stage: Stage) -> None:
        stage.cut_power(self.role, away=self.away)


@dataclass(frozen=True)
class KillAtCall(_OfOne):
    """kill -9 in the moment in which Telegram is asked something for the n-th time from now."""

    method: str
    skip: int

    def strike(self, stage: Stage) -> None:
        faults = stage.house.telegram.world.faults
        stage.house.in_world(lambda: faults.add(self.method, skip=self.skip, then=lambda: stage.kill(self.role)))


@dataclass(frozen=True)
class KillAtRequest(_OfOne):
    """kill -9 in the moment in which the store is asked something for the n-th time from now, done or not done."""

    pattern: str
    skip: int
    outcome: Literal["lose the request", "lose the answer"]

    def fits(self, installation: Installation) -> bool:
        return super().fits(installation) and not installation.is_box

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
class Freeze(_OfOne):
    """SIGSTOP, and SIGCONT in the end."""

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
            return PowerCut(role, round(rng.uniform(0.0, 2.0), 2))
        case 1:
            return KillAtCall(role, rng.choice(CALLS[role]), rng.randrange(6))
        case 2:
            outcome: Literal["lose the request", "lose the answer"] = rng.choice(
                ("lose the request", "lose the answer")
            )
            return KillAtRequest(role, rng.choice(REQUESTS), rng.randrange(5), outcome)
        case _:
            return Kill(role, round(rng.uniform(0.0, 2.0), 2))
