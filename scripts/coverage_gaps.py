"""What the tests never reach, as gaps that have a name, and the reasons of tests/coverage_reasons.toml for them.

A gap is a run of statements that never ran, or a line whose way on was always the same. It is named by file, function
and the text of its first line, which stay when lines move.
"""

from __future__ import annotations

import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

MODULE = "(module)"
"""Stands for a function's name where there is none."""


@dataclass(frozen=True, slots=True, order=True)
class Gap:
    """`text` never ran, or (`branch`) never went on to where `after` says."""

    file: str
    function: str
    line: int
    text: str
    branch: bool = False
    after: str = ""

    @property
    def place(self) -> str:
        """Where it is, as a reason names it."""
        return f"{self.file} {self.function}: {self.text}"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why the gaps at these places are none that a test closes.

    A place is `file function: text`, of which the end may be left out: all of the function, or all of the file, or of
    the folder.
    """

    why: str
    where: tuple[str, ...]

    def explains(self, gap: Gap) -> bool:
        """Whether the gap is at one of its places."""
        return any(_leads_to(place, gap) for place in self.where)


def reasons(table: Path) -> list[Reason]:
    """The table, in its order."""
    return [Reason(entry["why"], tuple(entry["where"])) for entry in tomllib.loads(table.read_text())["reason"]]


def gaps(report: Mapping[str, Any], root: Path) -> list[Gap]:
    """All gaps of a report of `coverage json`, whose files are in `root`."""
    found: list[Gap] = []
    for file, measured in report["files"].items():
        lines = (root / file).read_text(encoding="utf-8").splitlines()
        statements = sorted({*measured["executed_lines"], *measured["missing_lines"]})
        for function, part in measured["functions"].items():
            found += _gaps_of(file, function or MODULE, part, statements, lines)
    return sorted(found)


def sorted_by_reason(found: Iterable[Gap], given: Sequence[Reason]) -> tuple[dict[Reason, list[Gap]], list[Gap]]:
    """The gaps of each reason, where the first that fits counts; and those that have none."""
    explained: dict[Reason, list[Gap]] = {reason: [] for reason in given}
    unexplained: list[Gap] = []
    for gap in found:
        reason = next((reason for reason in given if reason.explains(gap)), None)
        (unexplained if reason is None else explained[reason]).append(gap)
    return explained, unexplained


def packages(report: Mapping[str, Any]) -> dict[str, tuple[int, int, int, int]]:
    """Of each package: statements, statements that ran, ways on, ways on that were taken."""
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for file, measured in report["files"].items():
        counted = measured["summary"]
        for name in (str(Path(*Path(file).parent.parts[:2])), "all"):
            for index, field in enumerate(("num_statements", "covered_lines", "num_branches", "covered_branches")):
                sums[name][index] += counted[field]
    return {name: (total[0], total[1], total[2], total[3]) for name, total in sums.items()}


def _leads_to(place: str, gap: Gap) -> bool:
    file, _, rest = place.partition(" ")
    function, _, text = rest.partition(": ")
    if file.endswith("/"):
        return gap.file.startswith(file)
    return file == gap.file and function in ("", gap.function) and text in gap.text


def _gaps_of(
    file: str, function: str, part: Mapping[str, Any], statements: Sequence[int], lines: Sequence[str]
) -> Iterator[Gap]:
    missing = set(part["missing_lines"])
    goes_on = {line for before, line in pairwise(statements) if before in missing}
    for line in missing - goes_on:
        yield Gap(file, function, line, _text(lines, line))
    for here, there in part["missing_branches"]:
        if here not in missing and there not in missing:
            after = "the end" if there < 0 else _text(lines, there)
            yield Gap(file, function, here, _text(lines, here), True, after)


def _text(lines: Sequence[str], line: int) -> str:
    return lines[line - 1].strip()
