"""Numbers as people read them."""

from __future__ import annotations


def size(count: float) -> str:
    """Bytes in MB or GB."""
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"


def listed(names: list[str], *, most: int = 3) -> str:
    """The first few names, and how many there are besides."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
