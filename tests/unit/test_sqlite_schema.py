"""Files of the old bot, and of every older version, open, migrate and keep their rows."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from teltubby.adapters.sqlite_file import SqliteFile, to_moment, to_text
from teltubby.adapters.sqlite_ledger import SqliteLedger
from teltubby.adapters.sqlite_schema import MIGRATIONS, SCHEMA_VERSION
from teltubby.messages.details import FileDetails, Preview
from teltubby.messages.jobs import JobCommand, JobState, Priority
from teltubby.messages.ledger import SettleFile, Submit
from teltubby.messages.wire import encode_job
from tests.unit.ledger_samples import ID, a_job, accepted, apply, completed, order, started

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


def test_an_old_job_that_can_be_read_is_in_the_curators_hands(old_file: Path) -> None:
    row = (ID, 7, 7, 5, "FAILED", "normal", "2025-01-27 10:11:12", "2025-01-27 10:11:12", "gone")
    with closing(sqlite3.connect(old_file)) as old, old:
        old.execute(f"INSERT INTO jobs VALUES ({', '.join('?' * 10)})", (*row, encode_job(a_job()).decode()))
        old.execute("INSERT INTO job_attempts VALUES (2, ?, 1, NULL, NULL, 0, 'gone')", (ID,))
    with closing(SqliteLedger.open(old_file)) as ledger:
        found = ledger.jobs.find(ID)
        assert found is not None and (found.state, found.last_error, found.published) == (JobState.FAILED, "gone", True)
        assert accepted(order(ledger, JobCommand.RETRY)).state is JobState.PENDING
        assert [job.job_id for job in ledger.outbox.pending(5)] == [ID]
        assert apply(ledger, started(2), completed(2)).state is JobState.COMPLETED
        history = ledger.history.read(ID)
        assert history is not None
        assert [(tried.attempt, tried.success, tried.error) for tried in history.attempts] == [
            (1, False, "gone"),
            (2, True, None),
        ]
        assert history.attempts[0].started_at == found.created_at, "nobody wrote when it began"
        assert ledger.history.prune(datetime(2100, 1, 1, tzinfo=UTC)) > 0
        assert ledger.jobs.find(ID) is None
        assert ledger.overview().jobs[JobState.PENDING] == 1, "the one that cannot be read is open, and stays"


def test_an_old_job_that_cannot_be_read_is_left_alone(old_file: Path, caplog: pytest.LogCaptureFixture) -> None:
    with closing(SqliteLedger.open(old_file)) as ledger:
        assert ledger.jobs.find("0b1e") is None
        assert ledger.jobs.list((JobState.PENDING,), 10) == ()
        assert ledger.overview().jobs[JobState.PENDING] == 1
        answer = order(ledger, JobCommand.CANCEL, "0b1e")
        assert (answer.view, answer.accepted) == (None, False)
        (told,) = ledger.file.read("SELECT detail FROM commands")
        assert told["detail"] == "the job cannot be read"
    assert "job 0b1e cannot be read" in caplog.text


# -- our own older versions --------------------------------------------------------------------------------------

MOMENT = "2026-11-20T12:00:00.000000Z"
ROWS_SINCE: dict[int, dict[str, dict[str, str | int | None]]] = {
    1: {
        "files": {"sha256": "b" * 64, "s3_key": "k", "size_bytes": 3, "mime": None, "created_at": MOMENT},
        "tg_map": {"file_unique_id": "u", "sha256": "b" * 64},
        "messages": {"message_id": 11, "chat_id": 7, "media_group_id": None, "created_at": MOMENT},
        "jobs": {
            "job_id": ID,
            "user_id": 7,
            "chat_id": 7,
            "message_id": 11,
            "state": "PROCESSING",
            "priority": "high",
            "created_at": MOMENT,
            "updated_at": MOMENT,
            "last_error": None,
            "payload_json": encode_job(a_job(priority=Priority.HIGH)).decode(),
        },
        "job_attempts": {"id": 1, "job_id": ID, "attempt": 1, "started_at": MOMENT, "finished_at": None},
    },
    2: {
        "inbox": {"update_id": 5, "received_at": MOMENT, "chat_id": 7, "payload": "{}", "done_at": None},
        "outbox": {"job_id": ID, "created_at": MOMENT, "published_at": None},
        "transitions": {"id": 1, "job_id": ID, "at": MOMENT, "to_state": "PROCESSING", "attempt": 1, "worker": "ada"},
    },
    3: {"owner": {"bot_id": 99}},
}


@pytest.fixture(params=(1, 2, 3))
def older(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, int]:
    """A file as an older version left it, and that version."""
    path, past = tmp_path / "teltubby.db", int(request.param)
    with closing(SqliteFile.open(path, newest=past)) as file, file.write() as connection:
        for migration in MIGRATIONS[:past]:
            migration(file.db)
        connection.execute(f"PRAGMA user_version = {past}")
        for since, tables in ROWS_SINCE.items():
            for table, row in tables.items() if since <= past else ():
                marks = ", ".join("?" * len(row))
                connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))
    return path, past


def test_a_file_of_every_older_version_keeps_every_row(older: tuple[Path, int]) -> None:
    path, past = older
    SqliteLedger.open(path).close()
    assert version(path) == SCHEMA_VERSION
    with closing(sqlite3.connect(path)) as reader:
        for tables in (tables for since, tables in ROWS_SINCE.items() if since <= past):
            for table, row in tables.items():
                kept = reader.execute(f"SELECT {', '.join(row)} FROM {table}").fetchall()
                assert kept == [tuple(row.values())]
        assert reader.execute("PRAGMA foreign_key_check").fetchall() == []
        assert reader.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_job_of_every_older_version_goes_on(older: tuple[Path, int]) -> None:
    path, past = older
    with closing(SqliteLedger.open(path)) as ledger:
        unpublished = past >= 2
        found = ledger.jobs.find(ID)
        assert found is not None and found.published is not unpublished
        assert (found.job.job_metadata.ticket, found.job.job_metadata.priority) == (0, Priority.HIGH)
        assert ledger.outbox.pending(5) == ((found.job,) if unpublished else ())
        assert ledger.history.pace(Priority.HIGH).bytes_ahead == 10**9
        view = accepted(order(ledger, JobCommand.REVIVE, user_id=None))
        assert view.job.job_metadata.ticket == 1
        ledger.outbox.mark_published([(ID, 1)])
        attempt = view.attempt + 1
        assert apply(ledger, started(attempt), completed(attempt)).state is JobState.COMPLETED
        history = ledger.history.read(ID)
        assert history is not None and history.transitions[-1].to_state is JobState.COMPLETED


def test_an_attempt_that_an_older_version_began_is_ended_where_it_stands(older: tuple[Path, int]) -> None:
    path, _ = older
    with closing(SqliteLedger.open(path)) as ledger:
        apply(ledger, completed(1, worker="ada"))
        rows = ledger.file.read("SELECT id, worker, success, transferred_bytes FROM job_attempts")
        assert [tuple(row) for row in rows] == [(1, "ada", 1, 10**9)]


def test_an_attempt_from_before_there_were_previews_has_none(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with closing(SqliteFile.open(path, newest=7)) as file, file.write() as connection:
        for migration in MIGRATIONS[:7]:
            migration(file.db)
        connection.execute("PRAGMA user_version = 7")
        row = ROWS_SINCE[1]["jobs"] | {"state": "COMPLETED"}
        marks = ", ".join("?" * len(row))
        connection.execute(f"INSERT INTO jobs ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))
        connection.execute(
            "INSERT INTO job_attempts (job_id, attempt, started_at, success, details_json) VALUES (?, 1, ?, 1, ?)",
            (ID, MOMENT, '{"width": 640}'),
        )
    with closing(SqliteLedger.open(path)) as ledger:
        preview = Preview(key="teltubby/previews/p.jpg", size_bytes=5)
        apply(ledger, replace(completed(2), preview=preview))
        history = ledger.history.read(ID)
        assert history is not None
        details = FileDetails(width=640)
        assert [(tried.details, tried.preview_key) for tried in history.attempts] == [
            (details, None),
            (None, preview.key),
        ]


def test_urgent_jobs_of_an_older_outbox_go_first(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    jobs = [("1", "normal"), ("2", "high"), ("3", "urgent"), ("4", "normal")]
    with closing(SqliteFile.open(path, newest=3)) as file, file.write() as connection:
        for migration in MIGRATIONS[:3]:
            migration(file.db)
        connection.execute("PRAGMA user_version = 3")
        for number, priority in jobs:
            job_id = ID[:-1] + number
            payload = encode_job(a_job(job_id, priority=Priority(priority))).decode()
            connection.execute(
                "INSERT INTO jobs (job_id, user_id, chat_id, message_id, state, priority, created_at, updated_at,"
                " payload_json) VALUES (?, 7, 7, 11, 'PENDING', ?, ?, ?, ?)",
                (job_id, priority, MOMENT, MOMENT, payload),
            )
            connection.execute("INSERT INTO outbox (job_id, created_at) VALUES (?, ?)", (job_id, MOMENT))
    with closing(SqliteLedger.open(path)) as ledger:
        assert [job.job_id[-1] for job in ledger.outbox.pending(9)] == ["3", "2", "1", "4"]


def test_a_file_that_is_up_to_date_opens_while_another_process_writes(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    SqliteLedger.open(path).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with closing(SqliteLedger.open(path, busy_timeout=0.0)) as ledger:
            assert ledger.inbox.open_groups() == ()


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
