"""Files of the old bot open, migrate and keep their rows."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from teltubby.adapters.sqlite_file import SqliteFile, to_moment, to_text
from teltubby.adapters.sqlite_ledger import SqliteLedger
from teltubby.adapters.sqlite_schema import SCHEMA_VERSION
from teltubby.messages.jobs import JobState
from teltubby.messages.ledger import SettleFile, Submit

OLD_TABLES = """
CREATE TABLE files (sha256 TEXT PRIMARY KEY, s3_key TEXT, size_bytes INTEGER, mime TEXT, created_at TEXT);
CREATE TABLE tg_map (file_unique_id TEXT PRIMARY KEY, sha256 TEXT, FOREIGN KEY (sha256) REFERENCES files (sha256));
CREATE TABLE messages (message_id TEXT, chat_id TEXT, media_group_id TEXT, created_at TEXT,
    PRIMARY KEY (message_id, chat_id));
CREATE TABLE jobs (job_id TEXT PRIMARY KEY, user_id INTEGER, chat_id INTEGER, message_id INTEGER, state TEXT,
    priority TEXT, created_at TEXT, updated_at TEXT, last_error TEXT, payload_json TEXT);
CREATE TABLE job_attempts (id INTEGER PRIMARY KEY AUTOINCREMENT, job_id TEXT, attempt INTEGER, started_at TEXT,
    finished_at TEXT, success INTEGER, error TEXT, FOREIGN KEY (job_id) REFERENCES jobs (job_id));
"""
OLD_ROWS = {
    "files": ("a" * 64, "teltubby/2025/01/anna/5/x.jpg", 1234, "image/jpeg", "2025-01-27 10:11:12"),
    "tg_map": ("AgADuwgAAj0d4FE", "a" * 64),
    "messages": ("5", "7", None, "2025-01-27 10:11:12"),
    "jobs": ("0b1e", 7, 7, 5, "PENDING", "normal", "2025-01-27 10:11:12", "2025-01-27 10:11:12", None, '{"old": true}'),
    "job_attempts": (1, "0b1e", 1, "2025-01-27 10:11:12", None, 0, "no session"),
}


@pytest.fixture
def old_file(tmp_path: Path) -> Path:
    path = tmp_path / "teltubby.db"
    with closing(sqlite3.connect(path)) as old, old:
        old.executescript(OLD_TABLES)
        for table, row in OLD_ROWS.items():
            old.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
    return path


def version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as reader:
        return int(reader.execute("PRAGMA user_version").fetchone()[0])


def test_an_old_file_keeps_every_row(old_file: Path) -> None:
    for _ in range(2):
        SqliteLedger.open(old_file).close()
    with closing(sqlite3.connect(old_file)) as reader:
        for table, row in OLD_ROWS.items():
            (kept,) = reader.execute(f"SELECT * FROM {table}").fetchall()
            assert kept[: len(row)] == row
        assert reader.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert version(old_file) == SCHEMA_VERSION


def test_an_old_file_serves_duplicates_and_takes_new_work(old_file: Path) -> None:
    with closing(SqliteLedger.open(old_file)) as ledger:
        found = ledger.files.find("AgADuwgAAj0d4FE")
        assert found is not None and found.s3_key == "teltubby/2025/01/anna/5/x.jpg"
        assert found.created_at == datetime(2025, 1, 27, 10, 11, 12, tzinfo=UTC)
        copy = SettleFile(sha256="a" * 64, s3_key="other", size_bytes=1234, mime=None, file_unique_id="AgADother")
        assert ledger.files.settle(copy) == found
        assert ledger.submissions.find(7, 5) is None
        again = Submit(
            chat_id=7,
            message_id=5,
            media_group_id=None,
            base_path="teltubby/2025/01/anna/5/",
            artifact_json="{}",
            jobs=(),
            member_message_ids=(5,),
        )
        submission = ledger.submissions.submit(again)
        assert (submission.chat_id, submission.message_id) == (7, 5)
        assert ledger.submissions.find(7, 5) == submission


def test_an_old_job_that_cannot_be_read_is_left_alone(old_file: Path, caplog: pytest.LogCaptureFixture) -> None:
    with closing(SqliteLedger.open(old_file)) as ledger:
        assert ledger.jobs.find("0b1e") is None
        assert ledger.jobs.list((JobState.PENDING,), 10) == ()
        assert ledger.overview().jobs[JobState.PENDING] == 1
    assert "job 0b1e cannot be read" in caplog.text


def test_a_file_that_is_up_to_date_opens_while_another_process_writes(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    SqliteLedger.open(path).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with closing(SqliteLedger.open(path, busy_timeout=0.0)) as ledger:
            assert ledger.inbox.next_offset() == 0


def test_a_migration_that_fails_leaves_the_file_as_it_was(old_file: Path) -> None:
    with closing(sqlite3.connect(old_file)) as old, old:
        old.execute("CREATE TABLE outbox (something TEXT)")
    with pytest.raises(sqlite3.OperationalError, match="outbox already exists"):
        SqliteLedger.open(old_file)
    assert version(old_file) == 0
    with closing(sqlite3.connect(old_file)) as reader:
        assert "artifact_json" not in {row[1] for row in reader.execute("PRAGMA table_info(messages)")}


def test_what_is_committed_is_flushed_and_references_are_enforced(tmp_path: Path) -> None:
    with closing(SqliteFile.open(tmp_path / "x.db", newest=SCHEMA_VERSION)) as file:
        pragmas = {name: file.read(f"PRAGMA {name}")[0][0] for name in ("journal_mode", "synchronous", "foreign_keys")}
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2025-01-27T10:11:12Z", datetime(2025, 1, 27, 10, 11, 12, tzinfo=UTC)),
        ("2025-01-27 10:11:12", datetime(2025, 1, 27, 10, 11, 12, tzinfo=UTC)),
        ("2025-01-27T12:11:12+02:00", datetime(2025, 1, 27, 10, 11, 12, tzinfo=UTC)),
        (1737972672, datetime(2025, 1, 27, 10, 11, 12, tzinfo=UTC)),
        ("yesterday", None),
        (None, None),
    ],
)
def test_moments_of_older_programs_are_read(text: str | int | None, moment: datetime | None) -> None:
    assert to_moment(text) == moment


def test_moments_sort_as_text() -> None:
    early, late = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC)
    assert to_text(early) < to_text(late)
    assert to_moment(to_text(late)) == late
