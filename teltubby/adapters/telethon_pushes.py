"""What Telegram pushes over one connection, handed to whoever follows."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from telethon import types

from teltubby.adapters.telethon_differences import OF_CHANNELS, read_push
from teltubby.adapters.telethon_known import KnownChannels
from teltubby.adapters.telethon_values import moment
from teltubby.flavour import asyncio_hosted
from teltubby.messages.channels import Pushed, PushedGap

MOST_WAITING = 1000
"""So many updates wait to be read; of more, none is kept."""

_CONTAINERS = (types.Updates, types.UpdatesCombined)


class PushStream:
    """`Pushes` from the moment it is made."""

    def __init__(self, known: KnownChannels) -> None:
        self._known = known
        self._waiting: deque[tuple[Any, Any, datetime]] = deque()
        self._is_gap = False
        self._has_ended = False
        self._changed = asyncio.Event()

    @asyncio_hosted
    async def next(self) -> Pushed | None:
        """See Pushes; what came before the connection was lost is told first."""
        while True:
            if self._is_gap:
                self._is_gap = False
                return PushedGap(channel_id=None)
            while self._waiting:
                update, container, at = self._waiting.popleft()
                if (pushed := read_push(update, container, self._known, at)) is not None:
                    return pushed
            if self._has_ended:
                return None
            self._changed.clear()
            await self._changed.wait()

    @asyncio_hosted
    async def aclose(self) -> None:
        """See Pushes."""
        self._is_gap = False
        self._waiting.clear()
        self.end()

    # -- asyncio-flavoured

    def add(self, update: Any, container: Any, at: datetime) -> None:
        """One of OF_CHANNELS came."""
        if self._has_ended:
            return
        if len(self._waiting) >= MOST_WAITING:
            self.skip()
        self._waiting.append((update, container, at))
        self._changed.set()

    def skip(self) -> None:
        """More happened than is told: whoever reads has to ask, also for what waits."""
        if not self._has_ended:
            self._waiting.clear()
            self._is_gap = True
            self._changed.set()

    def end(self) -> None:
        """The connection is lost, or somebody else follows."""
        self._has_ended = True
        self._changed.set()


class Inbox:
    """Takes what a connection is pushed; where nobody follows, it is dropped. asyncio-flavoured.

    `clock` says when something came.
    """

    def __init__(self, known: KnownChannels, clock: Callable[[], datetime]) -> None:
        self._known = known
        self._clock = clock
        self._stream: PushStream | None = None

    def follow(self) -> PushStream:
        """What comes from now on; an earlier stream ends."""
        self.end()
        self._stream = PushStream(self._known)
        return self._stream

    def end(self) -> None:
        """The connection is gone."""
        if self._stream is not None:
            self._stream.end()
            self._stream = None

    def take(self, pushed: Any) -> None:
        """An object of the type `Updates`. What is of no channel is of no interest."""
        if self._stream is None:
            return
        if isinstance(pushed, types.UpdatesTooLong):
            self._stream.skip()
            return
        inside = pushed.updates if isinstance(pushed, _CONTAINERS) else [getattr(pushed, "update", None)]
        updates = [update for update in inside if isinstance(update, OF_CHANNELS)]
        if updates:
            at = self._moment(pushed)
            for update in updates:
                self._stream.add(update, pushed, at)

    def _moment(self, pushed: Any) -> datetime:
        """When it happened, by Telegram's clock: it may have been long on its way. Never later than it came.

        Telegram tells whole seconds: of what was read within that second, it counts as the later.
        """
        now, told = self._clock(), moment(pushed.date)
        return now if told is None else min(told + timedelta(seconds=1), now)
