"""How the store is read for as long as it takes: with patience, at a given pace, and without a trace in it."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import anyio

from teltubby.adapters.base import ObjectInfo, ObjectStore
from teltubby.config import Config
from teltubby.errors import StoreRefused, StoreUnavailable
from teltubby.supervision import Backoff
from teltubby.trees import parts

R = TypeVar("R")

TRIES = 6
BACKOFF = Backoff(first=1.0, cap=30.0)
CLOSE_SECONDS = 5.0


@asynccontextmanager
async def opened(config: Config) -> AsyncIterator[ObjectStore]:
    """The store that is configured. A folder is not opened, for that would tidy up in it. Raises what opening does."""
    store = parts.store(config)()
    try:
        if config.s3.bucket is not None:
            await store.open()
        yield store
    finally:
        with anyio.move_on_after(CLOSE_SECONDS, shield=True):
            await store.aclose()


class Pace:
    """At most `rate` bytes per second over all readers, None: as fast as it goes. Pure: times are the caller's."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._free_at = 0.0

    def wait(self, size: int, now: float) -> float:
        """Seconds to wait before `size` bytes are read at `now`."""
        if self._rate is None:
            return 0.0
        begins = max(self._free_at, now)
        self._free_at = begins + size / self._rate
        return begins - now


class Reader:
    """Reads one store: a store that is away is asked again for about a minute, then StoreUnavailable is raised."""

    def __init__(self, store: ObjectStore, pace: Pace, *, rng: random.Random | None = None) -> None:
        self._store = store
        self._pace = pace
        self._rng = rng or random.Random()

    @property
    def bucket(self) -> str:
        """A name for people, and for telling stores apart."""
        return self._store.location("")

    async def head(self, key: str) -> ObjectInfo | None:
        """The object's size, None where it is not there."""
        return await self._patiently(lambda: self._store.head(key))

    async def get(self, info: ObjectInfo) -> bytes:
        """A small object whole. Raises FileGone."""
        return await self.read(info.key, 0, info.size + 1)  # one more: what has grown since is not cut off silently

    async def read(self, key: str, offset: int, length: int) -> bytes:
        """A piece of an object, fewer bytes only at its end. Raises FileGone."""
        await anyio.sleep(self._pace.wait(length, anyio.current_time()))
        return await self._patiently(lambda: self._store.read(key, offset, length))

    async def list(self, prefix: str) -> AsyncGenerator[ObjectInfo, None]:
        """Everything under the prefix in key order, to be closed; a listing that breaks goes on where it broke."""
        last, failures = b"", 0
        while True:
            listing = self._store.list(prefix)
            try:
                async for info in listing:
                    if (key := info.key.encode(errors="surrogateescape")) > last:
                        last, failures = key, 0
                        yield info
            except StoreUnavailable as error:
                failures += 1
                await self._pause(failures, error)
            else:
                return
            finally:
                if isinstance(listing, AsyncGenerator):
                    await listing.aclose()

    async def unfinished(self, prefix: str) -> int | None:
        """How many uploads were begun and not ended; None where we may not ask."""
        count = 0
        try:
            async for _ in self._store.unfinished(prefix):
                count += 1
        except StoreRefused:
            return None
        return count

    async def _patiently(self, ask: Callable[[], Awaitable[R]]) -> R:
        failures = 0
        while True:
            try:
                return await ask()
            except StoreUnavailable as error:
                failures += 1
                await self._pause(failures, error)

    async def _pause(self, failures: int, error: StoreUnavailable) -> None:
        if failures == TRIES:
            raise error
        await anyio.sleep(BACKOFF.delay(failures + 1, self._rng))
