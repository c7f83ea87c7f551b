"""Proxies of HTTP and SOCKS4: all connections go by them, who is turned away says why and does not insist."""

from __future__ import annotations

import math
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from functools import partial
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from teltubby.adapters.mtproto_proxy import Proxy
from teltubby.adapters.telethon_bot import BotSession
from teltubby.errors import ConnectionLost, TelegramUnavailable
from teltubby.messages.routes import AccountKind
from teltubby.messages.transfer import FetchLarge, VerifyHashes
from teltubby.simulator.curator import Curator
from teltubby.simulator.server import SimulatedTelegram
from teltubby.transfer.engine import Engine
from teltubby.transfer.pacing import Limits
from teltubby.transfer.spool_folder import SpoolFolder
from tests.adapters.abroad import ABROAD, HOME, MIB, handed_in, wired
from tests.adapters.house import House, vault
from tests.adapters.persons import person_of
from tests.servers.http_proxy import HttpProxy
from tests.servers.proxy_server import ProxyServer
from tests.servers.socks_proxy import Socks4Proxy, SocksProxy

pytestmark = pytest.mark.anyio

WITHIN = 60.0
PASSWORD = "p:ss/w@rd"
FEW = 4
"""Connections to a proxy that turns us away, for one thing that we want: Telethon tries twice."""

each_kind = pytest.mark.parametrize("kind", [HttpProxy, Socks4Proxy])
every_kind = pytest.mark.parametrize("kind", [HttpProxy, Socks4Proxy, SocksProxy])


class Mute:
    """Takes connections, says this to each, and nothing more."""

    def __init__(self, says: bytes) -> None:
        self._says = says
        self._clients: list[socket.socket] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self._thread = threading.Thread(target=self._take, daemon=True)
        self._thread.start()

    @property
    def met(self) -> int:
        return len(self._clients)

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        for each in (self._server, *self._clients):
            each.close()

    def _take(self) -> None:
        with suppress(OSError):  # as it is closed
            while True:
                client, _ = self._server.accept()
                self._clients.append(client)
                client.sendall(self._says)


@pytest.fixture
def telegram() -> Iterator[SimulatedTelegram]:
    """Of two data centres, with addresses for files."""
    with SimulatedTelegram(dcs=(HOME, ABROAD), media_only=True) as telegram:
        yield telegram


@pytest.fixture
def proxy(kind: Callable[..., ProxyServer]) -> Iterator[ProxyServer]:
    """It wants a name, and a password where its kind knows any."""
    server = kind(("ada", PASSWORD))
    yield server
    server.close()


def session_by(house: House, proxy: ProxyServer, who: str = "ada:p%3Ass%2Fw%40rd") -> BotSession:
    return BotSession(
        api_id=1,
        api_hash="hash",
        bot_token=house.bot.token or "",
        vault=vault(house.path),
        timeout=5.0,
        data_centre=house.data_centre,
        public_key=house.telegram.public_key_pem,
        proxy=Proxy.read(f"{proxy.scheme}://{who}@127.0.0.1:{proxy.port}"),
    )


@each_kind
async def test_requests_and_parts_go_by_it(house: House, curator: Curator, proxy: ProxyServer) -> None:
    with wired(house.telegram) as wires:
        session = session_by(house, proxy)
        with anyio.fail_after(WITHIN):
            await session.open()
            for centre in (HOME, ABROAD):
                film = handed_in(house, curator, 2 * MIB, dc=centre)
                parts = await session.dial(centre)
                assert await film.reads(session, parts, 1)
                await parts.aclose()
        for_files = {wire.port for wire in (wires.media, wires.abroad_media) if wire is not None}
        assert {port for _, port in proxy.reached} == {house.wire.port, *for_files}
        assert len(for_files) == 2 and proxy.turned_away == 0
        await session.aclose()


@every_kind
async def test_who_is_turned_away_says_so_and_does_not_insist(house: House, proxy: ProxyServer) -> None:
    session = session_by(house, proxy, "bob:guessed")
    with anyio.fail_after(WITHIN), pytest.raises(TelegramUnavailable, match="the proxy does not connect us: ") as told:
        await session.open()
    await session.aclose()
    assert "guessed" not in str(told.value)
    assert 1 <= proxy.turned_away <= FEW and proxy.reached == []
    proxy.credentials = ("bob", "guessed")  # as an operator sets it right
    with anyio.fail_after(WITHIN):
        await session.open()
    await session.aclose()


@pytest.mark.parametrize(
    ("scheme", "says"),
    [
        ("http", b""),
        ("socks5", b""),
        ("http", b"SSH-2.0-OpenSSH_9.6\r\n"),
        ("socks4", b"SSH-2.0-OpenSSH_9.6\r\n"),
        ("http", b"HTTP/1.1 200\r\n\r\n"),
    ],
)
async def test_what_is_no_proxy_of_this_kind_is_told(house: House, scheme: str, says: bytes) -> None:
    """It hangs, or says something else; a 200 of HTTP, after which nothing comes, is no Telegram either."""
    with closing(await to_thread.run_sync(Mute, says)) as other:
        session = house.person(proxy=Proxy.read(f"{scheme}://127.0.0.1:{other.port}"), timeout=1.0)
        with anyio.fail_after(WITHIN), pytest.raises(TelegramUnavailable):
            ada = person_of(house)
            await ada.sign_in(session)
        assert other.met <= FEW


@every_kind
async def test_parts_that_are_turned_away_say_so(house: House, curator: Curator, proxy: ProxyServer) -> None:
    """The password was changed while we are connected: what needs no new connection goes on."""
    with wired(house.telegram):
        film = handed_in(house, curator, 2 * MIB)
        session = session_by(house, proxy)
        with anyio.fail_after(WITHIN):
            await session.open()
            proxy.credentials = ("eve", "else")
            with pytest.raises(ConnectionLost, match="the proxy does not connect us: ") as told:
                await session.dial(ABROAD)
            assert PASSWORD not in str(told.value) and 1 <= proxy.turned_away <= FEW
            assert await film.reads(session, await session.dial(HOME)), "over Telethon's one connection"
        await session.aclose()


@pytest.mark.parametrize("kind", [HttpProxy])
async def test_a_transfer_goes_on_when_the_proxy_is_back(
    house: House, curator: Curator, proxy: HttpProxy, tmp_path: Path
) -> None:
    """It goes in the middle of a file, and takes every connection with it; what was fetched is not fetched again."""
    film = handed_in(house, curator, 12 * MIB + 345, dc=ABROAD)
    folder = SpoolFolder(tmp_path / "spool", keep_seconds=math.inf)
    faults, served = house.telegram.world.faults, house.telegram.mtproto_server.served
    session = session_by(house, proxy)
    engine = Engine(
        session.dial,
        limits=Limits(connections=2, window=2, parts_in_flight=4, park_seconds=10),
        verify=VerifyHashes.AUTO,
    )

    got: list[bytes] = []

    async def fetch() -> None:
        location = await film.location(session)
        async with folder.open("job", document_id=location.document_id, size=location.size, key="key") as spool:
            refresh = partial(film.location, session)
            await engine.fetch(FetchLarge(account=AccountKind.BOT, location=location, refresh=refresh, into=spool))
            got.append(bytes(await spool.read(0, spool.size)))

    with ExitStack() as stack, anyio.fail_after(WITHIN):
        await session.open()
        house.on_server(lambda: setattr(faults, "bandwidth", 2 * MIB))
        async with anyio.create_task_group() as engines:
            engines.start_soon(engine.run)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(fetch)
                while house.calls("upload.getFile") < 4:
                    await anyio.sleep(0.02)
                await to_thread.run_sync(proxy.close)
                await session.wait_lost()
                with pytest.raises(TelegramUnavailable, match="proxy"):
                    await session.open()
                house.on_server(lambda: setattr(faults, "bandwidth", None))
                again = stack.enter_context(closing(HttpProxy(proxy.credentials, port=proxy.port)))
                await session.open()
            engines.cancel_scope.cancel()
        await session.aclose()
    assert got == [film.file.read(0, film.file.size)]
    assert again.reached
    assert house.telegram.call(served.repeated, film.file.id) <= 4 * MIB, "no more than was under way"
