"""BackupActor: has a backup made of what this process owns, from time to time."""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable
from typing import Never

import anyio

from teltubby.actors.backup_record import BackupRecord
from teltubby.adapters.base import ObjectStore
from teltubby.backup.catalogue import State, catalogue
from teltubby.backup.contents import NO_KEY
from teltubby.backup.making import Backups
from teltubby.backup.names import series
from teltubby.errors import TeltubbyError
from teltubby.supervision import Actor, Backoff, Context

_LOG = logging.getLogger(__name__)

LONGEST_WAIT = 3600.0
"""The wall clock may be set meanwhile: when the next one is due is looked up again."""
CLOSE_SECONDS = 4.0


class BackupActor(Actor[Never]):
    """Makes one every so often, the first one when the newest that the store has is old enough.

    What goes wrong stands in the record until a backup is made; it tries again by `backoff`. A stop cuts off a backup
    that is being made: the next one removes what there is of it.
    """

    def __init__(
        self,
        backups: Backups,
        store: Callable[[], ObjectStore],
        *,
        record: BackupRecord,
        backoff: Backoff,
        rng: random.Random,
    ) -> None:
        self._backups = backups
        self._make_store = store
        self._record = record
        self._backoff = backoff
        self._rng = rng

    async def handle(self, message: Never, /) -> None:
        raise AssertionError(f"nobody writes to the BackupActor: {message}")

    async def run(self, context: Context[Never]) -> None:
        context.started()
        failures = 0
        while not context.stopping.is_set():
            with context.interruptible():
                if await self._try():
                    failures = 0
                    await anyio.sleep(min(self._record.remaining, LONGEST_WAIT))
                else:
                    failures += 1
                    await anyio.sleep(self._backoff.delay(failures, self._rng))

    async def _try(self) -> bool:
        """Make one if it is due; whether all is well."""
        try:
            if not self._record.is_known:
                await self._with_store(self._look)
            if self._record.remaining == 0.0:
                await self._with_store(self._make)
        except TeltubbyError as error:
            _LOG.error("no backup can be made: %s", error)
            self._record.failed(str(error))
            return False
        self._record.well()
        return True

    async def _look(self, store: ObjectStore) -> None:
        own = await catalogue(store, self._backups.key, prefix=series(self._backups.next_name()))
        ours = [entry for entry in own if entry.state is State.COMPLETE and entry.bot == self._backups.bot]
        sizes = {entry.name.made_at: entry.size for entry in ours}
        self._record.found(sizes)

    async def _make(self, store: ObjectStore) -> None:
        made = await self._backups.make(store)
        self._record.made(made.manifest.name.made_at, size=made.manifest.stored_size)
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
