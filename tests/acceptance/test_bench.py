"""`make bench` works: it measures, writes what it found, and says by its exit code whether it could. Never how fast."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from benchmarks.__main__ import parse
from benchmarks.bench import Bench, Section
from benchmarks.child import ROOT, Failed
from benchmarks.report import BEGIN, END, marks, write_docs
from benchmarks.results import CannotRun, Measure, Row, at_least, at_most, percentile, write_json
from benchmarks.suite import SECTIONS, measure

RATE = Measure(name="rate", unit="MB/s", goal=at_least(4))
RATIO = Measure(name="ratio", unit="×", goal=at_most(1.15))
FIGURE = Measure(name="a figure", unit="s")

KEYS = {"name", "value", "unit", "goal", "met", "note"}
ISSUE_ROWS = 25
"""Twelve of the transfer engine's, small files, two of the queue, four of the collector, six of the specifications'."""


def failing(error: Exception) -> Section:
    """A section that gives one row and then fails."""

    def run(bench: Bench) -> Iterable[Row]:
        yield RATE.row(5)
        raise error

    return Section(name="failing", measures=(RATE, RATIO), run=run)


def test_a_quick_run_measures_and_writes_valid_json(tmp_path: Path) -> None:
    out = tmp_path / "latest.json"
    command = [
        sys.executable,
        "-m",
        "benchmarks",
        "--quick",
        "--only",
        "shared",
        "--out",
        str(out),
        "--place",
        str(tmp_path),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr
    rows = json.loads(out.read_text())
    assert all(set(row) == KEYS for row in rows)
    goals = {row["name"]: row for row in rows if row["goal"]}
    (section,) = (section for section in SECTIONS if section.name == "shared")
    assert set(goals) == {wanted.name for wanted in section.measures}
    for row in goals.values():
        assert row["value"] > 0 and row["met"] in (True, False) and row["unit"] and row["note"]
    assert "Goals" in done.stdout and "AES-256-IGE" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["latest.json"], "something was left behind"


def test_all_of_the_issues_lines_are_there() -> None:
    measures = [wanted for section in SECTIONS for wanted in section.measures]
    assert len({wanted.name for wanted in measures}) == ISSUE_ROWS
    assert all(wanted.goal for wanted in measures)


@pytest.mark.parametrize(
    ("error", "failures", "reason"),
    [
        (Failed("the child ended:\nTraceback"), ["failing: the child ended:\nTraceback"], "failed: the child ended:"),
        (CannotRun("there is no broker"), [], "not run: there is no broker"),
    ],
    ids=["failed", "cannot run"],
)
def test_what_could_not_be_measured_has_no_value_but_a_reason(
    tmp_path: Path, error: Exception, failures: list[str], reason: str
) -> None:
    rows, found = measure([failing(error)], tmp_path, quick=True, tell=lambda text: None)
    assert found == failures
    assert [(row.measure, row.value, row.met) for row in rows] == [(RATE, 5, True), (RATIO, None, None)]
    assert rows[1].note == reason


@pytest.mark.parametrize(
    ("row", "met"),
    [
        (RATE.row(4), True),
        (RATE.row(3.999), False),
        (RATIO.row(1.15), True),
        (RATIO.row(1.151), False),
        (FIGURE.row(1), None),
        (RATE.empty("not run"), None),
    ],
)
def test_a_goal_is_met_at_its_bound_and_not_beyond(row: Row, met: bool | None) -> None:
    assert row.met is met


def test_the_json_says_everything_of_a_row(tmp_path: Path) -> None:
    write_json(tmp_path / ".bench" / "latest.json", [RATE.row(3.00004, "slow"), RATIO.empty("not run: why")])
    assert json.loads((tmp_path / ".bench" / "latest.json").read_text()) == [
        {"name": "rate", "value": 3.0, "unit": "MB/s", "goal": "≥ 4", "met": False, "note": "slow"},
        {"name": "ratio", "value": None, "unit": "×", "goal": "≤ 1.15", "met": None, "note": "not run: why"},
    ]


def test_the_page_gets_its_tables_between_its_markers_and_nowhere_else(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write_docs(page, [RATE.row(5), RATIO.row(2), FIGURE.row(7.25, "noted")], "a machine")
    before, _, rest = page.read_text().partition(BEGIN)
    table, _, after = rest.partition(END)
    assert (before, after) == ("before\n", "\nafter\n")
    assert "| rate | 5 MB/s | ≥ 4 | met |" in table and "| ratio | 2 × | ≤ 1.15 | missed |" in table
    assert "| a figure | 7.25 s | noted |" in table and "old" not in table


def test_a_block_has_a_place_of_its_own_on_the_page(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    begin, end = marks("block")
    page.write_text(f"{BEGIN}\nlarge\n{END}\nbetween\n{begin}\nold\n{end}\nafter\n")
    section = Section(name="own", measures=(RATE, RATIO), run=lambda bench: [RATE.row(5)], block="block")
    rows, _ = measure([section], tmp_path, quick=True, tell=lambda text: None)
    assert [row.block for row in rows] == ["block", "block"]
    write_docs(page, rows, "a machine")
    before, _, rest = page.read_text().partition(begin)
    table, _, after = rest.partition(end)
    assert (before, after) == (f"{BEGIN}\nlarge\n{END}\nbetween\n", "\nafter\n")
    assert "| rate | 5 MB/s | ≥ 4 | met |" in table and "| ratio | – × | ≤ 1.15 | not run |" in table
    assert "old" not in table


@pytest.mark.parametrize("arguments", [("--quick",), ("--only", "small"), ("--only", "criteria", "small")])
def test_the_page_is_not_written_from_a_part_of_the_run(arguments: tuple[str, ...]) -> None:
    """But the parts that have a block of their own may be."""
    with pytest.raises(SystemExit, match="2"):
        parse([*arguments, "--write-docs"])
    assert parse(["--only", "criteria", "--write-docs"]).write_docs


@pytest.mark.parametrize(
    ("values", "percent", "wanted"),
    [([3.0], 95, 3.0), (range(1, 31), 95, 29), (range(1, 31), 50, 15), ([4, 1, 3, 2], 50, 2), ([1, 2], 100, 2)],
)
def test_percentiles_are_of_the_nearest_rank(values: Iterable[float], percent: int, wanted: float) -> None:
    assert percentile(values, percent) == wanted


def test_the_projects_page_has_the_markers() -> None:
    text = (ROOT / "docs" / "performance.md").read_text()
    for block in {section.block for section in SECTIONS}:
        assert [text.count(mark) for mark in marks(block)] == [1, 1]
