"""What a bucket holds and what is said of it, in an SQLite file of its own, so that memory stays flat for millions.

Beside objects and the claims of artifacts there is room for what a check of the contents got to, so that it can go on
after it was interrupted. Nothing in it is precious: it can be made anew from the bucket.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from teltubby.adapters.base import ObjectInfo
from teltubby.adapters.sqlite_file import SqliteFile, SqlRow, SqlValue, Transaction, to_text
from teltubby.archive.claims import Claim, ReadArtifact
from teltubby.errors import ConfigurationError

LEDGER = "ledger"
"""Who claims what the ledger's table of files says, in the place of an artifact's key."""
VERSION = 1
APPLICATION = int.from_bytes(b"ttbC", "big")
"""By which the file knows itself: it is emptied at will, and no other database may be."""
PAGE = 500
BUSY_SECONDS = 1.0

_TABLES = (
    "CREATE TABLE notes (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID",
    "CREATE TABLE objects (key TEXT PRIMARY KEY, size INTEGER NOT NULL) WITHOUT ROWID",
    """CREATE TABLE artifacts (
        key TEXT PRIMARY KEY, chat_id INTEGER NOT NULL, message_id INTEGER NOT NULL, media_group_id TEXT,
        base_path TEXT NOT NULL, at TEXT NOT NULL, sha256 TEXT NOT NULL, text TEXT)""",
    "CREATE INDEX artifacts_submission ON artifacts (chat_id, message_id)",
    "CREATE TABLE members (artifact TEXT NOT NULL, message_id INTEGER NOT NULL)",
    "CREATE INDEX members_artifact ON members (artifact)",
    """CREATE TABLE claims (
        key TEXT NOT NULL, artifact TEXT NOT NULL, status TEXT NOT NULL, sha256 TEXT, size INTEGER, mime TEXT,
        file_unique_id TEXT, job_id TEXT, at TEXT)""",
    "CREATE INDEX claims_key ON claims (key)",
    "CREATE TABLE unread (key TEXT PRIMARY KEY, reason TEXT NOT NULL)",
    "CREATE TABLE hashing (key TEXT PRIMARY KEY, sha256 TEXT NOT NULL, size INTEGER NOT NULL, lot INTEGER NOT NULL)",
    "CREATE INDEX hashing_lot ON hashing (lot)",
    "CREATE TABLE findings (kind TEXT NOT NULL, key TEXT NOT NULL, detail TEXT NOT NULL, PRIMARY KEY (kind, key))",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CataloguedArtifact:
    """An artifact as it was read: `sha256` (hex) is that of its bytes; `text` only where it is to be kept."""

    key: str
    read: ReadArtifact
    sha256: str
    text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """Objects and their bytes."""

    objects: int
    size_bytes: int


class Catalogue:
    """The file, for one process at a time. Blocking; every method raises DatabaseUnavailable."""

    def __init__(self, file: SqliteFile) -> None:
        self.file = file

    @classmethod
    def open(cls, path: Path) -> Catalogue:
        """Open or make the file. Raises ConfigurationError for one of a newer program."""
        file = SqliteFile.open(
            path, newest=VERSION, busy_timeout=BUSY_SECONDS, setting="the file of the check", exclusive=True
        )
        try:
            is_new = not file.read("SELECT 1 FROM sqlite_master")
            if not is_new and file.read("PRAGMA application_id")[0][0] != APPLICATION:
                raise ConfigurationError((f"{path} is another database, which is left alone: name another file.",))
            file.db.conn.execute(
                "PRAGMA synchronous=NORMAL"
            )  # a power cut may take the newest rows: they are made anew
            if is_new:
                with file.write() as connection:
                    _make(connection)
        except BaseException:
            file.close()
            raise
        return cls(file)

    def close(self) -> None:
        """Close it; safe to call twice."""
        self.file.close()

    def clear(self) -> None:
        """Forget everything."""
        with self.file.write() as connection:
            for row in self.file.read("SELECT name FROM sqlite_master WHERE type = 'table'"):
                connection.execute(f"DELETE FROM {row['name']}")

    # -- what is there

    def add_objects(self, objects: Iterable[ObjectInfo]) -> None:
        """Objects that were listed, or looked at since."""
        self._write_many("INSERT OR REPLACE INTO objects VALUES (?, ?)", [(info.key, info.size) for info in objects])

    def add_artifacts(self, artifacts: Sequence[CataloguedArtifact]) -> None:
        """Artifacts with what they claim; one that is there is replaced."""
        with self.file.write() as connection:
            for artifact in artifacts:
                _add_artifact(connection, artifact)

    def add_unread(self, key: str, reason: str) -> None:
        """What lies under an artifact's name, and is none for this reason."""
        self._write_many("INSERT OR REPLACE INTO unread VALUES (?, ?)", [(key, reason)])

    def forget(self, key: str) -> None:
        """There is no such object any more."""
        with self.file.write() as connection:
            for table in ("objects", "artifacts", "unread"):
                connection.execute(f"DELETE FROM {table} WHERE key = ?", (key,))
            for table in ("claims", "members"):
                connection.execute(f"DELETE FROM {table} WHERE artifact = ?", (key,))

    def forget_ledger(self) -> None:
        """What the ledger says is read anew."""
        with self.file.write() as connection:
            connection.execute("DELETE FROM claims WHERE artifact = ?", (LEDGER,))

    def add_ledger_claims(self, claims: Iterable[Claim]) -> None:
        """What the ledger's table of files says."""
        rows = [(claim.key, LEDGER, *_said(claim), None) for claim in claims]
        self._write_many("INSERT INTO claims VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def total(self) -> Total:
        """Of all objects."""
        (row,) = self.file.read("SELECT count(*) AS objects, coalesce(sum(size), 0) AS size_bytes FROM objects")
        return Total(objects=row["objects"], size_bytes=row["size_bytes"])

    def count(self, table: str) -> int:
        """Rows of a table."""
        return int(self.file.read(f"SELECT count(*) FROM {table}")[0][0])

    def note(self, name: str) -> str | None:
        """What was written down under this name."""
        row = self.file.read_one("SELECT value FROM notes WHERE name = ?", name)
        return None if row is None else row["value"]

    def write_note(self, name: str, value: str) -> None:
        """Write it down."""
        self._write_many("INSERT OR REPLACE INTO notes VALUES (?, ?)", [(name, value)])

    def pages(self, sql: str, *values: SqlValue, size: int = PAGE) -> Iterator[list[SqlRow]]:
        """The rows of a query with a column `key`, a page at a time; rows may be changed between two pages.

        The query takes the key to begin after and the size of a page behind `values`, and gives them in key order.
        """
        after = ""
        while page := self.file.read(sql, *values, after, size):
            yield page
            after = page[-1]["key"]

    def _write_many(self, sql: str, rows: Sequence[tuple[SqlValue, ...]]) -> None:
        with self.file.write() as connection:
            connection.executemany(sql, rows)


def _make(connection: Transaction) -> None:
    for statement in _TABLES:
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {VERSION:d}")
    connection.execute(f"PRAGMA application_id = {APPLICATION:d}")


def _add_artifact(connection: Transaction, artifact: CataloguedArtifact) -> None:
    read, key = artifact.read, artifact.key
    at = to_text(read.archived_at)
    if connection.execute("SELECT 1 FROM artifacts WHERE key = ?", (key,)).fetchone():
        connection.execute("DELETE FROM claims WHERE artifact = ?", (key,))
        connection.execute("DELETE FROM members WHERE artifact = ?", (key,))
    connection.execute("DELETE FROM unread WHERE key = ?", (key,))
    connection.execute(
        "INSERT OR REPLACE INTO artifacts VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (key, read.chat_id, read.message_id, read.media_group_id, read.base_path, at, artifact.sha256, artifact.text),
    )
    connection.executemany("INSERT INTO members VALUES (?, ?)", [(key, member) for member in read.members])
    connection.executemany(
        "INSERT INTO claims VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            *((claim.key, key, *_said(claim), at) for claim in read.claims),
            *((other, key, "other", None, None, None, None, None, at) for other in read.others),
        ],
    )


def _said(claim: Claim) -> tuple[SqlValue, ...]:
    return claim.status.value, claim.sha256, claim.size_bytes, claim.mime, claim.file_unique_id, claim.job_id
