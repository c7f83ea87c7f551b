"""Looks at an SQLite file that another process may have open: nothing is made, migrated or changed. Blocking."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from teltubby.adapters.sqlite_file import translated

PROGRESS_STEPS = 100_000
"""Virtual machine instructions (some milliseconds) between two looks at the clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseFacts:
    """What was found. `version` is the schema's; `damage` what the quick check says, None: it is sound.

    `checked` is False where the file was too large to be checked in time. `owner` is the bot that it belongs to, None:
    nobody's yet. `used_bytes` is what the archive takes by the ledger's own count, None where it has none.
    """

    version: int
    size: int
    damage: str | None
    checked: bool
    owner: int | None = None
    used_bytes: int | None = None


def inspect_database(path: Path, *, check_seconds: float, busy_timeout: float = 5.0) -> DatabaseFacts | None:
    """The file, None where there is none. Raises DatabaseUnavailable: locked, read-only, damaged, not SQLite."""
    if not path.exists():
        return None
    with translated(path):
        uri = f"{path.absolute().as_uri()}?mode=rw"  # rw: never created
        with closing(sqlite3.connect(uri, uri=True, timeout=busy_timeout, isolation_level=None)) as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            connection.execute("BEGIN IMMEDIATE")  # shows that we may write
            connection.execute("ROLLBACK")
            damage, checked = _check(connection, check_seconds)
            return DatabaseFacts(
                version=version,
                size=path.stat().st_size,
                damage=damage,
                checked=checked,
                owner=_first(connection, "owner", "bot_id"),
                used_bytes=_first(connection, "room", "used_bytes"),
            )


def _check(connection: sqlite3.Connection, seconds: float) -> tuple[str | None, bool]:
    until = time.monotonic() + seconds
    connection.set_progress_handler(lambda: int(time.monotonic() > until), PROGRESS_STEPS)
    try:
        (result,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", None) != sqlite3.SQLITE_INTERRUPT:
            raise
        return None, False
    finally:
        connection.set_progress_handler(None, 0)
    return (None if result == "ok" else str(result)), True


def _first(connection: sqlite3.Connection, table: str, column: str) -> int | None:
    """A number of a table that older files may not have."""
    there = connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)).fetchone()
    row = connection.execute(f"SELECT {column} FROM {table}").fetchone() if there else None
    return None if row is None or row[0] is None else int(row[0])
