"""Takes changes without ever waiting, and tells them from a thread of its own, whenever Telegram can be reached."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from teltubby.watching.bulletin import Bulletin
from teltubby.watching.changes import Change
from teltubby.watching.telling import Unreached

_LOG = logging.getLogger(__name__)

AWAY_PAUSES = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""Seconds between tries while Telegram is away; the last one again and again."""

Tell = Callable[[Sequence[int], str], Unreached]


class Watch:
    """Keeps the bulletin and sends it. While one message waits for Telegram, what happens goes into the next."""

    def __init__(self, bulletin: Bulletin, admins: Sequence[int], tell: Tell) -> None:
        self._bulletin = bulletin
        self._admins = tuple(admins)
        self._tell = tell
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._keep_telling, name="telling", daemon=True)

    def start(self) -> None:
        """Begin to tell. The thread ends with the process: an order to stop is not held up by a Telegram that hangs."""
        self._thread.start()

    def note(self, change: Change) -> None:
        """Take a change in; returns at once."""
        _LOG.info("%s: %s", change.process, change.turn.name)
        with self._changed:
            self._bulletin.note(change)
            self._changed.notify()

    def _keep_telling(self) -> None:
        while True:
            self._deliver(self._next())

    def _next(self) -> str:
        with self._changed:
            while (due := self._bulletin.due()) is None or (wait := (due - _now()).total_seconds()) > 0:
                self._changed.wait(None if due is None else wait)
            return self._bulletin.take(_now())

    def _deliver(self, text: str) -> None:
        waiting = self._admins
        tries = 0
        while waiting:
            unreached = self._tell(waiting, text)
            waiting = unreached.recipients
            if waiting:
                pause = AWAY_PAUSES[min(tries, len(AWAY_PAUSES) - 1)]
                tries += 1
                threading.Event().wait(max(pause, unreached.after))


def _now() -> datetime:
    return datetime.now(UTC)
