"""How fast a store is read, in virtual time."""

from __future__ import annotations

import hashlib
from typing import Any

import anyio
import pytest

from teltubby.errors import StoreUnavailable
from teltubby.fixity.reading import Pace, Reader
from tests.twins import MemoryStore
from tests.virtual_time import backend_in_virtual_time

KEY = "teltubby/a.bin"


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Both backends, on a clock that jumps."""
    return backend_in_virtual_time(request.param)


@pytest.mark.anyio
async def test_all_readers_share_the_pace() -> None:
    """12 pieces of 1000 bytes by three at 1000 bytes/s: the last one begins after 11 s."""
    store = MemoryStore(part_size=1 << 20)
    await store.open()
    await store.put(KEY, bytes(1000), content_type="video/mp4", sha256=hashlib.sha256(bytes(1000)).hexdigest())
    reader = Reader(store, Pace(1000.0))
    began = anyio.current_time()

    async def read() -> None:
        for _ in range(4):
            assert len(await reader.read(KEY, 0, 1000)) == 1000

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(read)
    assert anyio.current_time() - began == pytest.approx(11.0, abs=0.1)


@pytest.mark.anyio
async def test_a_store_that_is_away_is_asked_again_for_a_while() -> None:
    asked = 0

    async def watch(step: str) -> None:
        nonlocal asked
        if step == "head before":
            asked += 1
            if asked <= failures:
                raise StoreUnavailable("away")

    store, failures = MemoryStore(part_size=1 << 20, watch=watch), 3
    await store.open()
    reader = Reader(store, Pace(None))
    assert await reader.head(KEY) is None and asked == 4
    asked, failures = 0, 99
    with pytest.raises(StoreUnavailable):
        await reader.head(KEY)
    assert asked == 6
