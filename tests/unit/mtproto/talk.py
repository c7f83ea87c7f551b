"""A conversation with the server of a test: requests on their way, and time for both sides to act."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from teltubby.adapters.mtproto_rpc import (
    ACK_SECONDS,
)
from tests.unit.mtproto.wires import (
    Server,
)

RESULT = b"RESULT.."


@asynccontextmanager
async def asking(server: Server, *requests: bytes) -> AsyncIterator[list[asyncio.Task[memoryview]]]:
    """These requests are on their way, and at the end answered."""
    tasks = [asyncio.create_task(server.rpc.invoke(request)) for request in requests]
    await settle()
    yield tasks
    async with asyncio.timeout(3600):
        await asyncio.wait(tasks)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def introduced(server: Server) -> None:
    """One request is answered, and nothing is left of it."""
    async with asking(server, b"FIRST...") as (first,):
        server.answers(server.requests[-1], RESULT)
    assert bytes(await first) == RESULT
    await asyncio.sleep(ACK_SECONDS)
    server.wire.sent[1:] = []
