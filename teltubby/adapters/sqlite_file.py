"""One SQLite file with one owner: how it is opened, read, written in transactions, and how its errors are told."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from sqlite_utils import Database

from teltubby.errors import CannotBeKept, ConfigurationError, DatabaseUnavailable

SqlValue = str | int | float | bytes | None
SqlRow = sqlite3.Row
Transaction = sqlite3.Connection
"""Inside `SqliteFile.write`: what is executed on it is committed together, or not at all."""

# Primary result codes (https://www.sqlite.org/rescode.html) that are a state of the world and not a bug of ours.
_UNAVAILABLE = {
    sqlite3.SQLITE_BUSY: "is locked by another process",
    sqlite3.SQLITE_LOCKED: "is locked by another connection",
    sqlite3.SQLITE_READONLY: "is read-only",
    sqlite3.SQLITE_PERM: "may not be accessed",
    sqlite3.SQLITE_AUTH: "may not be accessed",
    sqlite3.SQLITE_FULL: "cannot grow: its disk is full",
    sqlite3.SQLITE_IOERR: "cannot be read or written: its disk reports an error",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened: is its folder there, and may it be written?",
    sqlite3.SQLITE_CORRUPT: "is damaged: restore it from a backup",
    sqlite3.SQLITE_NOTADB: "is not an SQLite database",
    sqlite3.SQLITE_PROTOCOL: "is locked by another process",
}


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Raise DatabaseUnavailable, with a sentence for people, for what a healthy program can meet; bugs pass.

    Raises CannotBeKept for values that others sent and SQLite does not take: they must not end whoever has the file.
    """
    try:
        yield
    except (OverflowError, UnicodeEncodeError) as exc:
        raise CannotBeKept(f"The database {path} cannot keep a value that is in it: {exc}") from exc
    except sqlite3.Error as exc:
        code = getattr(exc, "sqlite_errorcode", None)  # set by SQLite's own errors, not by misuse of the module
        sentence = _UNAVAILABLE.get(code & 0xFF) if isinstance(code, int) else None
        if sentence is None:
            raise
        raise DatabaseUnavailable(f"The database {path} {sentence} ({exc})") from exc


class SqliteFile:
    """An open SQLite file in WAL mode with synchronous=FULL: what `write` committed survives a loss of power.

    Blocking, and for one caller at a time, though not always from the same thread. Every method raises
    DatabaseUnavailable, and CannotBeKept; `sqlite3.IntegrityError` and the like are bugs and pass through.
    """

    def __init__(self, path: Path, db: Database) -> None:
        self.path = path
        self.db = db

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        newest: int,
        busy_timeout: float = 5.0,
        setting: str = "SQLITE_PATH",
        exclusive: bool = False,
    ) -> SqliteFile:
        """Open or create the file, which `setting` names; `busy_timeout` in seconds.

        `exclusive`: for this process alone, until it is closed. It is refused while anybody else has the file open, and
        nobody else can open it meanwhile. Raises ConfigurationError when its schema version is above `newest`: an older
        program must not touch it.
        """
        with translated(path):
            # isolation_level=None: the module begins no transactions by itself, `write` does.
            connection = sqlite3.connect(path, timeout=busy_timeout, isolation_level=None, check_same_thread=False)
        try:
            with translated(path):
                db = Database(connection, execute_plugins=False)
                if exclusive:  # before the file is looked at: https://www.sqlite.org/pragma.html#pragma_locking_mode
                    connection.execute("PRAGMA locking_mode=EXCLUSIVE").fetchall()
                (version,) = connection.execute("PRAGMA user_version").fetchone()
                if version > newest:
                    raise ConfigurationError((_too_new(setting, path, version, newest),))
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute("PRAGMA synchronous=FULL")
                connection.execute("PRAGMA foreign_keys=ON")
        except BaseException:
            connection.close()
            raise
        return cls(path, db)

    def read(self, sql: str, *values: SqlValue) -> list[sqlite3.Row]:
        """All rows of a query."""
        with translated(self.path):
            cursor = self.db.conn.cursor()
            cursor.row_factory = sqlite3.Row
            return cursor.execute(sql, values).fetchall()

    def read_one(self, sql: str, *values: SqlValue) -> sqlite3.Row | None:
        """The first row of a query, or None."""
        rows = self.read(sql, *values)
        return rows[0] if rows else None

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """One transaction, holding the write lock from its beginning: committed at the end, or nothing of it at all."""
        connection = self.db.conn
        with translated(self.path):
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:  # a full disk makes SQLite roll back by itself
                    connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Close the file; safe to call twice."""
        with translated(self.path):
            self.db.conn.close()


def _too_new(setting: str, path: Path, version: int, newest: int) -> str:
    return (
        f"{setting}: {path} was written by a newer teltubby (schema {version}, this program knows {newest}); "
        "upgrade teltubby, or restore the backup made before the upgrade"
    )


def to_text(moment: datetime) -> str:
    """A moment as the database keeps it: ISO 8601 in UTC, of one width, so that its order is that of time."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def to_moment(value: SqlValue) -> datetime | None:
    """Read a moment, also as older programs wrote it: ISO 8601 with or without zone (then UTC), or Unix seconds."""
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def known_moment(value: SqlValue) -> datetime:
    """A moment that we wrote ourselves. Raises ValueError when it is none."""
    moment = to_moment(value)
    if moment is None:
        raise ValueError(f"not a moment: {value!r}")
    return moment
