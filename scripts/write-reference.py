#!/usr/bin/env python
"""Writes what the documentation and .env.example have from the code: settings, metrics, trees and messages.

Tests compare them.
"""

from __future__ import annotations

from pathlib import Path

from scripts import architecture_reference as architecture
from scripts.marked_page import fill
from teltubby.adapters.metrics_reference import metrics_table
from teltubby.config.reference import example, tables

ROOT = Path(__file__).resolve().parent.parent
END = "<!-- end -->\n"


def main() -> None:
    """Replace what stands between the markers, and leave the prose alone."""
    _replace("configuration.md", tables())
    _replace("operations.md", metrics_table())
    _replace("architecture.md", architecture.picture(), what="picture, ")
    _replace("architecture.md", architecture.trees(), what="trees, ")
    _replace("architecture.md", architecture.crossing(), what="messages, ")
    _replace("messages.md", architecture.messages())
    (ROOT / ".env.example").write_text(example(), encoding="utf-8")


def _replace(page: str, written: str, *, what: str = "") -> None:
    begin = f"<!-- begin: {what}written by scripts/write-reference.py -->\n"
    fill(ROOT / "docs" / page, begin, END, written)


if __name__ == "__main__":
    main()
