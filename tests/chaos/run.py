"""One scenario from beginning to end, and what came of it."""

from __future__ import annotations

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path

from tests.acceptance.polling import LOOK_SECONDS, eventually
from tests.acceptance.queues import DEAD, EVENTS
from tests.chaos import invariants
from tests.chaos.crowd import Crowd
from tests.chaos.faults.base import Fault
from tests.chaos.ground import Ground
from tests.chaos.invariants import Artifacts
from tests.chaos.leftovers import doubtful_keys, not_dropped
from tests.chaos.programme import Programme
from tests.chaos.scenario import Scenario
from tests.chaos.stage import Stage

SETTLED_WITHIN = 75.0
"""Seconds after the last fault was healed: less than the reconciler needs to revive what was lost."""
LEASE_SECONDS = 60.0
"""So long at most the embedded queue waits for a process that was killed: it cannot know that there is no other."""
VERIFIED_WITHIN = 60.0
READ_WITHIN = 30.0
EX_FOUND = 1
"""How `teltubby verify` ends when it has something to say."""


@dataclass(slots=True, kw_only=True)
class Outcome:
    """`problems` are what does not hold; `recoveries` seconds by kind, `files` how many were handed in and archived.

    `valid` counts those of them that nobody ordered away and that stayed in their place at Telegram: all should be
    archived. Of a scenario that was never looked at, none counts as archived. `met` are the faults that met something,
    `leftovers` counts objects that nobody names.
    """

    scenario: Scenario
    problems: list[str] = field(default_factory=list)
    recoveries: dict[str, list[float]] = field(default_factory=dict)
    files: tuple[int, int] = (0, 0)
    valid: tuple[int, int] = (0, 0)
    leftovers: int = 0
    met: Sequence[Fault] = ()
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
    with Stage(ground, home, scenario.seed, scenario.installation, **settings) as stage:
        longer = LEASE_SECONDS if scenario.installation.is_box else 0.0
        performance = _Performance(stage, scenario, within=within + longer)
        try:
            outcome.problems += performance.run()
            outcome.settled_after = round(performance.settled_after, 1)
            if not outcome.problems:
                outcome.problems += left_wrong(stage, performance.crowd, outcome)
        except (OSError, RuntimeError, AssertionError, LookupError) as error:
            outcome.problems.append(f"{type(error).__name__}: {error}")
        finally:
            performance.heal_all()
        if not any(outcome.files):
            _count(outcome, performance.crowd, Counter())
        outcome.recoveries = stage.recoveries.seconds
        outcome.met = tuple(stage.met)
        outcome.story = stage.story
    outcome.seconds = round(time.monotonic() - began, 1)
    return outcome


class _Performance(Programme):
    """The part with the faults. One thread does everything in its turn, but for kills in the midst of a call."""

    def __init__(self, stage: Stage, scenario: Scenario, *, within: float) -> None:
        super().__init__(stage, scenario)
        self._within = within
        self.settled_after = 0.0

    def run(self) -> list[str]:
        """Return what ended by itself, and what never became quiet."""
        stage, scenario = self._stage, self._scenario
        faults = stage.house.telegram.world.faults
        stage.house.in_world(lambda: setattr(faults, "shared_bandwidth", scenario.bandwidth))
        stage.crew.start()
        if scenario.installation.by_person:
            stage.person.sign_in_first()
        elif scenario.waits:
            stage.crew.wait_ready()
            stage.tell("all is ready")
        problems: list[str] = []
        began = time.monotonic()
        for at, act in self.acts():
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
                stage.crew.show_stacks()
                open_matters = invariants.open_matters(stage.house, self.crowd.handed_in)
                return [*problems, f"not quiet {time.monotonic() - healed:.0f} s after the last fault: {open_matters}"]
            time.sleep(LOOK_SECONDS)
        return problems

    def _look(self) -> list[str]:
        self._stage.recoveries.look()
        return self._stage.crew.look_after()

    def _is_settled(self) -> bool:
        try:
            return invariants.is_settled(self._stage.house, self.crowd.handed_in)
        except sqlite3.OperationalError:  # there is no ledger yet
            return False


def left_wrong(
    stage: Stage, crowd: Crowd, outcome: Outcome, *, verified_within: float = VERIFIED_WITHIN
) -> Iterator[str]:
    """Stop both processes, and look at all that is left; counts the files into `outcome`."""
    house = stage.house
    depths = stage.backing.queues.depths
    if stage.installation.is_box:  # what comes twice may be held for one that was killed
        eventually(lambda: not depths().keys() - {DEAD}, within=LEASE_SECONDS + READ_WITHIN, what="empty queues")
    house.stop_workers()
    eventually(lambda: EVENTS not in depths(), within=READ_WITHIN, what="the bot to read all reports")
    house.stop()
    doubtful = doubtful_keys(house)
    found = Artifacts(stage.backing.archive, doubtful)
    outcome.leftovers = len(found.leftovers)
    _count(outcome, crowd, found.by_sha256)
    yield from invariants.all_broken(house, found, crowd.handed_in)
    yield from not_dropped(found.leftovers, doubtful, stage.met)
    yield from (f"said twice: {text}" for text in invariants.said_twice(crowd.handed_in))
    left, failed = depths(), stage.count("jobs WHERE state = 'FAILED'")
    if left.keys() - {DEAD} or left.get(DEAD, 0) < failed or (left and not failed):
        yield f"left in the queues: {left}, of {failed} jobs that failed"
    if spooled := house.spooled():
        yield f"left in the spool: {spooled}"
    if unfinished := stage.backing.archive.unfinished():
        yield f"unfinished uploads: {unfinished}"
    if copies := stage.person.left_in_relay():
        yield f"left in the relay: {copies}"
    yield from _verified(stage, found.leftovers, verified_within)


def _count(outcome: Outcome, crowd: Crowd, archived: Counter[str]) -> None:
    """How many files were handed in, and how many of them the artifacts call archived."""
    handed_in = Counter(file.sha256() for one in crowd.handed_in for file in one.files)
    valid = Counter(file.sha256() for one in crowd.handed_in if one.is_sure for file in one.files)
    outcome.files = (handed_in.total(), archived.total())
    outcome.valid = (valid.total(), (valid & archived).total())


def _verified(stage: Stage, leftovers: Set[str], within: float) -> Iterator[str]:
    """What `teltubby verify` finds beside the leftovers, which it calls orphans."""
    log = stage.home / "verify.log"
    command = ["verify", "--json", "--state", str(stage.home / "verify.db")]
    code = stage.ground.nursery.fork(command, stage.house.settings, stage.home, log).wait(within)
    said = log.read_text()
    findings = json.loads(said[said.index("{") :])["findings"] if "{" in said else []
    left = [each for each in findings if each["kind"] == "orphan" and each["key"] in leftovers]
    if code not in ((0, EX_FOUND) if left else (0,)) or len(findings) > len(left):
        yield f"`teltubby verify` ended with {code}: {said[-2000:]}"
