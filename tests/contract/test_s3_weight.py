"""What S3 costs a process in memory, and that a body which is not copied is sent whole, and again."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import anyio
import pytest

from tests.contract.stores import MIB, S3World, digest
from tests.servers.s3_proxy import Answer, S3Proxy

pytestmark = pytest.mark.anyio

BODY = bytes(range(256)) * (16 * MIB // 256) + b"the end"

MOVED = Answer(
    status=301,
    body=b'<?xml version="1.0"?>\n<Error><Code>PermanentRedirect</Code><Region>us-east-1</Region></Error>',
)


class Weight:
    """Bytes that Python allocated inside the block: what it kept, and the most that it had at once."""

    kept = 0
    peak = 0


@contextmanager
def weighed() -> Iterator[Weight]:
    weight = Weight()
    gc.collect()
    tracemalloc.start()
    try:
        yield weight
        weight.peak = tracemalloc.get_traced_memory()[1]
        gc.collect()
        weight.kept = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


async def test_a_client_keeps_little_of_what_botocore_knows(s3_world: S3World) -> None:
    async with s3_world.store():
        pass  # modules that the first client imports
    with weighed() as weight:
        store = s3_world.adapter()
        await store.open()
    await store.aclose()
    assert weight.kept < 5 * MIB, f"{weight.kept / MIB:.1f} MiB"


async def test_parts_that_go_up_are_not_copied(s3_world: S3World) -> None:
    async with s3_world.store() as store:
        upload_id = await store.begin("k", content_type="video/mp4")
        with weighed() as weight:
            async with anyio.create_task_group() as tasks:
                for number in (1, 2):
                    tasks.start_soon(partial(store.put_part, "k", upload_id, number, BODY, sha256=digest(BODY)))
    assert weight.peak < len(BODY) / 4, f"{weight.peak / MIB:.1f} MiB for two parts of {len(BODY) // MIB} MiB"


async def test_a_body_that_is_sent_again_is_whole(s3_world: S3World) -> None:
    proxy = S3Proxy(s3_world.node)
    proxy.once(lambda line: line.startswith("PUT"), MOVED)
    try:
        async with s3_world.store(endpoint=proxy.endpoint) as store:
            await store.put("k", BODY, content_type="video/mp4", sha256=digest(BODY))
    finally:
        proxy.close()
    assert [line.split()[0] for line in proxy.requests].count("PUT") == 2
    assert s3_world.read("k") == BODY
