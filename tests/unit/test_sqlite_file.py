"""How the ledger's database fails: with a sentence for people, nothing written, and no bug hidden as trouble."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from teltubby.adapters.sqlite_ledger import SqliteLedger
from teltubby.errors import ConfigurationError, DatabaseUnavailable
from teltubby.messages.ledger import SettleFile
from teltubby.messages.media import RawUpdate


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def ledger(path: Path) -> Iterator[SqliteLedger]:
    with closing(SqliteLedger.open(path, busy_timeout=0.05)) as ledger:
        yield ledger


def updates(count: int, length: int = 2) -> list[RawUpdate]:
    return [RawUpdate(update_id=number, payload="x" * length) for number in range(1, count + 1)]


def test_a_locked_database_refuses_and_recovers(ledger: SqliteLedger, path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseUnavailable, match=r"ledger\.db is locked by another process"):
            ledger.inbox.record(updates(1))
        assert ledger.inbox.open_groups() == ()
        other.execute("ROLLBACK")
    assert ledger.inbox.record(updates(1)) == 1


def test_a_read_only_database_refuses(ledger: SqliteLedger) -> None:
    ledger.file.db.conn.execute("PRAGMA query_only = ON")
    with pytest.raises(DatabaseUnavailable, match="is read-only"):
        ledger.files.settle(SettleFile(sha256="a" * 64, s3_key="k", size_bytes=3, mime=None, file_unique_id="u"))


def test_a_full_disk_refuses_and_leaves_nothing_behind(ledger: SqliteLedger) -> None:
    connection = ledger.file.db.conn
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    big = updates(49, length=4000)
    with pytest.raises(DatabaseUnavailable, match="its disk is full"):
        ledger.inbox.record(big)
    assert ledger.inbox.open_groups() == ()
    connection.execute("PRAGMA max_page_count = 100000")
    assert ledger.inbox.record(big) == 49


def test_a_file_that_is_no_database_is_named(path: Path) -> None:
    path.write_bytes(b"this is not what you think it is" * 100)
    with pytest.raises(DatabaseUnavailable, match=r"ledger\.db is not an SQLite database"):
        SqliteLedger.open(path)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailable, match=r"nowhere/ledger\.db cannot be opened"):
        SqliteLedger.open(tmp_path / "nowhere" / "ledger.db")


def test_a_damaged_database_refuses(path: Path) -> None:
    with closing(SqliteLedger.open(path)) as ledger:
        ledger.inbox.record(updates(200, length=3000))
    whole = path.read_bytes()
    half = len(whole) // 8192 * 4096  # the schema is in the first, updates fill the pages of the second
    path.write_bytes(whole[:half] + b"\xff" * (len(whole) - half))
    with closing(SqliteLedger.open(path)) as ledger, pytest.raises(DatabaseUnavailable, match="is damaged"):
        ledger.inbox.open_groups()


def test_a_bug_is_not_hidden_as_trouble_with_the_disk(ledger: SqliteLedger) -> None:
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        ledger.file.read("SELECT * FROM nonsense")


def test_a_database_of_a_newer_program_is_a_configuration_error(path: Path) -> None:
    with closing(sqlite3.connect(path)) as newer:
        newer.execute("PRAGMA user_version = 900")
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match=r"SQLITE_PATH: .* newer teltubby \(schema 900"):
        SqliteLedger.open(path)
    assert path.read_bytes() == before
