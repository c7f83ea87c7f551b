"""Maintenance: what is sound is made small, what is not is told, and nothing of it is an error."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from teltubby.adapters.sqlite_ledger import SqliteLedger
from teltubby.adapters.sqlite_maintenance import Maintenance
from teltubby.messages.media import RawUpdate
from tests.unit.submissions import content, handed_in


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def ledger(path: Path) -> Iterator[SqliteLedger]:
    with closing(SqliteLedger.open(path, busy_timeout=0.05)) as ledger:
        yield ledger


def fill(ledger: SqliteLedger, count: int = 300) -> None:
    ledger.inbox.record([RawUpdate(update_id=number, payload="x" * 3000) for number in range(1, count + 1)])


def empty(ledger: SqliteLedger) -> None:
    with ledger.file.write() as connection:
        connection.execute("DELETE FROM inbox")


def test_a_sound_file_has_no_faults_and_its_rows_are_counted(ledger: SqliteLedger, path: Path) -> None:
    for number in range(5):
        ledger.submissions.submit(handed_in(number, caption="word"))
    report = ledger.maintenance.maintain()
    assert report.faults == ()
    assert dict(report.rows)["messages"] == 5
    assert not any("fts" in table for table, _ in report.rows)
    assert report.bytes_after == path.stat().st_size, "the log is empty"
    assert report.seconds > 0


def test_what_is_empty_is_given_back(ledger: SqliteLedger) -> None:
    fill(ledger)
    assert ledger.maintenance.maintain().bytes_after > 900_000
    empty(ledger)
    ledger.submissions.submit(handed_in(1, caption="word"))
    report = ledger.maintenance.maintain()
    assert report.faults == ()
    assert report.bytes_after < 300_000 < report.bytes_before
    assert [hit.message_id for hit in ledger.search.find("word", 5, 0)] == [1]


def test_a_file_that_is_nearly_full_is_not_written_anew(ledger: SqliteLedger) -> None:
    fill(ledger)
    ledger.maintenance.maintain()
    with ledger.file.write() as connection:
        connection.execute("DELETE FROM inbox WHERE update_id <= 10")
    report = Maintenance(ledger.file, free=lambda folder: 0).maintain()
    assert report.faults == ()
    assert report.bytes_after > 900_000


def test_without_room_on_the_disk_it_is_not_shrunk_and_says_so(ledger: SqliteLedger, path: Path) -> None:
    fill(ledger)
    empty(ledger)
    asked = []

    def little(folder: Path) -> int:
        asked.append(folder)
        return 5000

    (fault,) = Maintenance(ledger.file, free=little).maintain().faults
    assert fault.startswith("not shrunk: ") and "which has 5000" in fault
    assert asked == [path.parent]
    assert path.stat().st_size > 900_000


def test_a_disk_that_cannot_be_asked_is_told(ledger: SqliteLedger) -> None:
    fill(ledger)
    empty(ledger)

    def gone(folder: Path) -> int:
        raise OSError("the disk is gone")

    assert Maintenance(ledger.file, free=gone).maintain().faults == ("the disk is gone",)


def test_rows_that_point_nowhere_are_told(ledger: SqliteLedger) -> None:
    ledger.files.settle(content("a"))
    ledger.file.db.conn.execute("PRAGMA foreign_keys = OFF")
    ledger.file.db.conn.execute("DELETE FROM files")
    assert ledger.maintenance.maintain().faults == ("1 rows of tg_map point to rows of files that are not there",)


def test_a_search_index_that_is_wrong_is_made_anew(ledger: SqliteLedger) -> None:
    ledger.submissions.submit(handed_in(1, caption="lost"))
    with ledger.file.write() as connection:
        connection.execute("INSERT INTO archive_text_fts (archive_text_fts) VALUES ('delete-all')")
    assert ledger.search.find("lost", 5, 0) == ()
    assert ledger.maintenance.maintain().faults == ("the search index did not match its texts; it was made anew",)
    assert len(ledger.search.find("lost", 5, 0)) == 1
    assert ledger.maintenance.maintain().faults == ()


def test_a_file_that_another_process_uses_is_told(ledger: SqliteLedger, path: Path) -> None:
    fill(ledger)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        faults = ledger.maintenance.maintain().faults
        assert any("is locked by another process" in fault for fault in faults)
        other.execute("ROLLBACK")
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM inbox").fetchall()
        empty(ledger)
        faults = ledger.maintenance.maintain().faults
        assert any("could not be emptied: another process reads the file" in fault for fault in faults)
    assert ledger.maintenance.maintain().faults == ()


def test_a_damaged_file_is_told_and_not_written_anew(path: Path) -> None:
    with closing(SqliteLedger.open(path)) as ledger:
        fill(ledger)
        empty(ledger)
        fill(ledger, 200)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] + b"\xff" * (len(whole) - len(whole) // 2))
    with closing(SqliteLedger.open(path)) as ledger:
        report = ledger.maintenance.maintain()
    assert report.faults
    assert report.bytes_after >= report.bytes_before
