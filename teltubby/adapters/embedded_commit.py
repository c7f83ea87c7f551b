"""Durable writes to the queue's file: those that come at once are committed at once.

A commit waits for the disk, some milliseconds however much is in it: a hundred publications one by one take half a
second, together no longer than two.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import anyio
import anyio.to_thread

from teltubby.adapters.embedded_store import EmbeddedStore
from teltubby.errors import BrokerUnavailable, TopologyConflict

R = TypeVar("R")


class _Write(Generic[R]):
    """A write, and what came of it: its result once that is durable, or why there is none."""

    def __init__(self, write: Callable[[sqlite3.Connection], R]) -> None:
        self.write = write
        self.results: list[R] = []
        self.failure: Exception | None = None

    @property
    def settled(self) -> bool:
        return bool(self.results) or self.failure is not None

    def outcome(self) -> R:
        match self.failure:
            case None:
                return self.results[0]
            case BrokerUnavailable() | TopologyConflict() as shared:  # with others, who raise theirs
                raise type(shared)(str(shared)) from shared
            case own:
                raise own


class GroupCommit:
    """Commits in the order in which they were asked for, in a thread of `limiter`."""

    def __init__(self, store: EmbeddedStore, *, limiter: anyio.CapacityLimiter) -> None:
        self._store = store
        self._limiter = limiter
        self._lock = anyio.Lock()
        self._waiting: list[_Write[Any]] = []

    async def run(self, write: Callable[[sqlite3.Connection], R]) -> R:
        """Return what `write` returns once it is durable.

        Raises BrokerUnavailable and TopologyConflict, and then nothing was written; what `write` itself raises (a
        ValueError for text that is none) is its own, and takes no other with it. Who is cancelled while others commit
        writes nothing; a commit that has begun is not cut off.
        """
        mine = _Write(write)
        self._waiting.append(mine)
        try:
            async with self._lock:
                if not mine.settled:
                    together, self._waiting = self._waiting, []
                    with anyio.CancelScope(shield=True):  # it is not ours alone
                        await anyio.to_thread.run_sync(self._commit, together, limiter=self._limiter)
        finally:
            if mine in self._waiting:
                self._waiting.remove(mine)
        return mine.outcome()

    def _commit(self, together: Sequence[_Write[Any]]) -> None:
        written: list[tuple[_Write[Any], Any]] = []
        try:
            with self._store.transaction() as connection:
                for one in together:
                    try:
                        written.append((one, one.write(connection)))
                    except ValueError as exc:
                        one.failure = exc
        except (BrokerUnavailable, TopologyConflict) as exc:
            for one in together:
                one.failure = exc
        else:
            for one, result in written:
                one.results.append(result)
