"""How the collector's file is owned, and how it fails: with a sentence for people, and nothing written by half."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from teltubby.collector.pages import Cursor, Page
from teltubby.collector.repositories import CollectorStore
from teltubby.errors import ConfigurationError, DatabaseUnavailable
from tests.unit.collector.collecting_process import PAGE_LENGTH, SIZE, text_of
from tests.unit.collector.world import CHANNEL, NOON, channel, check_search, page, post, tables

PROCESS = [sys.executable, "tests/unit/collector/collecting_process.py"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "collected.db"


@pytest.fixture
def store(path: Path) -> Iterator[CollectorStore]:
    with closing(CollectorStore.open(path, busy_timeout=0.05)) as store:
        store.channels.record(channel())
        yield store


def a_page(length: int = 50) -> Page:
    posts = (post(number, "words " * 600) for number in range(1, length + 1))
    return page(*posts, cursor=Cursor(oldest=1, newest=length))


def test_a_second_owner_is_refused_until_the_first_is_gone(store: CollectorStore, path: Path) -> None:
    with pytest.raises(DatabaseUnavailable, match=r"Another process collects into the database .*collected\.db: stop"):
        CollectorStore.open(path)
    told = subprocess.run([*PROCESS, str(path)], capture_output=True, text=True, check=False, timeout=60)
    assert told.returncode == 1
    assert "Another process collects into the database" in told.stderr
    store.record(a_page())
    store.close()
    store.close()
    CollectorStore.open(path).close()


def test_others_may_read_but_not_write(store: CollectorStore, path: Path) -> None:
    store.record(a_page(3))
    with closing(CollectorStore.open_to_read(path)) as reader:
        assert tables(reader) == tables(store)
        with pytest.raises(DatabaseUnavailable, match="is read-only"):
            reader.record(a_page())
        store.record(a_page(4))
        assert tables(reader) == tables(store)


def test_there_is_nothing_to_read_before_something_was_collected(path: Path) -> None:
    with pytest.raises(DatabaseUnavailable, match="Nothing was collected yet"):
        CollectorStore.open_to_read(path)
    assert not path.exists()
    sqlite3.connect(path).execute("CREATE TABLE x (y)").connection.close()
    with pytest.raises(DatabaseUnavailable, match="of an older teltubby"):
        CollectorStore.open_to_read(path)


def test_a_locked_database_refuses_and_recovers(store: CollectorStore, path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseUnavailable, match=r"collected\.db is locked by another process"):
            store.record(a_page())
        other.execute("ROLLBACK")
    assert store.record(a_page()).new == 50


def test_a_full_disk_refuses_and_leaves_nothing_of_the_page(store: CollectorStore) -> None:
    connection = store.file.db.conn
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages + 10}")
    before = tables(store)
    with pytest.raises(DatabaseUnavailable, match="its disk is full"):
        store.record(a_page())
    assert tables(store) == before
    connection.execute("PRAGMA max_page_count = 100000")
    assert store.record(a_page()).new == 50
    check_search(store)


def test_a_page_of_a_channel_that_nobody_knows_is_a_bug(store: CollectorStore) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        store.record(Page(channel_id=5, seen_at=NOON, cursor=Cursor(newest=1)))


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailable, match=r"nowhere/collected\.db\.lock, cannot be made"):
        CollectorStore.open(tmp_path / "nowhere" / "collected.db")


def test_a_database_of_a_newer_program_is_a_configuration_error(path: Path) -> None:
    with closing(sqlite3.connect(path)) as newer:
        newer.execute("PRAGMA user_version = 900")
    with pytest.raises(ConfigurationError, match=r"COLLECTED: .* newer teltubby \(schema 900"):
        CollectorStore.open(path, setting="COLLECTED")
    with pytest.raises(ConfigurationError):
        CollectorStore.open(path)  # the lock was given back


def test_what_is_written_is_there_after_kills(path: Path) -> None:
    """A process that goes back through history is killed again and again; the cursor is always that of the pages."""
    kills = 0
    for _ in range(60):
        with subprocess.Popen([*PROCESS, str(path)], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            lines = [line for _, line in zip(range(kills % 3 * 4 + 3), process.stdout, strict=False)]
            if lines[-1].strip() == "done":
                break
            process.kill()
            kills += 1
        with closing(CollectorStore.open(path)) as store:
            cursor = store.channels.cursor(CHANNEL)
            rows = store.file.read("SELECT msg_id, text FROM posts ORDER BY msg_id DESC")
            assert cursor.oldest == rows[-1]["msg_id"]
            assert [(row["msg_id"], row["text"]) for row in rows] == [
                (number, text_of(number)) for number in range(SIZE, SIZE - len(rows), -1)
            ]
            assert len(rows) % PAGE_LENGTH == 0
            check_search(store)
    else:
        pytest.fail("it never got to the beginning")
    assert kills > 1
    with closing(CollectorStore.open(path)) as store:
        assert store.channels.cursor(CHANNEL) == Cursor(oldest=1, newest=SIZE, backfill_done=True)
        assert len(store.file.read("SELECT 1 FROM posts")) == SIZE


def test_a_file_that_is_deleted_or_replaced_while_it_is_used_is_told(store: CollectorStore, path: Path) -> None:
    aside = path.with_name("aside.db")
    path.rename(aside)
    with pytest.raises(DatabaseUnavailable, match="was deleted or replaced while it was used"):
        store.record(a_page())
    path.write_bytes(aside.read_bytes())
    with pytest.raises(DatabaseUnavailable, match="was deleted or replaced while it was used"):
        store.record(a_page())
    aside.replace(path)
    assert store.record(a_page()).new == 50
