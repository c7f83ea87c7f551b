"""What a process depends on, as its adapters find it in their work: nobody opens a connection to learn of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from teltubby.adapters.clock import utc_now
from teltubby.messages.health import DependencyState, Standing

DOWN_AFTER = 2
"""So many failures in a row mean that it is away; one alone may be a hiccup."""


class Dependency:
    """Told by whoever works with it. DOWN until somebody found it well: what nobody has seen yet is not there."""

    def __init__(self, name: str, clock: Callable[[], datetime]) -> None:
        self.name = name
        self._clock = clock
        self._failures = 0
        self._state = DependencyState.DOWN
        self._since = self._heard_at = clock()
        self._detail = "not looked at yet"

    @property
    def standing(self) -> Standing:
        """How it stands now."""
        return Standing(name=self.name, state=self._state, since=self._since, detail=self._detail)

    @property
    def silent_seconds(self) -> float:
        """How long ago somebody told of it, or it was made."""
        return (self._clock() - self._heard_at).total_seconds()

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
        self._failures += 1
        is_down = self._failures >= DOWN_AFTER or self._state is DependencyState.DOWN
        self._enter(DependencyState.DOWN if is_down else DependencyState.DEGRADED, detail)

    def down(self, detail: str) -> None:
        """It is known to be away, or to refuse us."""
        self._enter(DependencyState.DOWN, detail)

    def _enter(self, state: DependencyState, detail: str) -> None:
        self._heard_at = self._clock()
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
