"""An hour under load: what happens in it, and what came of it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tests.acceptance.polling import LOOK_SECONDS
from tests.chaos import invariants
from tests.chaos.crowd import HandedIn
from tests.chaos.faults.telegram import KeysForgotten
from tests.chaos.ground import Ground
from tests.chaos.programme import Act, Programme
from tests.chaos.run import Outcome, left_wrong
from tests.chaos.scenario import Scenario, Strike
from tests.chaos.stage import Stage
from tests.soak import child
from tests.soak.gauges import Gauges, Sample
from tests.soak.inside import TASKS
from tests.soak.laws import judged
from tests.soak.reading import Reading
from tests.soak.verdict import Finding

MINUTE = 60.0
SETTLED_WITHIN = 300.0
"""Seconds after the last fault was healed: jobs that met many of them wait for long before they are tried again."""
SETTLED_LOOK_SECONDS = 2.0
"""It is a look at everything that was ever said."""
VERIFIED_WITHIN = 1800.0
CHANGE_SECONDS = 3.0
"""Between two changes in the channel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Soak:
    """`scenario` is who hands in when and what goes wrong; a sample is taken every `period` seconds."""

    scenario: Scenario
    seconds: float
    period: float
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Course:
    """What came of it until now; problems of the `outcome` are what ended or does not hold, `findings` of laws."""

    soak: Soak
    outcome: Outcome
    samples: list[Sample] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    is_over: bool = False

    @property
    def is_well(self) -> bool:
        return self.is_over and self.outcome.is_well and all(finding.is_level for finding in self.findings)

    @classmethod
    def of(cls, soak: Soak) -> Course:
        """Nothing yet."""
        return cls(soak=soak, outcome=Outcome(scenario=soak.scenario))


def play(ground: Ground, home: Path, course: Course, tell: Callable[[Sample], object]) -> None:
    """Let it happen and measure; then heal everything, wait until all is quiet, and look whether the invariants hold.

    `course` grows meanwhile; `tell` hears the newest sample once a minute.
    """
    began = time.monotonic()
    soak, outcome = course.soak, course.outcome
    with ExitStack() as stack:
        tasks = home.with_name(f"{home.name}-tasks")
        tasks.mkdir(parents=True)
        stage = stack.enter_context(
            Stage(ground, home, soak.scenario.seed, soak.scenario.installation, **{**soak.settings, TASKS: str(tasks)})
        )
        stage.house.begin = partial(child.begin, ground.clocks.environment)
        act = _Act(stage, soak, tasks, tell)
        stack.callback(act.close)
        course.samples = act.gauges.samples
        try:
            outcome.problems += act.run()
            course.findings = judged(course.samples)
            if not outcome.problems:
                act.reading.kept.await_equal()
                outcome.problems += left_wrong(stage, act.crowd, outcome, verified_within=VERIFIED_WITHIN)
            outcome.problems += act.gauges.missed(soak.seconds)
        except (OSError, RuntimeError, AssertionError, LookupError) as error:
            outcome.problems.append(f"{type(error).__name__}: {error}")
        outcome.story = stage.story
    outcome.seconds = round(time.monotonic() - began, 1)
    course.is_over = True


class _Act(Programme):
    """One thread does everything in its turn; another one measures."""

    def __init__(self, stage: Stage, soak: Soak, tasks: Path, tell: Callable[[Sample], object]) -> None:
        super().__init__(stage, soak.scenario, measures=False)  # the chaos runs do
        self._soak = soak
        self._tell = tell
        self.reading = Reading(stage.house, random.Random(soak.scenario.seed))
        self.gauges = Gauges(
            house=stage.house,
            queues=stage.backing.queues,
            broker_runs=lambda: stage.ground.rabbit.running,
            pid_of=lambda role: stage.crew.of(role).pid,
            tasks=tasks,
            collected=self.reading.kept.database,
            period=soak.period,
        )

    def run(self) -> list[str]:
        """Return what ended by itself, and what never became quiet."""
        stage = self._stage
        faults = stage.house.telegram.world.faults
        stage.house.in_world(lambda: setattr(faults, "shared_bandwidth", self._soak.scenario.bandwidth))
        self.reading.ask_first()
        stage.crew.start()
        self.reading.sign_in_first()
        stage.crew.wait_ready()
        stage.tell("all is ready")
        with self.gauges:
            for problem in self._until_the_end():
                return [problem]
        self.heal_all()
        stage.tell("all is healed")
        return self._until_quiet()

    def close(self) -> None:
        """Whatever is broken still is healed; safe to call twice."""
        self.heal_all()
        self.reading.close()

    def _until_the_end(self) -> Iterator[str]:
        began = time.monotonic()
        for at, act in self.acts():
            while time.monotonic() < began + at:
                yield from self._stage.crew.look_after()
                time.sleep(LOOK_SECONDS)
            act()

    def acts(self) -> list[Act]:
        """Everything that is to happen, by time."""
        acts, seconds = super().acts(), self._soak.seconds
        acts += [(number * CHANGE_SECONDS, self._change) for number in range(int(seconds / CHANGE_SECONDS))]
        acts += [(number * MINUTE, self._say) for number in range(1, int(seconds / MINUTE) + 1)]
        acts.append((seconds, lambda: None))
        return sorted(acts, key=lambda act: act[0])

    def hand_in(self) -> HandedIn:
        """Somebody hands in something, and it counts."""
        one = super().hand_in()
        self.gauges.messages += len(one.message_ids)
        return one

    def strike(self, strike: Strike) -> None:
        """Its fault begins, and somebody signs in again where that ended a login."""
        super().strike(strike)
        if isinstance(strike.fault, KeysForgotten):
            self.reading.sign_in_again()

    def _change(self) -> None:
        self.reading.change()
        self.gauges.changes += 1

    def _say(self) -> None:
        if self.gauges.samples:
            self._tell(self.gauges.samples[-1])

    def _until_quiet(self) -> list[str]:
        stage = self._stage
        self.reading.wait()
        self.reading.close()  # who still tries sends words that are to be answered
        healed = time.monotonic()
        while not invariants.is_settled(stage.house, self.crowd.handed_in):
            if problems := stage.crew.look_after():
                return problems
            if time.monotonic() > healed + SETTLED_WITHIN:
                stage.crew.show_stacks()
                open_matters = invariants.open_matters(stage.house, self.crowd.handed_in)
                return [f"not quiet {SETTLED_WITHIN:.0f} s after the last fault: {open_matters}"]
            time.sleep(SETTLED_LOOK_SECONDS)
        return []


def as_json(course: Course) -> dict[str, Any]:
    """Samples, strikes and findings as they are written down."""
    return {
        "samples": [asdict(sample) for sample in course.samples],
        "strikes": [
            {"at": strike.at, "lasts": strike.lasts, "family": strike.fault.family, "fault": str(strike.fault)}
            for strike in course.soak.scenario.strikes
        ],
        "findings": [{**asdict(finding), "is_level": finding.is_level} for finding in course.findings],
        "problems": course.outcome.problems,
        "is_over": course.is_over,
    }
