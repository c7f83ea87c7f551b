"""Places in a text as Telegram counts them: in UTF-16 units, of which characters beyond U+FFFF take two.

Source: core.telegram.org/api/entities, "Entity length".
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import accumulate

LAST_OF_ONE_UNIT = 0xFFFF


class Utf16Text:
    """A text whose places are given in UTF-16 units. Making it takes time in proportion to the text, once."""

    def __init__(self, text: str) -> None:
        self.text = text
        one_each = not text or ord(max(text)) <= LAST_OF_ONE_UNIT
        self._starts = None if one_each else list(accumulate((width(each) for each in text), initial=0))
        self.units = len(text) if self._starts is None else self._starts[-1]
        """How long the text is."""

    def units_at(self, character: int) -> int:
        """Where a character stands; for the text's length in characters, its length in units."""
        return character if self._starts is None else self._starts[character]

    def span(self, offset: int, length: int) -> tuple[int, int]:
        """From which character to which (without it) `length` units from `offset` on lie.

        Places outside the text are moved to its ends; a character that is cut in half belongs to it whole.
        """
        start = min(max(offset, 0), self.units)
        end = min(max(offset + length, start), self.units)
        if self._starts is None:
            return start, end
        return bisect_right(self._starts, start) - 1, bisect_left(self._starts, end)

    def slice(self, offset: int, length: int) -> str:
        """The text there."""
        first, last = self.span(offset, length)
        return self.text[first:last]


def width(character: str) -> int:
    """1 or 2 units."""
    return 1 + (ord(character) > LAST_OF_ONE_UNIT)
