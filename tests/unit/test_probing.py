"""`teltubby health` where what it asks is no well process: nobody, a stranger, one that hangs; and that it is cheap."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import repeat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from teltubby import probing
from teltubby.cli import app


class Stranger(BaseHTTPRequestHandler):
    body = b"<html>"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), Stranger) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("body", [b"<html>", b"{}", b"[]", b"null"])
def test_another_program_is_not_well(port: int, body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Stranger, "body", body)
    result = CliRunner().invoke(app, ["health", "--port", str(port)])
    assert result.exit_code == 1
    assert result.stderr.startswith(f"No teltubby answers on http://127.0.0.1:{port}/healthz: ")


def test_a_process_whose_loop_stands_is_not_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "ANSWER_WITHIN", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # the kernel accepts for it, and nobody answers
        result = CliRunner().invoke(app, ["health", "--port", str(silent.getsockname()[1])])
    assert result.exit_code == 1 and "timed out" in result.stderr


def answering(pieces: Iterable[bytes]) -> Iterator[int]:
    """A port on which somebody answers so, once."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                connection.recv(4096)
                for piece in pieces:
                    connection.sendall(piece)

        thread = threading.Thread(target=answer)
        thread.start()
        yield server.getsockname()[1]
        thread.join(30)
        assert not thread.is_alive(), "nobody holds it any more"


def dripping() -> Iterator[bytes]:
    """A head, and then one byte after the other, for ever."""
    yield b"HTTP/1.1 200 OK\r\n\r\n"
    while True:
        time.sleep(0.05)
        yield b" "


def endless() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\n\r\n"
    yield from repeat(b"[" * 65536)


@pytest.mark.parametrize("pieces, said", [(dripping, "timed out"), (endless, "another program has this port")])
def test_whoever_never_ends_gets_no_more_time(
    pieces: Callable[[], Iterator[bytes]], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probing, "ANSWER_WITHIN", 0.5 if pieces is dripping else 30.0)
    with contextmanager(answering)(pieces()) as port:
        result = CliRunner().invoke(app, ["health", "--port", str(port)])
    assert result.exit_code == 1 and said in result.stderr


@pytest.mark.parametrize(
    "status, body",
    [
        (404, {"unwell": [], "troubles": {}}),
        (200, {"unwell": [], "troubles": None}),
        (200, {"unwell": [], "troubles": {}, "dependencies": "UP"}),
        (200, {"unwell": [], "troubles": {}, "dependencies": {"db": {"status": "UP"}}}),
        (200, {"unwell": [{"name": "db"}], "troubles": {}}),
    ],
)
def test_what_is_like_a_report_is_none(status: int, body: object) -> None:
    text = json.dumps(body).encode()
    answer = b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (status, len(text), text)
    with contextmanager(answering)([answer]) as port:
        result = CliRunner().invoke(app, ["health", "--port", str(port)])
    assert result.exit_code == 1 and "another program has this port" in result.stderr


def test_the_port_is_that_of_the_configuration(port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["health", "--ready"], env={"HEALTH_PORT": str(port)})
    assert f"http://127.0.0.1:{port}/readyz" in result.stderr


def test_it_starts_without_what_it_does_not_need() -> None:
    script = (
        "import sys; from typer.testing import CliRunner; from teltubby.cli import app;"
        "CliRunner().invoke(app, ['health', '--port', '1']);"
        "print(*{'aiogram', 'telethon', 'aio_pika', 'aioboto3', 'aiohttp', 'matplotlib', 'numpy', 'PIL',"
        " 'sqlite_utils'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == ""
