"""How many connections to one data centre there should be, and when the next may be dialled."""

from __future__ import annotations

import math

FIRST_BACKOFF_SECONDS = 0.25
LONGEST_BACKOFF_SECONDS = 60.0


class Dials:
    """Starts with one connection and grows on success towards `most`; each one that breaks makes it one fewer.

    Growth is by one per part that came quickly, so that the connections double per round trip as the windows do; after
    the first trouble it takes about four of every connection for one more. Until a connection has proved itself by a
    part there is only one. Breaks and refusals put off the next dial, twice as long each time, and allow one dial at a
    time, until a new connection proves itself; what breaks while a dial is put off is the same trouble. Raises
    ValueError for what cannot be.
    """

    def __init__(self, most: int) -> None:
        self.put_off_until = -math.inf
        """No dial before."""
        self._most = most
        self._wanted = 1.0
        self._untroubled = True
        self._troubles = 0
        self._dialling = 0
        self._proved: dict[int, bool] = {}

    def may(self, wanting: int, now: float) -> bool:
        """Whether to dial now for so many parts that the open connections do not take."""
        if now < self.put_off_until or (self._troubles and self._dialling):
            return False
        wanted = int(self._wanted) if any(self._proved.values()) else 1
        return wanting > self._dialling and wanted > len(self._proved) + self._dialling

    def dialling(self) -> None:
        """A dial begins."""
        if len(self._proved) + self._dialling >= self._most:
            raise ValueError(f"{self._most} connections are the most, and they are open or being dialled")
        self._dialling += 1

    def failed(self, now: float, wait: float = 0.0) -> None:
        """A dial ended without a connection; the next is not to be tried for `wait` seconds at least."""
        self._end_dial()
        self._trouble(now)
        self.put_off_until = max(self.put_off_until, now + wait)

    def opened(self, connection: int) -> None:
        """A dial ended with this connection."""
        self._end_dial()
        self._proved[connection] = False

    def served(self, connection: int, *, quickly: bool) -> None:
        """A part came on it."""
        if not self._proved[connection]:
            self._proved[connection] = True
            self._troubles = 0
        if quickly:
            self._wanted = min(self._most, self._wanted + (1.0 if self._untroubled else 0.25 / self._wanted))

    def troubled(self) -> None:
        """A part did not come: grow slowly from here on."""
        self._untroubled = False

    def cut(self, connection: int, now: float) -> None:
        """It broke."""
        del self._proved[connection]
        self._trouble(now)

    def closed(self, connection: int) -> None:
        """It was closed because nobody needs it; as many are wanted again when somebody does."""
        del self._proved[connection]

    def _end_dial(self) -> None:
        if not self._dialling:
            raise ValueError("nothing is being dialled at this data centre")
        self._dialling -= 1

    def _trouble(self, now: float) -> None:
        self.troubled()
        self._wanted = max(1.0, self._wanted - 1.0)
        if now >= self.put_off_until:
            delay = FIRST_BACKOFF_SECONDS * 2.0 ** min(self._troubles, 64)
            self.put_off_until = now + min(delay, LONGEST_BACKOFF_SECONDS)
            self._troubles += 1
