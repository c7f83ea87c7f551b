"""What many scenarios came to: a line for each, a JSON of all, and the table of recovery times in the documentation."""

from __future__ import annotations

import json
import platform
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.results import percentile
from scripts.marked_page import fill
from tests.chaos.run import Outcome

MARKS = ("<!-- recovery times -->", "<!-- end of recovery times -->")


def line(outcome: Outcome) -> str:
    """One scenario for people."""
    handed_in, archived = outcome.files
    faults = Counter(fault.family for fault in outcome.met)
    told = ", ".join(f"{count} {family}" for family, count in sorted(faults.items()))
    if idle := len(outcome.scenario.strikes) - len(outcome.met):
        told = f"{told or 'no fault'} ({idle} met nothing)"
    if outcome.leftovers:
        told += f"; {outcome.leftovers} left over"
    end = "ok" if outcome.is_well else "FAILED"
    return (
        f"seed {outcome.scenario.seed:4}: {end:6} {outcome.seconds:5.1f} s, quiet {outcome.settled_after:4.1f} s after "
        f"the last fault; {archived} of {handed_in} files; {told}"
    )


def told_of_failure(outcome: Outcome, shortest: Outcome | None) -> str:
    """What does not hold, and by which faults; `shortest` is the same with as few as it takes."""
    lines = [f"seed {outcome.scenario.seed} fails: CHAOS_SEED={outcome.scenario.seed} make chaos"]
    lines += [f"  ! {problem}" for problem in outcome.problems]
    told = shortest or outcome
    lines.append("  the shortest sequence of faults that was found:" if shortest else "  the faults:")
    lines += [f"    {strike}" for strike in told.scenario.strikes] or ["    none at all"]
    if shortest is not None:
        lines += [f"  with which: {problem}" for problem in shortest.problems]
    lines.append("  what happened:")
    lines += [f"    {each}" for each in told.story]
    return "\n".join(lines)


def as_json(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """All of it, for a machine."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "seeds": [outcome.scenario.seed for outcome in outcomes],
        "failed": [outcome.scenario.seed for outcome in outcomes if not outcome.is_well],
        "files": {
            "handed in": sum(outcome.files[0] for outcome in outcomes),
            "archived": sum(outcome.files[1] for outcome in outcomes),
            "valid": sum(outcome.valid[0] for outcome in outcomes),
            "valid archived": sum(outcome.valid[1] for outcome in outcomes),
        },
        "seconds": [outcome.seconds for outcome in outcomes],
        "faults": dict(sorted(_met(outcomes).items())),
        "faults that met nothing": sum(len(each.scenario.strikes) - len(each.met) for each in outcomes),
        "leftovers": sum(outcome.leftovers for outcome in outcomes),
        "recoveries": _recoveries(outcomes),
    }


def write_json(path: Path, outcomes: Sequence[Outcome]) -> None:
    """Keep it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(as_json(outcomes), indent=2, ensure_ascii=False) + "\n")


def table(report: dict[str, Any]) -> str:
    """Recovery times as they stand in the documentation."""
    rows = [
        f"| {kind} | {len(seconds)} | {percentile(seconds, 50):.1f} | {percentile(seconds, 95):.1f} "
        f"| {max(seconds):.1f} |"
        for kind, seconds in sorted(report["recoveries"].items())
    ]
    files = report["files"]
    seeds = report["seeds"]
    return "\n".join(
        [
            f"{len(seeds)} seeds ({min(seeds)} to {max(seeds)}), {len(report['failed'])} failed; "
            f"{_faults(report)}; {files['handed in']} files handed in, {files['archived']} archived (what is missing "
            f"was cancelled, or another file stood in its place at Telegram){_leftovers(report)}. "
            f"{report['machine']}, {report['at'][:10]}.",
            "",
            *_success(files),
            "| recovery | events | median, s | p95, s | max, s |",
            "|---|---|---|---|---|",
            *rows,
        ]
    )


def _success(files: dict[str, int]) -> list[str]:
    """The rate that the specification asks for; nothing for a report that was written before it was counted."""
    if not files.get("valid"):
        return []
    rate = 100 * files["valid archived"] / files["valid"]
    return [
        f"**Success rate of valid files**: {files['valid archived']} of {files['valid']} archived, {rate:.2f} % (asked "
        "for are 99 %). Valid is what nobody ordered to be cancelled and what stayed in its place at Telegram; of a "
        "scenario that never became quiet none counts as archived.",
        "",
    ]


def write_docs(page: Path, report: dict[str, Any]) -> None:
    """Put the table between its marks. Raises ValueError where they are missing."""
    fill(page, *MARKS, table(report))


def _faults(report: dict[str, Any]) -> str:
    """How many met something, and how many nothing; a report that was written before that was known has all in one."""
    told = f"{sum(report['faults'].values())} faults"
    idle = report.get("faults that met nothing")
    return told if idle is None else f"{told}, and {idle} that met nothing"


def _leftovers(report: dict[str, Any]) -> str:
    count = report.get("leftovers")
    return "" if count is None else f"; {count} objects were left over by what was cut off, to be deleted minutes later"


def _met(outcomes: Sequence[Outcome]) -> Counter[str]:
    return Counter(type(fault).__name__ for outcome in outcomes for fault in outcome.met)


def _recoveries(outcomes: Sequence[Outcome]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for outcome in outcomes:
        for kind, seconds in outcome.recoveries.items():
            found.setdefault(kind, []).extend(seconds)
    return found
