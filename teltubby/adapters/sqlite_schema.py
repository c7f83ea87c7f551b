"""The ledger's tables, version by version.

`PRAGMA user_version` counts the migrations that a file has seen; 0 is a new file, or one of the bot that came before,
whose rows stay as they are. A migration is never edited once released.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlite_utils import Database
from sqlite_utils.db import Table

from teltubby.adapters.sqlite_doubts import keys_are_doubted
from teltubby.adapters.sqlite_file import SqliteFile
from teltubby.adapters.sqlite_schema_archive import the_archive_in_view
from teltubby.adapters.sqlite_trail import the_trail_has_kinds, the_trail_is_kept


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


def _jobs_in_the_curators_hands(db: Database) -> None:
    """Tickets and urgency, what each attempt did, who commanded what; and what a person wants to see of it.

    `jobs.size_bytes` repeats what the payload announces, so that what is queued can be summed up from an index alone.
    """
    jobs, attempts, outbox = db.table("jobs"), db.table("job_attempts"), db.table("outbox")
    _add(jobs, "ticket", "INTEGER NOT NULL DEFAULT 0")
    _add(jobs, "due_at", "TEXT")
    _add(jobs, "size_bytes", "INTEGER")
    _add(attempts, "worker", "TEXT")
    _add(attempts, "transferred_bytes", "INTEGER")
    _add(attempts, "seconds", "REAL")
    _add(attempts, "route", "TEXT")
    _add(outbox, "urgency", "INTEGER NOT NULL DEFAULT 2")  # 0 urgent, 1 high, 2 normal, 3 channels'
    _add(db.table("transitions"), "user_id", "INTEGER")
    for statement in (
        """UPDATE jobs SET size_bytes = CASE WHEN json_valid(payload_json)
            THEN json_extract(payload_json, '$.file_info.file_size') END""",
        """UPDATE outbox SET urgency = (SELECT CASE priority WHEN 'urgent' THEN 0 WHEN 'high' THEN 1 ELSE 2 END
            FROM jobs WHERE jobs.job_id = outbox.job_id)""",
        """CREATE TABLE commands (
            id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, user_id INTEGER, command TEXT NOT NULL,
            job_id TEXT NOT NULL, accepted INTEGER NOT NULL, detail TEXT)""",  # of unknown jobs too: no reference
        "CREATE INDEX commands_job ON commands (job_id)",
        "DROP INDEX outbox_pending",
        "CREATE INDEX outbox_pending ON outbox (urgency, created_at) WHERE published_at IS NULL",
        "CREATE INDEX jobs_waiting ON jobs (state, priority, due_at, size_bytes)",
        "CREATE INDEX jobs_user ON jobs (user_id, state, created_at)",
        "CREATE INDEX job_attempts_success ON job_attempts (finished_at) WHERE success = 1",
        """CREATE VIEW jobs_overview AS SELECT
            job_id, state, priority, CASE WHEN json_valid(payload_json)
                THEN json_extract(payload_json, '$.file_info.file_name') END AS file_name, size_bytes,
            CASE WHEN json_valid(payload_json) THEN json_extract(payload_json, '$.target.key') END AS s3_key,
            user_id AS curator, chat_id, message_id,
            (SELECT count(*) FROM job_attempts WHERE job_attempts.job_id = jobs.job_id) AS tries,
            worker, last_error, created_at, started_at, due_at, finished_at, updated_at
            FROM jobs ORDER BY created_at DESC""",
        """CREATE VIEW failures AS SELECT
            tried.finished_at AS failed_at, error, job_id, attempt, tried.worker, route, transferred_bytes, seconds,
            file_name, size_bytes, curator, state AS job_state
            FROM job_attempts AS tried LEFT JOIN jobs_overview USING (job_id)
            WHERE success = 0 AND error IS NOT 'cancelled' ORDER BY tried.finished_at DESC""",
    ):
        db.conn.execute(statement)


def _sessions_and_routes(db: Database) -> None:
    """By which ways each attempt tried to reach its file, what lies in the relay, which trouble was announced."""
    _add(db.table("job_attempts"), "via", "TEXT")
    _add(db.table("job_attempts"), "routes_json", "TEXT")
    for statement in (
        """CREATE TABLE relay_copies (
            id INTEGER PRIMARY KEY AUTOINCREMENT, job_id TEXT NOT NULL, chat_id INTEGER NOT NULL, message_id INTEGER,
            after_id INTEGER NOT NULL, made_at TEXT NOT NULL)""",  # of unknown jobs too: no reference
        "CREATE TABLE relay_channels (chat_id INTEGER PRIMARY KEY, highest_id INTEGER NOT NULL)",
        """CREATE TABLE session_troubles (
            place TEXT NOT NULL, account TEXT NOT NULL, state TEXT NOT NULL, since TEXT NOT NULL,
            PRIMARY KEY (place, account))""",
        """CREATE TABLE sign_in_pictures (
            chat_id INTEGER NOT NULL, message_id INTEGER NOT NULL, PRIMARY KEY (chat_id, message_id))""",
        "CREATE INDEX commands_given ON commands (command, at)",
    ):
        db.conn.execute(statement)


def _details_of_files(db: Database) -> None:
    """What the file of an attempt that succeeded says of itself, so that an artifact that is mended has it too."""
    _add(db.table("job_attempts"), "details_json", "TEXT")


def _previews_of_files(db: Database) -> None:
    """Where the preview of that file is, for the same reason."""
    _add(db.table("job_attempts"), "preview_key", "TEXT")


def _alerts(db: Database) -> None:
    """What the admins were told of trouble, and when processes began."""
    for statement in (
        """CREATE TABLE alerts (
            kind TEXT NOT NULL, subject TEXT NOT NULL, since TEXT NOT NULL, detail TEXT NOT NULL,
            noticed_at TEXT NOT NULL, absent_since TEXT, until TEXT, ended_at TEXT, told_at TEXT,
            reminded_at TEXT, over_told_at TEXT, PRIMARY KEY (kind, subject, since))""",
        "CREATE TABLE alert_book (muted_until TEXT, failures_through INTEGER)",
        "INSERT INTO alert_book VALUES (NULL, NULL)",
        """CREATE TABLE process_starts (
            process TEXT NOT NULL, incarnation TEXT NOT NULL, at TEXT NOT NULL, PRIMARY KEY (process, incarnation))""",
        "CREATE INDEX transitions_failed ON transitions (id) WHERE to_state = 'FAILED'",
    ):
        db.conn.execute(statement)


def _stages_of_attempts(db: Database) -> None:
    """What the time of each attempt went by with; and when the ledger, by its own clock, heard what workers told."""
    _add(db.table("job_attempts"), "stages_json", "TEXT")
    _add(db.table("job_attempts"), "heard_at", "TEXT")
    _add(db.table("transitions"), "heard_at", "TEXT")


def _floods_of_events(db: Database) -> None:
    """Of so many events only their number is told."""
    _add(db.table("alerts"), "times", "INTEGER NOT NULL DEFAULT 1")


def _add(table: Table, column: str, definition: str) -> None:
    """Add a column unless an older program already did."""
    if column not in table.columns_dict:
        table.db.conn.execute(f"ALTER TABLE {table.name} ADD COLUMN {column} {definition}")


MIGRATIONS: tuple[Callable[[Database], None], ...] = (
    _the_old_shape,
    _inbox_outbox_and_submissions,
    _the_owner,
    _jobs_in_the_curators_hands,
    the_archive_in_view,
    _sessions_and_routes,
    _details_of_files,
    _previews_of_files,
    _alerts,
    the_trail_is_kept,
    _stages_of_attempts,
    _floods_of_events,
    the_trail_has_kinds,
    keys_are_doubted,
)
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
