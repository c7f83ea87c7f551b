"""Backups in a bucket of the real S3 server, of a database that goes up in parts; memory does not grow with it."""

from __future__ import annotations

import sqlite3
import tracemalloc
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from teltubby import flavour
from teltubby.backup.catalogue import State, catalogue, remove
from teltubby.backup.making import Backups
from teltubby.backup.manifest import Content
from teltubby.backup.names import PREFIX, BackupName
from teltubby.backup.restoring import restore
from teltubby.config import Role, load
from tests.contract.stores import MIB, PART, S3World, digest

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
ROWS = 24


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """One is enough: what S3 is asked for is asked by the store, which is tested on both."""
    return "asyncio", flavour.backend_options("asyncio")


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """One that gzip makes no smaller."""
    path = tmp_path / "ledger.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE noise (x)")
        connection.executemany("INSERT INTO noise VALUES (randomblob(?))", [(MIB,)] * ROWS)
        connection.commit()
    return path


async def test_a_backup_goes_up_in_parts_and_comes_back(s3_world: S3World, database: Path, tmp_path: Path) -> None:
    settings = {"SQLITE_PATH": str(database), "SPOOL_DIR": str(tmp_path / "spool"), "BACKUP_KEY": "k" * 32}
    backups = Backups(load(Role.BOT, settings, None, checks=()), host="here", clock=lambda: NOON)
    killed = BackupName.new("here", Role.BOT, NOON - timedelta(days=2))
    async with s3_world.store() as store:
        await store.begin(f"{killed.folder}ledger.db.gz.sealed", content_type="application/octet-stream")
        await store.put(f"{killed.folder}queue.db.gz.sealed", b"x", content_type="text/plain", sha256=digest(b"x"))
        tracemalloc.start()
        try:
            manifest = (await backups.make(store)).manifest
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert manifest.stored_size > ROWS * MIB
        assert peak < 5 * PART, "one part, and its copies on the way"
        (entry,) = await catalogue(store, backups.key)
        assert (entry.state, entry.manifest) == (State.COMPLETE, manifest), "what a killed one left is gone"
        assert [each async for each in store.unfinished(PREFIX)] == []
        targets = {content: tmp_path / "x" / content for content in Content}
        restored = await restore(store, manifest, backups.key, targets, force=False, now=NOON)
        await remove(store, entry)
        assert [info async for info in store.list(PREFIX)] == []
    assert same(database, restored.files[Content.LEDGER])


def same(one: Path, other: Path) -> bool:
    """Whether they have the same rows."""
    with closing(sqlite3.connect(one)) as first, closing(sqlite3.connect(other)) as second:
        query = "SELECT rowid, x FROM noise"
        return first.execute(query).fetchall() == second.execute(query).fetchall()
