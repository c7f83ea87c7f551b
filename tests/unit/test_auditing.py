"""`teltubby audit`, as it is typed, beside the ledger's owner."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from teltubby.adapters.sqlite_ledger import SqliteLedger
from teltubby.cli import app
from teltubby.messages.jobs import JobCommand
from teltubby.messages.ledger_jobs import CommandJob
from teltubby.messages.ledger_sessions import RecordCommand

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """A ledger that its owner has open: three commands, a day apart."""
    now = [NOON]
    with closing(SqliteLedger.open(tmp_path / "ledger.db", clock=lambda: now[0])) as ledger:
        ledger.sign_ins.record(RecordCommand(user_id=7, command="mtlogin", accepted=True, detail="by QR"))
        now[0] += timedelta(days=1)
        ledger.sign_ins.record(RecordCommand(user_id=8, command="track", accepted=False, detail="@cats: too often"))
        now[0] += timedelta(days=1)
        ledger.commands.obey(CommandJob(job_id="nowhere", command=JobCommand.CANCEL, user_id=7))
        yield tmp_path / "ledger.db"


def audit(path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["audit", *arguments], env={"SQLITE_PATH": str(path), "TELTUBBY_ENV_FILE": ""})


def test_every_command_with_who_when_what_and_outcome(path: Path) -> None:
    found = audit(path)
    assert found.exit_code == 0
    first, second, third = found.stdout.splitlines()
    assert first.startswith("2026-03-01T12:00:00") and first.endswith("  user 7  mtlogin, obeyed: by QR")
    assert second.endswith("  user 8  track, refused: @cats: too often")
    assert third.endswith("  user 7  cancel on job nowhere, refused: no job has this id")


@pytest.mark.parametrize(
    ("chosen", "commands"),
    [
        ((), ["mtlogin", "track", "cancel"]),
        (("--user", "7"), ["mtlogin", "cancel"]),
        (("--since", "2026-03-02"), ["track", "cancel"]),
        (("--since", "2026-03-02T12:00:01", "--user", "7"), ["cancel"]),
        (("--user", "9"), []),
    ],
)
def test_some_of_them(path: Path, chosen: tuple[str, ...], commands: list[str]) -> None:
    told = [json.loads(line) for line in audit(path, "--json", *chosen).stdout.splitlines()]
    assert [line["command"] for line in told] == commands
    assert all(set(line) == {"at", "user_id", "command", "job_id", "accepted", "detail"} for line in told)


def test_no_ledger(tmp_path: Path) -> None:
    found = audit(tmp_path / "nothing.db")
    assert found.exit_code == 1 and "no ledger" in found.stderr and not (tmp_path / "nothing.db").exists()


@pytest.mark.parametrize(
    "change", ["DELETE FROM commands", "UPDATE commands SET user_id = 9", "DELETE FROM commands WHERE id = 1"]
)
def test_nobody_changes_or_removes_a_line(path: Path, change: str) -> None:
    before = audit(path).stdout
    with closing(sqlite3.connect(path)) as somebody, pytest.raises(sqlite3.IntegrityError, match="append-only"):
        somebody.execute(change)
    assert audit(path).stdout == before


def test_what_is_too_old_goes_and_the_rest_stays_as_safe_as_before(path: Path) -> None:
    with closing(SqliteLedger.open(path)) as ledger:
        assert ledger.history.prune(NOON + timedelta(hours=1)) == 1
    assert [line.split()[3] for line in audit(path).stdout.splitlines()] == ["track,", "cancel"]
    with closing(sqlite3.connect(path)) as somebody, pytest.raises(sqlite3.IntegrityError, match="append-only"):
        somebody.execute("DELETE FROM commands")
