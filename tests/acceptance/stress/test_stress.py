"""A crowd hands in everything at once while the bot and the worker are killed at random.

`make stress` runs it at full size (STRESS_MESSAGES, STRESS_CURATORS, STRESS_KILLS, STRESS_SEED); as a part of all tests
it is small. A failure names its seed.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.acceptance.backends import ON_ASYNCIO
from tests.acceptance.household import Household
from tests.acceptance.polling import eventually
from tests.acceptance.product import Product
from tests.acceptance.queues import EVENTS, Queues
from tests.chaos import invariants
from tests.chaos.crowd import Crowd
from tests.chaos.invariants import Artifacts

ROLES = ("bot", "worker")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much of everything; `within` seconds it must be over after the last kill."""

    messages: int
    curators: int
    kills: int
    seed: int
    within: float


def scale() -> Scale:
    """As the environment asks, else small."""

    def number(name: str, default: int) -> int:
        return int(os.environ.get(f"STRESS_{name}", default))

    return Scale(
        messages=number("MESSAGES", 60),
        curators=number("CURATORS", 3),
        kills=number("KILLS", 3),
        seed=number("SEED", 4),
        within=number("WITHIN", 90),
    )


class Fate:
    """Kills the bot or the worker at random and starts it again at once."""

    def __init__(self, house: Household, rng: random.Random) -> None:
        self._house = house
        self._rng = rng
        self._running: dict[str, Product] = {role: house.start(role) for role in ROLES}

    def strike(self) -> None:
        """Kill one of the two, or both."""
        roles = self._rng.choice((("bot",), ("worker",), ROLES))
        time.sleep(self._rng.uniform(0.0, 1.5))  # at any moment of what is under way, not only of handing in
        for role in roles:
            self._running[role].kill()
        for role in roles:
            self._running[role] = self._house.launch(role)
        for role in roles:
            self._running[role].wait_ready()


def moments(plan: Scale, rng: random.Random) -> Iterator[bool]:
    """For each message whether somebody is killed after it."""
    struck = set(rng.sample(range(plan.messages), plan.kills))
    return (number in struck for number in range(plan.messages))


@ON_ASYNCIO
@pytest.mark.timeout(7200)
def test_a_crowd_while_processes_die(wings: Household, queues: Queues, capsys: pytest.CaptureFixture[str]) -> None:
    """Every file is archived exactly once, every message is answered, and nothing is left over."""
    plan = scale()
    rng = random.Random(plan.seed)
    crowd = Crowd([wings.ada, *(wings.welcome(f"Curator {n}") for n in range(1, plan.curators))], rng)
    fate = Fate(wings, rng)
    began = time.monotonic()
    for strikes in moments(plan, rng):
        crowd.hand_in()
        if strikes:
            fate.strike()
    handed_in = crowd.handed_in
    try:
        eventually(lambda: invariants.is_settled(wings, handed_in), within=plan.within)
    except TimeoutError:
        pytest.fail(f"seed {plan.seed}, {plan.within:g} s after the last: {invariants.open_matters(wings, handed_in)}")
    took = time.monotonic() - began
    wings.stop_workers()
    eventually(lambda: queues.depth(EVENTS) == 0, within=plan.within, what="the bot to read all reports")
    wings.stop()
    found = Artifacts(wings.archive)
    assert [*invariants.all_broken(wings, found, handed_in)] == []
    assert queues.depths() == {} and wings.spooled() == [] and wings.archive.unfinished() == []
    twice = invariants.said_twice(handed_in)
    files = sum(len(one.files) for one in handed_in)
    with capsys.disabled():
        sys.stdout.write(f"\n{plan}: {files} files archived in {took:.0f} s; said twice: {twice or 'nothing'}\n")
    assert twice == []
