"""Telegram's own SHA-256 of the ranges of a file, against which parts are checked before they count.

core.telegram.org/api/files ("Verifying downloaded chunks"): recommended by the protocol and done by hardly anybody.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from teltubby.errors import ContentMismatch
from teltubby.messages.transfer import PART_BYTES, RangeHash
from teltubby.supervision import Signal


class RangeHashes:
    """The hashes of one file that are known and not used yet; parts wait for theirs."""

    def __init__(self) -> None:
        self._ranges: dict[int, RangeHash] = {}
        self._asked: set[int] = set()
        self._without: set[int] = set()
        self._failures: dict[int, Exception] = {}
        self._changed = Signal()
        self._is_given_up = False

    def wants(self, index: int, length: int) -> bool:
        """Whether the hashes of part `index` are to be asked for now; then they are on their way."""
        if index in self._asked or index in self._without or self._covering(index, length) is not None:
            return False
        self._failures.pop(index, None)
        self._asked.add(index)
        return True

    def add(self, index: int, length: int, ranges: Sequence[RangeHash]) -> bool:
        """What the server answered for part `index`, and maybe of more; returns whether it covers that part."""
        self._ranges.update((entry.offset, entry) for entry in ranges)
        covers = self._covering(index, length) is not None
        if covers:
            self._asked.discard(index)
            self._changed.notify()
        return covers

    def skip(self, index: int) -> None:
        """There are none for this part: it shall not wait for them."""
        self._without.add(index)
        self._asked.discard(index)
        self._changed.notify()

    def give_up(self) -> None:
        """There are none: no part shall wait for them."""
        self._is_given_up = True
        self._changed.notify()

    def fail(self, index: int, error: Exception) -> None:
        """They could not be had."""
        self._failures[index] = error
        self._asked.discard(index)
        self._changed.notify()

    def lost(self, index: int) -> None:
        """Whoever asked for them cannot any more: the part that waits for them has to ask itself."""
        self._asked.discard(index)
        self._changed.notify()

    async def take(self, index: int, length: int) -> Sequence[RangeHash] | None:
        """The hashes that cover part `index`, once they are there: given out once, for the next time may tell better.

        None of them where the server has none, and None when nobody asks for them. Raises why they are not there.
        """
        while (covering := self._covering(index, length)) is None:
            if self._is_given_up or index in self._without:
                return ()
            if index in self._failures:
                raise self._failures.pop(index)
            if index not in self._asked:
                return None
            await self._changed.wait()
        for entry in covering:
            del self._ranges[entry.offset]
        return covering

    def _covering(self, index: int, length: int) -> Sequence[RangeHash] | None:
        """Ranges lie in whole parts: they are of 128 KiB, and a part of 1 MiB."""
        at, end = index * PART_BYTES, index * PART_BYTES + length
        covering = []
        while at < end:
            entry = self._ranges.get(at)
            if entry is None or entry.length < 1 or at + entry.length > end:
                return None
            covering.append(entry)
            at += entry.length
        return covering


def check(index: int, data: bytes | memoryview, ranges: Sequence[RangeHash]) -> None:
    """Raise ContentMismatch unless the bytes of part `index` are those that the server hashed. Takes CPU, no I/O."""
    view = memoryview(data)
    for entry in ranges:
        start = entry.offset - index * PART_BYTES
        if hashlib.sha256(view[start : start + entry.length]).digest() != entry.sha256:
            raise ContentMismatch(f"the bytes at offset {entry.offset} are not those that Telegram hashed")
