"""Shares and speeds as people type them."""

from __future__ import annotations

import re

_RATE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(?:([kmgt]?)(i?)b?)(?:/s|ps)?", re.IGNORECASE)
_PERCENT = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*%")
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def read_rate(text: str) -> float:
    """Bytes per second: `20MB` in units of 1000, `20MiB` in units of 1024, or a number. Raises ValueError."""
    found = _RATE.fullmatch(text.strip())
    rate = 0.0 if found is None else float(found[1]) * (1024 if found[3] else 1000) ** _POWERS[found[2].lower()]
    if rate < 1:
        raise ValueError(f"{text!r} is no speed: write bytes per second like 20MB, or 512KiB")
    return rate


def read_percent(text: str) -> float:
    """A share of more than 0 and at most 100 %: `5%`. Raises ValueError."""
    found = _PERCENT.fullmatch(text.strip())
    percent = 0.0 if found is None else float(found[1])
    if not 0 < percent <= 100:
        raise ValueError(f"{text!r} is no share: write it like 5%")
    return percent
