"""Processes of the product that are killed, at any time or in the midst of a call, and such that stand still."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Literal

from tests.chaos.faults.base import Fault, Variant
from tests.chaos.installation import BOT, BOX, ROLES, SECOND_WORKER, WORKER, Installation
from tests.chaos.stage import Stage

OF_BOTS = ("getUpdates", "getFile", "file", "sendMessage", "editMessageText", "sendChatAction")
LOGIN = "auth.importBotAuthorization"
"""What a worker asks to be signed in as the bot."""
OF_WORKERS = ("upload.getFile", "messages.getMessages", LOGIN)
CALLS = {BOT: OF_BOTS, WORKER: OF_WORKERS, SECOND_WORKER: OF_WORKERS, BOX: OF_BOTS + OF_WORKERS}
"""What Telegram is asked by whom (which of two workers asks, it cannot know: the one that is meant is killed)."""
REQUESTS: Mapping[str, tuple[str, ...]] = {
    "PUT": (BOT, WORKER),
    "POST .*uploads": (WORKER,),
    "PUT .*uploadId": (WORKER,),
    "POST .*uploadId": (WORKER,),
    "PUT .*message.json": (BOT,),
    "HEAD": (BOT, WORKER),
}
"""What the store is asked, as patterns of "METHOD path?query", and by whom."""
Outcome = Literal["lose the request", "lose the answer"]
OUTCOMES: tuple[Outcome, ...] = ("lose the request", "lose the answer")
MINUTE = 60.0
UNTIL_LARGE_FILES = 8.0
"""Seconds after which the first of them have come, and go up in parts."""


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
    """kill -9 in the moment in which Telegram is asked something for the n-th time from now.

    A worker signs in as the bot once only, so that its login is ended where that is what it is to ask.
    """

    at_once = False
    method: str
    skip: int

    def strike(self, stage: Stage) -> None:
        faults = stage.house.telegram.world.faults

        def kill() -> None:
            stage.meets(self)
            stage.kill(self.role)

        stage.house.in_world(lambda: faults.add(self.method, skip=self.skip, then=kill))
        if self.method == LOGIN:
            stage.end_login(cut=True)


@dataclass(frozen=True)
class KillAtRequest(_OfOne):
    """kill -9 in the moment in which the store is asked something for the n-th time from now, done or not done."""

    at_once = False
    pattern: str
    skip: int
    outcome: Outcome

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
            stage.meets(self)
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


def variants() -> Iterator[Variant]:
    """Each of them for each process, at each call and request; few of a minute, for a minute is long."""
    for role in ROLES:
        yield Variant(name=f"Freeze {role}", made=partial(_frozen, role))
        copies = 2 if role == WORKER else 1
        yield Variant(name=f"Freeze {role}, a minute", made=partial(_frozen, role), copies=copies, lasts=MINUTE)
        yield Variant(name=f"Kill {role}", made=partial(_killed, role))
        yield Variant(name=f"PowerCut {role}", made=partial(_without_power, role))
    for role in (BOT, WORKER):
        for method in CALLS[role]:
            of_bot = False if method == LOGIN else None
            yield Variant(name=f"KillAtCall {role} {method}", made=partial(_killed_at, role, method), by_person=of_bot)
    for role in (SECOND_WORKER, BOX):
        yield Variant(name=f"KillAtCall {role}", made=partial(_killed_somewhere, role))
    for pattern, outcome in product(REQUESTS, OUTCOMES):
        yield Variant(
            name=f"KillAtRequest {pattern}, {outcome}",
            made=partial(_killed_with, pattern, outcome),
            lasts=UNTIL_LARGE_FILES if "upload" in pattern else None,
        )


def _frozen(role: str, _: random.Random) -> Freeze:
    return Freeze(role)


def _killed(role: str, rng: random.Random) -> Kill:
    return Kill(role, round(rng.uniform(0.0, 2.0), 2))


def _without_power(role: str, rng: random.Random) -> PowerCut:
    return PowerCut(role, round(rng.uniform(0.0, 2.0), 2))


def _killed_at(role: str, method: str, rng: random.Random) -> KillAtCall:
    return KillAtCall(role, method, 0 if method == LOGIN else rng.randrange(6))


def _killed_somewhere(role: str, rng: random.Random) -> KillAtCall:
    return _killed_at(role, rng.choice(CALLS[role]), rng)


def _killed_with(pattern: str, outcome: Outcome, rng: random.Random) -> KillAtRequest:
    skip = rng.choice((0, 0, 1))  # there are not many of each while faults last
    return KillAtRequest(rng.choice(REQUESTS[pattern]), pattern, skip, outcome)


def drawn(rng: random.Random) -> Fault:
    """One of them."""
    role = rng.choice(ROLES)
    match rng.randrange(6):
        case 0:
            return Freeze(role)
        case 3:
            return _without_power(role, rng)
        case 1:
            return _killed_at(role, rng.choice(CALLS[role]), rng)
        case 2:
            return KillAtRequest(role, rng.choice(list(REQUESTS)), rng.randrange(5), rng.choice(OUTCOMES))
        case _:
            return _killed(role, rng)
