"""The collector's tables, version by version, in a database file of their own.

`PRAGMA user_version` counts the migrations that a file has seen. A migration is never edited once released. The tables
`posts` and `post_metrics`, their keys and the columns date, text, links_json, views, forwards, replies_count,
reactions_json and reactions_count are those of compatibility.md ("Collector records").
"""

from __future__ import annotations

from collections.abc import Callable

from teltubby.adapters.sqlite_file import SqliteFile, Transaction
from teltubby.adapters.sqlite_search import TOKENS
from teltubby.collector.views import VIEWS

POSTS_INDEX = "posts_fts"

_COUNTERS = (
    "views, forwards, replies_count, comments_count, reactions_json, reactions_count, ts, replies_ts, comments_ts,"
    " reactions_ts"
)
_COUNTER_COLUMNS = """views INTEGER, forwards INTEGER, replies_count INTEGER, comments_count INTEGER,
    reactions_json TEXT NOT NULL, reactions_count INTEGER NOT NULL, ts TEXT NOT NULL,
    replies_ts TEXT NOT NULL, comments_ts TEXT NOT NULL, reactions_ts TEXT NOT NULL"""

# In the index a post is its channel's small number and its id, so that one channel is one range of rowids there.
_ROWID = "(SELECT number FROM channels WHERE channel_id = {row}.channel_id) << 32 | {row}.msg_id"
_TEXT = "coalesce({row}.search_text, {row}.text)"
_INDEXED = f"INSERT INTO {POSTS_INDEX} (rowid, text) VALUES ({_ROWID}, {_TEXT});".format(row="new")
_FORGOTTEN = f"INSERT INTO {POSTS_INDEX} ({POSTS_INDEX}, rowid, text) VALUES ('delete', {_ROWID}, {_TEXT});".format(
    row="old"
)
_KEPT_AS_LATEST = f"""BEGIN
    INSERT INTO post_latest (channel_id, msg_id, snapshot_time, {_COUNTERS})
    VALUES (new.channel_id, new.msg_id, new.snapshot_time, {", ".join(f"new.{name}" for name in _COUNTERS.split(", "))})
    ON CONFLICT (channel_id, msg_id) DO UPDATE SET snapshot_time = excluded.snapshot_time,
        {", ".join(f"{name} = excluded.{name}" for name in _COUNTERS.split(", "))}
    WHERE excluded.snapshot_time >= snapshot_time;
END"""


def _the_first_shape(connection: Transaction) -> None:
    """Everything."""
    for statement in (
        """CREATE TABLE channels (
            number INTEGER PRIMARY KEY, channel_id INTEGER NOT NULL UNIQUE, username TEXT, title TEXT NOT NULL,
            kind TEXT NOT NULL, is_supergroup INTEGER NOT NULL, seen_at TEXT NOT NULL, about TEXT,
            linked_chat_id INTEGER, migrated_from INTEGER, details_at TEXT NOT NULL DEFAULT '',
            posts INTEGER NOT NULL DEFAULT 0)""",
        """CREATE TABLE channel_metrics (
            channel_id INTEGER NOT NULL REFERENCES channels (channel_id), snapshot_time TEXT NOT NULL,
            subscribers INTEGER NOT NULL, ts TEXT NOT NULL, PRIMARY KEY (channel_id, snapshot_time)) WITHOUT ROWID""",
        """CREATE TABLE cursors (
            channel_id INTEGER PRIMARY KEY REFERENCES channels (channel_id), oldest INTEGER, newest INTEGER,
            backfill_done INTEGER NOT NULL, pts INTEGER, complete_at TEXT)""",
        """CREATE TABLE posts (
            channel_id INTEGER NOT NULL REFERENCES channels (channel_id), msg_id INTEGER NOT NULL, date TEXT NOT NULL,
            text TEXT NOT NULL, links_json TEXT NOT NULL, entities_json TEXT NOT NULL, mentions_json TEXT NOT NULL,
            hashtags_json TEXT NOT NULL, media_kind TEXT, document_id INTEGER, mime_type TEXT, file_name TEXT,
            size_bytes INTEGER, duration REAL, width INTEGER, height INTEGER, grouped_id INTEGER, reply_to INTEGER,
            topic_id INTEGER, forward_json TEXT, author TEXT, service TEXT, protected INTEGER NOT NULL, edited_at TEXT,
            restrictions_json TEXT NOT NULL, search_text TEXT, content_hash TEXT NOT NULL, content_edited_at TEXT,
            deleted_at TEXT, first_seen_at TEXT NOT NULL, seen_at TEXT NOT NULL, PRIMARY KEY (channel_id, msg_id))""",
        "CREATE INDEX posts_date ON posts (channel_id, date, msg_id, deleted_at)",  # covers what a span is asked for
        """CREATE TABLE post_edits (
            channel_id INTEGER NOT NULL, msg_id INTEGER NOT NULL, content_hash TEXT NOT NULL, edited_at TEXT,
            text TEXT NOT NULL, entities_json TEXT NOT NULL, media_kind TEXT, document_id INTEGER,
            PRIMARY KEY (channel_id, msg_id, content_hash), FOREIGN KEY (channel_id, msg_id) REFERENCES posts)""",
        """CREATE TABLE deletions (
            channel_id INTEGER NOT NULL REFERENCES channels (channel_id), msg_id INTEGER NOT NULL,
            deleted_at TEXT NOT NULL, PRIMARY KEY (channel_id, msg_id)) WITHOUT ROWID""",
        """CREATE TABLE links (
            channel_id INTEGER NOT NULL, msg_id INTEGER NOT NULL, ordinal INTEGER NOT NULL, url TEXT NOT NULL,
            utf16_offset INTEGER NOT NULL, utf16_length INTEGER NOT NULL, shown TEXT,
            PRIMARY KEY (channel_id, msg_id, ordinal), FOREIGN KEY (channel_id, msg_id) REFERENCES posts)
            WITHOUT ROWID""",
        "CREATE INDEX links_url ON links (channel_id, url)",
        """CREATE TABLE unreadable (
            channel_id INTEGER NOT NULL REFERENCES channels (channel_id), msg_id INTEGER NOT NULL,
            seen_at TEXT NOT NULL, reason TEXT NOT NULL, raw_json TEXT NOT NULL, PRIMARY KEY (channel_id, msg_id))""",
        """CREATE TABLE tracked (
            peer TEXT PRIMARY KEY, user_id INTEGER, added_at TEXT NOT NULL, media_json TEXT,
            is_swept INTEGER NOT NULL)""",
        """CREATE TABLE found_peers (
            peer TEXT PRIMARY KEY, channel_id INTEGER, access_hash INTEGER, account_id INTEGER, trouble TEXT,
            trouble_at TEXT) WITHOUT ROWID""",
        "CREATE INDEX found_peers_channel ON found_peers (channel_id)",
        """CREATE TABLE media_wanted (
            number INTEGER PRIMARY KEY, channel_id INTEGER NOT NULL, msg_id INTEGER NOT NULL, wanted_at TEXT NOT NULL,
            sent_at TEXT, UNIQUE (channel_id, msg_id), FOREIGN KEY (channel_id, msg_id) REFERENCES posts)""",
        "CREATE INDEX media_wanted_unsent ON media_wanted (number) WHERE sent_at IS NULL",
        f"""CREATE TABLE post_metrics (
            channel_id INTEGER NOT NULL, msg_id INTEGER NOT NULL, snapshot_time TEXT NOT NULL, {_COUNTER_COLUMNS},
            PRIMARY KEY (channel_id, msg_id, snapshot_time)) WITHOUT ROWID""",
        f"""CREATE TABLE post_latest (
            channel_id INTEGER NOT NULL, msg_id INTEGER NOT NULL, snapshot_time TEXT NOT NULL, {_COUNTER_COLUMNS},
            PRIMARY KEY (channel_id, msg_id)) WITHOUT ROWID""",
        "CREATE INDEX post_latest_views ON post_latest (channel_id, views DESC)",
        f"CREATE TRIGGER post_metrics_new AFTER INSERT ON post_metrics {_KEPT_AS_LATEST}",
        f"CREATE TRIGGER post_metrics_changed AFTER UPDATE ON post_metrics {_KEPT_AS_LATEST}",
        """CREATE VIEW post_texts AS SELECT number << 32 | msg_id AS id, coalesce(search_text, text) AS text
            FROM posts JOIN channels USING (channel_id) WHERE text <> ''""",
        f"""CREATE VIRTUAL TABLE {POSTS_INDEX} USING fts5
            (text, content = 'post_texts', content_rowid = 'id', tokenize = '{TOKENS}')""",
        f"CREATE TRIGGER posts_text_new AFTER INSERT ON posts WHEN new.text <> '' BEGIN {_INDEXED} END",
        f"""CREATE TRIGGER posts_text_gone BEFORE UPDATE OF text ON posts
            WHEN old.text IS NOT new.text AND old.text <> '' BEGIN {_FORGOTTEN} END""",
        f"""CREATE TRIGGER posts_text_changed AFTER UPDATE OF text ON posts
            WHEN old.text IS NOT new.text AND new.text <> '' BEGIN {_INDEXED} END""",
        *VIEWS,
    ):
        connection.execute(statement)


def _files_by_document(connection: Transaction) -> None:
    """Which file of a post is wanted: an edit may put another in its place."""
    connection.execute("ALTER TABLE media_wanted ADD COLUMN document_id INTEGER")
    connection.execute(
        "UPDATE media_wanted SET document_id = posts.document_id FROM posts"
        " WHERE posts.channel_id = media_wanted.channel_id AND posts.msg_id = media_wanted.msg_id"
    )


def _sweeps(connection: Transaction) -> None:
    """How far all stored posts of a channel are read again."""
    connection.execute(
        "CREATE TABLE sweeps (channel_id INTEGER PRIMARY KEY REFERENCES channels (channel_id),"
        " number INTEGER NOT NULL, below INTEGER NOT NULL)"
    )


MIGRATIONS: tuple[Callable[[Transaction], None], ...] = (_the_first_shape, _files_by_document, _sweeps)
SCHEMA_VERSION = len(MIGRATIONS)


def version(file: SqliteFile) -> int:
    """How many migrations the file has seen."""
    return int(file.read("PRAGMA user_version")[0][0])


def migrate(file: SqliteFile) -> None:
    """Bring the file to SCHEMA_VERSION, in one transaction: a file is migrated whole or left as it was."""
    if version(file) == SCHEMA_VERSION:
        return
    with file.write() as connection:  # which waits for another process that migrates it at this moment
        for migration in MIGRATIONS[version(file) :]:
            migration(connection)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION:d}")
