"""The plain text of a rich message, whose paragraphs, lists and tables stand outside its text (layer 229).

Kept are the words in their order, a line for each block, and the links with their places; not how they look. The schema
is that of core.telegram.org/type/PageBlock and RichText.
"""

from __future__ import annotations

from typing import Any

from telethon import types

from teltubby.adapters.telethon_values import class_name, words
from teltubby.archive.utf16 import Utf16Text
from teltubby.messages.media import JsonObject

INSIDE = ("title", "text", "texts", "blocks", "items", "rows", "cells", "caption", "credit")
"""Fields in which more of it stands, in the order in which they are shown."""
BLOCKS = ("PageBlock", "PageListItem", "PageListOrderedItem", "PageTableRow", "PageCaption")
"""Classes that stand on lines of their own."""
DEEPEST = 40


def read_rich(rich: Any) -> tuple[str, tuple[JsonObject, ...]]:
    """Text and `text_link` entities; both empty where there is none. What lies deeper than DEEPEST is left out."""
    walk = _Walk()
    walk.visit(rich, 0)
    text = "".join(walk.pieces)
    measured, kept = Utf16Text(text), len(text.rstrip())
    links: list[JsonObject] = []
    for start, end, url in walk.links:
        first, last = measured.units_at(min(start, kept)), measured.units_at(min(end, kept))
        links.append({"type": "text_link", "offset": first, "length": last - first, "url": url})
    return text[:kept], tuple(links)


class _Walk:
    """Gathers the pieces from the first to the last."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.links: list[tuple[int, int, str]] = []
        self._length = 0

    def visit(self, node: Any, depth: int) -> None:
        if isinstance(node, str):
            self._add(node)
        elif isinstance(node, list):
            for each in node:
                self.visit(each, depth)
        elif isinstance(node, types.TextCustomEmoji):
            self._add(node.alt)
        elif node is not None and depth < DEEPEST:
            self._inside(node, depth)

    def _inside(self, node: Any, depth: int) -> None:
        is_block, start = class_name(node).startswith(BLOCKS), self._length
        if is_block:
            self._line()
        for field in INSIDE:
            self.visit(getattr(node, field, None), depth + 1)
        if isinstance(node, types.TextUrl) and (url := words(node.url)) is not None:
            self.links.append((start, self._length, url))
        if is_block:
            self._line()

    def _line(self) -> None:
        """A new one, unless this one is empty."""
        if self.pieces and not self.pieces[-1].endswith("\n"):
            self._add("\n")

    def _add(self, text: Any) -> None:
        if (written := words(text)) is not None:
            self.pieces.append(written)
            self._length += len(written)
