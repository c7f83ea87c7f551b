"""Commands about data that are interrupted while a store keeps them waiting: 130, soon, and nothing was changed."""

from __future__ import annotations

import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.unit.backup.installation import Installation

WITHIN = 60.0
COMMANDS = ("backup", "restore --force", "prune --yes", "verify", "reindex")


def dumped(root: Path) -> tuple[list[str], str]:
    """What the ledger and a session say, but for the audit trail, which tells of the command."""
    with closing(sqlite3.connect(root / "ledger.db")) as connection:
        lines = [line for line in connection.iterdump() if not re.match('INSERT INTO "(commands|sqlite_seq)', line)]
    return lines, (root / "user.session").read_text()


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("command", "number"),
    [*((command, signal.SIGINT) for command in COMMANDS), ("restore --force", signal.SIGTERM)],
    ids=lambda value: value.name if isinstance(value, signal.Signals) else value.split()[0],
)
def test_interrupted_it_ends_with_130_and_leaves_everything_as_it_was(
    home: Installation, tmp_path: Path, command: str, number: signal.Signals
) -> None:
    home.ledger.claim(123)
    home.close()
    settings = {name: value for name, value in home.settings.items() if name != "STORAGE_FOLDER"}
    before = dumped(home.root)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(WITHIN)
        settings |= {
            "S3_ENDPOINT": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "S3_BUCKET": "archive",
            "S3_ACCESS_KEY_ID": "key",
            "S3_SECRET_ACCESS_KEY": "secret",
        }
        with subprocess.Popen(
            [sys.executable, "-m", "teltubby", *command.split()],
            env={**os.environ, **settings},
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            asked, _ = silent.accept()
            with asked:
                asked.settimeout(WITHIN)
                assert asked.recv(1), "it waits for the store's answer"
                process.send_signal(number)
                said = "".join(process.communicate(timeout=WITHIN))
    assert process.returncode == 130, said
    assert "Traceback" not in said and "secret" not in said
    assert dumped(home.root) == before
    left = {path.name for path in home.root.iterdir()} - {"spool", "user.session.lock", "bot.session.lock"}
    assert left <= {"ledger.db", "user.session", "ledger.db.verify", "bot-said.session.lock"}, left
