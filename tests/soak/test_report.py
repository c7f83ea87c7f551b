"""The picture and the table are made of what is written down, also of a soak that was broken off."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.chaos.faults.broker import MemoryAlarm
from tests.chaos.run import Outcome
from tests.chaos.scenario import Scenario, Strike
from tests.soak.laws import LAWS, judged
from tests.soak.picture import PANELS
from tests.soak.report import MARKS, line, told, write_docs, write_json
from tests.soak.run import Course, Soak
from tests.soak.series import sampled


def course(*, worse: str | None = None) -> Course:
    """An hour."""
    strikes = (Strike(at=60.0, lasts=5.0, fault=MemoryAlarm()),)
    scenario = Scenario(seed=7, hand_ins=(1.0,), strikes=strikes, bandwidth=1.0)
    samples = sampled(worse)
    return Course(
        soak=Soak(scenario=scenario, seconds=3600.0, period=5.0),
        outcome=Outcome(scenario=scenario, files=(30, 29), seconds=3700.0),
        samples=samples,
        findings=judged(samples),
        is_over=True,
    )


def test_picture_and_table_are_written(tmp_path: Path) -> None:
    page, picture, latest = tmp_path / "page.md", tmp_path / "images" / "soak.svg", tmp_path / "latest.json"
    page.write_text(f"before\n{MARKS[0]}\nyesterday\n{MARKS[1]}\nafter\n")
    write_json(latest, course(worse="bot memory"))
    write_docs(page, picture, latest)
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "yesterday" not in text
    assert "30 files handed in, 29 archived" in text and "1 series that grows" in text
    assert {row.split("|")[1].strip() for row in text.splitlines() if row.startswith("| ")} == {
        "series",
        *(each.series for each in LAWS),
    }
    assert ElementTree.parse(picture).getroot().tag.endswith("svg")


def test_a_page_without_a_place_is_told(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing")
    write_json(tmp_path / "latest.json", course())
    with pytest.raises(ValueError, match="no place"):
        write_docs(page, tmp_path / "soak.svg", tmp_path / "latest.json")
    assert page.read_text() == "nothing"


def test_every_series_is_painted() -> None:
    assert {name for _, lines, _ in PANELS for _, name in lines} == {each.series for each in LAWS}


def test_people_are_told() -> None:
    well, worse = course(), course(worse="worker tasks")
    assert well.is_well and told(well).startswith("ok: 29 of 30 files")
    assert not worse.is_well and "GROWS  worker tasks" in told(worse)
    assert line(well.samples[-1]).startswith("minute  60: ")
    well.is_over = False
    assert not well.is_well, "what was broken off shows nothing"
