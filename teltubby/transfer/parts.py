"""Which parts of a file are still missing, asked for, or there."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from heapq import heappop, heappush

from teltubby.messages.transfer import PART_BYTES


class PartMap:
    """The parts (of PART_BYTES, the last one shorter) of one file of `size` bytes; each is in one state at a time.

    missing → take → in flight with its holder → arrived → present; give_back and lost lead from in flight to missing.
    `present` are the parts that an earlier run left. Times are seconds of one clock that never runs backwards. Raises
    ValueError for a negative size, an index that the file does not have, and a transition that cannot be.
    """

    def __init__(self, size: int, present: Collection[int] = ()) -> None:
        if size < 0:
            raise ValueError(f"a file cannot have {size} bytes")
        self.size = size
        self.count = -(-size // PART_BYTES)
        if wrong := [index for index in present if not 0 <= index < self.count]:
            raise ValueError(f"a file of {self.count} parts has no part {wrong[0]}")
        self._present = set(present)
        self._holders: dict[int, Hashable] = {}
        self._held: dict[Hashable, set[int]] = {}
        self._ready = [index for index in range(self.count) if index not in self._present]  # sorted is a heap already
        self._resting: list[tuple[float, int]] = []
        self._front = 0
        self._advance()

    @property
    def prefix(self) -> int:
        """How many bytes from the front are there without a gap."""
        return min(self._front * PART_BYTES, self.size)

    @property
    def present_bytes(self) -> int:
        """How many bytes are there, gaps or not."""
        short = self.count * PART_BYTES - self.size if self.count - 1 in self._present else 0
        return len(self._present) * PART_BYTES - short

    @property
    def in_flight(self) -> int:
        """How many parts are asked for."""
        return len(self._holders)

    @property
    def is_complete(self) -> bool:
        """True when every part is there; a file of no bytes has none to wait for."""
        return len(self._present) == self.count

    def length(self, index: int) -> int:
        """The bytes of part `index`."""
        if not 0 <= index < self.count:
            raise ValueError(f"a file of {self.count} parts has no part {index}")
        return min(PART_BYTES, self.size - index * PART_BYTES)

    def ready(self, now: float) -> int:
        """How many parts `take` would give, one after the other."""
        self._wake(now)
        return len(self._ready)

    def take(self, holder: Hashable, now: float) -> int | None:
        """The lowest missing part that need not wait, in flight with `holder` from here on; None when there is none."""
        self._wake(now)
        if not self._ready:
            return None
        index = heappop(self._ready)
        self._holders[index] = holder
        self._held.setdefault(holder, set()).add(index)
        return index

    def give_back(self, index: int, *, not_before: float = 0.0) -> None:
        """The part did not come: it may be taken again, at the earliest at `not_before`."""
        self._release(index)
        heappush(self._resting, (not_before, index))

    def arrived(self, index: int) -> None:
        """The part is there."""
        self._release(index)
        self._present.add(index)
        self._advance()

    def lost(self, holder: Hashable) -> Sequence[int]:
        """All parts in flight with `holder`, in order; they are missing again, and anyone may take them at once."""
        indexes = sorted(self._held.get(holder, ()))
        for index in indexes:
            self.give_back(index)
        return indexes

    def next_at(self, now: float) -> float | None:
        """When the next missing part may be taken: `now` if one may at once, None when none is missing."""
        self._wake(now)
        if self._ready:
            return now
        return self._resting[0][0] if self._resting else None

    def _wake(self, now: float) -> None:
        while self._resting and self._resting[0][0] <= now:
            heappush(self._ready, heappop(self._resting)[1])

    def _release(self, index: int) -> None:
        if index not in self._holders:
            raise ValueError(f"part {index} is not in flight")
        holder = self._holders.pop(index)
        self._held[holder].remove(index)
        if not self._held[holder]:
            del self._held[holder]

    def _advance(self) -> None:
        while self._front in self._present:
            self._front += 1
