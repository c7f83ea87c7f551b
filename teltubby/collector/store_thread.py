"""How the collector's database is worked with: in a thread, one piece of work after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, TypeVarTuple, Unpack

import anyio
from anyio import to_thread

from teltubby.collector.repositories import CollectorStore

R = TypeVar("R")
Ts = TypeVarTuple("Ts")


class StoreThread:
    """An open store for many tasks. What one call of `run` does no other comes between, as if it were one transaction.

    The store stays the caller's: to be closed once nothing runs any more.
    """

    def __init__(self, store: CollectorStore) -> None:
        self._store = store
        self._one_at_a_time = anyio.CapacityLimiter(1)

    @property
    def store(self) -> CollectorStore:
        """For naming what is to be run, as in `run(thread.store.record, page)`; calling it here would block the loop.

        What only has to be read may be read in a store of its own (`CollectorStore.open_to_read`), when it takes long.
        """
        return self._store

    async def run(self, function: Callable[[Unpack[Ts]], R], *args: *Ts) -> R:
        """What `function` answers. Raises what it raises: DatabaseUnavailable, for all that the store has.

        Cancelled before it began, it does not begin; one that began is waited for, and what it did is done.
        """
        return await to_thread.run_sync(function, *args, limiter=self._one_at_a_time)
