"""HttpServer on both backends: what it serves, and a port that is taken."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest
from anyio import to_thread

from teltubby.adapters.http_server import Handler, HttpServer, Page
from teltubby.errors import ConfigurationError

pytestmark = pytest.mark.anyio


async def hello() -> Page:
    return Page(body="Привет".encode(), content_type="text/plain; charset=utf-8")


async def unwell() -> Page:
    return Page(body=b"{}", content_type="application/json", status=503)


async def broken() -> Page:
    raise RuntimeError("a bug in a page")


PAGES: Mapping[str, Handler] = {"/hello": hello, "/unwell": unwell, "/broken": broken}


@asynccontextmanager
async def serving(port: int = 0) -> AsyncIterator[str]:
    server = HttpServer(host="127.0.0.1", port=port, pages=PAGES)
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
