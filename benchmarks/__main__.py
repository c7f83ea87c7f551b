"""`python -m benchmarks`: measure everything, show it, and write `.bench/latest.json`.

Exit code 0 whether or not goals are met, 1 when a measurement itself failed, 2 for wrong usage, 130 for Ctrl-C.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import FrameType

from rich.console import Console

from benchmarks.child import ROOT
from benchmarks.report import machine, show, write_docs
from benchmarks.results import write_json
from benchmarks.suite import SECTIONS, measure

LATEST = ROOT / ".bench" / "latest.json"
PAGE = ROOT / "docs" / "performance.md"
WIDTH = 180
"""Columns of the tables where they go into a file."""

EX_FAILED = 1
EX_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the chosen sections; the exit code."""
    options = parse(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    console, err = Console(), Console(stderr=True)
    if not console.is_terminal:
        console = Console(width=WIDTH)
    where = machine()
    chosen = [section for section in SECTIONS if not options.only or section.name in ("primitives", *options.only)]
    try:
        with (
            tempfile.TemporaryDirectory(prefix="teltubby-bench-", dir=options.place) as place,
            err.status("starting the simulated Telegram") as status,
        ):
            tell: Callable[[str], None] = status.update if err.is_terminal else partial(err.print, soft_wrap=True)
            rows, failures = measure(chosen, Path(place), quick=options.quick, tell=tell)
    except KeyboardInterrupt:
        err.print("Interrupted; nothing was written.")
        return EX_INTERRUPTED
    show(console, rows, where)
    write_json(options.out, rows)
    console.print(f"Written to {options.out}", soft_wrap=True)
    if options.write_docs:
        write_docs(PAGE, [row for row in rows if row.block or not options.only], where)
    for failure in failures:
        err.print(failure, style="red", markup=False, soft_wrap=True)
    return EX_FAILED if failures else 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """What the command line asks for. Raises SystemExit when that makes no sense."""
    parser = argparse.ArgumentParser(prog="make bench ARGS=…", description="Measure teltubby beside other clients.")
    parser.add_argument("--quick", action="store_true", help="small files and one round: does it work at all?")
    names = [section.name for section in SECTIONS if section.name != "primitives"]
    parser.add_argument("--only", nargs="+", choices=names, metavar="SECTION", help=f"of {', '.join(names)}")
    parser.add_argument("--out", type=Path, default=LATEST, help="where the JSON goes (.bench/latest.json)")
    parser.add_argument("--place", type=Path, help="a directory for what is downloaded and stored (about 9 GB)")
    parser.add_argument("--write-docs", action="store_true", help="put the tables into docs/performance.md")
    options = parser.parse_args(arguments)
    own = {section.name for section in SECTIONS if section.block}
    if options.write_docs and (options.quick or {*(options.only or ())} - own):
        parser.error(f"--write-docs wants the whole run, without --quick; --only may name {', '.join(sorted(own))}")
    return options


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
