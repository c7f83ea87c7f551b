#!/usr/bin/env python
"""Writes the tables of docs/configuration.md and the whole of .env.example from the settings; a test compares them."""

from __future__ import annotations

from pathlib import Path

from teltubby.config.reference import example, tables

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- begin: written by scripts/write-reference.py -->\n", "<!-- end -->\n"


def main() -> None:
    """Replace what stands between the markers, and leave the prose alone."""
    page = ROOT / "docs" / "configuration.md"
    head, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    tail = rest.partition(END)[2]
    page.write_text(f"{head}{BEGIN}\n{tables()}\n{END}{tail}", encoding="utf-8")
    (ROOT / ".env.example").write_text(example(), encoding="utf-8")


if __name__ == "__main__":
    main()
