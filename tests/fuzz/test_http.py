"""Bytes on the two ports that are nearly HTTP: an answer or none, no traceback, and the next request is heard."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from teltubby import flavour
from teltubby.adapters.http_server import HttpServer, Page
from tests.adapters.test_webhook_server import Inbox, answer, request, rest, serving, update
from tests.fuzz.quiet import no_tracebacks
from tests.fuzz.shapes import damaged, examples, nearly

pytestmark = pytest.mark.anyio

UPDATE: dict[str, Any] = json.loads(update())
BODIES = nearly(UPDATE).map(lambda value: json.dumps(value).encode())
CHUNKED = (
    request(more="Transfer-Encoding: chunked\r\n").replace(b"Content-Length: 0\r\n", b"") + b"5\r\nabcde\r\n0\r\n\r\n"
)
SMUGGLED = request(b"0\r\n\r\n", more="Transfer-Encoding: chunked\r\n")
PAGE = b"GET /hello HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n"


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """In real time: sockets."""
    return "asyncio", flavour.backend_options("asyncio")


async def told(port: int, request_: bytes, *, patience: float = 0.05) -> bytes:
    """What comes back; who waits for more of a request is told after `patience` seconds that there is no more."""
    heard = b""
    with anyio.move_on_after(30):
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            with suppress(anyio.BrokenResourceError, anyio.EndOfStream):
                await stream.send(request_)
                with anyio.move_on_after(patience):
                    heard = await stream.receive()
                await stream.send_eof()
            return heard + await rest(stream)
    raise AssertionError("the connection was held")


def assert_an_answer(heard: bytes) -> None:
    assert heard == b"" or re.match(rb"HTTP/\d\.\d [2-5]\d\d ", heard)
    assert b"Traceback" not in heard and b" 500 " not in heard.partition(b"\r\n")[0]


@examples(3, shrunk=False)
@given(st.lists(BODIES.map(request) | damaged(request(update())) | damaged(CHUNKED), min_size=12, max_size=12))
@example([SMUGGLED, SMUGGLED + request(update(66)), request(update()) * 2])
async def test_the_webhook_s_port(requests: list[bytes]) -> None:
    inbox = Inbox()
    with no_tracebacks():
        async with serving(inbox, seconds=2.0) as port:
            for each in requests:
                assert_an_answer(await told(port, each))
            assert (await answer(port, request(update(900))))[0] == 200
    assert inbox.taken[-1].update_id == 900
    assert 66 not in [taken.update_id for taken in inbox.taken], "a request behind a request is not heard"


async def hello() -> Page:
    return Page(body=b"hello", content_type="text/plain")


@asynccontextmanager
async def pages() -> AsyncIterator[int]:
    server = HttpServer(host="127.0.0.1", port=0, pages={"/hello": hello}, connection_seconds=2.0)
    port = await server.open()
    try:
        yield port
    finally:
        await server.aclose()


@examples(2, shrunk=False)
@given(st.lists(damaged(PAGE), min_size=12, max_size=12))
@example(
    [PAGE.replace(b"/hello", path) for path in (b"/%00", b"/../hello", b"//hello", b"*", b"http://a/hello", b"/\xff")]
)
async def test_the_health_port(requests: list[bytes]) -> None:
    with no_tracebacks():
        async with pages() as port:
            for each in requests:
                assert_an_answer(await told(port, each))
            assert (await told(port, PAGE, patience=30)).endswith(b"hello")
