"""How the brokers of one process wake each other. In a file of its own: trees name it, and most need no SQLite."""

from __future__ import annotations

import anyio


class Doorbell:
    """Wakes everybody in this process who waits for a change of the queue."""

    def __init__(self) -> None:
        self._next: anyio.Event | None = None

    def ring(self) -> None:
        """Wake those who wait now."""
        if self._next is not None:
            self._next.set()
            self._next = None

    def next_ring(self) -> anyio.Event:
        """Set at the next ring. Take it before looking whether there is something to do."""
        if self._next is None:
            self._next = anyio.Event()
        return self._next
