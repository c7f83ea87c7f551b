"""Updates that wait for a bot: what is queued, who may fetch it, and when it is gone."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from teltubby.simulator.bot_errors import ApiError

Json = dict[str, object]

KEPT_SECONDS = 24 * 3600
MAX_LIMIT = 100
MAX_TIMEOUT = 50
WEBHOOK_ACTIVE = (
    "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
)
TERMINATED = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
KINDS = frozenset(
    ("message", "edited_message", "channel_post", "edited_channel_post", "callback_query", "my_chat_member")
)


@dataclass(frozen=True, slots=True)
class Queued:
    """An update as it was when it happened; `at` is world time."""

    id: int
    at: int
    update: Json


@dataclass(slots=True, kw_only=True)
class WebhookState:
    """What setWebhook said, and how deliveries went."""

    url: str
    secret: str | None
    max_connections: int = 40
    last_error_at: int | None = None
    last_error: str | None = None


@dataclass(slots=True, eq=False)
class UpdateQueue:
    """One bot's updates, kept for 24 hours; either polled by one caller at a time or delivered to a webhook."""

    now: Callable[[], int]
    next_id: int
    allowed: frozenset[str] = KINDS
    webhook: WebhookState | None = None
    _waiting: list[Queued] = field(default_factory=list)
    _confirmed: deque[Json] = field(default_factory=lambda: deque(maxlen=MAX_LIMIT))
    _poll: asyncio.Future[None] | None = None
    _arrival: asyncio.Event = field(default_factory=asyncio.Event)

    def push(self, kind: str, payload: Callable[[], Json]) -> None:
        """Queue an update, unless the bot does not want that kind."""
        if kind in self.allowed:
            self._waiting.append(Queued(self.next_id, self.now(), {"update_id": self.next_id, kind: payload()}))
            self.next_id += 1
            self._arrival.set()
            if self._poll is not None and not self._poll.done():
                self._poll.set_result(None)

    def allow(self, kinds: Iterable[str] | None) -> None:
        """Remember allowed_updates for later updates: None keeps them, an empty list means the default."""
        if kinds is not None:
            self.allowed = frozenset(kinds) & KINDS or KINDS

    def pending(self) -> list[Queued]:
        """What waits, oldest first, without what has waited for more than 24 hours."""
        oldest = self.now() - KEPT_SECONDS
        self._waiting = [queued for queued in self._waiting if queued.at > oldest]
        return self._waiting

    def confirm(self, offset: int) -> None:
        """Discard what lies before `offset`; a negative one keeps that many from the end."""
        pending = self.pending()
        first = pending[offset:][0].id if offset < 0 and pending else offset
        self._confirmed.extend(queued.update for queued in pending if queued.id < first)
        pending[:] = [queued for queued in pending if queued.id >= first]

    def confirm_one(self, update_id: int) -> None:
        """Discard just that one: a webhook has taken it."""
        self._waiting = [queued for queued in self._waiting if queued.id != update_id]
        self._arrival.set()

    def disordered(self, updates: Sequence[Json], effects: Mapping[str, object]) -> list[Json]:
        """What a poll answers under a fault: `again` so many confirmed updates come first, or all are `reversed`."""
        again = effects.get("again")
        repeated = list(self._confirmed)[-again:] if isinstance(again, int) and again > 0 else []
        answer = [*repeated, *updates]
        return answer[::-1] if effects.get("reversed") else answer

    def drop(self) -> None:
        """Discard everything."""
        self._waiting.clear()

    async def get(self, offset: int, limit: int, seconds: float) -> list[Json]:
        """getUpdates. Raises ApiError 409 while a webhook is set, and in an older call when a newer one comes."""
        if self.webhook is not None:
            raise ApiError(409, WEBHOOK_ACTIVE)
        self.terminate(ApiError(409, TERMINATED))
        self.confirm(offset)
        if not self.pending() and seconds > 0:
            poll = self._poll = asyncio.get_running_loop().create_future()
            try:
                await asyncio.wait((poll,), timeout=min(seconds, MAX_TIMEOUT))
                if poll.done():
                    poll.result()
            finally:
                poll.cancel()
        limit = limit if 1 <= limit <= MAX_LIMIT else MAX_LIMIT
        return [queued.update for queued in self.pending()[:limit]]

    def terminate(self, error: ApiError) -> None:
        """End the call that is waiting, if any, with this error."""
        if self._poll is not None and not self._poll.done():
            self._poll.set_exception(error)

    async def changed(self) -> None:
        """Wait until something came, or a webhook took something."""
        await self._arrival.wait()
        self._arrival.clear()
