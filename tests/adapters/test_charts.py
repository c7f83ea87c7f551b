"""The picture of the statistics: a PNG of its own process, and an error of ours whatever happens to that."""

from __future__ import annotations

import struct
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest

from teltubby.adapters import charts
from teltubby.errors import ExtraNotInstalled, NotAnswered, Transient
from teltubby.messages.history import Day, Statistics

pytestmark = pytest.mark.anyio


def statistics(count: int, *, empty: bool = False) -> Statistics:
    """So many days, the last of which is quiet."""
    days = tuple(
        Day(
            day=date(2026, 11, 20) - timedelta(days=left),
            files=0 if empty else 3 * left,
            stored_bytes=0 if empty else left * 1_000_000_000,
            jobs_completed=0 if empty else left,
            jobs_failed=0 if empty else left % 2,
            median_seconds=None if empty or not left else 60.0 * left,
        )
        for left in reversed(range(count))
    )
    return Statistics(days=days, files=0, stored_bytes=0, jobs_completed=0, jobs_failed=0)


def painter(monkeypatch: pytest.MonkeyPatch, folder: Path, source: str) -> None:
    """Another program paints."""
    (folder / "other_painter.py").write_text(source)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setattr(charts, "PAINTER", "other_painter")


@pytest.mark.parametrize(("count", "empty"), [(14, False), (2, True)])
async def test_statistics_become_a_picture_that_telegram_takes(count: int, empty: bool) -> None:
    png = await charts.paint_statistics(statistics(count, empty=empty))
    assert png.startswith(b"\x89PNG\r\n\x1a\n") and png.endswith(b"IEND\xaeB`\x82")
    width, height = struct.unpack(">II", png[16:24])
    assert width >= 600 and height >= 600 and width + height <= 10_000  # Bot API, sendPhoto
    assert len(png) < 2_000_000
    assert "matplotlib" not in sys.modules, "what paints stays out of the bot's memory"


async def test_a_missing_library_is_told_apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "matplotlib.py").write_text("raise ImportError('not here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(ExtraNotInstalled):
        await charts.paint_statistics(statistics(2))


async def test_a_painter_that_crashes_is_a_passing_trouble(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    painter(monkeypatch, tmp_path, "raise RuntimeError('no brush')")
    with pytest.raises(Transient, match="no brush"):
        await charts.paint_statistics(statistics(2))


async def test_what_is_no_picture_is_not_passed_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    painter(monkeypatch, tmp_path, "print('<html>')")
    with pytest.raises(Transient, match="ended with 0"):
        await charts.paint_statistics(statistics(2))


async def test_a_painter_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    painter(monkeypatch, tmp_path, "import time\ntime.sleep(600)")
    monkeypatch.setattr(charts, "PAINT_SECONDS", 0.5)
    with pytest.raises(NotAnswered):
        await charts.paint_statistics(statistics(2))


async def test_an_interpreter_that_is_gone_is_a_passing_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    with pytest.raises(Transient, match="does not start"):
        await charts.paint_statistics(statistics(2))


async def test_the_painter_is_told_no_secrets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", "123:secret")
    painter(monkeypatch, tmp_path, "import os, sys\nsys.exit(','.join(sorted(os.environ)))")
    with pytest.raises(Transient) as told:
        await charts.paint_statistics(statistics(2))
    assert "PYTHONPATH" in str(told.value) and "TOKEN" not in str(told.value)
