"""Channels as they were seen last, and how far each is collected."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from teltubby.adapters.sqlite_file import SqliteFile, SqlRow, Transaction, known_moment, to_moment, to_text
from teltubby.collector.clocks import Moments
from teltubby.collector.metrics import record_subscribers
from teltubby.collector.pages import Cursor
from teltubby.messages.collected import Channel, ChannelKind

_CHANNEL = (
    "SELECT channels.*, (SELECT subscribers FROM channel_metrics WHERE channel_metrics.channel_id = channels.channel_id"
    " ORDER BY snapshot_time DESC LIMIT 1) AS subscribers FROM channels"
)


class ChannelRepository:
    """Channels and their cursors. Every method raises DatabaseUnavailable."""

    def __init__(self, file: SqliteFile, bucket_seconds: int, moments: Moments) -> None:
        self._file = file
        self._bucket_seconds = bucket_seconds
        self._moments = moments

    def record(self, channel: Channel) -> None:
        """Keep what was seen of a channel; what was seen earlier than what is known changes nothing, unless that was
        dated by a clock that ran ahead.

        What only a full description has (about, linked chat, origin) stays when a short one comes.
        """
        channel = replace(channel, seen_at=self._moments.dated(channel.seen_at))
        seen_at, until = to_text(channel.seen_at), self._moments.until()
        details = (channel.about, channel.linked_chat_id, channel.migrated_from)
        is_full = channel.subscribers is not None or any(detail is not None for detail in details)
        with self._file.write() as connection:
            connection.execute(
                "INSERT INTO channels (channel_id, username, title, kind, is_supergroup, seen_at)"
                " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (channel_id) DO UPDATE SET username = excluded.username,"
                " title = excluded.title, kind = excluded.kind, is_supergroup = excluded.is_supergroup,"
                " seen_at = excluded.seen_at"
                " WHERE (excluded.seen_at, excluded.title, coalesce(excluded.username, ''), excluded.kind)"
                " > (seen_at, title, coalesce(username, ''), kind) OR seen_at > ?",
                (
                    channel.channel_id,
                    channel.username,
                    channel.title,
                    channel.kind,
                    channel.kind is not ChannelKind.CHANNEL,
                    seen_at,
                    until,
                ),
            )
            if is_full:
                connection.execute(
                    "UPDATE channels SET about = ?1, linked_chat_id = ?2, migrated_from = ?3, details_at = ?4"
                    " WHERE channel_id = ?5 AND (?4, coalesce(?1, ''), coalesce(?2, 0), coalesce(?3, 0))"
                    " > (details_at, coalesce(about, ''), coalesce(linked_chat_id, 0), coalesce(migrated_from, 0))"
                    " OR (channel_id = ?5 AND details_at > ?6)",
                    (*details, seen_at, channel.channel_id, until),
                )
            record_subscribers(connection, channel, self._bucket_seconds, until)

    def find(self, channel_id: int) -> Channel | None:
        """A channel as it was seen last."""
        row = self._file.read_one(f"{_CHANNEL} WHERE channel_id = ?", channel_id)
        return None if row is None else _read(row)

    def all(self) -> tuple[Channel, ...]:
        """Every channel, in the order in which they became known."""
        return tuple(_read(row) for row in self._file.read(f"{_CHANNEL} ORDER BY number"))

    def posts(self, channel_id: int) -> int:
        """How many posts of a channel are stored, deleted ones too; at the same cost for a channel of any size."""
        row = self._file.read_one("SELECT posts FROM channels WHERE channel_id = ?", channel_id)
        return 0 if row is None else int(row["posts"])

    def cursor(self, channel_id: int) -> Cursor:
        """How far the channel is collected: exactly what the committed pages said."""
        row = self._file.read_one("SELECT * FROM cursors WHERE channel_id = ?", channel_id)
        if row is None:
            return Cursor()
        return Cursor(
            oldest=row["oldest"],
            newest=row["newest"],
            backfill_done=bool(row["backfill_done"]),
            pts=row["pts"],
            complete_at=to_moment(row["complete_at"]),
        )

    def set_back(self, channel_id: int, pts: int) -> None:
        """Take back a state of updates beyond `pts`, which Telegram says that the channel never reached: else all that
        is pushed until it does would count as known.
        """
        with self._file.write() as connection:
            connection.execute("UPDATE cursors SET pts = ?1 WHERE channel_id = ?2 AND pts > ?1", (pts, channel_id))


def newest_date(file: SqliteFile) -> datetime | None:
    """When Telegram dated the newest post of all channels."""
    row = file.read_one(
        "SELECT max((SELECT max(date) FROM posts WHERE posts.channel_id = channels.channel_id)) AS newest FROM channels"
    )
    return None if row is None else to_moment(row["newest"])


def add_posts(connection: Transaction, channel_id: int, new: int) -> None:
    """Count posts that are new, in the transaction that brings them: counting all of them takes longer and longer."""
    connection.execute("UPDATE channels SET posts = posts + ? WHERE channel_id = ?", (new, channel_id))


def move_cursor(connection: Transaction, channel_id: int, cursor: Cursor, until: str) -> None:
    """Move a channel's cursor, in the transaction of the page that it passes. Nothing was complete after `until`."""
    complete_at = None if cursor.complete_at is None else to_text(cursor.complete_at)
    most = "coalesce(max({0}, excluded.{0}), {0}, excluded.{0})"
    connection.execute(
        "INSERT INTO cursors (channel_id, oldest, newest, backfill_done, pts, complete_at) VALUES (?, ?, ?, ?, ?, ?)"
        f" ON CONFLICT DO UPDATE SET oldest = {most.replace('max', 'min').format('oldest')},"
        + ", ".join(f" {name} = {most.format(name)}" for name in ("newest", "backfill_done", "pts"))
        + f", complete_at = CASE WHEN complete_at > ? THEN excluded.complete_at ELSE {most.format('complete_at')} END",
        (channel_id, cursor.oldest, cursor.newest, cursor.backfill_done, cursor.pts, complete_at, until),
    )


def _read(row: SqlRow) -> Channel:
    return Channel(
        channel_id=row["channel_id"],
        username=row["username"],
        title=row["title"],
        kind=ChannelKind(row["kind"]),
        seen_at=known_moment(row["seen_at"]),
        subscribers=row["subscribers"],
        about=row["about"],
        linked_chat_id=row["linked_chat_id"],
        migrated_from=row["migrated_from"],
    )
