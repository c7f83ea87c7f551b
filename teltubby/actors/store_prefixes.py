"""Work on everything under a prefix of the store, in bounded memory however much that is."""

from __future__ import annotations

import anyio

from teltubby.adapters.base import ObjectInfo, ObjectStore
from teltubby.errors import TeltubbyError
from teltubby.messages.transfer import PrefixSize

DELETIONS_AT_ONCE = 16
BATCH = 1000
"""Objects that are listed before they are deleted: one page of S3's."""


async def measure_prefix(store: ObjectStore, prefix: str) -> PrefixSize:
    """What lies under the prefix. Raises StoreUnavailable, StoreRefused."""
    used_bytes = objects = 0
    async for info in store.list(prefix):
        used_bytes += info.size
        objects += 1
    return PrefixSize(used_bytes=used_bytes, objects=objects)


async def purge_prefix(store: ObjectStore, prefix: str) -> PrefixSize:
    """Delete it and answer how much that was. Raises StoreUnavailable, StoreRefused: the rest is there still then."""
    used_bytes = objects = 0
    batch: list[ObjectInfo] = []
    async for info in store.list(prefix):
        used_bytes += info.size
        objects += 1
        batch.append(info)
        if len(batch) == BATCH:
            await _delete(store, batch)
            batch = []
    await _delete(store, batch)
    return PrefixSize(used_bytes=used_bytes, objects=objects)


async def _delete(store: ObjectStore, batch: list[ObjectInfo]) -> None:
    left = iter(batch)
    failures: list[TeltubbyError] = []

    async def delete_some() -> None:
        for info in left:
            if failures:
                return
            try:
                await store.delete(info.key)
            except TeltubbyError as error:
                failures.append(error)

    async with anyio.create_task_group() as tasks:
        for _ in range(DELETIONS_AT_ONCE):
            tasks.start_soon(delete_some)
    if failures:
        raise failures[0]
