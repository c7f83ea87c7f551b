"""`teltubby audit`, as it is typed, beside the ledger's owner."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from teltubby.adapters.sqlite_ledger import SqliteLedger
from teltubby.adapters.sqlite_ledger_view import PAGE, LedgerView, TrailFilter
from teltubby.cli import app
from teltubby.messages.jobs import JobCommand
from teltubby.messages.ledger_jobs import CommandJob
from teltubby.messages.ledger_sessions import RecordCommand
from teltubby.messages.trail import TrailEntry, TrailKind

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """A ledger that its owner has open: three commands, a day apart; then what is of other kinds."""
    now = [NOON]
    with closing(SqliteLedger.open(tmp_path / "ledger.db", clock=lambda: now[0])) as ledger:
        ledger.sign_ins.record(RecordCommand(user_id=7, command="mtlogin", accepted=True, detail="by QR"))
        now[0] += timedelta(days=1)
        ledger.sign_ins.record(RecordCommand(user_id=8, command="track", accepted=False, detail="@cats: too often"))
        now[0] += timedelta(days=1)
        ledger.commands.obey(CommandJob(job_id="nowhere", command=JobCommand.CANCEL, user_id=7))
        at = now[0] + timedelta(hours=1)
        ledger.trail.record(
            [
                TrailEntry(at=at, kind=TrailKind.QUESTION, user_id=8, command="find", detail="cats"),
                TrailEntry(
                    at=at, kind=TrailKind.STRANGER, user_id=9, command="button in private", accepted=False, times=3
                ),
                TrailEntry(at=at, kind=TrailKind.STRANGER, command="others", accepted=False),
                TrailEntry(at=at, kind=TrailKind.OPERATOR, command="prune", accepted=False, detail="by root"),
                TrailEntry(at=at, kind=TrailKind.DECISION, command="failed", job_id="3f2a9c1e", detail="gone"),
            ]
        )
        yield tmp_path / "ledger.db"


def audit(path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["audit", *arguments], env={"SQLITE_PATH": str(path), "TELTUBBY_ENV_FILE": ""})


def test_every_command_with_who_when_what_and_outcome(path: Path) -> None:
    found = audit(path)
    assert found.exit_code == 0
    first, second, third, *others = found.stdout.splitlines()
    assert first.startswith("2026-03-01T12:00:00") and first.endswith("  user 7  mtlogin, obeyed: by QR")
    assert second.endswith("  user 8  track, refused: @cats: too often")
    assert third.endswith("  user 7  cancel on job nowhere, refused: no job has this id")
    assert [line.partition("Z  ")[2] for line in others] == [
        "user 8  find, answered: cats",
        "stranger 9  button in private 3 times, turned away",
        "others who are not let in  others, turned away",
        "an operator  prune, failed: by root",
        "teltubby itself  failed on job 3f2a9c1e, decided: gone",
    ]


@pytest.mark.parametrize(
    ("chosen", "commands"),
    [
        (("--kind", "command"), ["mtlogin", "track", "cancel"]),
        (("--user", "7"), ["mtlogin", "cancel"]),
        (("--since", "2026-03-02", "--kind", "command"), ["track", "cancel"]),
        (("--since", "2026-03-02T12:00:01", "--user", "7"), ["cancel"]),
        (("--until", "2026-03-02T12:00:00"), ["mtlogin"]),
        (("--until", "2026-03-02T12:00:01"), ["mtlogin", "track"]),
        (("--command", "/track"), ["track"]),
        (("--command", "trac"), []),
        (("--job", "3f2a"), ["failed"]),
        (("--job", "f2a"), []),
        (("--kind", "operator", "--kind", "decision"), ["prune", "failed"]),
        (("--user", "10"), []),
    ],
)
def test_some_of_them(path: Path, chosen: tuple[str, ...], commands: list[str]) -> None:
    told = [json.loads(line) for line in audit(path, "--json", *chosen).stdout.splitlines()]
    assert [line["command"] for line in told] == commands
    keys = {"at", "kind", "user_id", "command", "job_id", "accepted", "detail", "times"}
    assert all(set(line) == keys for line in told)


def test_what_was_typed_forges_no_line_and_orders_no_terminal(path: Path) -> None:
    with closing(SqliteLedger.open(path)) as ledger:
        forged = "\n2026-03-09T00:00:00Z  user 7  purge, obeyed\x1b[2J\u202e"
        ledger.trail.record([TrailEntry(at=NOON, kind=TrailKind.QUESTION, user_id=8, command="find", detail=forged)])
    after = audit(path, "--command", "find").stdout
    assert len(after.splitlines()) == 2 and not set("\x1b\u202e") & set(after)


def test_a_long_trail_is_read_a_page_at_a_time(path: Path) -> None:
    entry = TrailEntry(at=NOON, kind=TrailKind.QUESTION, user_id=8, command="status")
    with closing(SqliteLedger.open(path)) as ledger:
        ledger.trail.record([replace(entry, detail=str(number)) for number in range(2 * PAGE + 3)])
        view = LedgerView.open(path)
        assert view is not None
        with closing(view):
            pages = view.trail(TrailFilter(command="status"))
            first = next(pages)
            ledger.trail.record([replace(entry, detail="later")])
            assert ledger.trail.prune(NOON - timedelta(days=1)) == 0
            rest = [line for page in pages for line in page]
    assert len(first) == PAGE
    assert [line.detail for line in (*first, *rest)] == [*map(str, range(2 * PAGE + 3)), "later"]


def test_no_ledger(tmp_path: Path) -> None:
    found = audit(tmp_path / "nothing.db")
    assert found.exit_code == 1 and "no ledger" in found.stderr and not (tmp_path / "nothing.db").exists()
