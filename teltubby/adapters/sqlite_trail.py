"""The audit trail is written and never changed: the database itself refuses, but for what is too old to be kept."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime

from sqlite_utils import Database

from teltubby.adapters.sqlite_file import SqliteFile, to_text
from teltubby.messages.trail import TrailEntry

NO_JOB = ""
"""What stands in the trail where a line is about no job."""
LONGEST_DETAIL = 1000
"""Characters."""

_REFUSED = "BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END"
_UNCHANGED = f"CREATE TRIGGER commands_are_not_changed BEFORE UPDATE ON commands {_REFUSED}"
_KEPT = f"CREATE TRIGGER commands_are_not_removed BEFORE DELETE ON commands {_REFUSED}"
# What REPLACE removes meets no trigger of DELETE (https://www.sqlite.org/lang_conflict.html).
_NOT_REPLACED = f"""CREATE TRIGGER commands_are_not_replaced BEFORE INSERT ON commands
    WHEN EXISTS (SELECT 1 FROM commands WHERE id = NEW.id) {_REFUSED}"""


def the_trail_is_kept(db: Database) -> None:
    """A migration: from now on rows of `commands` are neither changed nor removed."""
    for statement in (_UNCHANGED, _KEPT):
        db.conn.execute(statement)


def the_trail_has_kinds(db: Database) -> None:
    """A migration: lines about more than commands, found by their time, and replaced by no other."""
    for statement in (
        "ALTER TABLE commands ADD COLUMN kind TEXT NOT NULL DEFAULT 'command'",
        "ALTER TABLE commands ADD COLUMN times INTEGER NOT NULL DEFAULT 1",
        "CREATE INDEX commands_at ON commands (at)",
        _NOT_REPLACED,
    ):
        db.conn.execute(statement)


def record(connection: sqlite3.Connection, entries: Iterable[TrailEntry]) -> None:
    """Write these lines within the transaction that is open."""
    connection.executemany(
        "INSERT INTO commands (at, user_id, command, job_id, accepted, detail, kind, times)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                to_text(entry.at),
                entry.user_id,
                entry.command,
                NO_JOB if entry.job_id is None else entry.job_id,
                entry.accepted,
                None if entry.detail is None else entry.detail[:LONGEST_DETAIL],
                entry.kind,
                entry.times,
            )
            for entry in entries
        ],
    )


class Trail:
    """The writer of lines that no other transaction writes; every method raises DatabaseUnavailable."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    def record(self, entries: Iterable[TrailEntry]) -> None:
        """Write these lines, all of them or none."""
        with self._file.write() as connection:
            record(connection, entries)

    def prune(self, before: datetime) -> int:
        """Forget lines older than that, about whatever. Returns how many."""
        moment = to_text(before)
        with self._file.write() as connection:
            if connection.execute("SELECT 1 FROM commands WHERE at < ? LIMIT 1", (moment,)).fetchone() is None:
                return 0  # without a change of the schema, after which every statement is prepared anew
            with _forgetting(connection, moment):
                return connection.execute("DELETE FROM commands WHERE at < ?", (moment,)).rowcount


@contextmanager
def _forgetting(connection: sqlite3.Connection, moment: str) -> Iterator[None]:
    """Lines older than `moment`, and no others, can be removed in the block: nobody else sees it so."""
    connection.execute("DROP TRIGGER commands_are_not_removed")
    connection.execute(
        "CREATE TRIGGER commands_are_not_removed BEFORE DELETE ON commands"
        f" WHEN OLD.at >= '{moment}' {_REFUSED}"  # a trigger takes no values
    )
    yield
    connection.execute("DROP TRIGGER commands_are_not_removed")
    connection.execute(_KEPT)
