"""The benchmark's figures for people: a table on the terminal, and the one in docs/performance.md."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks.results import Row
from scripts.marked_page import fill

BEGIN, END = "<!-- begin: written by make bench -->", "<!-- end: written by make bench -->"
PACKAGES = ("telethon", "cryptg", "kurigram")
_VERDICTS = {True: "met", False: "missed", None: ""}


def machine() -> str:
    """Where and when this runs, in a sentence."""
    cpus = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores ({cpus[1] if cpus else platform.machine()}), "
        f"{memory:.0f} GiB, Linux {platform.release()}, Python {platform.python_version()}, {packages}; "
        f"load before it began: {os.getloadavg()[0]:.1f}"
    )


def show(console: Console, rows: Iterable[Row], where: str) -> None:
    """Both tables on the terminal: the goals, then the figures behind them."""
    goals, figures = split(rows)
    for title, chosen in (("Goals", goals), ("Figures behind them", figures)):
        table = Table(title=title, title_justify="left", show_edge=False, pad_edge=False)
        table.add_column("what", ratio=3)
        for column in ("value", "goal", ""):
            table.add_column(column, justify="right", no_wrap=True)
        table.add_column("notes", ratio=3)
        for row in chosen:
            style = {True: "green", False: "red", None: "dim" if row.value is None else ""}[row.met]
            goal = "" if row.measure.goal is None else str(row.measure.goal)
            value = Text(f"{row.shown} {row.measure.unit}", style=style)
            table.add_row(row.measure.name, value, goal, Text(_VERDICTS[row.met], style=style), row.note)
        console.print(table)
        console.print()
    console.print(where, style="dim")


def split(rows: Iterable[Row]) -> tuple[Sequence[Row], Sequence[Row]]:
    """Rows with a goal, and rows without."""
    every = list(rows)
    return [row for row in every if row.measure.goal], [row for row in every if not row.measure.goal]


def write_docs(page: Path, rows: Iterable[Row], where: str) -> None:
    """Put the tables of each block between the page's two markers for it. Raises ValueError where they are missing."""
    every = list(rows)
    for block in dict.fromkeys(row.block for row in every):
        fill(page, *marks(block), _tables([row for row in every if row.block == block], where))


def marks(block: str) -> tuple[str, str]:
    """What stands before and behind a block in the page."""
    return (
        (BEGIN, END) if not block else (BEGIN.replace(" -->", f": {block} -->"), END.replace(" -->", f": {block} -->"))
    )


def _tables(rows: Sequence[Row], where: str) -> str:
    goals, figures = split(rows)
    lines = [
        f"Measured on {where}.",
        "",
        "| what | value | goal | | notes |",
        "|---|---:|---:|---|---|",
        *(
            f"| {r.measure.name} | {r.shown} {r.measure.unit} | {r.measure.goal} | {_verdict(r)} | {r.note} |"
            for r in goals
        ),
        "",
        "| figure | value | notes |",
        "|---|---:|---|",
        *(f"| {row.measure.name} | {row.shown} {row.measure.unit} | {row.note} |" for row in figures),
    ]
    return "\n".join(lines)


def _verdict(row: Row) -> str:
    return "not run" if row.value is None else _VERDICTS[row.met]
