"""`make chaos`: many seeds, a line for each, and a JSON of all.

CHAOS_SEEDS (200) seeds from CHAOS_FROM (1); CHAOS_SEED plays one again, with its whole story; CHAOS_PLANT names a bug
of planted.py that all processes have then. Exit code 0 when all is well, 1 when a seed failed, 130 for Ctrl-C.
`--planted` shows that bugs are found, each in a scenario of its own, `--write-docs` writes the table.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.chaos.ground import Ground
from tests.chaos.planting import PLANTS, VARIABLE, found_by, well_without
from tests.chaos.report import line, told_of_failure, write_docs, write_json
from tests.chaos.run import SETTLED_WITHIN, Outcome, play
from tests.chaos.scenario import Scenario, of_seed
from tests.chaos.shrinking import MOST_PLAYS, shrunk

ROOT = Path(__file__).parents[2]
LATEST = ROOT / ".chaos" / "latest.json"
PAGE = ROOT / "docs" / "reliability.md"
EX_FAILED, EX_INTERRUPTED = 1, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--planted", action="store_true", help="plant every bug, and show that it is found")
    parser.add_argument("--write-docs", action="store_true", help="write the table of the last run, run nothing")
    parser.add_argument("--no-shrink", action="store_true", help="do not look for the shortest sequence of faults")
    options = parser.parse_args(arguments)
    if options.write_docs:
        write_docs(PAGE, json.loads(LATEST.read_text()))
        return 0
    place = Path(tempfile.mkdtemp(prefix="teltubby-chaos-"))
    failed = True
    try:
        with Ground(place / "ground") as ground:
            if not ground.clocks.can_step:
                _say("there is no C compiler: clocks are not stepped")
            if os.geteuid() != 0:
                _say("we are not root and cannot mount: disks are not filled")
            if options.planted:
                told = [_told_of_plant(ground, place, name) for name in PLANTS]
                failed = not all(told)
            else:
                outcomes = _played(ground, place, list(_seeds()), shrink=not options.no_shrink)
                failed = any(not outcome.is_well for outcome in outcomes)
    except KeyboardInterrupt:
        return EX_INTERRUPTED
    finally:
        if not failed:
            shutil.rmtree(place)
    return EX_FAILED if failed else 0


def _seeds() -> Iterable[int]:
    if one := os.environ.get("CHAOS_SEED"):
        return [int(one)]
    first = int(os.environ.get("CHAOS_FROM", "1"))
    return range(first, first + int(os.environ.get("CHAOS_SEEDS", "200")))


def _played(ground: Ground, place: Path, seeds: Sequence[int], *, shrink: bool) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for seed in seeds:
        home = place / f"seed-{seed}"
        outcome = play(ground, home, of_seed(seed), within=SETTLED_WITHIN, **_planted())
        outcomes.append(outcome)
        _say(line(outcome))
        if not outcome.is_well:
            shortest = _shortest(ground, place, outcome) if shrink else None
            _say(f"{told_of_failure(outcome, shortest)}\n  logs: {home}")
        elif len(seeds) == 1:
            _say("\n".join(outcome.story))
        if outcome.is_well:
            shutil.rmtree(home)
        write_json(LATEST, outcomes)
    failed = [outcome.scenario.seed for outcome in outcomes if not outcome.is_well]
    _say(f"{len(outcomes)} seeds, failed: {failed or 'none'}; {LATEST}")
    return outcomes


def _shortest(ground: Ground, place: Path, outcome: Outcome) -> Outcome | None:
    """Played with fewer and fewer faults; None where it never failed again, which is said."""
    played: list[Outcome] = []

    def fails(scenario: Scenario) -> bool:
        home = place / f"seed-{scenario.seed}-shrinking-{len(played)}"
        played.append(play(ground, home, scenario, within=SETTLED_WITHIN, **_planted()))
        end = "well" if played[-1].is_well else "fails too"
        _say(f"  play {len(played)} of at most {MOST_PLAYS}, {len(scenario.strikes)} faults: {end}")
        if played[-1].is_well:
            shutil.rmtree(home)
        return not played[-1].is_well

    scenario = shrunk(outcome.scenario, fails)
    failed = [each for each in played if not each.is_well and each.scenario.strikes == scenario.strikes]
    return failed[-1] if failed else None


def _planted() -> dict[str, str]:
    """What tells processes which bug they have."""
    return {VARIABLE: os.environ[VARIABLE]} if VARIABLE in os.environ else {}


def _told_of_plant(ground: Ground, place: Path, name: str) -> bool:
    """Whether the bug is found, and nothing without it."""
    without, outcome = well_without(ground, place / f"{name} (not planted)", name), found_by(ground, place / name, name)
    is_found = PLANTS[name].is_found(outcome)
    missed = "slipped through" if outcome.is_well else "failed, and not by its harm"
    _say(f"{name}: {'FOUND' if is_found else missed}, {outcome.seconds} s")
    for problem in outcome.problems[:3]:
        _say(f"  ! {problem[:600]}")
    if not without.is_well:
        _say(told_of_failure(without, None))
    return without.is_well and is_found


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
