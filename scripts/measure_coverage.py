#!/usr/bin/env python
"""Runs all tests, measures which lines and ways of the product they reach, and names what they do not, with reasons.

Processes that tests start are measured as well. Ends with 1 where a test failed, or where something was not reached
that tests/coverage_reasons.toml has no reason for. `--last` runs nothing and looks at the last measurement,
`--write-docs` does that and writes docs/coverage.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from scripts import coverage_gaps as coverage
from scripts.marked_page import fill

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "coverage.md"
REASONS = ROOT / "tests" / "coverage_reasons.toml"
MEASURED = ROOT / ".cover"
REPORT = MEASURED / "report.json"
WITHIN_SECONDS = 400
"""Of one test, which is slower when it is measured."""
BEGIN, END = "<!-- measured -->\n", "<!-- end of what was measured -->\n"


def main() -> int:
    """Measure, or take what was measured last."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--last", action="store_true", help="run nothing, look at the last measurement")
    parser.add_argument("--write-docs", action="store_true", help="that, and write docs/coverage.md")
    options = parser.parse_args()
    failed = 0 if options.last or options.write_docs else measure()
    report: dict[str, Any] = json.loads(REPORT.read_text())
    found, unexplained = coverage.sorted_by_reason(coverage.gaps(report, ROOT), coverage.reasons(REASONS))
    sys.stdout.write(figures(report) + "\n")
    for reason, gaps in found.items():
        if not gaps:
            sys.stdout.write(f"reached by now, or no longer there: {', '.join(reason.where)} ({reason.why})\n")
    for gap in unexplained:
        sys.stdout.write(f"uncovered and unexplained: {told(gap)}\n")
    if options.write_docs:
        fill(PAGE, BEGIN, END, f"{figures(report)}\n\n{listed(found)}\n")
    return int(bool(failed or unexplained))


def measure() -> int:
    """Run the tests with as many processes as WORKERS says, and leave the report; what pytest ended with."""
    for old in MEASURED.glob("*"):
        old.unlink()
    workers = os.environ.get("WORKERS", "4")
    options = ["-p", "tests.measuring", "--timeout", str(WITHIN_SECONDS), "--dist", "worksteal", "-n", workers]
    command = [sys.executable, "-m", "coverage", "run", "-m", "pytest", *options]
    ended = subprocess.run(command, cwd=ROOT, check=False).returncode
    combine()
    return ended


def combine() -> None:
    """One report of what each process measured."""
    for command in (["combine", "--quiet"], ["json", "--quiet", "-o", str(REPORT)]):
        subprocess.run([sys.executable, "-m", "coverage", *command], cwd=ROOT, check=True)


def figures(report: dict[str, Any]) -> str:
    """A table: packages, and how much of each was reached."""
    rows = ["| | lines | reached | ways on | taken |", "|---|---|---|---|---|"]
    for name, (lines, ran, ways, taken) in sorted(coverage.packages(report).items()):
        rows.append(f"| `{name}` | {lines:,} | {share(ran, lines)} | {ways:,} | {share(taken, ways)} |")
    return "\n".join([*rows, "", f"Python {platform.python_version()}, {report['meta']['timestamp'][:10]}."])


def share(part: int, whole: int) -> str:
    """In percent; never 100 for what is not all."""
    return "–" if not whole else f"{int(1000 * part / whole) / 10:.1f} %"


def listed(found: dict[coverage.Reason, list[coverage.Gap]]) -> str:
    """Each reason, and what it stands for."""
    parts = []
    for reason, gaps in found.items():
        if gaps:
            parts.append(f"**{reason.why}**\n\n" + "\n".join(f"- {told(gap)}" for gap in gaps))
    return "\n\n".join(parts)


def told(gap: coverage.Gap) -> str:
    """A gap in a line."""
    way = f" → `{gap.after}`" if gap.branch and gap.after != "the end" else " → the end" if gap.branch else ""
    return f"`{gap.file}` {gap.function}: `{gap.text}`{way}"


if __name__ == "__main__":
    sys.exit(main())
