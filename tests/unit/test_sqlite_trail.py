"""The audit trail's rows: written, found for as long as they are kept, and changed or removed by nobody."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from teltubby.adapters.sqlite_file import SqliteFile
from teltubby.adapters.sqlite_ledger import SqliteLedger
from teltubby.adapters.sqlite_schema import MIGRATIONS, SCHEMA_VERSION
from teltubby.adapters.sqlite_trail import LONGEST_DETAIL, the_trail_has_kinds
from teltubby.adapters.sqlite_trail_beside import record_beside
from teltubby.errors import CannotBeKept, ConfigurationError, DatabaseUnavailable
from teltubby.messages.trail import TrailEntry, TrailKind
from tests.unit.ledger_samples import ID, a_job, apply, failed, ledger_with, started

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def entry(command: str = "test", at: datetime = NOON, **more: object) -> TrailEntry:
    return TrailEntry(at=at, kind=TrailKind.DECISION, command=command, **more)  # type: ignore[arg-type]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def ledger(path: Path) -> Iterator[SqliteLedger]:
    """Three lines, a day apart."""
    with closing(SqliteLedger.open(path)) as opened:
        opened.trail.record([entry(str(number), NOON + number * DAY) for number in range(3)])
        yield opened


def commands(ledger: SqliteLedger) -> list[str]:
    return [row["command"] for row in ledger.file.read("SELECT command FROM commands ORDER BY id")]


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM commands",
        "DELETE FROM commands WHERE id = 1",
        "UPDATE commands SET detail = 'x' WHERE id = 3",
        "UPDATE OR REPLACE commands SET id = 2 WHERE id = 1",
        "REPLACE INTO commands (id, at, command, job_id, accepted) VALUES (2, '2026', 'forged', '', 1)",
        "INSERT OR REPLACE INTO commands SELECT * FROM commands WHERE id = 1",
        "INSERT OR IGNORE INTO commands (id, at, command, job_id, accepted) VALUES (3, '2026', 'forged', '', 1)",
    ],
)
@pytest.mark.parametrize("forgot", [False, True], ids=["fresh", "after some were forgotten"])
def test_nobody_changes_or_removes_a_line(ledger: SqliteLedger, path: Path, change: str, forgot: bool) -> None:
    if forgot:
        ledger.trail.record([entry("0", NOON - 9 * DAY)])
        assert ledger.trail.prune(NOON - DAY) == 1
    with closing(sqlite3.connect(path)) as somebody, pytest.raises(sqlite3.IntegrityError, match="append-only"):
        somebody.execute(change)
    assert commands(ledger) == ["0", "1", "2"]


@pytest.mark.parametrize(("days", "kept"), [(0, "012"), (1, "12"), (2, "2"), (3, "")])
def test_lines_are_kept_by_their_age_to_the_moment(ledger: SqliteLedger, days: int, kept: str) -> None:
    assert ledger.trail.prune(NOON + days * DAY) == days
    assert "".join(commands(ledger)) == kept


def test_what_is_younger_is_safe_even_from_the_forgetting(ledger: SqliteLedger) -> None:
    with ledger.file.write() as connection:  # a bug: it forgets too much
        connection.execute("CREATE TRIGGER bug AFTER DELETE ON commands BEGIN DELETE FROM commands; END")
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        ledger.trail.prune(NOON + DAY)
    assert commands(ledger) == ["0", "1", "2"]
    with pytest.raises(sqlite3.IntegrityError, match="append-only"), ledger.file.write() as connection:
        connection.execute("DELETE FROM commands WHERE id = 1")


def test_after_the_forgetting_old_lines_are_as_safe_as_new_ones(ledger: SqliteLedger, path: Path) -> None:
    assert ledger.trail.prune(NOON + DAY) == 1
    ledger.trail.record([entry("late", NOON - DAY)])
    with closing(sqlite3.connect(path)) as somebody, pytest.raises(sqlite3.IntegrityError, match="append-only"):
        somebody.execute("DELETE FROM commands WHERE command = 'late'")


def test_nothing_to_forget_changes_no_schema(ledger: SqliteLedger) -> None:
    before = ledger.file.read("PRAGMA schema_version")[0][0]
    assert ledger.trail.prune(NOON) == 0
    assert ledger.file.read("PRAGMA schema_version")[0][0] == before


def test_lines_are_written_all_or_none_and_of_bounded_length(ledger: SqliteLedger) -> None:
    with pytest.raises(CannotBeKept):
        ledger.trail.record([entry("first"), entry("second", user_id=1 << 70)])
    assert commands(ledger) == ["0", "1", "2"]
    ledger.trail.record([entry(detail="x" * 10_000)])
    (row,) = ledger.file.read("SELECT detail FROM commands WHERE command = 'test'")
    assert len(row["detail"]) == LONGEST_DETAIL


def test_the_trail_of_an_older_file_stays_as_it_was(path: Path) -> None:
    past = MIGRATIONS.index(the_trail_has_kinds)
    with closing(SqliteFile.open(path, newest=past)) as file, file.write() as connection:
        for migration in MIGRATIONS[:past]:
            migration(file.db)
        connection.execute(f"PRAGMA user_version = {past}")
        connection.execute(
            "INSERT INTO commands (at, user_id, command, job_id, accepted) VALUES ('2026-03-01', 7, 'track', '', 1)"
        )
    with closing(SqliteLedger.open(path)) as ledger:
        (row,) = ledger.file.read("SELECT at, user_id, command, kind, times FROM commands")
        assert tuple(row) == ("2026-03-01", 7, "track", "command", 1)
        assert ledger.file.read("PRAGMA user_version")[0][0] == SCHEMA_VERSION


def test_a_job_that_failed_for_good_is_a_decision() -> None:
    with ledger_with(a_job()) as ledger:
        apply(ledger, started(), failed())
        apply(ledger, failed())
        (row,) = ledger.file.read("SELECT kind, user_id, command, job_id, accepted, detail FROM commands")
        assert tuple(row)[:5] == ("decision", None, "failed", ID, 1)
        assert row["detail"] == f"attempt 1, {failed().worker}: {failed().reason}"
        history = ledger.history.read(ID)
        assert history is not None and history.commands == (), "nobody ordered that"


# -- from a process that does not own the file


def test_a_line_from_beside(ledger: SqliteLedger, path: Path) -> None:
    record_beside(path, entry("backup"))
    assert commands(ledger) == ["0", "1", "2", "backup"]


def test_where_there_is_no_ledger_there_is_no_trail(path: Path) -> None:
    record_beside(path, entry())
    assert not path.exists()


@pytest.mark.parametrize(
    ("version", "error"), [(SCHEMA_VERSION + 1, ConfigurationError), (3, DatabaseUnavailable)], ids=["newer", "older"]
)
def test_a_file_of_another_version_is_left_alone(path: Path, version: int, error: type[Exception]) -> None:
    with closing(sqlite3.connect(path)) as file:
        file.execute(f"PRAGMA user_version = {version}")
    with pytest.raises(error):
        record_beside(path, entry())


def test_a_ledger_that_is_held_is_waited_for_and_then_said(ledger: SqliteLedger, path: Path) -> None:
    with ledger.file.write(), pytest.raises(DatabaseUnavailable, match="locked"):
        record_beside(path, entry(), busy_timeout=0.1)
