"""Which parts of which documents were sent, so that a test can tell whether any byte was sent twice."""

from __future__ import annotations

from collections import Counter

Part = tuple[int, int]


class Served:
    """(offset, length) of the parts that answered upload.getFile, by document id, and how often each did.

    An answer counts when it is made: one that a broken connection swallowed is in it, and one that a fault spoiled.
    """

    def __init__(self) -> None:
        self.parts: dict[int, Counter[Part]] = {}

    def add(self, document_id: int, offset: int, length: int) -> None:
        """Count an answer; one without bytes, beyond the end, is none."""
        if length:
            self.parts.setdefault(document_id, Counter())[offset, length] += 1

    def bytes(self, document_id: int) -> int:
        """All that was sent of a document."""
        return sum(length * times for (_, length), times in self.parts.get(document_id, Counter()).items())

    def covered(self, document_id: int) -> int:
        """How many different bytes of it were sent."""
        total = reached = 0
        for offset, length in sorted(self.parts.get(document_id, Counter())):
            total += max(0, offset + length - max(offset, reached))
            reached = max(reached, offset + length)
        return total

    def repeated(self, document_id: int) -> int:
        """How many bytes were sent beyond what one transfer takes."""
        return self.bytes(document_id) - self.covered(document_id)

    def clear(self) -> None:
        """Start counting anew."""
        self.parts.clear()
