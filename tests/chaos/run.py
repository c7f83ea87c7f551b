"""One scenario from beginning to end, and what came of it."""

from __future__ import annotations

import json
import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.acceptance.polling import LOOK_SECONDS, eventually
from tests.acceptance.queues import DEAD, EVENTS
from tests.chaos import invariants
from tests.chaos.crowd import Crowd
from tests.chaos.ground import Ground
from tests.chaos.invariants import Artifacts
from tests.chaos.scenario import Scenario, Strike
from tests.chaos.stage import Stage

SETTLED_WITHIN = 75.0
"""Seconds after the last fault was healed: less than the reconciler needs to revive what was lost."""
VERIFIED_WITHIN = 60.0
READ_WITHIN = 30.0


@dataclass(slots=True, kw_only=True)
class Outcome:
    """`problems` are what does not hold; `recoveries` seconds by kind, `files` how many were handed in and archived."""

    scenario: Scenario
    problems: list[str] = field(default_factory=list)
    recoveries: dict[str, list[float]] = field(default_factory=dict)
    files: tuple[int, int] = (0, 0)
    seconds: float = 0.0
    settled_after: float = 0.0
    story: list[str] = field(default_factory=list)

    @property
    def is_well(self) -> bool:
        return not self.problems


def play(ground: Ground, home: Path, scenario: Scenario, *, within: float = SETTLED_WITHIN, **settings: str) -> Outcome:
    """Let it happen, heal everything, wait until all is quiet, and look whether the invariants hold.

    `settings` go into the environment of the processes, beyond the usual ones.
    """
    began = time.monotonic()
    outcome = Outcome(scenario=scenario)
    with Stage(ground, home, scenario.seed, by_person=scenario.by_person, **settings) as stage:
        crowd = Crowd(stage.curators, random.Random(scenario.seed), scenario.habits)
        stage.crowd = crowd
        performance = _Performance(stage, crowd, scenario, within=within)
        try:
            outcome.problems += performance.run()
            outcome.settled_after = round(performance.settled_after, 1)
            if not outcome.problems:
                outcome.problems += _problems(stage, crowd, outcome)
        except (OSError, RuntimeError, AssertionError, LookupError) as error:
            outcome.problems.append(f"{type(error).__name__}: {error}")
        finally:
            performance.heal_all()
        outcome.recoveries = stage.recoveries.seconds
        outcome.story = stage.story
    outcome.seconds = round(time.monotonic() - began, 1)
    return outcome


class _Performance:
    """The part with the faults. One thread does everything in its turn, but for kills in the midst of a call."""

    def __init__(self, stage: Stage, crowd: Crowd, scenario: Scenario, *, within: float) -> None:
        self._stage = stage
        self._crowd = crowd
        self._scenario = scenario
        self._within = within
        self._struck: list[Strike] = []
        self.settled_after = 0.0

    def run(self) -> list[str]:
        """Return what ended by itself, and what never became quiet."""
        stage, scenario = self._stage, self._scenario
        faults = stage.house.telegram.world.faults
        stage.house.in_world(lambda: setattr(faults, "shared_bandwidth", scenario.bandwidth))
        stage.crew.start()
        if scenario.by_person:
            stage.person.sign_in_first()
        elif scenario.waits:
            stage.crew.wait_ready()
            stage.tell("all is ready")
        problems: list[str] = []
        began = time.monotonic()
        for at, act in self._acts():
            while time.monotonic() < began + at:
                problems += self._look()
                time.sleep(LOOK_SECONDS)
            act()
        self.heal_all()
        stage.tell("all is healed")
        healed = time.monotonic()
        with stage.person.signing_in_again():
            problems += self._until_quiet(healed)
        self.settled_after = time.monotonic() - healed
        return problems

    def _until_quiet(self, healed: float) -> list[str]:
        stage, problems = self._stage, list[str]()
        while not self._is_settled():
            problems += self._look()
            if time.monotonic() > healed + self._within or len(problems) > 1:
                open_matters = invariants.open_matters(stage.house, self._crowd.handed_in)
                return [*problems, f"not quiet {time.monotonic() - healed:.0f} s after the last fault: {open_matters}"]
            time.sleep(LOOK_SECONDS)
        return problems

    def heal_all(self) -> None:
        """Whatever is broken still; safe to call twice."""
        while self._struck:
            self._heal(self._struck[0])
        self._stage.heal()

    def _acts(self) -> list[tuple[float, Callable[[], object]]]:
        """Everything that is to happen, by time."""
        acts: list[tuple[float, Callable[[], object]]] = [(at, self._hand_in) for at in self._scenario.hand_ins]
        for strike in self._scenario.strikes:
            acts.append((strike.at, partial(self._strike, strike)))
            acts.append((strike.at + strike.lasts, partial(self._heal, strike)))
        return sorted(acts, key=lambda act: act[0])

    def _hand_in(self) -> None:
        one = self._crowd.hand_in()
        self._stage.tell(f"{one.curator.user.first_name} {one.message_ids}, {[file.size for file in one.files]} bytes")

    def _strike(self, strike: Strike) -> None:
        self._stage.tell(f"begins: {strike.fault}")
        self._stage.recoveries.spoil()
        self._stage.recoveries.is_open = not self._struck
        self._struck.append(strike)
        strike.fault.strike(self._stage)

    def _heal(self, strike: Strike) -> None:
        if strike in self._struck:
            self._struck.remove(strike)
            self._stage.tell(f"ends: {strike.fault}")
            self._stage.recoveries.is_open = not self._struck
            strike.fault.heal(self._stage)

    def _look(self) -> list[str]:
        self._stage.recoveries.look()
        return self._stage.crew.look_after()

    def _is_settled(self) -> bool:
        try:
            return invariants.is_settled(self._stage.house, self._crowd.handed_in)
        except sqlite3.OperationalError:  # there is no ledger yet
            return False


def _problems(stage: Stage, crowd: Crowd, outcome: Outcome) -> Iterator[str]:
    house = stage.house
    house.stop_workers()
    eventually(lambda: stage.queues.depth(EVENTS) == 0, within=READ_WITHIN, what="the bot to read all reports")
    house.stop()
    found = Artifacts(stage.bucket)
    outcome.files = (sum(len(one.files) for one in crowd.handed_in), found.by_sha256.total())
    yield from invariants.all_broken(house, found, crowd.handed_in)
    yield from (f"said twice: {text}" for text in invariants.said_twice(crowd.handed_in))
    depths, failed = stage.queues.depths(), stage.count("jobs WHERE state = 'FAILED'")
    if depths.keys() - {DEAD} or depths.get(DEAD, 0) < failed or (depths and not failed):
        yield f"left in the queues: {depths}, of {failed} jobs that failed"
    if left := house.spooled():
        yield f"left in the spool: {left}"
    if unfinished := stage.bucket.unfinished():
        yield f"unfinished uploads: {unfinished}"
    if copies := stage.person.left_in_relay():
        yield f"left in the relay: {copies}"
    yield from _verified(stage)


def _verified(stage: Stage) -> Iterator[str]:
    """What `teltubby verify` finds."""
    log = stage.home / "verify.log"
    command = ["verify", "--json", "--state", str(stage.home / "verify.db")]
    code = stage.ground.nursery.fork(command, stage.house.settings, stage.home, log).wait(VERIFIED_WITHIN)
    said = log.read_text()
    if code != 0 or not json.loads(said[said.index("{") :])["well"]:
        yield f"`teltubby verify` ended with {code}: {said[-2000:]}"
