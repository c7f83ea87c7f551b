"""Which channels people want collected, what is known of them, and which files of their posts are to be archived.

The table `tracked` is people's word, and any process may write it (`CollectorStore.open_to_track`); `found_peers` and
`media_wanted` are written by the owner alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from teltubby.adapters.sqlite_file import SqliteFile, SqlRow, Transaction, known_moment, to_moment, to_text
from teltubby.collector.filters import filter_from_json, filter_to_json
from teltubby.collector.posts import execute_many
from teltubby.collector.rows import read_post
from teltubby.messages.channels import ChannelRef
from teltubby.messages.collected import Post
from teltubby.messages.collector import MediaFilter

POSTS_AT_ONCE = 500
"""So many stored posts are looked through in one transaction, that collecting waits for it a moment only."""

_PEER = "peer, channel_id, access_hash, account_id, trouble, trouble_at"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPeer:
    """What is known of a peer (as archive.peers writes it), tracked or configured.

    `ref` is good for `account_id` alone. `trouble` says since when and why it cannot be collected, in a sentence.
    """

    peer: str
    ref: ChannelRef | None = None
    account_id: int | None = None
    trouble: str | None = None
    trouble_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracked:
    """A channel that `user_id` wants collected (None: the operator, by command), with the files that are archived."""

    peer: str
    user_id: int | None
    added_at: datetime
    media: MediaFilter | None
    is_swept: bool
    """The posts that were stored before are looked through for files that `media` wants."""
    found: FoundPeer


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedMedia:
    """A post whose file is to be archived, and who wants that."""

    post: Post
    title: str
    username: str | None
    user_id: int
    document_id: int | None
    """The file that is wanted; the post may have got another meanwhile."""


class TrackingRepository:
    """Tracked channels and the outbox of their files. Every method raises DatabaseUnavailable."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    def all(self) -> tuple[Tracked, ...]:
        """Every tracked channel, in the order in which they were added."""
        rows = self._file.read("SELECT * FROM tracked LEFT JOIN found_peers USING (peer) ORDER BY tracked.rowid")
        return tuple(
            Tracked(
                peer=row["peer"],
                user_id=row["user_id"],
                added_at=known_moment(row["added_at"]),
                media=None if row["media_json"] is None else filter_from_json(row["media_json"]),
                is_swept=bool(row["is_swept"]),
                found=_found(row),
            )
            for row in rows
        )

    def add(self, peer: str, *, user_id: int | None, at: datetime, media: MediaFilter | None = None) -> bool:
        """Track a channel; one that is tracked gets the other filter. Whether that changed anything."""
        media_json = None if media is None else filter_to_json(media)
        with self._file.write() as connection:
            changed = connection.execute(
                "INSERT INTO tracked (peer, user_id, added_at, media_json, is_swept) VALUES (?, ?, ?, ?, 0)"
                " ON CONFLICT (peer) DO UPDATE SET user_id = coalesce(excluded.user_id, user_id),"
                " media_json = excluded.media_json, is_swept = 0 WHERE excluded.media_json IS NOT media_json",
                (peer, user_id, to_text(at), media_json),
            ).rowcount
            if changed:
                _look_again(connection, peer)
        return changed > 0

    def remove(self, peer: str) -> bool:
        """Track a channel no longer, and archive no more files of it; what was collected stays. Whether it was."""
        with self._file.write() as connection:
            removed = connection.execute("DELETE FROM tracked WHERE peer = ?", (peer,)).rowcount
            _look_again(connection, peer)
        return removed > 0

    def let_go(self) -> None:
        """Archive no more files of channels of which nobody wants any: what a page brought after `remove` goes, too."""
        with self._file.write() as connection:
            connection.execute(
                "DELETE FROM media_wanted WHERE sent_at IS NULL AND channel_id NOT IN (SELECT channel_id"
                " FROM tracked JOIN found_peers USING (peer) WHERE media_json IS NOT NULL AND channel_id IS NOT NULL)"
            )

    def known(self, peer: str) -> FoundPeer:
        """What is known of a peer; nothing of one that was never looked for."""
        row = self._file.read_one(f"SELECT {_PEER} FROM found_peers WHERE peer = ?", peer)
        return FoundPeer(peer=peer) if row is None else _found(row)

    def found(self, peer: str, ref: ChannelRef, account_id: int | None) -> None:
        """Keep which channel the peer is, as that account asks for it; its trouble is over."""
        with self._file.write() as connection:
            connection.execute(
                f"INSERT INTO found_peers ({_PEER}) VALUES (?, ?, ?, ?, NULL, NULL)"
                " ON CONFLICT (peer) DO UPDATE SET channel_id = excluded.channel_id,"
                " access_hash = excluded.access_hash, account_id = excluded.account_id, trouble = NULL,"
                " trouble_at = NULL WHERE trouble IS NOT NULL OR (channel_id, access_hash, account_id)"
                " IS NOT (excluded.channel_id, excluded.access_hash, excluded.account_id)",
                (peer, ref.channel_id, ref.access_hash, account_id),
            )

    def trouble(self, peer: str, reason: str | None, at: datetime) -> None:
        """Keep why the peer cannot be collected, since `at` (that of the same trouble stays); None: it can be."""
        with self._file.write() as connection:
            connection.execute(
                "INSERT INTO found_peers (peer, trouble, trouble_at) VALUES (?, ?, ?)"
                " ON CONFLICT (peer) DO UPDATE SET trouble = excluded.trouble, trouble_at = excluded.trouble_at"
                " WHERE trouble IS NOT excluded.trouble",
                (peer, reason, None if reason is None else to_text(at)),
            )

    def sweep(self, channel_id: int, fits: Callable[[Post], bool], *, after: int, at: datetime) -> int | None:
        """Want the files that fit of the next stored posts behind `after` (-1: from the first one).

        Returns the id of the last post that was looked at, None when there are no more. Repeated, it wants nothing
        twice.
        """
        rows = self._file.read(
            "SELECT * FROM posts WHERE channel_id = ? AND msg_id > ? AND media_kind IS NOT NULL AND deleted_at IS NULL"
            " ORDER BY msg_id LIMIT ?",
            channel_id,
            after,
            POSTS_AT_ONCE,
        )
        if not rows:
            return None
        wanted = [row["msg_id"] for row in rows if fits(read_post(row, ()))]
        with self._file.write() as connection:
            want(connection, channel_id, wanted, to_text(at))
        return int(rows[-1]["msg_id"])

    def swept(self, peer: str, media: MediaFilter) -> None:
        """All stored posts of the peer were looked through with this filter, unless it has got another meanwhile."""
        with self._file.write() as connection:
            connection.execute(
                "UPDATE tracked SET is_swept = 1 WHERE peer = ? AND media_json = ?", (peer, filter_to_json(media))
            )

    def wanted(self, limit: int) -> tuple[WantedMedia, ...]:
        """Files that nobody was told of yet, oldest wish first; those of posts that are deleted since, too."""
        rows = self._file.read(
            "SELECT posts.*, channels.title AS of_title, channels.username AS of_username,"
            " (SELECT user_id FROM tracked JOIN found_peers USING (peer)"
            " WHERE found_peers.channel_id = posts.channel_id AND media_json IS NOT NULL ORDER BY user_id IS NULL"
            " LIMIT 1) AS of_user, media_wanted.document_id AS of_document"
            " FROM media_wanted CROSS JOIN posts USING (channel_id, msg_id) CROSS JOIN channels USING (channel_id)"
            " WHERE sent_at IS NULL ORDER BY media_wanted.number LIMIT ?",
            limit,
        )
        return tuple(
            WantedMedia(
                post=read_post(row, ()),
                title=row["of_title"],
                username=row["of_username"],
                user_id=row["of_user"] or 0,
                document_id=row["of_document"],
            )
            for row in rows
        )

    def unsent(self) -> int:
        """How many files nobody was told of yet."""
        return int(self._file.read("SELECT count(*) FROM media_wanted WHERE sent_at IS NULL")[0][0])

    def sent(self, wanted: Sequence[WantedMedia], *, at: datetime) -> None:
        """The bot has been told of these for sure; they are never wanted again, but another file of the post may be."""
        with self._file.write() as connection:
            execute_many(
                connection,
                "UPDATE media_wanted SET sent_at = ? WHERE channel_id = ? AND msg_id = ? AND document_id IS ?",
                [(to_text(at), each.post.channel_id, each.post.msg_id, each.document_id) for each in wanted],
            )


def want(connection: Transaction, channel_id: int, msg_ids: Sequence[int], wanted_at: str) -> None:
    """Have the files of these posts archived, in the transaction of the page that brings them; each file once.

    A post that was given another file is wanted again.
    """
    execute_many(
        connection,
        "INSERT INTO media_wanted (channel_id, msg_id, wanted_at, document_id) VALUES (?1, ?2, ?3,"
        " (SELECT document_id FROM posts WHERE channel_id = ?1 AND msg_id = ?2))"
        " ON CONFLICT (channel_id, msg_id) DO UPDATE SET document_id = excluded.document_id,"
        " wanted_at = excluded.wanted_at, sent_at = NULL WHERE document_id IS NOT excluded.document_id",
        [(channel_id, msg_id, wanted_at) for msg_id in msg_ids],
    )


def _look_again(connection: Transaction, peer: str) -> None:
    """Nobody is told of what the peer wanted; what its channel is tracked for now is looked for among all its posts."""
    connection.execute(
        "DELETE FROM media_wanted WHERE sent_at IS NULL AND channel_id IN"
        " (SELECT channel_id FROM found_peers WHERE peer = ?)",
        (peer,),
    )
    connection.execute(
        "UPDATE tracked SET is_swept = 0 WHERE peer IN (SELECT other.peer FROM found_peers AS other"
        " JOIN found_peers AS one USING (channel_id) WHERE one.peer = ?)",
        (peer,),
    )


def _found(row: SqlRow) -> FoundPeer:
    channel_id, access_hash = row["channel_id"], row["access_hash"]
    return FoundPeer(
        peer=row["peer"],
        ref=None if channel_id is None else ChannelRef(channel_id, access_hash),
        account_id=row["account_id"],
        trouble=row["trouble"],
        trouble_at=to_moment(row["trouble_at"]),
    )
