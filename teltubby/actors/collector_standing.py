"""How collecting goes, for whoever asks: what of it fails now and why, and what Telegram asks to wait for."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from teltubby.actors.troubles import Troubles
from teltubby.errors import DatabaseUnavailable, SessionNotReady

_LOG = logging.getLogger(__name__)

WHERE = "collector"
"""What the collector's trouble is called in the report of health."""


def unannounced() -> None:
    """Nobody wants to know at once."""


@dataclass(slots=True, kw_only=True)
class CollectorState:
    """Kept by the parts of one CollectorActor. Waits longer than `threshold` seconds are told.

    `totals` are the numbers of messages that Telegram says the channels have. An operator must act on what stands in
    `troubles`: a database that cannot be used; a session that is not signed in tells of itself there. `announce` is
    called when that is another thing. `held` says why files wait, which is no failure.
    """

    troubles: Troubles
    threshold: float
    clock: Callable[[], datetime]
    announce: Callable[[], None] = unannounced
    held: str | None = None
    totals: dict[int, int] = field(default_factory=dict)
    is_following: bool = False
    _failing: dict[str, Exception] = field(default_factory=dict)
    _waiting: tuple[datetime, str] | None = None

    def __post_init__(self) -> None:
        self._enter(None)  # what an incarnation that crashed has left there

    def failed(self, what: str, error: Exception) -> None:
        """A part of the work failed; it is tried again."""
        known = self._failing.get(what)
        if str(known) != str(error):
            # A session that is not ready, as at every start, tells of itself.
            level = logging.INFO if isinstance(error, SessionNotReady) else logging.WARNING
            _LOG.log(level, "the collector's %s: %s", what, _words(error))
        self._failing[what] = error
        self._tell()

    def worked(self, what: str) -> None:
        """A part of the work goes well (again)."""
        if self._failing.pop(what, None) is not None:
            _LOG.info("the collector's %s goes on", what)
            self._tell()

    def waits(self, seconds: float, why: str) -> None:
        """Telegram asks for a pause."""
        if seconds > self.threshold:
            _LOG.warning("the collector waits for %.0f s: %s", seconds, why)
            self._waiting = (self.clock() + timedelta(seconds=seconds), why)

    @property
    def words(self) -> str | None:
        """Why it cannot work now, as far as that is so."""
        failing = dict.fromkeys(_words(error) for error in self._failing.values())
        if failing or self.held is not None:
            return "; ".join([*failing, *([] if self.held is None else [self.held])])
        if self._waiting is not None and self._waiting[0] > self.clock():
            until, why = self._waiting
            return f"waits until {until:%H:%M:%S} UTC: {why}"
        return None

    def _tell(self) -> None:
        reasons = dict.fromkeys(
            str(error) for error in self._failing.values() if isinstance(error, DatabaseUnavailable)
        )
        self._enter("; ".join(reasons) or None)

    def _enter(self, reason: str | None) -> None:
        if reason == self.troubles.reasons.get(WHERE):
            return
        if reason is None:
            self.troubles.leave(WHERE)
        else:
            self.troubles.enter(WHERE, reason)
        self.announce()


def _words(error: Exception) -> str:
    return str(error) or "Telegram or the broker did not answer in time"
