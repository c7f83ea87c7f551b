"""The charts of a report: SVG and a PNG from a process of its own, and an error of ours whatever happens to that."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from teltubby.adapters import report_painting
from teltubby.adapters.report_painter import short
from teltubby.adapters.report_painting import Chart, paint_charts
from teltubby.errors import ExtraNotInstalled, NotAnswered, Transient

DAYS = tuple(f"2026-11-{day:02d}" for day in range(1, 31))
MONTHS = (*(f"2026-{month:02d}-01" for month in range(1, 13)), "2027-01-01")
MOMENTS = tuple(f"2026-11-{day:02d}T12:00:00+00:00" for day in (1, 9, 30))


def chart(name: str, places: tuple[str, ...], values: tuple[float | None, ...], *, is_line: bool = False) -> Chart:
    return Chart(
        name=name,
        title=name,
        kind="line" if is_line else "bars",
        places=places,
        values=values,
        colour="blue",
        in_picture=True,
    )


def painter(monkeypatch: pytest.MonkeyPatch, folder: Path, source: str) -> None:
    """Another program paints."""
    (folder / "other_painter.py").write_text(source)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setattr(report_painting, "PAINTER", "other_painter")


def test_charts_of_every_kind_even_with_hardly_anything_in_them() -> None:
    charts = [
        chart("days", DAYS, tuple(float(number) for number in range(30))),
        chart("gaps", DAYS[:3], (None, 5.0, None)),
        chart("less", DAYS[:2], (-5.0, 3.0)),
        chart("zero", DAYS[:2], (0.0, 0.0)),
        chart("one", DAYS[:1], (1.0,)),
        chart("hours", tuple(f"{hour:02d}" for hour in range(24)), (2.5,) * 24),
        chart("line", MOMENTS, (1e6, 1.5e6, 2e6), is_line=True),
        chart("flat", MOMENTS[:1], (3.0,), is_line=True),
        chart("none", (), ()),
        chart("months", MONTHS, (1.0,) * len(MONTHS)),
    ]
    painted = paint_charts(charts)
    assert list(painted.charts) == [each.name for each in charts]
    assert painted.picture.startswith(b"\x89PNG")
    days = painted.charts["days"]
    assert days.wide.count("var(--blue)") == 30 == days.narrow.count("var(--blue)")
    assert ">30 Nov<" in days.wide and ">30 Nov<" in days.narrow, "the last day has a label"
    assert days.wide.count(" Nov<") > days.narrow.count(" Nov<") > 1
    assert ">12:00<" in painted.charts["hours"].narrow
    assert ">Jan 2027<" in painted.charts["months"].wide
    assert "M<" in painted.charts["line"].wide
    assert "matplotlib" not in sys.modules, "what paints stays out of this process"


@pytest.mark.parametrize(
    ("value", "largest", "label"),
    [
        (0, 5, "0"),
        (5, 5, "5"),
        (1500, 2000, "1.5k"),
        (0, 2000, "0"),
        (2e7, 3e7, "20M"),
        (500, 2000, "0.5k"),
        (-3, 5, "-3"),
    ],
)
def test_labels_of_an_axis(value: float, largest: float, label: str) -> None:
    assert short(value, largest) == label


def test_a_missing_library_is_told_apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "matplotlib.py").write_text("raise ImportError('not here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(ExtraNotInstalled):
        paint_charts([])


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("raise RuntimeError('no brush')", "no brush"),
        ("print('<html>')", "something else"),
        ("print('{}')", "something else"),
        ("print('[]')", "something else"),
        ("""print('{"charts": {"a": {"wide": ""}}, "picture": ""}')""", "something else"),
        ("import os, sys\nsys.exit(','.join(sorted(os.environ)))", "PYTHONPATH"),
    ],
)
def test_a_painter_in_trouble_is_a_passing_trouble(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, source: str, said: str
) -> None:
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", "123:secret")
    painter(monkeypatch, tmp_path, source)
    with pytest.raises(Transient, match=said) as told:
        paint_charts([])
    assert "TOKEN" not in str(told.value), "it is told no secrets"


def test_a_painter_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    painter(monkeypatch, tmp_path, "import time\ntime.sleep(600)")
    monkeypatch.setattr(report_painting, "PAINT_SECONDS", 0.5)
    with pytest.raises(NotAnswered):
        paint_charts([])


def test_an_interpreter_that_is_gone_is_a_passing_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    with pytest.raises(Transient, match="does not start"):
        paint_charts([])
