"""The lines that grow: messages of ours that are edited as their jobs go on, no faster than Telegram bears."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, field

import anyio

from teltubby.actors.wakeup import Wakeup
from teltubby.adapters.base import BotGateway
from teltubby.errors import FloodWait, NotAnswered, Permanent, TeltubbyError
from teltubby.messages.chat import Keyboard

_LOG = logging.getLogger(__name__)

EDIT_SECONDS = 3.0
"""At most one edit per message in this time (telegram.md, Limits)."""
CONCLUDE_SECONDS = 60.0

Line = tuple[int, int]
"""A message of ours: chat id, message id."""


class Pause:
    """Until when nothing is edited or shown, whatever met the flood wait."""

    def __init__(self) -> None:
        self.until = -math.inf

    def note(self, error: TeltubbyError) -> None:
        """If Telegram asks to wait, do."""
        if isinstance(error, FloodWait):
            _LOG.info("edits pause for %.0f s", error.seconds)
            self.until = max(self.until, anyio.current_time() + error.seconds)


@dataclass(slots=True, eq=False)
class _Wish:
    """What a line should read; a final wish is never replaced by a passing one."""

    html: str
    keyboard: Keyboard
    final: bool
    granted: bool = False
    over: anyio.Event = field(default_factory=anyio.Event)
    """Granted, or given up at a stop."""


class Lines:
    """What each line should read, and the one who brings it about; Chat is its only user."""

    def __init__(self, gateway: BotGateway, pause: Pause) -> None:
        self._gateway = gateway
        self._pause = pause
        self._wishes: dict[Line, _Wish] = {}
        self._edited_at: dict[Line, float] = {}
        self._changed = Wakeup()
        self._ended = False

    def show(self, line: Line, html: str, keyboard: Keyboard) -> None:
        """See Chat.show."""
        known = self._wishes.get(line)
        if known is None or not known.final:
            self._wishes[line] = _Wish(html, keyboard, final=False)
            self._changed.ring()

    async def conclude(self, line: Line, html: str, keyboard: Keyboard) -> None:
        """See Chat.conclude."""
        before = self._wishes.get(line)
        wish = self._wishes[line] = _Wish(html, keyboard, final=True)
        if before is not None:
            before.granted = True
            before.over.set()
        self._changed.ring()
        with anyio.move_on_after(CONCLUDE_SECONDS):
            if not self._ended:
                await wish.over.wait()
        if not wish.granted:
            raise NotAnswered("the curator's line could not be brought up to date yet")

    async def keep(self) -> None:
        """Send the edits that are wished for, one at a time, until cancelled; who waits for one is told then."""
        try:
            await self._keep()
        finally:
            self._ended = True
            for wish in self._wishes.values():
                wish.over.set()

    async def _keep(self) -> None:
        while True:
            now = anyio.current_time()
            self._edited_at = {line: at for line, at in self._edited_at.items() if at + EDIT_SECONDS > now}
            line = min(self._wishes, key=self._due_at, default=None)
            wait = math.inf if line is None else self._due_at(line) - now
            if line is None or wait > 0:
                await self._changed.wait(at_most=wait)
            else:
                await self._grant(line, self._wishes[line])

    def _due_at(self, line: Line) -> float:
        return max(self._pause.until, self._edited_at.get(line, -math.inf) + EDIT_SECONDS)

    async def _grant(self, line: Line, wish: _Wish) -> None:
        """Edit; the wish is gone when that worked or never will, unless a newer one took its place meanwhile."""
        try:
            await self._gateway.edit(*line, wish.html, keyboard=wish.keyboard)
        except Permanent as error:
            _LOG.warning("message %s cannot be edited: %s", line, error)
        except TeltubbyError as error:
            _LOG.info("an edit is repeated: %s", error)
            self._pause.note(error)
            return
        finally:
            self._edited_at[line] = anyio.current_time()
        wish.granted = True
        wish.over.set()
        if self._wishes.get(line) is wish:
            del self._wishes[line]
