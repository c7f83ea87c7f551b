"""A store for the time of a command."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio

from teltubby.adapters.base import ObjectStore

CLOSE_SECONDS = 5.0


@asynccontextmanager
async def opened(make: Callable[[], ObjectStore]) -> AsyncIterator[ObjectStore]:
    """The store, open. Raises StoreUnavailable, StoreRefused."""
    store = make()
    try:
        await store.open()
        yield store
    finally:
        with anyio.move_on_after(CLOSE_SECONDS, shield=True):
            await store.aclose()
