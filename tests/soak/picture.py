"""The picture of a soak: a small panel for each thing that is to level off, and thin marks where something broke.

`python -m tests.soak.picture latest.json soak.svg`, a process of its own: tests look that nothing paints in theirs.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

MIB = 1 << 20
INK, PAPER, GRID, FAULT = "#1c2430", "#ffffff", "#dfe4ea", "#c77700"
COLOURS = {"bot": "#2f6fde", "worker": "#2e9e5b", "ledger": "#2f6fde", "collector": "#2e9e5b",
           "bot, in use": "#9dbcf2", "worker, in use": "#a3d6b7"}  # fmt: skip
PANELS: Sequence[tuple[str, tuple[tuple[str, str], ...], float]] = (
    (
        "Memory, MiB",
        (
            ("bot", "bot memory"),
            ("worker", "worker memory"),
            ("bot, in use", "bot heap"),
            ("worker, in use", "worker heap"),
        ),
        MIB,
    ),
    ("File descriptors", (("bot", "bot descriptors"), ("worker", "worker descriptors")), 1),
    ("Threads", (("bot", "bot threads"), ("worker", "worker threads")), 1),
    ("Tasks", (("bot", "bot tasks"), ("worker", "worker tasks")), 1),
    (
        "Databases, MiB",
        (("ledger", "ledger bytes"), ("collector", "collector bytes")),
        MIB,
    ),
    ("Write-ahead logs, MiB", (("ledger", "ledger log"), ("collector", "collector log")), MIB),
    ("Spool, MiB", (("worker", "spool"),), MIB),
    ("Messages in the queues", (("bot", "queues"),), 1),
)
INCHES = (10.0, 10.5)
MOST_POINTS = 360
MARK_HEIGHT = 0.05


def paint(report: Mapping[str, Any], path: Path) -> None:
    """Write it as SVG (or PNG, by the name's end), with a background of its own."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    pyplot.rcdefaults()
    pyplot.rcParams.update(
        {"svg.hashsalt": "soak", "text.color": INK, "xtick.color": INK, "ytick.color": INK, "font.size": 9}
    )
    figure, places = pyplot.subplots(len(PANELS) // 2, 2, figsize=INCHES, layout="constrained", sharex=True)
    figure.set_facecolor(PAPER)
    marks = _marks([strike["at"] / 60 for strike in report["strikes"]])
    for axes, (title, lines, unit) in zip(places.flat, PANELS, strict=True):
        axes.set_facecolor(PAPER)
        axes.set_title(title, loc="left", fontsize=10, fontweight="bold", color=INK)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.spines["bottom"].set_color(GRID)
        axes.grid(axis="y", color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.tick_params(length=0)
        axes.plot(*marks, transform=axes.get_xaxis_transform(), color=FAULT, linewidth=0.6, zorder=1)
        for whose, name in lines:
            points = [(s["at"] / 60, s["values"][name] / unit) for s in report["samples"] if name in s["values"]]
            points = points[:: -(-len(points) // MOST_POINTS) or 1]
            axes.plot(*zip(*points, strict=True), color=COLOURS[whose], linewidth=1.4, label=whose)
        axes.set_ylim(0, max(axes.get_ylim()[1] * 1.15, 1))
        axes.set_xlim(0, report["seconds"] / 60)
        if len(lines) > 1:
            axes.legend(frameon=False, ncols=2, loc="upper right", fontsize=8)
    for axes in places[-1]:
        axes.set_xlabel("minutes; a mark: a fault begins", color=INK)
    figure.savefig(path, facecolor=PAPER, metadata={"Date": None} if path.suffix == ".svg" else None)
    pyplot.close(figure)


def _marks(moments: Sequence[float]) -> tuple[list[float], list[float]]:
    """One broken line, which an SVG has as one path."""
    nowhere = float("nan")
    xs = [x for moment in moments for x in (moment, moment, nowhere)]
    return xs, [0.0, MARK_HEIGHT, nowhere] * len(moments)


if __name__ == "__main__":
    paint(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))
