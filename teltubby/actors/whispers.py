"""What was said in confidence: from the update that brought it to the command that uses it, in memory only."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace

from teltubby.messages.media import RawUpdate

KEPT_SECONDS = 600.0

Spot = tuple[int, int]
"""A message: chat id, message id."""


@dataclass(frozen=True, slots=True)
class _Whisper:
    secret: str = field(repr=False)
    until: float


class Whispers:
    """Secrets by the message that brought them; `clock` counts seconds, whatever from.

    Those of strangers are not kept: a private chat has the id of who writes there, and `listened_to` are those let in.
    """

    def __init__(self, listened_to: Collection[int], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._listened_to = frozenset(listened_to)
        self._clock = clock
        self._kept: dict[Spot, _Whisper] = {}

    def taken_from(self, updates: Iterable[RawUpdate]) -> tuple[RawUpdate, ...]:
        """The updates without their secrets, which are kept from here on."""
        self.expire()
        return tuple(map(self._take, updates))

    def about(self, chat_id: int, message_id: int) -> str | None:
        """What came with this message; None when that was forgotten, or never known to this process."""
        self.expire()
        kept = self._kept.get((chat_id, message_id))
        return None if kept is None else kept.secret

    def forget(self, chat_id: int, message_id: int) -> None:
        """It was used, or never will be."""
        self._kept.pop((chat_id, message_id), None)

    def expire(self) -> None:
        """Forget what nobody asked for in time."""
        now = self._clock()
        self._kept = {spot: kept for spot, kept in self._kept.items() if now < kept.until}

    def _take(self, update: RawUpdate) -> RawUpdate:
        if update.secret is None:
            return update
        chat_id, message_id = update.chat_id, update.message_id
        if chat_id is not None and message_id is not None and chat_id in self._listened_to:
            until = self._clock() + KEPT_SECONDS
            self._kept[chat_id, message_id] = _Whisper(update.secret, until)
        return replace(update, secret=None)
