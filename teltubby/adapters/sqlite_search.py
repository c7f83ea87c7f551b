"""Full-text search over what was handed in: SQLite's FTS5, kept by triggers beside the texts that it covers."""

from __future__ import annotations

import sqlite3

from teltubby.adapters.json_column import texts_in
from teltubby.adapters.sqlite_file import SqliteFile, known_moment, to_moment
from teltubby.archive.findable import Findable, findable, searchable
from teltubby.messages.history import ArchiveHit

TEXTS = "archive_text"
INDEX = "archive_text_fts"
COLUMNS = ("caption", "names", "chats")
TOKENS = "unicode61 remove_diacritics 2"
MOST_WORDS = 50
# Ids are TEXT in an old file's messages: the + takes our column's type away, so that it is compared as theirs.
MESSAGE_OF_TEXT = "messages.chat_id = +texts.chat_id AND messages.message_id = +texts.message_id"

_EPOCH = "1970-01-01T00:00:00Z"


def record_text(connection: sqlite3.Connection, chat_id: int, message_id: int, artifact_json: str) -> None:
    """Make a submission findable by its artifact, in the caller's transaction; texts that are the same cost nothing."""
    found = findable(artifact_json)
    connection.execute(
        f"INSERT INTO {TEXTS} (chat_id, message_id, caption, names, chats) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (chat_id, message_id) DO UPDATE"
        " SET caption = excluded.caption, names = excluded.names, chats = excluded.chats"
        " WHERE (caption, names, chats) IS NOT (excluded.caption, excluded.names, excluded.chats)",
        (chat_id, message_id, *(searchable("\n".join(texts)) for texts in (found.captions, found.names, found.chats))),
    )


def match_expression(words: str) -> str:
    """Words as an FTS5 query for texts that hold all of them, the last one as the beginning of a word.

    Each word is an FTS5 string, in which nothing but the quote has a meaning
    (https://www.sqlite.org/fts5.html#fts5_strings); one without letters or digits asks for nothing. Empty for no words.
    A word counts once, and only the first ones of more than MOST_WORDS, with the last: ranking a text against the same
    word again and again takes the cube of their number in time.
    """
    *whole, beginning = searchable(words).split() or [""]
    distinct = [*list(dict.fromkeys(whole))[: MOST_WORDS - 1], beginning]
    return " ".join('"' + word.replace('"', '""') + '"' for word in distinct) + "*" if beginning else ""


class Search:
    """Finds submissions by words. Every method raises DatabaseUnavailable."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    def find(self, words: str, limit: int, offset: int) -> tuple[ArchiveHit, ...]:
        """Those that hold all the words, best first (then the newest); none for text without any letter or digit."""
        expression = match_expression(words)
        if not expression:
            return ()
        rows = self._file.read(
            "SELECT messages.chat_id, messages.message_id, created_at, base_path, artifact_json, purged_keys"
            f" FROM (SELECT rowid AS id, rank FROM {INDEX} WHERE {INDEX} MATCH ?"
            "   ORDER BY rank, rowid DESC LIMIT ? OFFSET ?) AS best"  # before the join: a common word is in every text
            f" JOIN {TEXTS} AS texts USING (id)"
            f" JOIN messages ON {MESSAGE_OF_TEXT}"
            " ORDER BY best.rank, texts.id DESC",
            expression,
            limit,
            offset,
        )
        return tuple(_hit(row, findable(row["artifact_json"])) for row in rows)


def _hit(row: sqlite3.Row, found: Findable) -> ArchiveHit:
    purged = frozenset(texts_in(row["purged_keys"]))
    return ArchiveHit(
        chat_id=int(row["chat_id"]),
        message_id=int(row["message_id"]),
        handed_in_at=to_moment(row["created_at"]) or known_moment(_EPOCH),  # an older program's row may have none
        title=found.title,
        keys=tuple(key for key in found.keys if key not in purged),
        base_path=row["base_path"],
    )
