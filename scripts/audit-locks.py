#!/usr/bin/env python
"""Looks for known weaknesses in requirements/*.lock with pip-audit, where that is installed and its list in reach.

Otherwise it says so. In any case every requirement must be pinned to a version and to hashes. Ends with 1 where a
weakness is known, or a pin is missing.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

LOCKS = sorted((Path(__file__).resolve().parent.parent / "requirements").glob("*.lock"))
WITHIN_SECONDS = 300
UNASKED = "pip-audit is not installed, or its list out of reach"


@dataclass(frozen=True, slots=True)
class Audit:
    """What is known against packages, and which ones nobody could say anything about."""

    holes: list[str]
    skipped: list[str]


def unpinned(lock: Path) -> list[str]:
    """Requirements without an exact version, or without a hash."""
    text = re.sub(r"\\\n\s*", " ", lock.read_text(encoding="utf-8"))
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith(("#", "-"))]
    return [line.split()[0] for line in lines if "==" not in line.split()[0] or "--hash=sha256:" not in line]


def audit(lock: Path) -> Audit | None:
    """What pip-audit says of the lock; None where it said nothing."""
    program = shutil.which("pip-audit", path=Path(sys.executable).parent) or shutil.which("pip-audit")
    if program is None:
        return None
    command = [program, "--requirement", str(lock), "--disable-pip", "--require-hashes", "--format", "json"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN_SECONDS, check=False)
        found = json.loads(done.stdout)["dependencies"]
        # One that its list does not have is skipped, which it calls no failure: a mirror without that list has none.
        return Audit(
            holes=[
                f"{each['name']} {each['version']}: {hole['id']}" for each in found for hole in each.get("vulns", ())
            ],
            skipped=[each["name"] for each in found if "vulns" not in each],
        )
    except (OSError, subprocess.TimeoutExpired, ValueError, KeyError, TypeError):
        return None


def main() -> int:
    bad = 0
    for lock in LOCKS:
        missing, known = unpinned(lock), audit(lock)
        for what in (*(f"{name} is not pinned by hash" for name in missing), *(known.holes if known else ())):
            sys.stdout.write(f"{lock.name}: {what}\n")
            bad += 1
        if known is None:
            sys.stdout.write(f"{lock.name}: only its hashes were checked: {UNASKED}\n")
        elif known.skipped:
            some = f"{len(known.skipped)} packages, such as {known.skipped[0]},"
            sys.stdout.write(f"{lock.name}: of {some} only the hashes were checked: pip-audit's list has them not\n")
        else:
            sys.stdout.write(f"{lock.name}: asked about every package\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
