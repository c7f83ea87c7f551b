"""How much the store grew since somebody last wrote it down."""

from __future__ import annotations

from teltubby.messages.transfer import PrefixSize


class Growth:
    """Counts what is stored and deleted; kept in memory, because a start lists the store anyway."""

    def __init__(self) -> None:
        self._used_bytes = 0
        self._objects = 0
        self.is_full = False
        """Whether the store had reached its quota when the QuotaKeeper looked last."""

    @property
    def used_bytes(self) -> int:
        """Bytes more, or less when negative."""
        return self._used_bytes

    @property
    def objects(self) -> int:
        """Objects more, or less when negative."""
        return self._objects

    def add(self, size: PrefixSize) -> None:
        """The store grew by so much, or shrank."""
        self._used_bytes += size.used_bytes
        self._objects += size.objects

    def take(self) -> PrefixSize:
        """All of it, to be written down; from then on it is counted from nothing."""
        taken = PrefixSize(used_bytes=self._used_bytes, objects=self._objects)
        self._used_bytes = self._objects = 0
        return taken
