"""The inbox: every update is a row here before Telegram is told that we have it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from teltubby.adapters.sqlite_file import SqliteFile, known_moment, to_text
from teltubby.messages.ledger import InboxGroup
from teltubby.messages.media import RawUpdate


class Inbox:
    """Updates by their id, open until what they brought is settled. Every method raises DatabaseUnavailable."""

    def __init__(self, file: SqliteFile, clock: Callable[[], datetime]) -> None:
        self._file = file
        self._clock = clock

    def record(self, updates: Sequence[RawUpdate]) -> int:
        """Write what is not there yet, all in one transaction, and return how many that was.

        After a quiet week Telegram chooses the ids of updates anew (Bot API, Update): one that is done, and is of
        another message, gives way to what has its id now.
        """
        now = to_text(self._clock())
        rows = [(u.update_id, now, u.chat_id, u.message_id, u.media_group_id, u.payload) for u in updates]
        with self._file.write() as connection:
            before = connection.total_changes
            connection.executemany(
                "INSERT INTO inbox (update_id, received_at, chat_id, message_id, media_group_id, payload)"
                " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (update_id) DO UPDATE SET received_at = excluded.received_at,"
                " chat_id = excluded.chat_id, message_id = excluded.message_id,"
                " media_group_id = excluded.media_group_id, payload = excluded.payload, done_at = NULL"
                " WHERE done_at IS NOT NULL AND payload <> excluded.payload"
                " AND (chat_id IS NOT excluded.chat_id OR message_id IS NOT excluded.message_id)",
                rows,
            )
            return connection.total_changes - before

    def open_groups(self) -> tuple[InboxGroup, ...]:
        """Open updates, those of one album in one chat together, oldest group first."""
        groups: dict[tuple[object, ...], list[sqlite3.Row]] = {}
        for row in self._file.read("SELECT * FROM inbox WHERE done_at IS NULL ORDER BY update_id"):
            album = row["media_group_id"]
            key = ("update", row["update_id"]) if album is None else ("album", row["chat_id"], album)
            groups.setdefault(key, []).append(row)
        return tuple(_group(rows) for rows in groups.values())

    def close(self, update_ids: Iterable[int]) -> None:
        """These are done; the first time counts."""
        now = to_text(self._clock())
        with self._file.write() as connection:
            connection.executemany(
                "UPDATE inbox SET done_at = ? WHERE update_id = ? AND done_at IS NULL", [(now, i) for i in update_ids]
            )

    def discard(self, update_ids: Sequence[int]) -> None:
        """These are done, and nothing of them is kept: whoever wants to fill the disk may send what they like.

        Of the newest update the row stays, empty, until later ones are discarded: Telegram may bring it again.
        """
        now, first, last = to_text(self._clock()), min(update_ids), max(update_ids)
        with self._file.write() as connection:
            connection.executemany(
                "UPDATE inbox SET payload = '', done_at = coalesce(done_at, ?) WHERE update_id = ?",
                [(now, i) for i in update_ids],
            )
            connection.execute(
                "DELETE FROM inbox WHERE payload = '' AND update_id <= ?2"
                " AND update_id < (SELECT max(update_id) FROM inbox)"
                " AND update_id >= coalesce((SELECT max(update_id) FROM inbox WHERE update_id < ?1), ?1)",
                (first, last),
            )


def forget_done(connection: sqlite3.Connection, before: datetime) -> None:
    """Delete what was done before that moment, in the caller's transaction.

    The newest row stays: Telegram may bring the last update again, and it is known by its row.
    """
    connection.execute(
        "DELETE FROM inbox WHERE done_at < ? AND update_id < (SELECT max(update_id) FROM inbox)", (to_text(before),)
    )


def _group(rows: list[sqlite3.Row]) -> InboxGroup:
    rows = sorted(rows, key=lambda row: (row["message_id"] or 0, row["update_id"]))
    return InboxGroup(
        update_ids=tuple(row["update_id"] for row in rows),
        payloads=tuple(row["payload"] for row in rows),
        newest_received_at=known_moment(max(row["received_at"] for row in rows)),
        media_group_id=rows[0]["media_group_id"],
    )
