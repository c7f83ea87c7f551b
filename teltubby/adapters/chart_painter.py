"""Paints the statistics, as a process of its own: JSON from `charts.as_json` on stdin, a PNG on stdout."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NOT_INSTALLED = 3
"""The exit code where matplotlib is missing, as `charts` knows it."""

INK, FAINT, GRID = "#1c2430", "#5b6675", "#dfe4ea"
BLUE, GREEN, RED, AMBER = "#2f6fde", "#2e9e5b", "#d64545", "#c77700"
INCHES, DOTS_PER_INCH = (9.0, 9.6), 120
_BYTE_UNITS = (("GB", 1e9), ("MB", 1e6), ("KB", 1e3), ("bytes", 1.0))
_TIME_UNITS = (("hours", 3600.0), ("minutes", 60.0), ("seconds", 1.0))
_LABELLED_DAYS = 16
"""More bars than these carry no numbers: they would overlap."""
_LABELLED_DATES = 11
_FEWEST_BARS = 7
"""Fewer bars than these do not fill the width."""


@dataclass(frozen=True, slots=True)
class Day:
    """One bar; `median_seconds` is None where nothing large was archived."""

    day: date
    files: int
    stored_bytes: int
    jobs_completed: int
    jobs_failed: int
    median_seconds: float | None


def main() -> int:
    """Read, paint, write."""
    try:
        import matplotlib
    except ImportError:
        return NOT_INSTALLED
    matplotlib.use("Agg")
    days = [Day(**{**day, "day": date.fromisoformat(day["day"])}) for day in json.load(sys.stdin)]
    sys.stdout.buffer.write(paint(days))
    return 0


def paint(days: Sequence[Day]) -> bytes:
    """The PNG: archived bytes, large files and how many failed, and the time to archive, day by day."""
    from matplotlib import pyplot
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    pyplot.rcParams.update(
        {
            "font.size": 11,
            "text.color": INK,
            "axes.labelcolor": INK,
            "axes.edgecolor": FAINT,
            "xtick.color": INK,
            "ytick.color": INK,
            "axes.titlesize": 13,
            "axes.titleweight": "bold",
            "axes.titlelocation": "left",
            "axes.titlepad": 12,
        }
    )
    room = ConstrainedLayoutEngine(w_pad=0.15, h_pad=0.15, hspace=0.05)
    figure, (top, middle, bottom) = pyplot.subplots(3, 1, figsize=INCHES, sharex=True, layout=room)
    _paint_bytes(top, days)
    _paint_jobs(middle, days)
    _paint_times(bottom, days)
    step = -(-max(len(days), 1) // _LABELLED_DATES)
    shown = range((len(days) - 1) % step, len(days), step) if days else range(0)
    bottom.set_xticks(list(shown), [f"{days[number].day.day} {days[number].day:%b}" for number in shown])
    bottom.set_xlim(min(-0.6, len(days) - 0.4 - _FEWEST_BARS), max(len(days), 1) - 0.4)
    bottom.set_xlabel("day (UTC)")
    return _png(figure)


def _paint_bytes(axes: Axes, days: Sequence[Day]) -> None:
    unit, factor = _unit(_BYTE_UNITS, max((day.stored_bytes for day in days), default=0))
    values = [day.stored_bytes / factor for day in days]
    axes.bar(range(len(days)), values, color=BLUE, width=0.72)
    total = sum(day.files for day in days)
    axes.set_title(f"Archived per day, {unit}  ·  {total} {'file' if total == 1 else 'files'}")
    _label(axes, values, [_short(value) if value else "" for value in values])
    _finish(axes, values, "nothing was archived")


def _paint_jobs(axes: Axes, days: Sequence[Day]) -> None:
    done, failed = [day.jobs_completed for day in days], [day.jobs_failed for day in days]
    axes.bar(range(len(days)), done, color=GREEN, width=0.72, label="archived")
    axes.bar(range(len(days)), failed, bottom=done, color=RED, width=0.72, label="failed")
    ended = sum(done) + sum(failed)
    rate = f"  ·  {sum(done) / ended:.0%} succeeded" if ended else ""
    axes.set_title(f"Large files per day{rate}")
    totals = [float(good + bad) for good, bad in zip(done, failed, strict=True)]
    labels = [
        f"{good}" + (f" +{bad}" if bad else "") if good + bad else "" for good, bad in zip(done, failed, strict=True)
    ]
    _label(axes, totals, labels)
    _whole_numbers(axes)
    if ended:
        axes.legend(loc="upper left", bbox_to_anchor=(0.72, 1.17), ncols=2, frameon=False, fontsize=10)
    _finish(axes, totals, "no large file was archived, and none failed")


def _paint_times(axes: Axes, days: Sequence[Day]) -> None:
    known = [(number, day.median_seconds) for number, day in enumerate(days) if day.median_seconds is not None]
    unit, factor = _unit(_TIME_UNITS, max((seconds for _, seconds in known), default=0.0))
    values = [seconds / factor for _, seconds in known]
    axes.vlines([number for number, _ in known], 0, values, color=AMBER, alpha=0.35, linewidth=3)
    axes.plot([number for number, _ in known], values, "o", color=AMBER, markersize=8)
    axes.set_title(f"Large files: median time from hand-in to archive, {unit}")
    if len(days) <= _LABELLED_DAYS:
        for (number, _), value in zip(known, values, strict=True):
            axes.annotate(_short(value), (number, value), (0, 9), textcoords="offset points", ha="center", fontsize=9)
    _finish(axes, values, "no large file was archived")


def _label(axes: Axes, values: Sequence[float], labels: Sequence[str]) -> None:
    if len(values) > _LABELLED_DAYS:
        return
    for number, (value, label) in enumerate(zip(values, labels, strict=True)):
        axes.annotate(label, (number, value), (0, 3), textcoords="offset points", ha="center", fontsize=9)


def _unit(units: Sequence[tuple[str, float]], largest: float) -> tuple[str, float]:
    """The largest unit of which the largest value has at least one; the smallest where there is nothing."""
    return next(((name, factor) for name, factor in units if largest >= factor), units[-1])


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.1f}"


def _whole_numbers(axes: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))


def _finish(axes: Axes, values: Sequence[float], words_if_empty: str) -> None:
    """Room above the highest value for its number; where there is none at all, words in its place."""
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.grid(axis="y", color=GRID, linewidth=1)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    highest = max(values, default=0.0)
    axes.set_ylim(0, highest * 1.15 or 1)
    if not highest:
        axes.set_yticks([])
        axes.text(
            0.5, 0.5, words_if_empty, transform=axes.transAxes, ha="center", va="center", color=FAINT, fontsize=13
        )


def _png(figure: Figure) -> bytes:
    into = io.BytesIO()
    figure.savefig(into, format="png", dpi=DOTS_PER_INCH, facecolor="white")
    return into.getvalue()


if __name__ == "__main__":
    sys.exit(main())
