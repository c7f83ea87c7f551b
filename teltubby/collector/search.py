"""Full-text search over posts, in any script and for whatever people type."""

from __future__ import annotations

from teltubby.adapters.sqlite_file import SqliteFile
from teltubby.adapters.sqlite_search import match_expression
from teltubby.collector.queries import read_posts
from teltubby.collector.schema import POSTS_INDEX
from teltubby.messages.collected import Post

_HIGHEST = (1 << 32) - 1
FIND = (
    "SELECT posts.* FROM (SELECT rowid AS id, rank FROM {index} WHERE {index} MATCH ? {within}"
    " ORDER BY rank, rowid DESC LIMIT ? OFFSET ?) AS best"  # before the join: a common word is in every post
    " CROSS JOIN channels ON channels.number = best.id >> 32"
    " CROSS JOIN posts ON posts.channel_id = channels.channel_id AND posts.msg_id = best.id & 4294967295"
    " ORDER BY best.rank, best.id DESC"
)


class PostSearch:
    """Finds posts by words. Every method raises DatabaseUnavailable."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    def find(self, words: str, *, channel_id: int | None = None, limit: int = 20, offset: int = 0) -> tuple[Post, ...]:
        """Posts that hold all the words, best first (then the newest), deleted ones too; of one channel, or of all.

        None for text without any letter or digit.
        """
        expression = match_expression(words)
        if not expression:
            return ()
        if channel_id is None:
            return read_posts(self._file, FIND.format(index=POSTS_INDEX, within=""), expression, limit, offset)
        channel = self._file.read_one("SELECT number FROM channels WHERE channel_id = ?", channel_id)
        if channel is None:
            return ()
        first = channel["number"] << 32
        within = FIND.format(index=POSTS_INDEX, within="AND rowid BETWEEN ? AND ?")
        return read_posts(self._file, within, expression, first, first | _HIGHEST, limit, offset)
