"""`make soak`: an hour of mixed load with faults, a line every minute, and a JSON of all.

SOAK_SECONDS (3600), SOAK_EVERY (2) seconds between two messages, SOAK_FAULTS (20) between two faults, SOAK_SEED (1).
Exit code 0 when all is well, 1 when something grows or an invariant does not hold, 130 for Ctrl-C. `--planted` shows
in some minutes that a leak is found, `--write-docs` writes the picture and the table of the last run.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.chaos.ground import Ground
from tests.soak.gauges import ROLES, Sample
from tests.soak.inside import LEAK
from tests.soak.load import HABITS, HASTY, of_seed
from tests.soak.report import ROOT, line, told, write_docs, write_json
from tests.soak.run import Course, Soak, play

LATEST = ROOT / ".soak" / "latest.json"
PAGE = ROOT / "docs" / "reliability.md"
PICTURE = ROOT / "docs" / "images" / "soak.svg"
EX_FAILED, EX_INTERRUPTED = 1, 130
SAMPLES = 720
PLANTED_SECONDS = 240.0
PLANTED = frozenset(f"{role} {of}" for role in ROLES for of in ("heap", "descriptors"))
"""What grows then: all of them are to be found."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--planted", action="store_true", help="plant a leak, and show that it is found")
    parser.add_argument("--write-docs", action="store_true", help="write what the last run came to, run nothing")
    options = parser.parse_args(arguments)
    if options.write_docs:
        write_docs(PAGE, PICTURE, LATEST)
        return 0
    place = Path(tempfile.mkdtemp(prefix="teltubby-soak-"))
    is_well = False
    try:
        with Ground(place / "ground") as ground:
            is_well = _planted(ground, place) if options.planted else _soaked(ground, place)
    except KeyboardInterrupt:
        return EX_INTERRUPTED
    finally:
        if is_well:
            shutil.rmtree(place)
    return 0 if is_well else EX_FAILED


def _soaked(ground: Ground, place: Path) -> bool:
    seconds = float(os.environ.get("SOAK_SECONDS", "3600"))
    seed = int(os.environ.get("SOAK_SEED", "1"))
    every, fault_every = (float(os.environ.get(name, default)) for name, default in DEFAULTS)
    scenario = of_seed(seed, seconds=seconds, every=every, fault_every=fault_every, habits=HABITS)
    soak = Soak(scenario=scenario, seconds=seconds, period=min(max(seconds / SAMPLES, 1.0), 10.0))
    _say(f"{seconds:.0f} s, {len(scenario.hand_ins)} hand-ins, {len(scenario.strikes)} faults; logs: {place}")
    course = Course.of(soak)

    def tell(sample: Sample) -> None:
        _tell(sample)
        write_json(LATEST, course)

    try:
        play(ground, place / "home", course, tell)
    finally:
        write_json(LATEST, course)
    _say(told(course))
    return course.is_well


DEFAULTS = (("SOAK_EVERY", "2"), ("SOAK_FAULTS", "20"))


def _planted(ground: Ground, place: Path) -> bool:
    """Whether each leak is found, in bot and worker, and nothing without them."""
    courses: dict[bool, Course] = {}
    for leaks in (False, True):
        scenario = of_seed(1, seconds=PLANTED_SECONDS, every=1.2, fault_every=PLANTED_SECONDS, habits=HASTY)
        settings = {LEAK: "1"} if leaks else {}
        soak = Soak(scenario=scenario, seconds=PLANTED_SECONDS, period=0.5, settings=settings)
        courses[leaks] = Course.of(soak)
        play(ground, place / f"leaks-{leaks}", courses[leaks], _tell)
        _say(f"{'with' if leaks else 'without'} a leak:\n{told(courses[leaks])}")
    grown = {finding.what for finding in courses[True].findings if not finding.is_level}
    _say("all that was planted is found" if grown >= PLANTED else f"not found: {', '.join(sorted(PLANTED - grown))}")
    return courses[False].is_well and grown >= PLANTED and courses[True].outcome.is_well


def _tell(sample: Sample) -> None:
    _say(line(sample))


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
