"""What a soak came to: a line every minute, a JSON of all, and the table in the documentation."""

from __future__ import annotations

import json
import math
import platform
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scripts.marked_page import fill
from tests.soak.gauges import ROLES, Sample
from tests.soak.laws import MIB
from tests.soak.run import Course, as_json

ROOT = Path(__file__).parents[2]
MARKS = ("<!-- an hour under load -->", "<!-- end of an hour under load -->")
BYTES = ("heap", "memory", "bytes", "log", "spool")


def line(sample: Sample) -> str:
    """How it stands, for people."""
    of = sample.values.get
    told = [
        f"{role} {of(f'{role} memory', 0) / MIB:.0f} MiB ({of(f'{role} heap', 0) / MIB:.1f} in use), "
        f"{of(f'{role} descriptors', 0):.0f} fds, {of(f'{role} threads', 0):.0f} threads, "
        f"{of(f'{role} tasks', 0):.0f} tasks, CPU {of(f'{role} CPU', 0):.0f} s"
        for role in ROLES
    ]
    kept = (
        f"ledger {of('ledger bytes', 0) / MIB:.1f} MiB, collector {of('collector bytes', 0) / MIB:.1f} MiB, "
        f"spool {of('spool', 0) / MIB:.0f} MiB, queues {of('queues', 0):.0f}, "
        f"tests {of('tests memory', 0) / MIB:.0f} MiB"
    )
    done = f"{sample.messages} messages, {sample.jobs} jobs, {sample.changes} changes"
    return f"minute {sample.at / 60:3.0f}: {done}; {'; '.join(told)}; {kept}"


def told(course: Course) -> str:
    """The verdict, for people."""
    handed_in, archived = course.outcome.files
    end = "ok" if course.is_well else "FAILED"
    lines = [f"{end}: {archived} of {handed_in} files, {course.outcome.seconds:.0f} s"]
    lines += [f"  {'level ' if finding.is_level else 'GROWS '} {finding}" for finding in course.findings]
    lines += [f"  ! {problem}" for problem in course.outcome.problems]
    return "\n".join(lines)


def write_json(path: Path, course: Course) -> None:
    """Keep it."""
    handed_in, archived = course.outcome.files
    found = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "seed": course.soak.scenario.seed,
        "seconds": course.soak.seconds,
        "files": {"handed in": handed_in, "archived": archived},
        **as_json(course),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, ensure_ascii=False) + "\n")


def table(report: Mapping[str, Any]) -> str:
    """The findings as they stand in the documentation."""
    last, files = report["samples"][-1], report["files"]
    faults = Counter(strike["family"] for strike in report["strikes"])
    grown = [finding["what"] for finding in report["findings"] if not finding["is_level"]]
    rows = [_row(finding, report["samples"]) for finding in report["findings"]]
    return "\n".join(
        [
            f"{report['seconds'] / 60:.0f} minutes, seed {report['seed']}: {last['messages']} messages, {last['jobs']} "
            f"jobs and {last['changes']} changes in the channel, {sum(faults.values())} faults; {files['handed in']} "
            f"files handed in, {files['archived']} archived (what is missing was cancelled); "
            f"{_said(len(report['problems']), 'problem', 'problems')}, "
            f"{_said(len(grown), 'series that grows', 'series that grow')}. "
            f"{report['machine']}, {report['at'][:10]}.",
            "",
            "| series | after a sixth | at the end | law | measured | allowed |",
            "|---|---|---|---|---|---|",
            *rows,
        ]
    )


def write_docs(page: Path, picture: Path, latest: Path) -> None:
    """Paint `latest`, and put its table between its marks. Raises ValueError where they are missing."""
    fill(page, *MARKS, table(json.loads(latest.read_text())))
    picture.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, "-m", "tests.soak.picture", str(latest), str(picture)], cwd=ROOT, check=True)


def _row(finding: Mapping[str, Any], samples: Sequence[Mapping[str, Any]]) -> str:
    name = finding["what"]
    known = [sample["values"][name] for sample in samples if name in sample["values"]]
    early, late = (_middle_of(known, sixth) if known else math.nan for sixth in (1, 5))
    values = (_short(name, value) for value in (early, late, finding["measured"], finding["allowed"]))
    early_said, late_said, measured, allowed = values
    return f"| {name} | {early_said} | {late_said} | {finding['law']} | {measured} | {allowed} |"


def _middle_of(values: Sequence[float], sixth: int) -> float:
    chosen = sorted(values[len(values) * sixth // 6 : len(values) * (sixth + 1) // 6])
    return chosen[len(chosen) // 2]


def _short(name: str, value: float) -> str:
    if name.endswith(BYTES):
        return f"{value / MIB:.1f} MiB"
    return f"{value:.0f}"


def _said(count: int, one: str, many: str) -> str:
    return f"{count or 'no'} {one if count == 1 else many}"
