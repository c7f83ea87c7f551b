"""How long it takes until what was broken works again, measured while a scenario runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

LOOK_SECONDS = 0.1


@dataclass(slots=True, kw_only=True)
class _Expected:
    kind: str
    since: float
    is_there: Callable[[], bool]


@dataclass(slots=True)
class Recoveries:
    """`seconds` by kind; what is expected is looked for from time to time.

    Only what is broken alone is measured: not while anything else is (`is_open`), nor when something breaks meanwhile.
    """

    seconds: dict[str, list[float]] = field(default_factory=dict)
    is_open: bool = True
    _expected: list[_Expected] = field(default_factory=list)
    _looked_at: float = 0.0

    def expect(self, kind: str, is_there: Callable[[], bool], *, since: float | None = None) -> None:
        """From now on (or from `since`, monotonic) something is expected; once at a time of each kind."""
        if self.is_open and all(each.kind != kind for each in self._expected):
            began = time.monotonic() if since is None else since
            self._expected.append(_Expected(kind=kind, since=began, is_there=is_there))

    def spoil(self) -> None:
        """Something else is broken: what is expected now comes later than it would."""
        self._expected.clear()

    def look(self) -> None:
        """Note what has come."""
        now = time.monotonic()
        if now - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at = now
        for each in tuple(self._expected):
            if each.is_there():
                if each in self._expected:  # it may have been spoilt by another thread
                    self._expected.remove(each)
                self.seconds.setdefault(each.kind, []).append(round(time.monotonic() - each.since, 3))


def gone_and_back(is_there: Callable[[], bool]) -> Callable[[], bool]:
    """Whether it is there again, after a look that did not find it: what was never missed did not come back."""
    was_gone = False

    def is_back() -> bool:
        nonlocal was_gone
        there = is_there()
        was_gone |= not there
        return was_gone and there

    return is_back
