"""What a process depends on, as its adapters find it in their work: nobody opens a connection to learn of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from teltubby.adapters.clock import utc_now
from teltubby.messages.health import DependencyState, Standing

DOWN_AFTER = 2
"""So many failures in a row mean that it is away; one alone may be a hiccup."""
AT_ONCE = timedelta(seconds=1)
"""What fails within that time fails of the same hiccup: several requests are under way at once."""
LATE = timedelta(seconds=20)
"""Whoever answers a small question later than that does not work as it should; that it fails is known much later."""


class Dependency:
    """Told by whoever works with it. DOWN until somebody found it well: what nobody has seen yet is not there."""

    def __init__(self, name: str, clock: Callable[[], datetime]) -> None:
        self.name = name
        self._clock = clock
        self._failures = 0
        self._failed_at: datetime | None = None
        self._state = DependencyState.DOWN
        self._since = self._heard_at = clock()
        self._detail = "not looked at yet"
        self._asked_at: datetime | None = None

    @property
    def standing(self) -> Standing:
        """How it stands now."""
        if self._asked_at is not None and self._state is DependencyState.OK:
            late_at = self._asked_at + LATE
            if self._clock() >= late_at:
                detail = f"it has not answered for more than {LATE.seconds} s"
                return Standing(name=self.name, state=DependencyState.DEGRADED, since=late_at, detail=detail)
        return Standing(name=self.name, state=self._state, since=self._since, detail=self._detail)

    @property
    def silent_seconds(self) -> float:
        """How long ago somebody told of it, or it was made."""
        return (self._clock() - self._heard_at).total_seconds()

    def asked(self) -> None:
        """Somebody asks it for something small; whatever is told of it next is taken for the answer."""
        if self._asked_at is None:
            self._asked_at = self._clock()

    def works(self, detail: str = "") -> None:
        """It did what was asked of it."""
        self._failures = 0
        self._enter(DependencyState.OK, detail)

    def degraded(self, detail: str) -> None:
        """It works, but not as it should."""
        self._failures = 0
        self._enter(DependencyState.DEGRADED, detail)

    def failed(self, detail: str) -> None:
        """One try failed: degraded, and down after DOWN_AFTER of them."""
        now = self._clock()
        if self._failed_at is None or self._failures == 0 or abs(now - self._failed_at) >= AT_ONCE:
            self._failures += 1
            self._failed_at = now
        is_down = self._failures >= DOWN_AFTER or self._state is DependencyState.DOWN
        self._enter(DependencyState.DOWN if is_down else DependencyState.DEGRADED, detail)

    def down(self, detail: str) -> None:
        """It is known to be away, or to refuse us."""
        self._enter(DependencyState.DOWN, detail)

    def _enter(self, state: DependencyState, detail: str) -> None:
        self._heard_at = self._clock()
        self._asked_at = None
        if state is not self._state:
            self._state, self._since = state, self._heard_at
        self._detail = detail


class Dependencies:
    """Those of one process, in the order in which they were named."""

    def __init__(self, clock: Callable[[], datetime] = utc_now) -> None:
        self._clock = clock
        self._named: dict[str, Dependency] = {}

    def named(self, name: str) -> Dependency:
        """The dependency of this name; both wings of a single box share those that they both have."""
        if name not in self._named:
            self._named[name] = Dependency(name, self._clock)
        return self._named[name]

    def standings(self) -> tuple[Standing, ...]:
        """How all of them stand now."""
        return tuple(dependency.standing for dependency in self._named.values())
