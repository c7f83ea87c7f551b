"""The ledger's tables, version by version.

`PRAGMA user_version` counts the migrations that a file has seen; 0 is a new file, or one of the bot that came before,
whose rows stay as they are. A migration is never edited once released.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlite_utils import Database
from sqlite_utils.db import Table

from teltubby.adapters.sqlite_file import SqliteFile


def _the_old_shape(db: Database) -> None:
    """The five tables that older files have; made where they are missing."""
    for statement in (
        """CREATE TABLE IF NOT EXISTS files (
            sha256 TEXT PRIMARY KEY, s3_key TEXT NOT NULL, size_bytes INTEGER NOT NULL, mime TEXT,
            created_at TEXT NOT NULL)""",
        """CREATE TABLE IF NOT EXISTS tg_map (
            file_unique_id TEXT PRIMARY KEY, sha256 TEXT NOT NULL REFERENCES files (sha256))""",
        """CREATE TABLE IF NOT EXISTS messages (
            message_id INTEGER NOT NULL, chat_id INTEGER NOT NULL, media_group_id TEXT, created_at TEXT NOT NULL,
            PRIMARY KEY (message_id, chat_id))""",
        """CREATE TABLE IF NOT EXISTS jobs (
            job_id TEXT PRIMARY KEY, user_id INTEGER NOT NULL, chat_id INTEGER NOT NULL, message_id INTEGER NOT NULL,
            state TEXT NOT NULL, priority TEXT NOT NULL, created_at TEXT NOT NULL, updated_at TEXT NOT NULL,
            last_error TEXT, payload_json TEXT NOT NULL)""",
        """CREATE TABLE IF NOT EXISTS job_attempts (
            id INTEGER PRIMARY KEY AUTOINCREMENT, job_id TEXT NOT NULL REFERENCES jobs (job_id),
            attempt INTEGER NOT NULL, started_at TEXT NOT NULL, finished_at TEXT, success INTEGER, error TEXT)""",
    ):
        db.conn.execute(statement)


def _inbox_outbox_and_submissions(db: Database) -> None:
    """Durable intake and publishing, artifacts beside their messages, and the history of every job."""
    messages, jobs = db.table("messages"), db.table("jobs")
    _add(messages, "submission_message_id", "INTEGER")  # the first message of the album, or the message itself
    _add(messages, "base_path", "TEXT")
    _add(messages, "artifact_json", "TEXT")
    _add(messages, "artifact_stored", "INTEGER NOT NULL DEFAULT 0")
    _add(messages, "ack_message_id", "INTEGER")
    _add(jobs, "submission_message_id", "INTEGER")
    _add(jobs, "attempt", "INTEGER NOT NULL DEFAULT 0")
    _add(jobs, "worker", "TEXT")
    _add(jobs, "started_at", "TEXT")
    _add(jobs, "finished_at", "TEXT")
    _add(jobs, "notice_message_id", "INTEGER")
    for statement in (
        """CREATE TABLE inbox (
            update_id INTEGER PRIMARY KEY, received_at TEXT NOT NULL, chat_id INTEGER, message_id INTEGER,
            media_group_id TEXT, payload TEXT NOT NULL, done_at TEXT)""",
        "CREATE INDEX inbox_open ON inbox (update_id) WHERE done_at IS NULL",
        "CREATE INDEX inbox_done ON inbox (done_at) WHERE done_at IS NOT NULL",
        """CREATE TABLE outbox (
            job_id TEXT PRIMARY KEY REFERENCES jobs (job_id), created_at TEXT NOT NULL, published_at TEXT)""",
        "CREATE INDEX outbox_pending ON outbox (created_at) WHERE published_at IS NULL",
        """CREATE TABLE transitions (
            id INTEGER PRIMARY KEY AUTOINCREMENT, job_id TEXT NOT NULL REFERENCES jobs (job_id), at TEXT NOT NULL,
            from_state TEXT, to_state TEXT NOT NULL, attempt INTEGER NOT NULL, worker TEXT, reason TEXT)""",
        "CREATE INDEX transitions_job ON transitions (job_id)",
        """CREATE INDEX messages_unstored ON messages (created_at, message_id)
            WHERE artifact_json IS NOT NULL AND artifact_stored = 0""",
        "CREATE INDEX jobs_state ON jobs (state, created_at)",
        "CREATE INDEX jobs_submission ON jobs (chat_id, submission_message_id)",
        "CREATE INDEX job_attempts_job ON job_attempts (job_id, attempt)",
    ):
        db.conn.execute(statement)


def _the_owner(db: Database) -> None:
    """Whose updates and messages these are: update ids, and message ids in private chats, are one bot's own."""
    db.conn.execute("CREATE TABLE owner (bot_id INTEGER PRIMARY KEY)")


def _add(table: Table, column: str, definition: str) -> None:
    """Add a column unless an older program already did."""
    if column not in table.columns_dict:
        table.db.conn.execute(f"ALTER TABLE {table.name} ADD COLUMN {column} {definition}")


MIGRATIONS: tuple[Callable[[Database], None], ...] = (_the_old_shape, _inbox_outbox_and_submissions, _the_owner)
SCHEMA_VERSION = len(MIGRATIONS)


def migrate(file: SqliteFile) -> None:
    """Bring the file to SCHEMA_VERSION, in one transaction: a file is migrated whole or left as it was."""
    if _version(file) == SCHEMA_VERSION:
        return
    with file.write() as connection:
        for migration in MIGRATIONS[_version(file) :]:
            migration(file.db)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION:d}")


def _version(file: SqliteFile) -> int:
    return int(file.read("PRAGMA user_version")[0][0])
