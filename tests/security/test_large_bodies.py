"""A gigabyte sent to either port: it ends with an answer or a cut connection, and the memory stays what it was."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import pytest

from teltubby import flavour
from tests.adapters.test_webhook_server import Inbox, answer, request, rest, serving, update
from tests.fuzz.test_http import PAGE, pages, told

pytestmark = pytest.mark.anyio

GIB = 1 << 30
PIECE = b" " * (1 << 20)
MOST_MIB = 48
"""Of memory that a gigabyte may cost; buffers of sockets, and what the allocator keeps."""


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """In real time: sockets."""
    return "asyncio", flavour.backend_options("asyncio")


def now_taken() -> float:
    """MiB that this process takes; `peak` counts from here on (proc(5), clear_refs: what came before hides nothing)."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak()


def peak() -> float:
    """MiB that this process took at most since `now_taken`."""
    (line,) = re.findall(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(line) / 1024


async def pour(port: int, head: bytes, *, is_chunked: bool) -> bytes:
    """Send a gigabyte after the head, or as much as the server takes; what it answered."""
    piece = b"%x\r\n%b\r\n" % (len(PIECE), PIECE) if is_chunked else PIECE
    heard = b""
    with anyio.fail_after(60):
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            with suppress(anyio.BrokenResourceError, anyio.EndOfStream):
                await stream.send(head)
                for _ in range(GIB // len(PIECE)):
                    await stream.send(piece)
                    with anyio.move_on_after(0):
                        heard += await stream.receive()
            with suppress(anyio.BrokenResourceError):
                heard += await rest(stream)
    return heard


CHUNKED = request(more="Transfer-Encoding: chunked\r\n").replace(b"Content-Length: 0\r\n", b"")


@pytest.mark.parametrize(
    ("head", "is_chunked"),
    [(request(length=GIB), False), (request(length=GIB, secret="wrong"), False), (CHUNKED, True)],
    ids=["announced", "without the secret", "in chunks"],
)
async def test_a_gigabyte_to_the_webhook(head: bytes, is_chunked: bool) -> None:
    inbox, before = Inbox(), now_taken()
    async with serving(inbox) as port:
        heard = await pour(port, head, is_chunked=is_chunked)
        assert heard == b"" or int(heard.split()[1]) in (403, 413)
        assert (await answer(port, request(update())))[0] == 200
    assert len(inbox.taken) == 1
    assert peak() - before < MOST_MIB


async def test_a_gigabyte_to_the_health_port() -> None:
    before = now_taken()
    async with pages() as port:
        head = PAGE.replace(b"GET", b"POST").replace(b"Host: x", b"Host: x\r\nContent-Length: %d" % GIB)
        heard = await pour(port, head, is_chunked=False)
        assert heard == b"" or b" 405 " in heard.partition(b"\r\n")[0]
        assert (await told(port, PAGE, patience=30)).endswith(b"hello")
    assert peak() - before < MOST_MIB
