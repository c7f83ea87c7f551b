"""HttpServer on both backends: what it serves, and a port that is taken."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager, suppress

import anyio
import pytest
from aiohttp import web
from anyio import to_thread

from teltubby.adapters import bounded_http
from teltubby.adapters.http_server import MAX_CONNECTIONS, Handler, HttpServer, Page
from teltubby.errors import ConfigurationError

pytestmark = pytest.mark.anyio


async def hello() -> Page:
    return Page(body="Привет".encode(), content_type="text/plain; charset=utf-8")


async def unwell() -> Page:
    return Page(body=b"{}", content_type="application/json", status=503)


async def broken() -> Page:
    raise RuntimeError("a bug in a page")


SLOW: list[asyncio.Future[None]] = []
"""Of requests for a page that takes its time: each is answered when it is set."""


async def slow() -> Page:
    SLOW.append(asyncio.get_running_loop().create_future())
    await SLOW[-1]
    return await hello()


LARGE = 16 << 20
"""Bytes; no kernel keeps so many for one who does not read."""


async def large() -> Page:
    return Page(body=bytes(LARGE), content_type="application/octet-stream")


PAGES: Mapping[str, Handler] = {
    "/hello": hello,
    "/unwell": unwell,
    "/broken": broken,
    "/slow": slow,
    "/large": large,
}
WITHIN = 30.0


@asynccontextmanager
async def serving(port: int = 0, *, connection_seconds: float = 10.0) -> AsyncIterator[str]:
    server = HttpServer(host="127.0.0.1", port=port, pages=PAGES, connection_seconds=connection_seconds)
    port = await server.open()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await server.aclose()
        await server.aclose()


async def get(url: str, method: str = "GET") -> tuple[int, bytes, Mapping[str, str]]:
    def ask() -> tuple[int, bytes, Mapping[str, str]]:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=10) as response:
                return response.status, response.read(), dict(response.headers)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read(), dict(error.headers)

    return await to_thread.run_sync(ask)


async def test_pages_are_served() -> None:
    async with serving() as url:
        status, body, headers = await get(f"{url}/hello")
        assert (status, body.decode()) == (200, "Привет")
        assert headers["Content-Type"] == "text/plain; charset=utf-8" and headers["Cache-Control"] == "no-store"
        assert (await get(f"{url}/unwell"))[0] == 503
        assert (await get(f"{url}/hello?a=b"))[0] == 200


async def test_nothing_else_is() -> None:
    async with serving() as url:
        assert (await get(f"{url}/other"))[0] == 404
        assert (await get(f"{url}/"))[0] == 404
        assert (await get(f"{url}/hello", "POST"))[0] == 405
        assert (await get(f"{url}/hello", "DELETE"))[0] == 405


async def test_a_bug_in_a_page_is_its_own(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as url:
        status, body, _ = await get(f"{url}/broken")
        assert status == 500 and b"a bug in a page" not in body
        assert (await get(f"{url}/hello"))[0] == 200
    assert any(record.exc_info for record in caplog.records)


async def test_a_port_that_is_taken_is_a_mistake_in_the_configuration() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"HEALTH_PORT.*{port}"):
            async with serving(port):
                pass


async def test_after_the_end_the_port_is_free() -> None:
    async with serving() as url:
        port = int(url.rpartition(":")[2])
    with pytest.raises(urllib.error.URLError):
        await get(f"{url}/hello")
    async with serving(port) as again:
        assert (await get(f"{again}/hello"))[0] == 200


def reads_end(connection: socket.socket) -> bytes:
    """What the server still sends until it ends the connection."""
    connection.settimeout(30)
    said = b""
    try:
        while more := connection.recv(4096):
            said += more
    except ConnectionResetError:
        pass
    return said


def counts(connection: socket.socket) -> int:
    """How many bytes the server still sends until it ends the connection."""
    connection.settimeout(30)
    received = 0
    with suppress(ConnectionResetError):
        while more := len(connection.recv(1 << 20)):
            received += more
    return received


async def test_who_never_ends_his_request_is_cut_off() -> None:
    async with serving(connection_seconds=0.2) as url:
        port = int(url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as slow:
            slow.sendall(b"GET /hello HTTP/1.1\r\nHost: a\r\nX-Slow: ")
            assert await to_thread.run_sync(reads_end, slow) == b""
        assert (await get(f"{url}/hello"))[0] == 200


async def test_when_all_wait_for_answers_one_more_is_cut_at_once() -> None:
    async with serving(connection_seconds=60.0) as url:
        port = int(url.rpartition(":")[2])
        with ExitStack() as opened:
            crowd = [
                opened.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(MAX_CONNECTIONS)
            ]
            SLOW.clear()
            for connection in crowd:
                connection.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
            with anyio.fail_after(WITHIN):
                while len(SLOW) < MAX_CONNECTIONS:
                    await anyio.sleep(0.01)
            late = opened.enter_context(socket.create_connection(("127.0.0.1", port)))
            assert await to_thread.run_sync(reads_end, late) == b""
            for answered in SLOW:
                answered.set_result(None)
            assert (await to_thread.run_sync(reads_end, crowd[0])).startswith(b"HTTP/1.1 200 ")
            assert (await get(f"{url}/hello"))[0] == 200, "who is gone leaves his place"


async def test_whoever_has_his_answer_and_stays_keeps_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """He promised more than he sends, so that it is waited for."""
    monkeypatch.setattr(bounded_http, "LINGER_SECONDS", 60.0)
    async with serving(connection_seconds=60.0) as url:
        port = int(url.rpartition(":")[2])
        with ExitStack() as opened:
            crowd = [
                opened.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(MAX_CONNECTIONS)
            ]
            for connection in crowd:
                connection.settimeout(WITHIN)
                connection.sendall(b"POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
            for connection in crowd:
                assert b" 405 " in await to_thread.run_sync(connection.recv, 4096)
            assert (await get(f"{url}/hello"))[0] == 200
            assert await to_thread.run_sync(reads_end, crowd[0]) == b"", "the oldest of them went"


async def test_who_does_not_read_his_answer_is_cut_off_too() -> None:
    async with serving(connection_seconds=0.5) as url:
        port = int(url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as deaf, ExitStack() as opened:
            deaf.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
            assert await to_thread.run_sync(deaf.recv, 12) == b"HTTP/1.1 200"
            later = opened.enter_context(socket.create_connection(("127.0.0.1", port)))
            assert await to_thread.run_sync(reads_end, later) == b"", "his time is over, and so was the other's"
            assert await to_thread.run_sync(counts, deaf) < LARGE


@pytest.mark.parametrize(
    "request_", [b"\x16\x03\x01\x02\x00\x01", b"GET /hello HTTP/1.1\r\nContent-Length: x", b"GET /" + b"a" * 100_000]
)
async def test_what_is_no_request_hurts_nobody(request_: bytes) -> None:
    async with serving(connection_seconds=1.0) as url:
        port = int(url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as wrong:
            wrong.sendall(request_ + b"\r\n\r\n")
            assert b"200 OK" not in await to_thread.run_sync(reads_end, wrong)
        assert (await get(f"{url}/hello"))[0] == 200


async def test_whoever_only_holds_connections_keeps_nobody_out() -> None:
    """Slow or silent, and more of them than there is room: who asks is answered, and the oldest of them goes."""
    async with serving(connection_seconds=60.0) as url:
        port = int(url.rpartition(":")[2])
        with ExitStack() as opened:
            crowd = [
                opened.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(2 * MAX_CONNECTIONS)
            ]
            assert await to_thread.run_sync(reads_end, crowd[0]) == b""
            assert (await get(f"{url}/hello"))[0] == 200
            crowd[-1].sendall(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
            assert b" 200 " in await to_thread.run_sync(reads_end, crowd[-1]), "the newest stay"


async def test_a_thousand_at_once_are_answered() -> None:
    async with serving() as url:
        port = int(url.rpartition(":")[2])

        def ask() -> list[bytes]:
            with ExitStack() as opened:
                crowd = []
                for _ in range(1000):
                    crowd.append(opened.enter_context(socket.create_connection(("127.0.0.1", port), 30)))
                    crowd[-1].sendall(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
                return [reads_end(connection)[:12] for connection in crowd]

        assert await to_thread.run_sync(ask) == [b"HTTP/1.1 200"] * 1000


async def test_what_is_no_request_is_one_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with serving() as url:
        port = int(url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as wrong:
            wrong.sendall(b"GET /hello HTTP/9.9\r\n\r\n")
            assert (await to_thread.run_sync(reads_end, wrong)).startswith(b"HTTP/1.0 400 ")
    (record,) = [record for record in caplog.records if record.name.startswith("teltubby.")]
    assert record.exc_info is None and record.levelno == logging.INFO and "\n" not in record.getMessage()


async def test_a_long_body_is_neither_kept_nor_waited_for() -> None:
    """Whatever it says about its length: the answer comes, and then the connection ends."""
    async with serving() as url:
        port = int(url.rpartition(":")[2])
        for method, status in ((b"GET", b"200"), (b"POST", b"405")):
            with socket.create_connection(("127.0.0.1", port)) as long:
                long.sendall(method + b" /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 1073741824\r\n\r\nx")
                assert (await to_thread.run_sync(reads_end, long)).startswith(b"HTTP/1.1 " + status)


async def test_who_is_gone_is_forgotten() -> None:
    """A process that is asked every few seconds for years keeps nothing of it."""
    async with serving() as url:
        for _ in range(20):
            assert (await get(f"{url}/hello"))[0] == 200
        with anyio.fail_after(WITHIN):
            while handlers():
                await anyio.sleep(0.01)


def handlers() -> int:
    """Connections of which something is left in memory."""
    gc.collect()
    return sum(type(each) is web.RequestHandler for each in gc.get_objects())
