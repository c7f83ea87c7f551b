"""Connections to data centres, as the tests of this folder open them."""

from __future__ import annotations

import anyio
import pytest

from teltubby.adapters.telethon_bot import BotSession
from teltubby.errors import ConnectionLost
from teltubby.messages.transfer import PartConnection
from tests.adapters.abroad import MIB, Film

WITHIN = 30.0
SIZE = 4 * MIB + 12_345
NO_MEDIA = {"media_only": False}
without_media = pytest.mark.parametrize("telegram", [NO_MEDIA], indirect=True, ids=["no address for files"])


async def dialled(session: BotSession, data_centre: int, count: int) -> list[PartConnection]:
    """So many connections, dialled at once."""
    connections: list[PartConnection] = []

    async def dial() -> None:
        connections.append(await session.dial(data_centre))

    with anyio.fail_after(WITHIN):
        async with anyio.create_task_group() as tasks:
            for _ in range(count):
                tasks.start_soon(dial)
    return connections


async def close(*connections: PartConnection) -> None:
    for connection in connections:
        await connection.aclose()


async def lost(film: Film, session: BotSession, connection: PartConnection) -> None:
    """The connection is of no use any more."""
    location = await film.location(session)
    with anyio.fail_after(WITHIN), pytest.raises(ConnectionLost):
        await connection.fetch(location, 0, MIB)
    await connection.aclose()
