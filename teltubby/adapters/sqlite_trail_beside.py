"""A line of the audit trail from a process that does not own the ledger: a command that was typed. Blocking."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from teltubby.adapters.sqlite_file import SqliteFile
from teltubby.adapters.sqlite_schema import SCHEMA_VERSION
from teltubby.adapters.sqlite_trail import Trail
from teltubby.errors import DatabaseUnavailable
from teltubby.messages.trail import TrailEntry


def record_beside(path: Path, entry: TrailEntry, *, busy_timeout: float = 5.0) -> None:
    """Write it, also while the owner has the file open; where there is no ledger, there is no trail.

    Raises DatabaseUnavailable, also for a file of another version, which its owner has to migrate first;
    ConfigurationError for one of a newer program.
    """
    if not path.exists():
        return
    with closing(SqliteFile.open(path, newest=SCHEMA_VERSION, busy_timeout=busy_timeout)) as file:
        (version,) = file.read("PRAGMA user_version")[0]
        if version != SCHEMA_VERSION:
            raise DatabaseUnavailable(f"The database {path} has schema {version}: a start of teltubby migrates it")
        Trail(file).record([entry])
