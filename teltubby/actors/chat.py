"""How the bot speaks: answers that get through, and lines that are edited no faster than Telegram bears."""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, field

import anyio

from teltubby.actors import phrases
from teltubby.actors.patience import Patience
from teltubby.actors.wakeup import Wakeup
from teltubby.adapters.base import BotGateway
from teltubby.errors import FloodWait, NotAnswered, Permanent, TeltubbyError
from teltubby.supervision import Backoff

_LOG = logging.getLogger(__name__)

EDIT_SECONDS = 3.0
"""At most one edit per message in this time (telegram.md, Limits)."""
CONCLUDE_SECONDS = 60.0

Line = tuple[int, int]
"""A message of ours: chat id, message id."""


@dataclass(slots=True, eq=False)
class _Wish:
    """What a line should read; a final wish is never replaced by a passing one."""

    html: str
    final: bool
    granted: bool = False
    over: anyio.Event = field(default_factory=anyio.Event)
    """Granted, or given up at a stop."""


class Chat:
    """The one voice of the bot: everything it says goes through here, and here alone is it repeated."""

    def __init__(self, gateway: BotGateway, *, patience: Patience, backoff: Backoff, rng: random.Random) -> None:
        self._gateway = gateway
        self._patience = patience
        self._backoff = backoff
        self._rng = rng
        self._turns: dict[int, anyio.Lock] = {}
        self._wishes: dict[Line, _Wish] = {}
        self._edited_at: dict[Line, float] = {}
        self._paused_until = -math.inf
        self._changed = Wakeup()
        self._ended = False

    async def say(self, chat_id: int, html: str, *, reply_to: int | None = None) -> int | None:
        """Send until it is through, long texts in several messages; the first's id, or None when nobody can be told.

        Raises NotAnswered when a stop ends the waiting.
        """
        turn = self._turns.setdefault(chat_id, anyio.Lock())
        try:
            async with turn:  # one at a time: what a flood wait holds back must not be tried by others beside it
                sent = [await self._send(chat_id, page, reply_to) for page in phrases.pages(html)]
        finally:
            if not turn.locked():
                self._turns.pop(chat_id, None)
        return sent[0]

    async def set_menu(self, commands: Mapping[str, str]) -> None:
        """Set the command menu, as soon as Telegram lets us."""
        failures = 0
        while True:
            try:
                return await self._gateway.set_commands(commands)
            except Permanent as error:
                _LOG.warning("the command menu cannot be set: %s", error)
                return None
            except TeltubbyError as error:
                failures += 1
                _LOG.info("the command menu is not set yet: %s", error)
                await self._rest(error, failures)

    def show(self, line: Line, html: str) -> None:
        """Have the message read `html` soon; only the newest text is ever sent, and none after a final one."""
        known = self._wishes.get(line)
        if known is None or not known.final:
            self._wishes[line] = _Wish(html, final=False)
            self._changed.ring()

    async def conclude(self, line: Line, html: str) -> None:
        """Have the message read `html` for good; returns when it does. Raises NotAnswered when that takes too long."""
        wish = self._wishes[line] = _Wish(html, final=True)
        self._changed.ring()
        with anyio.move_on_after(CONCLUDE_SECONDS):
            if not self._ended:
                await wish.over.wait()
        if not wish.granted:
            raise NotAnswered("the curator's line could not be brought up to date yet")

    async def keep_lines(self) -> None:
        """Send the edits that are wished for, one at a time, until cancelled; who waits for one is told then."""
        try:
            await self._keep_lines()
        finally:
            self._ended = True
            for wish in self._wishes.values():
                wish.over.set()

    async def _keep_lines(self) -> None:
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
        return max(self._paused_until, self._edited_at.get(line, -math.inf) + EDIT_SECONDS)

    async def _grant(self, line: Line, wish: _Wish) -> None:
        """Edit; the wish is gone when that worked or never will, unless a newer one took its place meanwhile."""
        try:
            await self._gateway.edit(*line, wish.html)
        except Permanent as error:
            _LOG.warning("message %s cannot be edited: %s", line, error)
        except TeltubbyError as error:
            _LOG.info("an edit is repeated: %s", error)
            self._note_flood(error)
            return
        finally:
            self._edited_at[line] = anyio.current_time()
        wish.granted = True
        wish.over.set()
        if self._wishes.get(line) is wish:
            del self._wishes[line]

    async def _send(self, chat_id: int, html: str, reply_to: int | None) -> int | None:
        failures = 0
        while True:
            try:
                return await self._gateway.send(chat_id, html, reply_to=reply_to)
            except Permanent as error:
                _LOG.warning("chat %d cannot be answered: %s", chat_id, error)
                return None
            except TeltubbyError as error:
                failures += 1
                _LOG.info("an answer is repeated: %s", error)
                await self._rest(error, failures)

    async def _rest(self, error: TeltubbyError, failures: int) -> None:
        """Before the same request again: as long as Telegram asks for, else with backoff."""
        self._note_flood(error)
        if isinstance(error, FloodWait):
            await self._patience.wait(error.seconds)
        else:
            await self._patience.wait(self._backoff.delay(failures + 1, self._rng))

    def _note_flood(self, error: TeltubbyError) -> None:
        if isinstance(error, FloodWait):
            _LOG.info("edits pause for %.0f s", error.seconds)
            self._paused_until = max(self._paused_until, anyio.current_time() + error.seconds)
