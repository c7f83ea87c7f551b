"""What a process knows of its backups, for whoever asks how it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from teltubby.actors.readiness import Outlook
from teltubby.backup.rotation import of_the_past

BACKUP = "backup"
"""The name of it among the dependencies, and in `/status`."""
OVERDUE = 2
"""So many intervals after the last one something is wrong, whether anybody says so or not."""


class BackupRecord:
    """Written by the BackupActor, one per process; read as metrics, in `/status`, and as a dependency.

    That one is never down: a backup that cannot be made keeps nobody from working, and no restart makes it.
    """

    def __init__(self, outlook: Outlook, *, every: timedelta, clock: Callable[[], datetime]) -> None:
        self._outlook = outlook
        self._dependency = outlook.dependencies.named(BACKUP)
        self._every = every
        self._clock = clock
        self._begun = clock()
        self._last: datetime | None = None
        self._size = 0
        self._is_known = False
        self._trouble: str | None = None
        outlook.metrics.backup_interval_seconds.set(every.total_seconds())
        self._tell()

    @property
    def is_known(self) -> bool:
        """Whether somebody looked which ones there are."""
        return self._is_known

    @property
    def remaining(self) -> float:
        """Seconds until the next one is due: at once, too, when the last one is of a clock that went wrong."""
        now = self._clock()
        if self._last is None or not of_the_past([self._last], now):
            return 0.0
        return max(0.0, (self._last + self._every - now).total_seconds())

    def found(self, sizes: Mapping[datetime, int]) -> None:
        """The complete ones that the store has: when they were made, and the bytes that they take."""
        self._is_known = True
        self._last = max(of_the_past(sizes, self._clock()), default=None)
        self._size = 0 if self._last is None else sizes[self._last]
        self._tell()

    def made(self, at: datetime, *, size: int) -> None:
        """A new one is there, of `size` bytes."""
        self._outlook.metrics.backups.labels(outcome="ok").inc()
        self._is_known = True
        self._last, self._size = at, size
        self._tell()

    def well(self) -> None:
        """Nothing is due, and nothing stands in the way."""
        self._trouble = None
        self._tell()

    def failed(self, reason: str) -> None:
        """One could not be made, or nobody could look which ones there are."""
        self._outlook.metrics.backups.labels(outcome="failed").inc()
        self._trouble = reason
        self._tell()

    async def look(self) -> None:
        """Whether the last one is too old: whoever should make one may hang."""
        self._tell()

    @property
    def _last_one(self) -> str:
        if not self._is_known:
            return "not known"
        return "none" if self._last is None else f"{self._last:%Y-%m-%d %H:%M} UTC"

    def _tell(self) -> None:
        metrics = self._outlook.metrics
        metrics.backup_last_success_timestamp_seconds.set(0 if self._last is None else self._last.timestamp())
        metrics.backup_last_size_bytes.set(self._size)
        now = self._clock()
        idle = now - max(self._last or self._begun, self._begun)  # nobody could make one before
        if self._trouble is not None:
            self._dependency.degraded(f"no backup can be made (the last one: {self._last_one}): {self._trouble}")
        elif idle > OVERDUE * self._every:
            self._dependency.degraded(f"no backup was made for {idle.total_seconds() / 3600:.0f} h: it hangs")
        else:
            self._dependency.works(f"the last one: {self._last_one}, {self._size} bytes")
        self._outlook.facts[BACKUP] = {
            "last": None if self._last is None else self._last.isoformat(timespec="seconds"),
            "size_bytes": self._size,
            "age_seconds": None if self._last is None else max(0, round((now - self._last).total_seconds())),
            "every_seconds": round(self._every.total_seconds()),
            "trouble": self._trouble,
        }
