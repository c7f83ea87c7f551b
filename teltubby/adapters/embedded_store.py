"""The SQLite file behind the embedded broker: one row per message. Its methods block; any thread may call.

A message is free when its time has come (`visible_at`, 0 without delay) and no lease on it runs (`leased_until`); both
are seconds since the epoch, by the caller's clock. `deliveries` counts the leases, so that `id` and `deliveries` name
one lease. Messages of a queue go by `id`, that is by the time of publishing, whatever the clock does. Should it be set
back, leases and delays (`delayed_at` is when one began) are shortened to what they would be had they begun now.

Messages are durable. Leases, questions and broadcasts are not: after a power cut nobody is left whom they concern.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlite_utils import Database

from teltubby.adapters.base import Destination, HeaderValue, Outgoing
from teltubby.errors import BrokerUnavailable, TopologyConflict

SCHEMA_VERSION = 2

SET_BACK_SECONDS = 1.0
"""Of two looks at a clock, the later one may be written down before the earlier: so much is no setting back."""

_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS queue_messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    queue TEXT NOT NULL,
    body BLOB NOT NULL,
    type TEXT NOT NULL,
    message_id TEXT NOT NULL,
    headers TEXT NOT NULL,
    visible_at REAL NOT NULL,
    leased_until REAL NOT NULL DEFAULT 0,
    deliveries INTEGER NOT NULL DEFAULT 0,
    delayed_at REAL NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS queue_messages_order ON queue_messages (queue, id);
CREATE TABLE IF NOT EXISTS queue_questions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    body BLOB NOT NULL,
    type TEXT NOT NULL,
    message_id TEXT NOT NULL,
    headers TEXT NOT NULL,
    asked_until REAL NOT NULL,
    taken INTEGER NOT NULL DEFAULT 0,
    answer BLOB
);
CREATE TABLE IF NOT EXISTS queue_broadcasts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    body BLOB NOT NULL,
    type TEXT NOT NULL,
    headers TEXT NOT NULL,
    told_at REAL NOT NULL
);
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""

_REASONS = {
    "SQLITE_BUSY": "another process keeps it locked",
    "SQLITE_LOCKED": "it is locked",
    "SQLITE_READONLY": "it is read-only",
    "SQLITE_PERM": "we may not open it",
    "SQLITE_CANTOPEN": "it cannot be opened or created",
    "SQLITE_FULL": "the disk is full",
    "SQLITE_IOERR": "the disk fails to read or write it",
    "SQLITE_CORRUPT": "the file is damaged",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A message that is ours until its lease runs out."""

    id: int
    deliveries: int
    source: Destination
    body: bytes
    type: str
    message_id: str
    headers: Mapping[str, HeaderValue]


class EmbeddedStore:
    """An open queue file. Raises BrokerUnavailable when SQLite cannot do it, TopologyConflict for a foreign file."""

    def __init__(self, path: Path, *, busy_seconds: float) -> None:
        self._path = path
        # A call that was cancelled may still run in its thread while the next one comes.
        self._lock = threading.Lock()
        with self._errors():
            connection = sqlite3.connect(path, timeout=busy_seconds, isolation_level=None, check_same_thread=False)
            try:
                self._connection = self._prepare(connection)
            except BaseException:
                connection.close()
                raise

    def _prepare(self, connection: sqlite3.Connection) -> sqlite3.Connection:
        database = Database(connection)
        database.enable_wal()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > SCHEMA_VERSION:
            raise TopologyConflict(f"The queue {self._path} was written by a newer teltubby (version {version}).")
        # Also when all is there: it shows now, not at the first message, that we may write.
        connection.executescript(_SCHEMA)
        messages = database.table("queue_messages")
        if "delayed_at" not in messages.columns_dict:
            connection.execute("BEGIN IMMEDIATE")
            if "delayed_at" not in messages.columns_dict:  # or another process was first
                connection.execute("ALTER TABLE queue_messages ADD COLUMN delayed_at REAL NOT NULL DEFAULT 0")
            connection.execute("COMMIT")
        return connection

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def claim(self, sources: Sequence[Destination], *, now: float, until: float) -> Lease | None:
        """Lease the first free message of the first source that has one, else None."""
        for source in sources:
            found = self._claim(source, now, until)
            if found is not None:
                return found
        return None

    def next_change(self, sources: Sequence[Destination], *, now: float, until: float) -> float | None:
        """When a message of these sources becomes free, if all remains as it is; None when there is no message.

        What is far off only because the clock has been set back since is shortened first: no lease that began by now
        runs longer than `until`, and a delay that has not begun yet begins now.
        """
        change, last_lease, last_delay = self._times(sources)
        if change is not None and (last_lease > until + SET_BACK_SECONDS or last_delay > now + SET_BACK_SECONDS):
            self._set_right(sources, now, until)
            change, _, _ = self._times(sources)
        return change

    def _times(self, sources: Sequence[Destination]) -> tuple[float | None, float, float]:
        """The next change, the end of the last lease, the beginning of the last delay."""
        with self.locked() as connection:
            at, lease, delay = connection.execute(
                "SELECT MIN(MAX(visible_at, leased_until)), MAX(leased_until), MAX(delayed_at) FROM queue_messages"
                f" WHERE queue IN ({_marks(sources)})",
                tuple(sources),
            ).fetchone()
        return (None, 0.0, 0.0) if at is None else (float(at), float(lease), float(delay))

    def _set_right(self, sources: Sequence[Destination], now: float, until: float) -> None:
        placed = f"queue IN ({_marks(sources)})"
        with self.transaction(durable=False) as connection:
            connection.execute(
                f"UPDATE queue_messages SET leased_until = ? WHERE {placed} AND leased_until > ?",
                (until, *sources, until + SET_BACK_SECONDS),
            )
            connection.execute(
                "UPDATE queue_messages SET visible_at = visible_at - delayed_at + ?, delayed_at = ?"
                f" WHERE {placed} AND delayed_at > ?",
                (now, now, *sources, now + SET_BACK_SECONDS),
            )

    def release(self, leases: Iterable[Lease]) -> int:
        """Make messages free again; returns how many leases were still ours."""
        with self.transaction(durable=False) as connection:
            return connection.executemany(
                f"UPDATE queue_messages SET leased_until = 0 WHERE {_LEASE}",
                [(lease.id, lease.deliveries) for lease in leases],
            ).rowcount

    def renew(self, leases: Iterable[Lease], *, until: float) -> None:
        """Let the leases run longer."""
        with self.transaction(durable=False) as connection:
            connection.executemany(
                f"UPDATE queue_messages SET leased_until = ? WHERE {_LEASE}",
                [(until, lease.id, lease.deliveries) for lease in leases],
            )

    def depths(self, *, now: float) -> dict[Destination, int]:
        """Free messages by queue; those that wait for their time count as RETRY, or RETRY_PRIORITY."""
        with self.locked() as connection:
            rows = connection.execute(
                "SELECT CASE WHEN visible_at <= ? THEN queue WHEN queue = ? THEN ? ELSE ? END AS place, COUNT(*)"
                " FROM queue_messages WHERE leased_until <= ? GROUP BY place",
                (now, Destination.PRIORITY, Destination.RETRY_PRIORITY, Destination.RETRY, now),
            ).fetchall()
        return dict.fromkeys(Destination, 0) | {Destination(place): count for place, count in rows}

    def _claim(self, source: Destination, now: float, until: float) -> Lease | None:
        free = "queue = ? AND visible_at <= ? AND leased_until <= ?"
        with self.locked() as connection:  # first without the write lock: an idle consumer disturbs nobody
            if connection.execute(f"SELECT 1 FROM queue_messages WHERE {free}", (source, now, now)).fetchone() is None:
                return None
        with self.transaction(durable=False) as connection:
            row = connection.execute(
                "UPDATE queue_messages SET leased_until = ?, deliveries = deliveries + 1 WHERE id ="
                f" (SELECT id FROM queue_messages WHERE {free} ORDER BY id LIMIT 1)"
                " RETURNING id, deliveries, body, type, message_id, headers",
                (until, source, now, now),
            ).fetchone()
        if row is None:
            return None
        number, deliveries, body, kind, message_id, headers = row
        return Lease(
            id=number,
            deliveries=deliveries,
            source=source,
            body=body,
            type=kind,
            message_id=message_id,
            headers=json.loads(headers),
        )

    @contextmanager
    def locked(self) -> Iterator[sqlite3.Connection]:
        """The connection, for this thread alone. Raises BrokerUnavailable, as everything here."""
        with self._lock, self._errors():
            yield self._connection

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[sqlite3.Connection]:
        """The same within a transaction that writes. One that is not durable may be undone by a power cut, no less."""
        with self.locked() as connection:
            # In WAL mode a commit is on the disk only with FULL, for which it waits some milliseconds.
            connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:  # a full disk ends it by itself
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.ProgrammingError as exc:
            raise BrokerUnavailable(f"The queue {self._path} is closed.") from exc
        except (sqlite3.OperationalError, sqlite3.DatabaseError) as exc:
            name = getattr(exc, "sqlite_errorname", "")
            if name == "SQLITE_NOTADB":
                raise TopologyConflict(
                    f"{self._path} is not a queue of ours: move it away, or use another path."
                ) from exc
            reason = next((text for code, text in _REASONS.items() if name.startswith(code)), None)
            raise BrokerUnavailable(f"The queue {self._path} does not work: {reason or exc}.") from exc


def insert(
    connection: sqlite3.Connection, queue: Destination, message: Outgoing, *, delayed_at: float, delay: float
) -> None:
    """Append a message to a queue; with a delay in seconds it is there for others after it, from `delayed_at` on."""
    times = (delayed_at + delay, delayed_at) if delay else (0.0, 0.0)
    connection.execute(
        "INSERT INTO queue_messages (queue, body, type, message_id, headers, visible_at, delayed_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (queue, message.body, message.type, message.message_id, dump_headers(message.headers), *times),
    )


def delete(connection: sqlite3.Connection, lease: Lease) -> bool:
    """Remove the message; False when the lease is no longer ours."""
    return _changed(connection.execute(f"DELETE FROM queue_messages WHERE {_LEASE}", (lease.id, lease.deliveries)))


def move(connection: sqlite3.Connection, lease: Lease, queue: Destination, headers: Mapping[str, HeaderValue]) -> bool:
    """Put the message into another queue, free, with these headers; False when the lease is no longer ours."""
    return _changed(
        connection.execute(
            f"UPDATE queue_messages SET queue = ?, headers = ?, leased_until = 0 WHERE {_LEASE}",
            (queue, dump_headers(headers), lease.id, lease.deliveries),
        )
    )


_LEASE = "id = ? AND deliveries = ? AND leased_until > 0"


def _changed(cursor: sqlite3.Cursor) -> bool:
    return cursor.rowcount > 0


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))


def dump_headers(headers: Mapping[str, HeaderValue]) -> str:
    return json.dumps(dict(headers), ensure_ascii=False)
