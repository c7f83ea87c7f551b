"""The simulated Telegram, with a bot, a curator, and a wire that can be cut."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from telethon import TelegramClient

from teltubby.adapters.bot_api import AiogramGateway
from teltubby.simulator.curator import Curator
from teltubby.simulator.people import User
from teltubby.simulator.server import SimulatedTelegram
from tests.adapters.house import House
from tests.servers.tcp_proxy import TcpProxy


@pytest.fixture
def telegram(request: pytest.FixtureRequest) -> Iterator[SimulatedTelegram]:
    """Both servers; only the Bot API where the module says `MTPROTO = False`."""
    with SimulatedTelegram(mtproto=getattr(request.module, "MTPROTO", True)) as telegram:
        yield telegram


@pytest.fixture
def bot(telegram: SimulatedTelegram) -> User:
    return telegram.add_bot()


@pytest.fixture
def curator(telegram: SimulatedTelegram, bot: User) -> Curator:
    """A person who has started the bot: message 1."""
    curator = telegram.add_curator(bot, "Ada", username="ada")
    curator.send_text("/start")
    return curator


@pytest.fixture
def wire(telegram: SimulatedTelegram) -> Iterator[TcpProxy]:
    """Between the house and the Bot API."""
    proxy = TcpProxy(urlsplit(telegram.bot_api_url).port or 0)
    yield proxy
    proxy.close()


@asynccontextmanager
async def opened(gateway: AiogramGateway) -> AsyncIterator[AiogramGateway]:
    """The gateway, open."""
    await gateway.open()
    try:
        yield gateway
    finally:
        await gateway.aclose()


@pytest.fixture(autouse=True)
def no_ports_of_earlier_tests() -> None:
    """Telethon keeps the server's configuration on the class."""
    TelegramClient._config = None


@pytest.fixture
def mtproto_wire(telegram: SimulatedTelegram) -> Iterator[TcpProxy]:
    proxy = TcpProxy(telegram.mtproto_ports[2])
    yield proxy
    proxy.close()


@pytest.fixture
async def house(telegram: SimulatedTelegram, bot: User, mtproto_wire: TcpProxy, tmp_path: Path) -> AsyncIterator[House]:
    house = House(telegram, bot, mtproto_wire, tmp_path / "data" / "bot.session")
    yield house
    await house.aclose()
    assert telegram.call(lambda: list(telegram.mtproto_server.failures)) == []


@pytest.fixture
async def telegram_of_two(tmp_path: Path) -> AsyncIterator[House]:
    """A house at a Telegram of two data centres."""
    with SimulatedTelegram(dcs=(2, 4)) as telegram:
        wire = TcpProxy(telegram.mtproto_ports[2])
        try:
            house = House(telegram, telegram.add_bot(), wire, tmp_path / "data" / "bot.session")
            yield house
            await house.aclose()
        finally:
            wire.close()
        assert telegram.call(lambda: list(telegram.mtproto_server.failures)) == []
