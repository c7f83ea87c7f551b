"""Posts and their history: which of two readings of a post is the newer, and what becomes of the other.

The newer is the one with the later date of edit, then the one that was read later, then (at one moment) one of the two
that does not depend on their order. So the same pages give the same tables in any order and repetition.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from teltubby.adapters.sqlite_file import SqlValue, Transaction, to_text
from teltubby.collector.rows import POST_COLUMNS, UPSERT_POST, VERSION_COLUMNS, Reading, link_rows, reading_of, storable
from teltubby.messages.collected import Post

_VERSION = ", ".join(VERSION_COLUMNS)
_KEEP_VERSION = (
    f"INSERT INTO post_edits ({_VERSION}) VALUES ({', '.join('?' * len(VERSION_COLUMNS))})"
    # min of NULL and a moment is NULL: the original has no date of edit, and is the first of all.
    " ON CONFLICT DO UPDATE SET edited_at = min(edited_at, excluded.edited_at)"
)
_KEEP_CURRENT = (
    f"INSERT OR IGNORE INTO post_edits ({_VERSION}) SELECT {_VERSION.replace('edited_at', 'content_edited_at')}"
    " FROM posts WHERE channel_id = ? AND msg_id = ?"
)
# OR REPLACE: what a statement had written when a text turned out unstorable is written again.
_ADD_LINKS = (
    "INSERT OR REPLACE INTO links (channel_id, msg_id, ordinal, url, utf16_offset, utf16_length, shown)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_FACTS = POST_COLUMNS[:-1]  # without seen_at
_CORRECT = (
    "UPDATE posts SET content_edited_at = ?, deleted_at = ?, first_seen_at = ? WHERE channel_id = ? AND msg_id = ?"
)


class _Known(NamedTuple):
    """What decides about another reading of a post that is there, and its row without `seen_at`."""

    content_hash: str
    edited_at: str | None
    content_edited_at: str | None
    deleted_at: str | None
    first_seen_at: str
    seen_at: str
    has_history: int
    row: tuple[SqlValue, ...]


def record_posts(
    connection: Transaction, channel_id: int, posts: Sequence[Post], seen_at: str, until: str
) -> tuple[int, int]:
    """Record posts of one channel as they were read at `seen_at`. Returns how many were new, and how many edited.

    What was read after `until` was read before, by a clock that ran ahead.
    """
    new = edited = 0
    for batch in _without_repetition(posts):
        msg_ids = json.dumps(list(batch))
        known, gone = _known(connection, channel_id, msg_ids), _gone(connection, channel_id, msg_ids)
        written, again, rows = [], [], []
        seen: list[tuple[str, int, int]] = []
        for msg_id, post in batch.items():
            reading, deleted_at = reading_of(post, seen_at), gone.get(msg_id)
            if post.deleted_at is not None:
                deleted_at = _earlier(deleted_at, to_text(post.deleted_at))
            if msg_id in known:
                again.append((reading, deleted_at, known[msg_id]))
            else:
                rows.append(
                    reading.row(
                        content_edited_at=reading.edited_at, deleted_at=deleted_at, first_seen_at=reading.seen_at
                    )
                )
                written.append(post)
        new += len(written)
        for reading, deleted_at, before in again:
            newer = _compared(connection, reading, deleted_at, before, until)
            if newer is not None:
                if newer[:-1] == before.row:
                    seen.append((reading.seen_at, channel_id, reading.post.msg_id))
                    continue
                rows.append(newer)
                written.append(reading.post)
                edited += reading.content_hash != before.content_hash
        execute_many(connection, UPSERT_POST, rows)
        if again:
            connection.executemany("UPDATE posts SET seen_at = ? WHERE channel_id = ? AND msg_id = ?", seen)
            if any(before.has_history or reading.content_hash != before.content_hash for reading, _, before in again):
                _date_contents(connection, channel_id, msg_ids)
        _record_links(connection, written, known)
    return new, edited


def record_deletions(connection: Transaction, channel_id: int, msg_ids: Iterable[int], at: str) -> int:
    """Mark posts as gone, now or when they become known; the first moment stays. Returns how many it marked."""
    rows = [(at, channel_id, msg_id) for msg_id in dict.fromkeys(msg_ids)]
    connection.executemany(
        "INSERT INTO deletions (deleted_at, channel_id, msg_id) VALUES (?, ?, ?)"
        " ON CONFLICT DO UPDATE SET deleted_at = min(deleted_at, excluded.deleted_at)",
        rows,
    )
    connection.executemany(
        "UPDATE posts SET deleted_at = ?1 WHERE channel_id = ?2 AND msg_id = ?3 AND deleted_at > ?1", rows
    )
    return connection.executemany(
        "UPDATE posts SET deleted_at = ? WHERE channel_id = ? AND msg_id = ? AND deleted_at IS NULL", rows
    ).rowcount


def execute_many(connection: Transaction, statement: str, rows: Sequence[tuple[SqlValue, ...]]) -> None:
    """Run a statement that may be repeated over all rows; texts that no database can hold are made so that it can."""
    try:
        connection.executemany(statement, rows)
    except UnicodeEncodeError:
        connection.executemany(statement, storable(rows))


def _without_repetition(posts: Sequence[Post]) -> Iterable[Mapping[int, Post]]:
    """Batches in which no post comes twice; almost always one."""
    while posts:
        batch: dict[int, Post] = {}
        posts = [post for post in posts if batch.setdefault(post.msg_id, post) is not post]
        yield batch


def _known(connection: Transaction, channel_id: int, msg_ids: str) -> dict[int, _Known]:
    found = connection.execute(
        "SELECT msg_id, content_hash, edited_at, content_edited_at, deleted_at, first_seen_at, seen_at, EXISTS"
        " (SELECT 1 FROM post_edits AS held WHERE held.channel_id = posts.channel_id AND held.msg_id = posts.msg_id)"
        f", {', '.join(_FACTS)} FROM posts WHERE channel_id = ? AND msg_id IN (SELECT value FROM json_each(?))",
        (channel_id, msg_ids),
    )
    return {facts[0]: _Known._make((*facts[1:8], facts[8:])) for facts in found}


def _gone(connection: Transaction, channel_id: int, msg_ids: str) -> dict[int, str]:
    found = connection.execute(
        "SELECT msg_id, deleted_at FROM deletions WHERE channel_id = ? AND msg_id IN (SELECT value FROM json_each(?))",
        (channel_id, msg_ids),
    )
    return dict(found.fetchall())


def _compared(
    connection: Transaction, reading: Reading, deleted_at: str | None, known: _Known, until: str
) -> tuple[SqlValue, ...] | None:
    """The row that is to be written when this reading is the newer one; of an older one what it adds is kept."""
    key = (reading.post.channel_id, reading.post.msg_id)
    same = reading.content_hash == known.content_hash
    if known.has_history or not same:
        connection.execute(_KEEP_CURRENT, key)
        execute_many(connection, _KEEP_VERSION, [reading.version_row()])
    is_newer = (reading.edited_at or "", reading.seen_at, reading.content_hash) > (
        *(known.edited_at or "", known.seen_at if known.seen_at <= until else "", known.content_hash),
    )
    if same:
        content_edited_at = _first_edit(reading.edited_at, known.content_edited_at)
    else:
        content_edited_at = reading.edited_at if is_newer else known.content_edited_at
    gone_at, first_seen_at = _earlier(deleted_at, known.deleted_at), min(reading.seen_at, known.first_seen_at)
    if is_newer:
        return reading.row(content_edited_at=content_edited_at, deleted_at=gone_at, first_seen_at=first_seen_at)
    facts = (content_edited_at, gone_at, first_seen_at)
    if facts != (known.content_edited_at, known.deleted_at, known.first_seen_at):
        connection.execute(_CORRECT, (*facts, *key))
    return None


def _date_contents(connection: Transaction, channel_id: int, msg_ids: str) -> None:
    """Where there is a history, it knows best since when the content is what it is."""
    connection.execute(
        "UPDATE posts SET content_edited_at = post_edits.edited_at FROM post_edits"
        " WHERE posts.channel_id = ? AND posts.msg_id IN (SELECT value FROM json_each(?))"
        " AND post_edits.channel_id = posts.channel_id AND post_edits.msg_id = posts.msg_id"
        " AND post_edits.content_hash = posts.content_hash"
        " AND post_edits.edited_at IS NOT posts.content_edited_at",
        (channel_id, msg_ids),
    )


def _record_links(connection: Transaction, posts: Sequence[Post], known: Mapping[int, _Known]) -> None:
    replaced = [(post.channel_id, post.msg_id) for post in posts if post.msg_id in known]
    if replaced:
        connection.executemany("DELETE FROM links WHERE channel_id = ? AND msg_id = ?", replaced)
    rows = [row for post in posts if post.links for row in link_rows(post)]
    if rows:
        execute_many(connection, _ADD_LINKS, rows)


def _first_edit(one: str | None, other: str | None) -> str | None:
    """Of two dates of edit the first; None is the original, before any edit."""
    return None if one is None or other is None else min(one, other)


def _earlier(one: str | None, other: str | None) -> str | None:
    """Of two moments the first; None is none."""
    return min((moment for moment in (one, other) if moment is not None), default=None)
