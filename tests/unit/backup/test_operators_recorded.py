"""Commands that are typed are in the audit trail: who typed them, what came of it, and no harm is done by that."""

from __future__ import annotations

import getpass
import socket
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from teltubby import auditing, logs
from teltubby.adapters.sqlite_ledger import SqliteLedger
from teltubby.cli import app
from teltubby.errors import ConfigurationError, StoreUnavailable
from tests.unit.backup.installation import Installation, rows

SECRET = "kanarienvogel-of-32-characters-and-more"
LINES = "SELECT command, accepted, detail, user_id FROM commands WHERE kind = 'operator' ORDER BY id"


def run(installation: Installation, *arguments: str) -> Result:
    environment = {name: str(value) for name, value in installation.settings.items()}
    return CliRunner().invoke(app, arguments, env={**environment, "LOG_LEVEL": "CRITICAL"})


def told(installation: Installation, path: str = "ledger.db") -> list[tuple[str, int, str]]:
    """Command, whether it was done, and what is said of it behind who typed it."""
    found = rows(installation.root / path, LINES)
    who = f"by {getpass.getuser()} on {socket.gethostname()}"
    assert all(detail.startswith(who) and user_id is None for _, _, detail, user_id in found)
    return [(command, accepted, detail.removeprefix(who).removeprefix(", ")) for command, accepted, detail, _ in found]


@pytest.fixture
def box(home: Installation, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Installation:
    """With a place for backups."""
    monkeypatch.chdir(tmp_path)
    (home.root / "archive").mkdir()
    return home


def test_what_changes_something_is_written_down_and_what_looks_is_not(box: Installation) -> None:
    for arguments in (["backup"], ["backup", "--list"], ["prune"], ["prune", "--yes"], ["audit"], ["channels", "list"]):
        run(box, *arguments)
    assert told(box) == [("backup", 1, ""), ("prune", 1, "")]


def test_a_restore_is_in_the_ledger_that_came_back(box: Installation) -> None:
    assert run(box, "backup").exit_code == 0
    box.ledger.close()
    assert run(box, "restore").exit_code == 1, "there is something already"
    done = run(box, "restore", "--force")
    assert done.exit_code == 0, done.output
    assert told(box) == [("restore", 1, "the newest, into its place")]


def test_failures_are_told_without_secrets(box: Installation) -> None:
    config = box.config(BACKUP_KEY=SECRET)
    logs.configure(config.logs, config.secrets())
    with pytest.raises(StoreUnavailable), auditing.recorded(config, "backup"):
        raise StoreUnavailable(f"https://u:{SECRET}@store cannot be reached")
    with pytest.raises(KeyboardInterrupt), auditing.recorded(config, "prune", "with more"):
        raise KeyboardInterrupt
    with pytest.raises(RuntimeError), auditing.recorded(config, "reindex"):
        raise RuntimeError(SECRET)
    with pytest.raises(ConfigurationError), auditing.recorded(config, "logout"):
        raise ConfigurationError(("nothing was begun",))
    assert told(box) == [
        ("backup", 0, "https://****@store cannot be reached"),
        ("prune", 0, "with more, interrupted"),
        ("reindex", 0, "RuntimeError"),
    ]


def test_a_trail_that_cannot_be_written_is_said_and_harms_nothing(box: Installation) -> None:
    with box.ledger.file.write() as connection:
        connection.execute("PRAGMA user_version = 3")
    done = run(box, "prune", "--role", "worker", "--yes")
    assert done.exit_code == 0, done.output
    assert "The audit trail has no line of this: The database" in done.stderr


def test_without_a_ledger_there_is_none_afterwards(box: Installation) -> None:
    box.settings["SQLITE_PATH"] = str(box.root / "elsewhere.db")
    assert run(box, "channels", "add", "@cats").exit_code == 0
    assert not (box.root / "elsewhere.db").exists()


def test_channels(box: Installation) -> None:
    with closing(SqliteLedger.open(box.root / "ledger.db")):
        run(box, "channels", "add", "@cats", "media=photo", "max=5MB")
        run(box, "channels", "remove", "@cats")
    assert told(box) == [("channels add", 1, "@cats media=photo max=5MB"), ("channels remove", 1, "@cats")]
