"""What many scenarios came to: how many of the files that should be archived are, in figures and on the page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.chaos.report import MARKS, as_json, line, table, write_docs
from tests.chaos.run import Outcome
from tests.chaos.scenario import of_seed

WELL = Outcome(scenario=of_seed(1), files=(10, 8), valid=(7, 7), recoveries={"broker back": [2.0, 1.0]})
STUCK = Outcome(scenario=of_seed(2), files=(3, 0), valid=(3, 0), problems=["not quiet"])


def test_valid_files_of_all_scenarios_are_counted() -> None:
    report = as_json([WELL, STUCK])
    assert report["files"] == {"handed in": 13, "archived": 8, "valid": 10, "valid archived": 7}
    assert report["failed"] == [2]


def test_faults_that_met_nothing_are_not_counted_with_the_others() -> None:
    faults = [strike.fault for strike in STUCK.scenario.strikes]
    assert len(faults) > 1, "else another seed is to be taken"
    outcome = replace(STUCK, met=faults[:1], leftovers=3)
    report = as_json([outcome])
    assert report["faults"] == {type(faults[0]).__name__: 1}
    assert (report["faults that met nothing"], report["leftovers"]) == (len(faults) - 1, 3)
    assert f"1 {faults[0].family} ({len(faults) - 1} met nothing); 3 left over" in line(outcome)
    assert f"1 faults, and {len(faults) - 1} that met nothing" in table(report) and "3 objects" in table(report)


@pytest.mark.parametrize(
    ("outcomes", "told"),
    [([WELL], "7 of 7 archived, 100.00 %"), ([WELL, STUCK], "7 of 10 archived, 70.00 %")],
    ids=["all well", "one stuck"],
)
def test_the_page_tells_the_rate_and_keeps_what_is_around_it(
    tmp_path: Path, outcomes: list[Outcome], told: str
) -> None:
    page = tmp_path / "reliability.md"
    page.write_text(f"before\n{MARKS[0]}\nold\n{MARKS[1]}\nafter\n")
    write_docs(page, as_json(outcomes))
    text = page.read_text()
    assert text.startswith(f"before\n{MARKS[0]}\n") and text.endswith(f"\n{MARKS[1]}\nafter\n")
    assert told in text and "| broker back | 2 | 1.0 | 2.0 | 2.0 |" in text and "old" not in text


def test_a_report_that_does_not_count_them_claims_nothing() -> None:
    report = as_json([WELL])
    del report["files"]["valid"], report["files"]["valid archived"]
    del report["faults that met nothing"], report["leftovers"]
    told = table(report)
    assert not any(claim in told for claim in ("Success rate", "met nothing", "left over"))
