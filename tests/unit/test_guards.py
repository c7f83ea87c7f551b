"""The guards of tests/conftest.py catch what they are for."""

from __future__ import annotations

import asyncio
import socket
import sqlite3
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from blockbuster import BlockingError

import teltubby
from teltubby.flavour import asyncio_hosted
from tests.guards import LeftLoopback, LoopbackGuard

ELSEWHERE = "192.0.2.1"  # TEST-NET-1 (RFC 5737): nobody is there


def in_teltubby(source: str) -> Callable[[], object]:
    """A function `f` as if it stood in a module of the product."""
    namespace: dict[str, Callable[[], object]] = {}
    exec(compile(source, str(Path(teltubby.__file__).with_name("made_up.py")), "exec"), namespace)
    return namespace["f"]


QUERY = in_teltubby(
    """
import contextlib, sqlite3
def f():
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("select 1").close()
"""
)


def test_blocking_sockets_cannot_leave(loopback_guard: LoopbackGuard) -> None:
    with pytest.raises(LeftLoopback, match=ELSEWHERE):
        socket.create_connection((ELSEWHERE, 9), timeout=1)
    with socket.socket() as sock, pytest.raises(LeftLoopback):
        sock.connect_ex((ELSEWHERE, 9))
    with pytest.raises(LeftLoopback, match=r"look up 'telegram\.org'"):
        socket.getaddrinfo("telegram.org", 443)
    assert len(loopback_guard.attempts) == 3
    loopback_guard.attempts.clear()


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.10", "localhost"])
def test_loopback_is_open(address: str) -> None:
    with socket.create_server(("", 0)) as server:
        socket.create_connection((address, server.getsockname()[1]), timeout=5).close()


def test_unix_sockets_are_open(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(str(tmp_path / "s"))
        server.listen()
        client.connect(str(tmp_path / "s"))


def test_names_that_cannot_exist_are_answered_without_asking() -> None:
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo("no-such-host.invalid", 80)


@pytest.mark.anyio
async def test_anyio_cannot_leave(loopback_guard: LoopbackGuard) -> None:
    with pytest.raises(OSError):
        await anyio.connect_tcp(ELSEWHERE, 9)
    assert loopback_guard.attempts
    loopback_guard.attempts.clear()


@pytest.mark.anyio
async def test_hosted_asyncio_cannot_leave(loopback_guard: LoopbackGuard) -> None:
    with pytest.raises(LeftLoopback):
        await asyncio_hosted(partial(asyncio.open_connection, ELSEWHERE, 9))()
    assert loopback_guard.attempts
    loopback_guard.attempts.clear()


@pytest.mark.anyio
async def test_blocking_in_the_loop_fails() -> None:
    for source in (
        "def f():\n    import time\n    time.sleep(0)",
        "def f():\n    import os\n    os.listdir('/')",
        "def f():\n    with open('/etc/passwd') as file:\n        file.read()",
    ):
        with pytest.raises(BlockingError):
            in_teltubby(source)()
    with pytest.raises(BlockingError):
        QUERY()


@pytest.mark.anyio
async def test_blocking_in_a_thread_is_fine() -> None:
    await anyio.to_thread.run_sync(QUERY)


@pytest.mark.anyio
async def test_tests_themselves_may_block(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    sqlite3.connect(":memory:").close()


def test_outside_of_a_loop_everything_may_block() -> None:
    QUERY()
    thread = threading.Thread(target=QUERY)
    thread.start()
    thread.join()
