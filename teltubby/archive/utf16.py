"""Places in a text as Telegram counts them: in UTF-16 units, of which characters beyond U+FFFF take two.

Source: core.telegram.org/api/entities, "Entity length".
"""

from __future__ import annotations

import re
from bisect import bisect_left

_WIDE = re.compile("[\U00010000-\U0010ffff]")


class Utf16Text:
    """A text whose places are given in UTF-16 units. Making it takes time in proportion to the text, once, and then to
    its characters of two units, which most texts have none or few of.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        # isascii is known of a text without looking at it.
        self._wide = [] if text.isascii() else [found.start() for found in _WIDE.finditer(text)]
        self._wide_units = [character + before for before, character in enumerate(self._wide)]
        self.units = len(text) + len(self._wide)
        """How long the text is."""

    def units_at(self, character: int) -> int:
        """Where a character stands; for the text's length in characters, its length in units."""
        return character + bisect_left(self._wide, character)

    def span(self, offset: int, length: int) -> tuple[int, int]:
        """From which character to which (without it) `length` units from `offset` on lie.

        Places outside the text are moved to its ends; a character that is cut in half belongs to it whole.
        """
        start = min(max(offset, 0), self.units)
        end = min(max(offset + length, start), self.units)
        if not self._wide:
            return start, end
        wide_before_end = bisect_left(self._wide_units, end)
        is_cut = wide_before_end > 0 and self._wide_units[wide_before_end - 1] == end - 1
        return start - bisect_left(self._wide_units, start), end - wide_before_end + is_cut

    def slice(self, offset: int, length: int) -> str:
        """The text there."""
        first, last = self.span(offset, length)
        return self.text[first:last]
