"""What keeps the database's file healthy: checked, optimised and shrunk on request, and never crashed by what is found.

All of it runs where the ledger runs, so the ledger answers nobody meanwhile: checking reads the whole file, shrinking
writes it anew, which docs/operations.md gives in seconds per gigabyte. It is therefore only shrunk when that gives back
a tenth of it.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic

from teltubby.adapters.sqlite_file import SqliteFile, translated
from teltubby.adapters.sqlite_search import INDEX, TEXTS
from teltubby.errors import DatabaseUnavailable
from teltubby.messages.history import DatabaseReport

MOST_FAULTS = 20
ROOM_TO_SHRINK = 2
"""Times the file's size that must be free: VACUUM builds a copy, and writes it to the log before the file."""
WORTH_SHRINKING = 0.1

FreeBytes = Callable[[Path], int]


def free_bytes(path: Path) -> int:
    """Free on the disk of that folder, in bytes. Raises OSError."""
    return shutil.disk_usage(path).free


class Maintenance:
    """Looks after one file; never raises for what is wrong with it, but tells."""

    def __init__(self, file: SqliteFile, *, free: FreeBytes = free_bytes) -> None:
        self._file = file
        self._free = free

    def maintain(self) -> DatabaseReport:
        """Check, optimise, and shrink what is sound; faults are sentences."""
        began = monotonic()
        before = self._size()
        faults = [*self._told(self._broken_pages), *self._told(self._broken_references), *self._told(self._index)]
        faults += self._told(self._optimised)
        if not faults:
            faults += self._told(self._shrunk)
        faults += self._told(self._log_emptied)
        rows: list[tuple[str, int]] = []
        faults += self._told(lambda: self._counted(rows))
        return DatabaseReport(
            bytes_before=before,
            bytes_after=self._size(),
            faults=tuple(faults),
            rows=tuple(rows),
            seconds=monotonic() - began,
        )

    def _told(self, step: Callable[[], Iterator[str]]) -> list[str]:
        """What a step finds wrong; that the step itself failed is a fault too."""
        faults: list[str] = []
        try:
            with translated(self._file.path):
                faults.extend(step())
        except (DatabaseUnavailable, sqlite3.Error, OSError) as error:
            faults.append(str(error))
        return faults

    def _broken_pages(self) -> Iterator[str]:
        for row in self._file.read(f"PRAGMA integrity_check({MOST_FAULTS})"):
            if row[0] != "ok":
                yield str(row[0])

    def _broken_references(self) -> Iterator[str]:
        lost = Counter((row["table"], row["parent"]) for row in self._file.read("PRAGMA foreign_key_check"))
        for (table, parent), count in lost.items():
            yield f"{count} rows of {table} point to rows of {parent} that are not there"

    def _index(self) -> Iterator[str]:
        """Compare the search index with its texts (rank 1 says so), and make it anew when it differs."""
        try:
            self._file.db.conn.execute(f"INSERT INTO {INDEX} ({INDEX}, rank) VALUES ('integrity-check', 1)")
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_CORRUPT:
                raise
            with self._file.write():
                self._file.db.table(TEXTS).rebuild_fts()
            yield "the search index did not match its texts; it was made anew"

    def _optimised(self) -> Iterator[str]:
        connection = self._file.db.conn
        connection.execute("PRAGMA optimize")
        connection.execute(f"INSERT INTO {INDEX} ({INDEX}) VALUES ('optimize')")
        yield from ()

    def _shrunk(self) -> Iterator[str]:
        pages, unused = (self._file.read(f"PRAGMA {name}_count")[0][0] for name in ("page", "freelist"))
        if unused < pages * WORTH_SHRINKING:
            return
        needed, free = ROOM_TO_SHRINK * self._size(), self._free(self._file.path.parent)
        if free < needed:
            yield f"not shrunk: that needs {needed} bytes free on its disk, which has {free}"
            return
        self._file.db.conn.execute("VACUUM")

    def _log_emptied(self) -> Iterator[str]:
        if self._file.read("PRAGMA wal_checkpoint(TRUNCATE)")[0][0]:
            yield "its write-ahead log could not be emptied: another process reads the file"

    def _counted(self, rows: list[tuple[str, int]]) -> Iterator[str]:
        for (table,) in self._file.read(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE ?"
            " ORDER BY name",
            f"{INDEX}%",
        ):
            rows.append((table, self._file.read(f"SELECT count(*) FROM {table}")[0][0]))
        yield from ()

    def _size(self) -> int:
        """Of the file with its log."""
        log = self._file.path.with_name(self._file.path.name + "-wal")
        return sum(path.stat().st_size for path in (self._file.path, log) if path.exists())
