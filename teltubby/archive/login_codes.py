"""How a login code is written so that it reaches us alive.

Telegram makes a login code invalid as soon as its owner sends it in any message (telegram.md, "Signing in"). So it is
written in another way, and read back here. The grammar: digits in their order, apart from each other (whatever stands
between them does not matter: spaces, dashes, dots, words), or backwards behind `<`, `r`, `rev` or `reversed`, and then
they may stand together. The code itself never stands in what is sent.
"""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum

FEWEST_DIGITS, MOST_DIGITS = 4, 8
"""Telegram's codes have 5 or 6 today (auth.sentCodeType names the length)."""
TOGETHER = 4
"""More digits than these in a row may be the code, with others around it that do not belong to it."""

_BACKWARDS = re.compile(r"\s*(?:<|(?:reversed|rev|r)(?![^\W\d_]))", re.IGNORECASE)
_RUN = re.compile(r"\d+")


class CodeRefusal(StrEnum):
    """Why a text is no code for us. BARE: the code stands in it as it is, and so Telegram has voided it by now."""

    BARE = "bare"
    NO_DIGITS = "no_digits"
    WRONG_LENGTH = "wrong_length"


def read_code(text: str) -> str | CodeRefusal:
    """The code's digits, in their order, from what somebody wrote in place of it."""
    found = _BACKWARDS.match(text)
    backwards, written = (False, text) if found is None else (True, text[found.end() :])
    runs = ["".join(str(unicodedata.decimal(digit)) for digit in run) for run in _RUN.findall(written)]
    digits = "".join(runs)
    if not digits:
        return CodeRefusal.NO_DIGITS
    code = digits[::-1] if backwards else digits
    longest = max(map(len, runs))
    if any(code in run for run in runs) or (longest > TOGETHER and not backwards):
        return CodeRefusal.BARE
    if not FEWEST_DIGITS <= len(code) <= MOST_DIGITS:
        return CodeRefusal.WRONG_LENGTH
    return code


def ways_to_write(code: str) -> tuple[str, ...]:
    """How a code may be sent, the plainest first; one that reads the same backwards only with its digits apart."""
    apart = (" ".join(code), "-".join(code), ".".join(code))
    return apart if code == code[::-1] else (*apart, f"< {code[::-1]}", f"reversed {code[::-1]}")
