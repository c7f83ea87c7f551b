"""All sections, in the order in which they run, and how they are run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks import collecting, criteria, downloads, halves, kills, large, queue_rates, small_files
from benchmarks.bench import Bench, Section
from benchmarks.child import Failed
from benchmarks.results import CannotRun, Row
from benchmarks.telegram import Telegram

SECTIONS = (
    *downloads.SECTIONS,
    *halves.SECTIONS,
    *large.SECTIONS,
    *kills.SECTIONS,
    *small_files.SECTIONS,
    *queue_rates.SECTIONS,
    *collecting.SECTIONS,
    *criteria.SECTIONS,
)


def measure(
    sections: Sequence[Section], place: Path, *, quick: bool, tell: Callable[[str], None]
) -> tuple[list[Row], list[str]]:
    """The rows of these sections, and what failed. Rows that could not be measured are there without a value.

    One simulated Telegram serves them all, and ends with this.
    """
    rows: list[Row] = []
    failures: list[str] = []
    with Telegram(place / "telegram.log") as telegram:
        bench = Bench(telegram=telegram, place=place, quick=quick, tell=tell)
        for section in sections:
            found: list[Row] = []
            reason = ""
            try:
                for row in section.run(bench):
                    found.append(row)  # so that a failure leaves what was measured before it
            except CannotRun as error:
                reason = f"not run: {_first_line(error)}"
            except (Failed, OSError, TimeoutError) as error:
                reason = f"failed: {_first_line(error)}"
                failures.append(f"{section.name}: {error}")
            taken = {row.measure for row in found}
            found += [missing.empty(reason) for missing in section.measures if missing not in taken]
            rows += [replace(row, block=section.block) for row in found]
    return rows, failures


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
