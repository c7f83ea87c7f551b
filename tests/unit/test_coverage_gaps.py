"""`make cover`: gaps keep their names when lines move, and none goes without a reason."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts import coverage_gaps
from scripts.coverage_gaps import Gap, Reason

ROOT = Path(__file__).parents[2]
REASONS = coverage_gaps.reasons(ROOT / "tests" / "coverage_reasons.toml")
CODE = """
def f(x):
    if x:
        y = 1
        y = 2
    return y

class A:
    def g(self):
        for each in self:
            print(each)
        raise KeyError
"""


def measured(**functions: dict[str, Any]) -> dict[str, Any]:
    """A report of `coverage json` about CODE, as far as it is read."""
    missing = {line for part in functions.values() for line in part["missing_lines"]}
    lines = {"executed_lines": sorted({2, 3, 4, 5, 6, 8, 9, 10, 11, 12} - missing), "missing_lines": sorted(missing)}
    named = {name.replace("A_", "A."): part for name, part in functions.items()}
    counted = {"num_statements": 10, "covered_lines": 10 - len(missing), "num_branches": 4, "covered_branches": 2}
    return {"files": {"teltubby/a/b.py": {**lines, "functions": named, "summary": counted}}}


REPORT = measured(
    f={"missing_lines": [4, 5], "missing_branches": [[3, 4]]},
    A_g={"missing_lines": [12], "missing_branches": [[10, 12], [10, 11]]},
)
SKIPPED = Gap("teltubby/a/b.py", "f", 4, "y = 1")
LOOP = Gap("teltubby/a/b.py", "A.g", 10, "for each in self:", True, "print(each)")
RAISED = Gap("teltubby/a/b.py", "A.g", 12, "raise KeyError")


def gaps(report: dict[str, Any], folder: Path) -> list[Gap]:
    (folder / "teltubby" / "a").mkdir(parents=True)
    (folder / "teltubby" / "a" / "b.py").write_text(CODE)
    return coverage_gaps.gaps(report, folder)


def test_a_gap_is_a_run_of_lines_or_a_way_that_was_never_taken(tmp_path: Path) -> None:
    assert gaps(REPORT, tmp_path) == [LOOP, RAISED, SKIPPED]


@pytest.mark.parametrize(
    ("place", "explained"),
    [
        ("teltubby/a/b.py f: y =", [SKIPPED]),
        ("teltubby/a/b.py A.g", [LOOP, RAISED]),
        ("teltubby/a/b.py A.g: for each", [LOOP]),
        ("teltubby/a/b.py", [LOOP, RAISED, SKIPPED]),
        ("teltubby/a/", [LOOP, RAISED, SKIPPED]),
        ("teltubby/a/b.py g", []),
        ("teltubby/a/b.py f: y = 2", []),
        ("teltubby/b/", []),
    ],
)
def test_a_reason_explains_what_it_names(place: str, explained: list[Gap]) -> None:
    reason = Reason("because", (place,))
    found, rest = coverage_gaps.sorted_by_reason([LOOP, RAISED, SKIPPED], [reason])
    assert found == {reason: explained}
    assert rest == [gap for gap in (LOOP, RAISED, SKIPPED) if gap not in explained]


def test_packages_are_summed_up() -> None:
    assert coverage_gaps.packages(REPORT) == {"teltubby/a": (10, 7, 4, 2), "all": (10, 7, 4, 2)}


def named(tree: ast.AST, within: str = "") -> Iterator[tuple[str, ast.AST]]:
    """Functions and classes, by the names that coverage gives them."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield (name := f"{within}{node.name}"), node
            yield from named(node, f"{name}.")
        else:
            yield from named(node, within)


@pytest.mark.parametrize("place", sorted({place for reason in REASONS for place in reason.where}))
def test_every_place_with_a_reason_is_still_there(place: str) -> None:
    file, _, rest = place.partition(" ")
    function, _, text = rest.partition(": ")
    assert (ROOT / file).exists()
    if rest:
        source = (ROOT / file).read_text()
        found = dict(named(ast.parse(source)))
        inside = source if function == coverage_gaps.MODULE else ast.get_source_segment(source, found[function])
        assert inside is not None and text in inside
