"""The typing indicator: shown to chats whose curators wait, beside the work and never in its way."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import anyio

from teltubby.actors.wakeup import Wakeup
from teltubby.adapters.base import BotGateway
from teltubby.errors import TeltubbyError

_LOG = logging.getLogger(__name__)

SHOW_SECONDS = 4.0
"""Telegram shows it for 5 s (Bot API, sendChatAction)."""
LIFETIME = 300.0
"""Who works longer than this waits for something; to go on pretending to type would be no news to anybody."""


class TypingShown:
    """Knows which chats are being worked for; `keep_showing` tells them, from a task of its own."""

    def __init__(
        self, gateway: BotGateway, *, paused_until: Callable[[], float], flooded: Callable[[TeltubbyError], None]
    ) -> None:
        self._gateway = gateway
        self._paused_until = paused_until
        self._flooded = flooded
        self._working: Counter[int] = Counter()
        self._since: dict[int, float] = {}
        self._shown_at: dict[int, float] = {}
        self._changed = Wakeup()

    @contextmanager
    def to(self, chat_id: int) -> Iterator[None]:
        """Work for this chat goes on while the block runs; several may."""
        self._working[chat_id] += 1
        self._since.setdefault(chat_id, anyio.current_time())
        self._changed.ring()
        try:
            yield
        finally:
            self._working[chat_id] -= 1
            if not self._working[chat_id]:
                del self._working[chat_id], self._since[chat_id]

    async def keep_showing(self) -> None:
        """Show it where it is due, until cancelled; a failure is left at that, and none is tried in a flood wait."""
        while True:
            now = anyio.current_time()
            self._shown_at = {chat: at for chat, at in self._shown_at.items() if at + SHOW_SECONDS > now}
            waiting = [chat for chat, since in self._since.items() if now < since + LIFETIME]
            chat = min(waiting, key=self._due_at, default=None)
            wait = math.inf if chat is None else self._due_at(chat) - now
            if chat is None or wait > 0:
                await self._changed.wait(at_most=wait)
            else:
                await self._show(chat)

    def _due_at(self, chat: int) -> float:
        return max(self._paused_until(), self._shown_at.get(chat, -math.inf) + SHOW_SECONDS)

    async def _show(self, chat: int) -> None:
        self._shown_at[chat] = anyio.current_time()
        with anyio.move_on_after(SHOW_SECONDS):
            try:
                await self._gateway.show_typing(chat)
            except TeltubbyError as error:
                _LOG.debug("chat %d is not shown that work goes on: %s", chat, error)
                self._flooded(error)
