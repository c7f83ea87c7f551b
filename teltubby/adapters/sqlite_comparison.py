"""Compares what a catalogue's objects are with what artifacts and the ledger say of them, and keeps what was found.

Blocking; everything raises DatabaseUnavailable.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence

from teltubby.adapters.sqlite_catalogue import LEDGER, Catalogue
from teltubby.adapters.sqlite_file import SqlRow
from teltubby.adapters.sqlite_ledger_view import StoredText
from teltubby.archive.keys import ARTIFACT_NAME

FOUND_BY_HASHING = "changed"
_ARCHIVED = "status IN ('stored', 'duplicate')"
_WHO = f"""CASE min(artifact = '{LEDGER}') WHEN 1 THEN 'the ledger'
    ELSE min(CASE WHEN artifact <> '{LEDGER}' THEN artifact END) END
    || CASE count(DISTINCT artifact) WHEN 1 THEN '' ELSE ' and ' || (count(DISTINCT artifact) - 1) || ' more' END"""
_ABSENT = "claims.key NOT IN (SELECT key FROM objects)"

_COMPARISONS = (
    f"""SELECT 'missing', key, 'said to be stored by ' || {_WHO} FROM claims
        WHERE {_ARCHIVED} AND {_ABSENT} GROUP BY key""",
    f"""SELECT 'lying artifact', artifact, 'it names ' || min(key) || CASE count(DISTINCT key) WHEN 1 THEN ''
            ELSE ' and ' || (count(DISTINCT key) - 1) || ' more' END FROM claims
        WHERE artifact <> '{LEDGER}' AND status <> 'queued' AND {_ABSENT} GROUP BY artifact""",
    f"""SELECT 'wrong size', claims.key,
            objects.size || ' bytes instead of ' || claims.size || ', as said by ' || {_WHO}
        FROM claims JOIN objects USING (key)
        WHERE {_ARCHIVED} AND claims.size <> objects.size GROUP BY claims.key""",
    f"""SELECT 'disputed', key, 'by ' || {_WHO} FROM claims WHERE {_ARCHIVED} AND sha256 IS NOT NULL GROUP BY key
        HAVING count(DISTINCT sha256) > 1""",
    """SELECT 'orphan', key, size || ' bytes' FROM objects WHERE key NOT IN (SELECT key FROM claims)
        AND key NOT IN (SELECT key FROM artifacts) AND key NOT IN (SELECT key FROM unread)""",
    "SELECT 'unreadable artifact', key, reason FROM unread",
)
_TO_HASH = f"""SELECT claims.key, min(sha256), objects.size, lot(claims.key)
    FROM claims JOIN objects ON objects.key = claims.key AND objects.size = coalesce(claims.size, objects.size)
    WHERE {_ARCHIVED} AND sha256 IS NOT NULL AND claims.key NOT IN (SELECT key FROM findings WHERE kind = 'disputed')
    GROUP BY claims.key"""
_LOTS = 1 << 62


class Comparison:
    """What was found, and which contents are still to be read; in the catalogue, so that it survives."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._file = catalogue.file

    # -- without reading contents

    def compare(self) -> None:
        """Find anew what can be found without reading contents."""
        with self._file.write() as connection:
            connection.execute("DELETE FROM findings WHERE kind <> ?", (FOUND_BY_HASHING,))
            for comparison in _COMPARISONS:
                connection.execute(f"INSERT OR REPLACE INTO findings {comparison}")

    def compare_texts(self, texts: Sequence[StoredText]) -> None:
        """Find artifacts that the ledger has and the store has not, or has otherwise."""
        for text in texts:
            key = text.base_path + ARTIFACT_NAME
            there = self._file.read(
                "SELECT key, sha256 FROM artifacts WHERE chat_id = ? AND message_id = ? ORDER BY key",
                text.chat_id,
                text.message_id,
            )
            whose = f"message {text.message_id} of chat {text.chat_id}"
            if not there:
                self.found("artifact missing", key, whose)
            elif text.sha256 not in [row["sha256"] for row in there]:
                self.found("artifact changed", there[0]["key"], whose)

    def suspects(self) -> Iterator[list[tuple[str, str]]]:
        """Everything that was found as (kind, key), a page at a time: it may have been so for a moment only."""
        for page in self._catalogue.pages(
            "SELECT DISTINCT key FROM findings WHERE key > ? ORDER BY key LIMIT ?", size=100
        ):
            yield [
                (row["kind"], row["key"])
                for each in page
                for row in self._file.read("SELECT kind, key FROM findings WHERE key = ?", each["key"])
            ]

    def involved(self, key: str) -> tuple[str, ...]:
        """Some artifacts that name this object, and some objects that this artifact names and that are not there."""
        rows = self._file.read(
            "SELECT DISTINCT artifact AS key FROM claims WHERE key = ? AND artifact <> ? LIMIT 50", key, LEDGER
        )
        rows += self._file.read(f"SELECT DISTINCT key FROM claims WHERE artifact = ? AND {_ABSENT} LIMIT 50", key)
        return tuple(row["key"] for row in rows)

    # -- contents

    def plan(self, seed: str, *, percent: float | None, limit: int | None) -> None:
        """Decide which contents are to be read: all, or by lot a part or a number of them."""

        def lot(key: str) -> int:
            return int.from_bytes(hashlib.blake2b((seed + key).encode(), digest_size=8).digest(), "big") % _LOTS

        self._file.db.conn.create_function("lot", 1, lot, deterministic=True)
        with self._file.write() as connection:
            connection.execute("DELETE FROM hashing")
            connection.execute(f"INSERT INTO hashing {_TO_HASH}")
            if percent is not None:
                connection.execute("DELETE FROM hashing WHERE lot >= ?", (int(_LOTS * percent / 100),))
            if limit is not None:
                connection.execute(
                    "DELETE FROM hashing WHERE key NOT IN (SELECT key FROM hashing ORDER BY lot LIMIT ?)", (limit,)
                )

    def left(self) -> tuple[int, int]:
        """Objects and bytes that are still to be read."""
        (row,) = self._file.read("SELECT count(*) AS objects, coalesce(sum(size), 0) AS size FROM hashing")
        return row["objects"], row["size"]

    def to_hash(self) -> Iterator[list[SqlRow]]:
        """Rows of key, sha256 (hex) and size that are still to be read, a page at a time."""
        sql = "SELECT key, sha256, size FROM hashing WHERE key > ? ORDER BY key LIMIT ?"
        return self._catalogue.pages(sql, size=100)

    def hashed(self, key: str, finding: tuple[str, str] | None, size: int | None) -> None:
        """Its content was read, which had so many bytes, None: it is gone.

        `finding` is kind and detail, where it is not what it should be.
        """
        with self._file.write() as connection:
            connection.execute("DELETE FROM hashing WHERE key = ?", (key,))
            if size is None:
                connection.execute("DELETE FROM objects WHERE key = ?", (key,))
            else:
                connection.execute("UPDATE objects SET size = ? WHERE key = ? AND size <> ?", (size, key, size))
            if finding is not None:
                connection.execute("INSERT OR REPLACE INTO findings VALUES (?, ?, ?)", (finding[0], key, finding[1]))

    # -- what was found

    def found(self, kind: str, key: str, detail: str) -> None:
        """Keep a finding."""
        with self._file.write() as connection:
            connection.execute("INSERT OR REPLACE INTO findings VALUES (?, ?, ?)", (kind, key, detail))

    def counts(self) -> dict[str, int]:
        """Findings by kind."""
        rows = self._file.read("SELECT kind, count(*) AS findings FROM findings GROUP BY kind ORDER BY kind")
        return {row["kind"]: row["findings"] for row in rows}

    def findings(self, limit: int) -> Iterable[tuple[str, str, str]]:
        """The first of them, as (kind, key, detail)."""
        rows = self._file.read("SELECT kind, key, detail FROM findings ORDER BY kind, key LIMIT ?", limit)
        return [(row["kind"], row["key"], row["detail"]) for row in rows]
