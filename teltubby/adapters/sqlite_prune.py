"""What can be forgotten of a ledger that its owner may have open; done, or only tried. Blocking."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from teltubby.adapters.sqlite_file import SqliteFile
from teltubby.adapters.sqlite_job_history import History
from teltubby.adapters.sqlite_job_rows import OPEN_STATES
from teltubby.adapters.sqlite_schema import SCHEMA_VERSION
from teltubby.adapters.sqlite_trail import Trail
from teltubby.errors import DatabaseUnavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """`rows` of the history and `lines` of the audit trail that went, or would; the ids of jobs that are not over."""

    rows: int
    lines: int
    open_jobs: frozenset[str]


def prune_ledger(
    path: Path,
    *,
    before: datetime | None,
    trail_before: datetime | None,
    really: bool,
    clock: Callable[[], datetime],
    busy_timeout: float = 30.0,
) -> Pruned | None:
    """Forget what ended before a moment, and lines of the audit trail from before theirs (None: nothing); without
    `really` everything stays. None: there is no file.

    A trial does the same and takes it back, so that it counts what would go, and holds the writers up as long. Raises
    DatabaseUnavailable, also for a file of another version, which its owner has to migrate first; ConfigurationError.
    """
    if not path.exists():
        return None
    file = SqliteFile.open(path, newest=SCHEMA_VERSION, busy_timeout=busy_timeout)
    with closing(file):
        (version,) = file.read("PRAGMA user_version")[0]
        if version != SCHEMA_VERSION:
            raise DatabaseUnavailable(f"The database {path} has schema {version}: a start of teltubby migrates it")
        written = file if really else _Trial(file)
        rows = 0 if before is None else History(written, clock).prune(before)
        lines = 0 if trail_before is None else Trail(written).prune(trail_before)
        found = file.read(f"SELECT job_id FROM jobs WHERE upper(state) IN {OPEN_STATES}")
        return Pruned(rows=rows, lines=lines, open_jobs=frozenset(str(row["job_id"]) for row in found))


class _Trial(SqliteFile):
    """Every transaction is taken back."""

    def __init__(self, file: SqliteFile) -> None:
        super().__init__(file.path, file.db)

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        try:
            with super().write() as connection:
                yield connection
                raise _TakenBack
        except _TakenBack:
            pass


class _TakenBack(Exception):
    """Ends a transaction without its effects."""
