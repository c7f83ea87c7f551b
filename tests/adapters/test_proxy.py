"""Every MTProto connection goes by the proxy of TELEGRAM_PROXY: through one of SOCKS5 on loopback, on both backends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from teltubby.adapters.mtproto_proxy import Proxy
from teltubby.adapters.telethon_bot import BotSession
from teltubby.config import Role, load
from teltubby.errors import TelegramUnavailable
from teltubby.simulator.server import SimulatedTelegram
from teltubby.trees import parts
from tests.adapters.abroad import ABROAD, HOME, MIB, handed_in, wired
from tests.adapters.house import House, vault
from tests.adapters.persons import person_of
from tests.servers.socks_proxy import SocksProxy

pytestmark = pytest.mark.anyio

WITHIN = 30.0


@pytest.fixture
def telegram() -> Iterator[SimulatedTelegram]:
    """Of two data centres, with addresses for files."""
    with SimulatedTelegram(dcs=(HOME, ABROAD), media_only=True) as telegram:
        yield telegram


@pytest.fixture
def proxy() -> Iterator[SocksProxy]:
    """It wants a name and a password."""
    server = SocksProxy(("ada", "p:ss/word"))
    yield server
    server.close()


def address(proxy: SocksProxy, *, password: str = "p%3Ass%2Fword", port: int | None = None) -> Proxy:
    return Proxy.read(f"socks5://ada:{password}@127.0.0.1:{port or proxy.port}")


def bot_by(house: House, proxy: Proxy) -> BotSession:
    return BotSession(
        api_id=1,
        api_hash="hash",
        bot_token=house.bot.token or "",
        vault=vault(house.path),
        timeout=10.0,
        data_centre=house.data_centre,
        public_key=house.telegram.public_key_pem,
        proxy=proxy,
    )


@pytest.mark.parametrize("centre", [HOME, ABROAD])
async def test_sessions_and_parts_go_by_it(house: House, proxy: SocksProxy, centre: int) -> None:
    curator = house.telegram.add_curator(house.bot, username="ada")
    curator.send_text("/start")
    with wired(house.telegram) as wires:
        film = handed_in(house, curator, 2 * MIB, dc=centre)
        session = bot_by(house, address(proxy))
        with anyio.fail_after(WITHIN):
            await session.open()
            parts = await session.dial(centre)
            assert await film.reads(session, parts, 1)
            for_parts = wires.media if centre == HOME else wires.abroad_media
            assert for_parts is not None
            assert {port for _, port in proxy.reached} == {house.wire.port, for_parts.port}
            proxy.close()
            await session.wait_lost()
            await parts.aclose()
        await session.aclose()


async def test_a_person_signs_in_by_it(house: House, proxy: SocksProxy) -> None:
    ada = person_of(house)
    session = house.person(proxy=address(proxy), follows=True)
    with anyio.fail_after(WITHIN):
        await ada.sign_in(session)
        await session.open()
        await session.follow()
    assert len(proxy.reached) >= 2 and {port for _, port in proxy.reached} == {house.wire.port}


@pytest.mark.parametrize("trouble", ["password", "away", "beyond"])
async def test_a_proxy_that_does_not_connect_us_is_told(house: House, proxy: SocksProxy, trouble: str) -> None:
    ada = person_of(house)
    session = house.person()
    await ada.sign_in(session)
    await session.aclose()
    by = address(proxy)
    match trouble:
        case "password":
            by = address(proxy, password="guessed")
        case "away":
            proxy.close()
        case "beyond":
            house.wire.refuse()
    with pytest.raises(TelegramUnavailable) as told:
        await house.person(proxy=by).open()
    assert "proxy" in str(told.value), "whose trouble it is"
    assert "guessed" not in str(told.value) and "p:ss" not in str(told.value)
    assert proxy.reached == [] and house.telegram.call(lambda: house.telegram.mtproto_server.failures) == []


def bot_session_of(house: House, folder: Path, proxy: SocksProxy) -> BotSession:
    """As a worker makes it, by its configuration."""
    settings = {
        "TELEGRAM_BOT_TOKEN": house.bot.token or "",
        "TELEGRAM_WHITELIST_IDS": "1",
        "TELEGRAM_PROXY": f"socks5://ada:p%3Ass%2Fword@127.0.0.1:{proxy.port}",
        "STORAGE_FOLDER": str(folder),
        "MTPROTO_API_ID": "1",
        "MTPROTO_API_HASH": "0123456789abcdef0123456789abcdef",
        "MTPROTO_DC": house.telegram.mtproto_dc,
        "MTPROTO_PUBLIC_KEY": str(house.telegram.write_public_key(folder / "telegram.pem")),
        "MTPROTO_BOT_SESSION_PATH": str(folder / "bot.session"),
        "MTPROTO_SESSION_PATH": str(folder / "user.session"),
    }
    return parts.bot_session(load(Role.WORKER, settings, None))()


async def test_the_configuration_names_it(house: House, proxy: SocksProxy, tmp_path: Path) -> None:
    session = await to_thread.run_sync(bot_session_of, house, tmp_path, proxy)
    with anyio.fail_after(WITHIN):
        await session.open()
        await session.aclose()
    assert proxy.reached == [("127.0.0.1", house.telegram.mtproto_ports[HOME])]


def test_an_address_is_read_and_its_password_not_shown() -> None:
    proxy = Proxy.read("http://ada:p%40ss@proxy.example:8080")
    assert (proxy.kind, proxy.host, proxy.port, proxy.username, proxy.password) == (
        "http",
        "proxy.example",
        8080,
        "ada",
        "p@ss",
    )
    assert "p@ss" not in repr(proxy) and "ada" not in repr(proxy)
    assert Proxy.read("socks4://10.0.0.1:1080").username is None
    for wrong in ("ftp://host:1", "socks5://host", "socks5://:1080", "nonsense"):
        with pytest.raises(ValueError, match="proxy"):
            Proxy.read(wrong)
