"""Pages of which a part is written by a program, between two markers, and the rest by hand."""

from __future__ import annotations

from pathlib import Path


def fill(page: Path, begin: str, end: str, written: str) -> None:
    """Put it between the markers, in place of what stands there. Raises ValueError where one of them is missing."""
    before, begun, rest = page.read_text(encoding="utf-8").partition(begin)
    _, ended, after = rest.partition(end)
    if not begun or not ended:
        raise ValueError(f"{page} has no place for it: {begin.strip()} or {end.strip()} is missing")
    page.write_text(f"{before}{begin}\n{written}\n{end}{after}", encoding="utf-8")
