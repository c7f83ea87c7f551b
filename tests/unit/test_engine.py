"""The download engine: aligned parts, in order, whole or not at all."""

from __future__ import annotations

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from teltubby import flavour
from teltubby.errors import ContentMismatch, FileGone, FloodWait, SpoolFull
from teltubby.transfer.engine import PART_BYTES, fetch
from tests.twins import RemoteTwin

pytestmark = pytest.mark.anyio


class MemorySpool:
    """`GrowingFile` in memory."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.body = bytearray()
        self.failure: Exception | None = None
        self.full_at: int | None = None

    @property
    def prefix(self) -> int:
        return len(self.body)

    async def append(self, data: bytes) -> None:
        if self.full_at is not None and self.prefix + len(data) > self.full_at:
            raise SpoolFull("full")
        self.body += data

    def fail(self, error: Exception) -> None:
        self.failure = self.failure or error

    async def read(self, offset: int, length: int) -> bytes:
        return bytes(self.body[offset : offset + length])


def content(size: int) -> bytes:
    return (bytes(range(251)) * (size // 251 + 1))[:size]


@given(size=st.one_of(st.integers(0, 3 * PART_BYTES), st.integers(0, 3).map(lambda n: n * PART_BYTES)))
def test_every_byte_comes_once_in_aligned_parts(size: int) -> None:
    async def run() -> None:
        remote, spool = RemoteTwin(1, content(size)), MemorySpool(size)
        await fetch(remote, spool)
        assert bytes(spool.body) == content(size)
        assert [call.subject for call in remote.script.calls] == list(range(0, size, PART_BYTES))

    anyio.run(run, backend_options=flavour.backend_options("asyncio"))


@pytest.mark.parametrize("served", [0, 1, PART_BYTES - 1, PART_BYTES, PART_BYTES + 5])
async def test_a_part_of_the_wrong_length_is_refused(served: int) -> None:
    remote, spool = RemoteTwin(1, content(served), size=PART_BYTES + 6), MemorySpool(PART_BYTES + 6)
    with pytest.raises(ContentMismatch):
        await fetch(remote, spool)
    assert isinstance(spool.failure, ContentMismatch)


async def test_more_than_was_announced_is_refused() -> None:
    remote, spool = RemoteTwin(1, content(20), size=10), MemorySpool(10)
    with pytest.raises(ContentMismatch):
        await fetch(remote, spool)
    assert spool.prefix == 0


@pytest.mark.parametrize("error", [FloodWait(7), FileGone("gone"), RuntimeError("bug")], ids=lambda e: type(e).__name__)
async def test_a_failure_is_told_to_readers_and_to_the_caller(error: Exception) -> None:
    remote, spool = RemoteTwin(1, content(2 * PART_BYTES)), MemorySpool(2 * PART_BYTES)
    remote.script.fail("read", error)
    with pytest.raises(type(error)) as caught:
        await fetch(remote, spool)
    assert spool.failure is caught.value is error


async def test_a_full_disk_is_told() -> None:
    remote, spool = RemoteTwin(1, content(2 * PART_BYTES)), MemorySpool(2 * PART_BYTES)
    spool.full_at = PART_BYTES
    with pytest.raises(SpoolFull):
        await fetch(remote, spool)
    assert isinstance(spool.failure, SpoolFull)
    assert spool.prefix == PART_BYTES


async def test_it_goes_on_where_the_spool_stands() -> None:
    remote, spool = RemoteTwin(1, content(3 * PART_BYTES)), MemorySpool(3 * PART_BYTES)
    await spool.append(content(PART_BYTES))
    await fetch(remote, spool)
    assert bytes(spool.body) == content(3 * PART_BYTES)
    assert remote.script.count("read") == 2
