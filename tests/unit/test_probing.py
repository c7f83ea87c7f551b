"""`teltubby health` where what it asks is no well process: nobody, a stranger, one that hangs; and that it is cheap."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
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
