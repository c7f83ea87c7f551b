#!/usr/bin/env python
"""Writes what docs/configuration.md (settings), .env.example and docs/operations.md (metrics) have from the code.

Tests compare them.
"""

from __future__ import annotations

from pathlib import Path

from teltubby.adapters.metrics_reference import metrics_table
from teltubby.config.reference import example, tables

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- begin: written by scripts/write-reference.py -->\n", "<!-- end -->\n"


def main() -> None:
    """Replace what stands between the markers, and leave the prose alone."""
    _replace(ROOT / "docs" / "configuration.md", tables())
    _replace(ROOT / "docs" / "operations.md", metrics_table())
    (ROOT / ".env.example").write_text(example(), encoding="utf-8")


def _replace(page: Path, written: str) -> None:
    head, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    tail = rest.partition(END)[2]
    page.write_text(f"{head}{BEGIN}\n{written}\n{END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()
