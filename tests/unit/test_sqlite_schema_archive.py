"""Earlier files open without loss, and what they hold can be found, counted and seen."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from teltubby.adapters.sqlite_file import SqliteFile
from teltubby.adapters.sqlite_ledger import SqliteLedger
from teltubby.adapters.sqlite_schema import MIGRATIONS
from teltubby.adapters.sqlite_schema_archive import the_archive_in_view
from teltubby.messages.history import Usage
from teltubby.messages.media import ItemStatus
from tests.unit.ledger_samples import Clock, ledger_with
from tests.unit.submissions import CHAT, base_path, handed_in, key
from tests.unit.test_sqlite_schema import OLD_ROWS, OLD_TABLES

DATASETTE = Path(__file__).parents[2] / "docs/datasette.json"
BEFORE = MIGRATIONS[: MIGRATIONS.index(the_archive_in_view)]


@pytest.fixture(params=["of the bot that came before", "of the last release"])
def earlier(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A file with a submission, messages without an artifact or with none that can be read, and jobs that are over."""
    path = tmp_path / "teltubby.db"
    with closing(sqlite3.connect(path)) as old, old:
        if request.param == "of the bot that came before":
            old.executescript(OLD_TABLES)
            for table, row in OLD_ROWS.items():
                old.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
    with closing(SqliteFile.open(path, newest=len(MIGRATIONS))) as file, file.write() as connection:
        for migration in BEFORE:
            migration(file.db)
        connection.execute(f"PRAGMA user_version = {len(BEFORE):d}")
        connection.execute(
            "INSERT INTO messages (message_id, chat_id, created_at) VALUES (100, 7, '2025-01-27 10:11:12')"
        )
        for number, text in ((20, handed_in(20, "Ёлка.mp4", caption="a caption").artifact_json), (30, "unreadable")):
            connection.execute(
                "INSERT INTO messages"
                " (message_id, chat_id, created_at, submission_message_id, base_path, artifact_json)"
                " VALUES (?, 7, '2026-11-19T12:00:00.000000Z', ?, ?, ?)",
                (number, number, base_path(number), text),
            )
        for number, (state, finished_at) in enumerate(
            [("COMPLETED", "2026-11-20T12:01:00.000000Z"), ("failed", None), ("PENDING", None)]
        ):
            connection.execute(
                "INSERT INTO jobs (job_id, user_id, chat_id, message_id, state, priority, created_at, updated_at,"
                " finished_at, payload_json)"
                " VALUES (?, 7, 7, 1, ?, 'normal', '2026-11-20T12:00:00.000000Z', '2026-11-20 12:05:00', ?, '{}')",
                (f"job-{number}", state, finished_at),
            )
        connection.execute("INSERT INTO files VALUES (?, 'k', 500, NULL, '2026-11-20 10:00:00')", ("b" * 64,))
    return path


def test_what_was_there_is_found_counted_and_seen(earlier: Path) -> None:
    with closing(SqliteLedger.open(earlier, clock=Clock())) as ledger:
        (hit,) = ledger.search.find("ёлка caption", 5, 0)
        assert (hit.chat_id, hit.message_id, hit.keys) == (CHAT, 20, (key(20),))
        told = ledger.archived.statistics(1)
        assert (told.jobs_completed, told.jobs_failed) == (1, 1)
        assert (told.days[0].median_seconds, told.days[0].files) == (60.0, 1)
        assert (told.files, told.stored_bytes) == (ledger.overview().files, ledger.overview().bytes)
        assert ledger.room.usage() == Usage(used_bytes=told.stored_bytes, objects=told.files, listed_at=None)
        (row,) = ledger.file.read("SELECT * FROM archive")
        assert (row["file_name"], row["caption"], row["status"], row["s3_key"]) == (
            "Ёлка.mp4",
            "a caption",
            "stored",
            key(20),
        )
        assert ledger.maintenance.maintain().faults == ()


def test_what_comes_then_is_treated_alike(earlier: Path) -> None:
    with closing(SqliteLedger.open(earlier, clock=Clock())) as ledger:
        ledger.submissions.submit(handed_in(100, "new.mp4", caption="an old row gets an artifact"))
        ledger.submissions.save_artifact(CHAT, 30, handed_in(30, caption="readable now").artifact_json)
        assert [hit.message_id for hit in ledger.search.find("old row", 5, 0)] == [100]
        assert [hit.message_id for hit in ledger.search.find("readable", 5, 0)] == [30]
        assert {row["file_name"] for row in ledger.file.read("SELECT * FROM archive")} == {
            "Ёлка.mp4",
            "new.mp4",
            "x.jpg",
        }
        plan = ledger.file.read("EXPLAIN QUERY PLAN SELECT * FROM archive WHERE text_id = 1")
        assert not any("SCAN messages" in row["detail"] for row in plan), "text or number, ids are looked up"


def test_people_see_each_file_with_what_became_of_it() -> None:
    with ledger_with() as ledger:
        ledger.submissions.submit(handed_in(1, "a.jpg", "b.jpg", caption="mine", sender_username="anna"))
        ledger.submissions.submit(
            handed_in(
                9, "c", status=ItemStatus.QUEUED, forward_origin={"chat": {"title": "News"}}, chat_title="Private"
            )
        )
        ledger.files.forget(CHAT)
        ledger.submissions.submit(handed_in(20, "a.jpg", status=ItemStatus.DUPLICATE))
        rows = ledger.file.read("SELECT * FROM archive")
        assert [(row["file_name"], row["ordinal"], row["status"]) for row in rows] == [
            ("a.jpg", 1, "duplicate"),
            ("c", 1, "queued"),
            ("a.jpg", 1, "purged"),
            ("b.jpg", 2, "purged"),
        ]
        assert [(row["chat"], row["sender"]) for row in rows[1:3]] == [("News", "curator"), ("7", "anna")]
        assert (rows[2]["kind"], rows[2]["size_bytes"], rows[2]["sha256"]) == ("photo", 100, "a" * 64)
        assert rows[2]["message_at"] == "2025-01-27T10:11:12Z"


def test_what_datasette_is_told_of_the_ledger_is_there() -> None:
    (database,) = json.loads(DATASETTE.read_text())["databases"].values()
    with ledger_with() as ledger:
        for table, told in database["tables"].items():
            columns = [row["name"] for row in ledger.file.read(f"PRAGMA table_info({table})")]
            assert columns, table
            if "fts_table" in told:
                assert told["fts_pk"] in columns
                ledger.submissions.submit(handed_in(1, caption="a word"))
                query = f"SELECT rowid FROM {told['fts_table']} WHERE {told['fts_table']} MATCH 'word'"
                assert len(ledger.file.read(f"SELECT * FROM {table} WHERE {told['fts_pk']} IN ({query})")) == 1
