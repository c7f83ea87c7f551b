"""The ledger as somebody sees it who only looks, beside the process that writes it: nothing is made or changed."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlite_utils import Database

from teltubby.adapters.sqlite_file import SqliteFile, to_text, translated
from teltubby.adapters.sqlite_job_trace import JobTrace, ids_beginning, trace_of
from teltubby.adapters.sqlite_schema import SCHEMA_VERSION
from teltubby.archive.claims import Claim
from teltubby.errors import ConfigurationError, DatabaseUnavailable
from teltubby.messages.media import ItemStatus
from teltubby.messages.trail import TrailKind

PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredText:
    """An artifact that the store has, by the ledger's word; `sha256` (hex) is that of its bytes."""

    chat_id: int
    message_id: int
    base_path: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailLine:
    """One line of the audit trail: `at` as it is kept, in UTC; no `user_id` where nobody of Telegram did it."""

    at: str
    kind: str
    user_id: int | None
    command: str
    job_id: str | None
    accepted: bool
    detail: str | None
    times: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailFilter:
    """Which lines are wanted; None: whatever there is. `since` is in, `until` is not; of a job the id's beginning."""

    since: datetime | None = None
    until: datetime | None = None
    user_id: int | None = None
    command: str | None = None
    job_id: str | None = None
    kinds: frozenset[TrailKind] = frozenset(TrailKind)


class LedgerView:
    """Reads page by page, so that memory stays flat and the writer is not held up. Blocking.

    Every method raises DatabaseUnavailable.
    """

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    @classmethod
    def open(cls, path: Path, *, busy_timeout: float = 5.0) -> LedgerView | None:
        """The ledger, None where there is none. Raises ConfigurationError for one of a newer program."""
        if not path.exists():
            return None
        with translated(path):
            uri = f"{path.absolute().as_uri()}?mode=ro"
            connection = sqlite3.connect(
                uri, uri=True, timeout=busy_timeout, isolation_level=None, check_same_thread=False
            )
        try:
            with translated(path):
                (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > SCHEMA_VERSION:
                raise ConfigurationError((f"SQLITE_PATH: {path} was written by a newer teltubby: upgrade this one",))
            if version < SCHEMA_VERSION:
                raise DatabaseUnavailable(f"The database {path} is of an older teltubby: the bot's start migrates it")
        except BaseException:
            connection.close()
            raise
        return cls(SqliteFile(path, Database(connection, execute_plugins=False)))

    def close(self) -> None:
        """Close it; safe to call twice."""
        self._file.close()

    def files(self) -> Iterator[list[Claim]]:
        """Contents that count as archived, a page at a time."""
        after = ""
        while rows := self._file.read("SELECT * FROM files WHERE sha256 > ? ORDER BY sha256 LIMIT ?", after, PAGE):
            yield [
                Claim(
                    key=row["s3_key"],
                    status=ItemStatus.STORED,
                    sha256=row["sha256"],
                    size_bytes=int(row["size_bytes"]),
                    mime=row["mime"],
                )
                for row in rows
            ]
            after = rows[-1]["sha256"]

    def jobs_named(self, prefix: str, limit: int) -> list[str]:
        """Ids of jobs that begin so, in their order."""
        return ids_beginning(self._file, prefix, limit)

    def trace(self, job_id: str) -> JobTrace | None:
        """All that is kept of the job with this whole id, None where there is none that can be read."""
        return trace_of(self._file, job_id, datetime.now(UTC))

    def trail(self, wanted: TrailFilter) -> Iterator[list[TrailLine]]:
        """The audit trail in the order in which it was written, a page at a time."""
        after = 0
        wishes = (
            "" if wanted.since is None else to_text(wanted.since),
            "Z" if wanted.until is None else to_text(wanted.until),  # after every moment
            wanted.user_id,
            wanted.command,
            wanted.job_id,
            *sorted(wanted.kinds),
        )
        kinds = ", ".join("?" * len(wanted.kinds))
        while rows := self._file.read(
            "SELECT * FROM commands WHERE id > ?1 AND at >= ?3 AND at < ?4 AND (?5 IS NULL OR user_id = ?5)"
            " AND (?6 IS NULL OR command = ?6) AND (?7 IS NULL OR substr(job_id, 1, length(?7)) = ?7)"
            f" AND kind IN ({kinds}) ORDER BY id LIMIT ?2",
            after,
            PAGE,
            *wishes,
        ):
            yield [
                TrailLine(
                    at=row["at"],
                    kind=row["kind"],
                    user_id=row["user_id"],
                    command=row["command"],
                    job_id=row["job_id"] or None,
                    accepted=bool(row["accepted"]),
                    detail=row["detail"],
                    times=row["times"],
                )
                for row in rows
            ]
            after = rows[-1]["id"]

    def artifacts(self) -> Iterator[list[StoredText]]:
        """Artifacts that the store has and that no purge took, a page at a time."""
        after = 0
        while rows := self._file.read(
            "SELECT rowid, chat_id, message_id, base_path, artifact_json FROM messages WHERE rowid > ?"
            " AND artifact_json IS NOT NULL AND artifact_stored = 1 AND purged_keys IS NULL ORDER BY rowid LIMIT ?",
            after,
            PAGE,
        ):
            yield [
                StoredText(
                    chat_id=int(row["chat_id"]),
                    message_id=int(row["message_id"]),
                    base_path=row["base_path"] or "",
                    sha256=hashlib.sha256(row["artifact_json"].encode()).hexdigest(),
                )
                for row in rows
            ]
            after = rows[-1]["rowid"]
