"""The command line: what it prints, and the exit codes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

import teltubby
from teltubby.cli import app

ROOT = Path(__file__).parents[2]
TOKEN = "123456:canary"
SESSION_COMMANDS = {"login", "logout", "backup-session", "restore-session"}
COLLECTOR_COMMANDS = {"sync-history", "poll-updates", "export", "report"}
ARCHIVE_COMMANDS = {"reindex", "verify", "backup", "restore", "prune", "listen"}
COMMANDS = (
    {"run", "bot", "worker", "demo", "doctor", "check-config", "tree", "health", "audit", "trace"}
    | SESSION_COMMANDS
    | COLLECTOR_COMMANDS
    | ARCHIVE_COMMANDS
)

runner = CliRunner()


@pytest.fixture(autouse=True)
def _nothing_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("TELEGRAM_BOT_TOKEN", "TELEGRAM_WHITELIST_IDS", "HEALTH_PORT"):
        monkeypatch.delenv(name, raising=False)


class Status(BaseHTTPRequestHandler):
    body: bytes = json.dumps({"tree": "bot  ready\n└─ ledger  ready", "snapshot": {"name": "bot"}}).encode()

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/status" else 404)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    """Where something that looks like a running process answers."""
    with HTTPServer(("127.0.0.1", 0), Status) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("command", ["run", "bot", "worker", "check-config"])
def test_a_wrong_configuration_ends_with_78_and_all_mistakes(command: str) -> None:
    result = runner.invoke(app, [command], env={"CONCURRENCY": "0", "LOG_LEVEL": "LOUD"})
    assert result.exit_code == 78
    assert result.stdout == ""
    for name in ("TELEGRAM_BOT_TOKEN", "CONCURRENCY", "LOG_LEVEL"):
        assert sum(line.startswith(name) for line in result.stderr.splitlines()) == 1


def test_check_config_prints_everything_but_secrets(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"TELEGRAM_BOT_TOKEN={TOKEN}\nTELEGRAM_WHITELIST_IDS=1\n")
    result = runner.invoke(app, ["check-config"], env={"CONCURRENCY": "4"})
    assert result.exit_code == 0, result.stderr
    assert TOKEN not in result.output
    assert re.search(r"^TELEGRAM_BOT_TOKEN=\*\*\*\* +# \.env$", result.stdout, re.MULTILINE)
    assert re.search(r"^CONCURRENCY=4 +# env$", result.stdout, re.MULTILINE)
    assert runner.invoke(app, ["check-config", "--role", "worker"]).exit_code == 78


def test_tree_prints_what_the_process_shows(port: int, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"HEALTH_PORT={port}\n")
    assert runner.invoke(app, ["tree"]).stdout == "bot  ready\n└─ ledger  ready\n"
    assert json.loads(runner.invoke(app, ["tree", "--json"]).stdout) == {"name": "bot"}
    asked = runner.invoke(app, ["tree", "--port", str(port)], env={"http_proxy": "http://127.0.0.1:9"})
    assert asked.exit_code == 0


@pytest.mark.parametrize("body", [b"{}", b"[]", b"<html>"])
def test_tree_without_a_teltubby(port: int, body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Status, "body", body)
    result = runner.invoke(app, ["tree", "--port", str(port)])
    assert result.exit_code == 1
    assert result.stderr.startswith(f"No teltubby answers on http://127.0.0.1:{port}/status: ")


def test_tree_without_a_process() -> None:
    with HTTPServer(("127.0.0.1", 0), Status) as server:
        port = server.server_port
    result = runner.invoke(app, ["tree", "--port", str(port)])
    assert result.exit_code == 1 and "Connection refused" in result.stderr


def test_every_command_and_exit_code_is_documented() -> None:
    assert {command.name or command.callback.__name__ for command in app.registered_commands if command.callback} == (
        COMMANDS
    )
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    for code in (0, 1, 2, 70, 78, 130):
        assert f"| {code} |" in page
    shown = runner.invoke(app, ["--help"]).stdout
    for word in (*COMMANDS, "70", "78", "130"):
        assert word in shown


def test_the_module_is_the_command() -> None:
    command = [sys.executable, "-m", "teltubby", "--version"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == teltubby.__version__


def test_the_wrong_usage_ends_with_2() -> None:
    assert runner.invoke(app, ["no-such-command"]).exit_code == 2
