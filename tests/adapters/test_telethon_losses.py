"""What is left of a connection of Telethon's that has ended, on both backends."""

from __future__ import annotations

import gc

import anyio
import pytest

from teltubby.errors import SessionNotReady
from tests.adapters.house import House

pytestmark = pytest.mark.anyio


async def test_nobody_is_bothered_with_the_end_of_a_connection_that_nobody_waits_for(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    """asyncio logs the error of a future that nobody asked, with a traceback, when it is collected."""
    async with house.opened() as session:
        with anyio.move_on_after(0.1):
            await session.wait_lost()
        house.on_server(house.telegram.mtproto_server.forget_keys)
        with pytest.raises(SessionNotReady):
            await session.check()
    gc.collect()
    assert "never retrieved" not in caplog.text
