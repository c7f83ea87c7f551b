"""The migration that makes the archive searchable, countable and readable: for the ledger, and for people who look in.

What is counted and found is taken from whatever the file has: artifacts, files, jobs that are over. Rows that say
nothing (messages of the bot that came before have no artifacts) stay as they are.
"""

from __future__ import annotations

from sqlite_utils import Database

from teltubby.adapters.sqlite_search import COLUMNS, MESSAGE_OF_TEXT, TEXTS, TOKENS, record_text

_TEXTS = f"""CREATE TABLE {TEXTS} (
    id INTEGER PRIMARY KEY, chat_id INTEGER NOT NULL, message_id INTEGER NOT NULL, caption TEXT NOT NULL,
    names TEXT NOT NULL, chats TEXT NOT NULL, UNIQUE (chat_id, message_id))"""

# julianday and date read every way in which a moment was ever written here, Unix seconds too ('auto').
_OUTCOME = """
    INSERT INTO job_outcomes (day, state, seconds) SELECT
        date(coalesce({job}.finished_at, {job}.updated_at), 'auto'), upper({job}.state),
        CASE upper({job}.state) WHEN 'COMPLETED' THEN round(max(0.0, 86400.0 * (
            julianday(coalesce({job}.finished_at, {job}.updated_at), 'auto') - julianday({job}.created_at, 'auto'))), 3)
        END
"""


def _of_artifact(*paths: str) -> str:
    """The first of these places in the artifact that has something, as SQL."""
    places = ", ".join(f"json_extract(artifact, '$.{path}')" for path in paths)
    return places if len(paths) == 1 else f"coalesce({places})"


def _of_item(*fields: str) -> str:
    return ", ".join(f"json_extract(item.value, '$.{field}') AS {field}" for field in fields)


_ORIGINS = ("chat.title", "sender_chat.title", "sender_user_name", "sender_user.username", "sender_user.first_name")
_CHATS = ("chat_title", "chat_username", "chat_id")
_ARCHIVE = f"""CREATE VIEW archive AS SELECT
    created_at AS handed_in_at, {_of_artifact("message_timestamp_utc")} AS message_at,
    {_of_artifact(*(f"telegram.forward_origin.{name}" for name in _ORIGINS), *(f"telegram.{name}" for name in _CHATS))}
        AS chat,
    {_of_artifact("telegram.sender_username", "telegram.sender_id")} AS sender,
    {_of_artifact("telegram.caption_plain")} AS caption,
    json_extract(item.value, '$.original_filename') AS file_name, json_extract(item.value, '$.type') AS kind,
    {_of_item("size_bytes", "sha256", "s3_key")},
    CASE WHEN json_extract(item.value, '$.s3_key') IN (SELECT value FROM json_each(purged_keys))
        THEN 'purged' ELSE json_extract(item.value, '$.status') END AS status,
    {_of_item("reason", "job_id", "ordinal")}, chat_id, message_id, text_id
    FROM (SELECT texts.id AS text_id, texts.chat_id, texts.message_id, created_at, purged_keys,
            CASE WHEN json_valid(artifact_json) THEN artifact_json ELSE '{{}}' END AS artifact
        FROM {TEXTS} AS texts JOIN messages ON {MESSAGE_OF_TEXT}) AS submission,
        json_each(artifact, '$.telegram.items') AS item
    WHERE item.type = 'object'
    ORDER BY text_id DESC"""


def the_archive_in_view(db: Database) -> None:
    """Full-text search, counts of how jobs ended, the store's room, what a purge took, and a view for people."""
    for statement in (
        _TEXTS,
        "ALTER TABLE messages ADD COLUMN purged_keys TEXT",  # JSON: keys of the artifact that are in the store no more
        "CREATE INDEX messages_album ON messages (chat_id, media_group_id) WHERE media_group_id IS NOT NULL",
        "CREATE INDEX files_day ON files (date(created_at, 'auto'), size_bytes)",
        "CREATE TABLE job_outcomes (id INTEGER PRIMARY KEY, day TEXT, state TEXT NOT NULL, seconds REAL)",
        "CREATE INDEX job_outcomes_day ON job_outcomes (day, state, seconds)",
        _OUTCOME.format(job="jobs") + "FROM jobs WHERE upper(state) IN ('COMPLETED', 'FAILED')",
        f"""CREATE TRIGGER jobs_ended AFTER UPDATE OF state ON jobs
            WHEN new.state IN ('COMPLETED', 'FAILED') AND new.state IS NOT old.state
            BEGIN {_OUTCOME.format(job="new")}; END""",
        """CREATE TABLE room (
            id INTEGER PRIMARY KEY CHECK (id = 1), used_bytes INTEGER NOT NULL, objects INTEGER NOT NULL,
            listed_at TEXT, alert TEXT NOT NULL DEFAULT 'none', alerted_at TEXT)""",
        "CREATE TABLE room_changes (at TEXT NOT NULL, used_bytes INTEGER NOT NULL, objects INTEGER NOT NULL)",
        "CREATE INDEX room_changes_at ON room_changes (at)",
        "INSERT INTO room (id, used_bytes, objects) SELECT 1, coalesce(sum(size_bytes), 0), count(*) FROM files",
        _ARCHIVE,
    ):
        db.conn.execute(statement)
    artifacts = db.conn.execute(
        "SELECT chat_id, message_id, artifact_json FROM messages WHERE artifact_json IS NOT NULL"
        " ORDER BY created_at, message_id"
    )
    for chat_id, message_id, artifact_json in artifacts:
        record_text(db.conn, int(chat_id), int(message_id), artifact_json)
    db.table(TEXTS).enable_fts(COLUMNS, tokenize=TOKENS, create_triggers=True)
