"""BackupActor: has a backup made of what this process owns, from time to time."""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Never

import anyio

from teltubby.actors.troubles import Troubles
from teltubby.adapters.base import ObjectStore
from teltubby.backup.catalogue import State, catalogue
from teltubby.backup.contents import NO_KEY
from teltubby.backup.making import Backups
from teltubby.backup.names import series
from teltubby.errors import TeltubbyError
from teltubby.supervision import Actor, Backoff, Context

_LOG = logging.getLogger(__name__)

WHERE = "backup"
LONGEST_WAIT = 3600.0
"""The wall clock may be set meanwhile: when the next one is due is looked up again."""
CLOSE_SECONDS = 4.0


class BackupActor(Actor[Never]):
    """Makes one every so often, the first one when the newest that the store has is old enough.

    What goes wrong is a trouble that an operator sees, until a backup is made; it tries again by `backoff`. A stop cuts
    off a backup that is being made: the next one removes what there is of it.
    """

    def __init__(
        self,
        backups: Backups,
        store: Callable[[], ObjectStore],
        *,
        every: timedelta,
        troubles: Troubles,
        backoff: Backoff,
        rng: random.Random,
        clock: Callable[[], datetime],
    ) -> None:
        self._backups = backups
        self._make_store = store
        self._every = every
        self._troubles = troubles
        self._backoff = backoff
        self._rng = rng
        self._clock = clock
        self._last: datetime | None = None
        self._is_known = False

    async def handle(self, message: Never, /) -> None:
        raise AssertionError(f"nobody writes to the BackupActor: {message}")

    async def run(self, context: Context[Never]) -> None:
        context.started()
        failures = 0
        while not context.stopping.is_set():
            with context.interruptible():
                if await self._try():
                    failures = 0
                    await anyio.sleep(min(self._remaining, LONGEST_WAIT))
                else:
                    failures += 1
                    await anyio.sleep(self._backoff.delay(failures, self._rng))

    @property
    def _remaining(self) -> float:
        """Seconds until the next one is due."""
        if self._last is None:
            return 0.0
        return max(0.0, (self._last + self._every - self._clock()).total_seconds())

    @property
    def _last_one(self) -> str:
        if not self._is_known:
            return "not known"
        return "none" if self._last is None else f"{self._last:%Y-%m-%d %H:%M} UTC"

    async def _try(self) -> bool:
        """Make one if it is due; whether all is well."""
        try:
            if not self._is_known:
                await self._with_store(self._look)
            if self._remaining == 0.0:
                await self._with_store(self._make)
        except TeltubbyError as error:
            _LOG.error("no backup can be made: %s", error)
            self._troubles.enter(WHERE, f"no backup can be made (the last one: {self._last_one}): {error}")
            return False
        self._troubles.leave(WHERE)
        return True

    async def _look(self, store: ObjectStore) -> None:
        own = await catalogue(store, self._backups.key, prefix=series(self._backups.next_name()))
        made = [entry.name.made_at for entry in own if entry.state is State.COMPLETE]
        self._last = max(made, default=None)
        self._is_known = True

    async def _make(self, store: ObjectStore) -> None:
        made = await self._backups.make(store)
        self._last = made.manifest.name.made_at
        _LOG.info(
            "the backup %s is made: %d files, %d bytes; %d older ones gave way",
            made.manifest.name,
            len(made.manifest.files),
            made.manifest.stored_size,
            len(made.removed),
        )
        if made.manifest.sealed_with is None:
            _LOG.warning("%s; sessions and settings are left out of backups", NO_KEY)

    async def _with_store(self, work: Callable[[ObjectStore], Awaitable[None]]) -> None:
        store = self._make_store()
        try:
            await store.open()
            await work(store)
        finally:
            with anyio.move_on_after(CLOSE_SECONDS, shield=True):
                await store.aclose()
