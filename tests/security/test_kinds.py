"""Telegram is asked for three kinds of updates, whichever way they come: the others are never sent to us."""

from __future__ import annotations

from typing import Any

import pytest

from teltubby import flavour
from teltubby.adapters.bot_api import AiogramGateway
from teltubby.adapters.bot_fields import KINDS
from teltubby.simulator.server import SimulatedTelegram
from tests.adapters.conftest import opened

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """In real time: sockets."""
    return "asyncio", flavour.backend_options("asyncio")


@pytest.mark.parametrize("mode", ["polling", "webhook"])
async def test_no_other_kind_is_asked_for(mode: str) -> None:
    with SimulatedTelegram(mtproto=False) as telegram:
        bot = telegram.add_bot()
        async with opened(
            AiogramGateway(token=bot.token or "", api_url=telegram.bot_api_url, local=False, timeout=30.0)
        ) as gateway:
            if mode == "webhook":
                await gateway.set_webhook("https://127.0.0.1:9/hook", secret="s")
            else:
                await gateway.updates(offset=0, wait=0)
            told = await gateway.call(lambda client: client.get_webhook_info())
            assert told.allowed_updates == sorted(KINDS)
