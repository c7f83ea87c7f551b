"""The audit trail is written and never changed: the database itself refuses, but for what is too old to be kept."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlite_utils import Database

_UNCHANGED = """CREATE TRIGGER commands_are_not_changed BEFORE UPDATE ON commands
    BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END"""
_KEPT = """CREATE TRIGGER commands_are_not_removed BEFORE DELETE ON commands
    BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END"""


def the_trail_is_kept(db: Database) -> None:
    """A migration: from now on rows of `commands` are neither changed nor removed."""
    for statement in (_UNCHANGED, _KEPT):
        db.conn.execute(statement)


@contextmanager
def forgetting(connection: sqlite3.Connection) -> Iterator[None]:
    """Rows of the trail can be removed in the block, within the transaction that is open: nobody else sees it so."""
    connection.execute("DROP TRIGGER commands_are_not_removed")
    yield
    connection.execute(_KEPT)
