"""Rebuilds what the ledger knows of the archive from a catalogue of the bucket, in one transaction.

Of the files the bucket decides: content whose object is there as it should be is known, other content is forgotten, so
that it is archived anew when it is handed in again. Submissions are added and brought up to date, and never removed.
Jobs, inbox and audit trail stay as they are: the bucket knows nothing of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from teltubby.adapters.sqlite_catalogue import Total
from teltubby.adapters.sqlite_file import SqlRow, Transaction
from teltubby.adapters.sqlite_ledger import SqliteLedger
from teltubby.adapters.sqlite_search import record_text
from teltubby.archive.keys import ARTIFACT_NAME, PREFIX
from teltubby.errors import TeltubbyError

_ARCHIVED = "status IN ('stored', 'duplicate')"
_AS_SAID = "objects.key = claims.key AND objects.size = coalesce(claims.size, objects.size)"

_DISPUTED = """CREATE TEMP TABLE disputed AS SELECT key FROM bucket.claims WHERE sha256 IS NOT NULL
    GROUP BY key HAVING count(DISTINCT sha256) > 1"""
# Who stored it comes before who met it as a duplicate, then the older one: as the ledger recorded them.
_FIRST_COPIES = f"""CREATE TEMP TABLE first_copies AS SELECT sha256, key, size, mime, at FROM (
    SELECT sha256, claims.key AS key, objects.size AS size, mime, at, row_number() OVER (
            PARTITION BY sha256 ORDER BY status = 'duplicate', at, claims.key, mime) AS place
        FROM bucket.claims AS claims JOIN bucket.objects AS objects ON {_AS_SAID}
        WHERE sha256 IS NOT NULL AND {_ARCHIVED} AND claims.key NOT IN (SELECT key FROM temp.disputed))
    WHERE place = 1"""
_GONE = f"""CREATE TEMP TABLE gone AS SELECT sha256 FROM main.files WHERE substr(s3_key, 1, {len(PREFIX)}) = '{PREFIX}'
    AND NOT EXISTS (SELECT 1 FROM bucket.objects WHERE key = s3_key AND size = size_bytes)"""
_MOVED = """UPDATE main.files SET s3_key = found.key, size_bytes = found.size FROM temp.first_copies AS found
    WHERE found.sha256 = files.sha256 AND files.sha256 IN (SELECT sha256 FROM temp.gone)"""
_FORGOTTEN = "FROM temp.gone WHERE sha256 NOT IN (SELECT sha256 FROM temp.first_copies)"
_FILES = """INSERT INTO main.files (sha256, s3_key, size_bytes, mime, created_at)
    SELECT sha256, key, size, mime, at FROM temp.first_copies WHERE true ORDER BY at, key
    ON CONFLICT (sha256) DO NOTHING"""
_IDS = f"""INSERT INTO main.tg_map (file_unique_id, sha256) SELECT file_unique_id, sha256 FROM (
    SELECT file_unique_id, sha256, row_number() OVER (
            PARTITION BY file_unique_id ORDER BY at DESC, artifact DESC, sha256) AS place
        FROM bucket.claims WHERE file_unique_id IS NOT NULL AND {_ARCHIVED}
        AND sha256 IN (SELECT sha256 FROM main.files))
    WHERE place = 1 ON CONFLICT (file_unique_id) DO NOTHING"""
_SUBMISSIONS = f"""SELECT key FROM (SELECT key, at, chat_id, message_id, row_number() OVER (
        PARTITION BY chat_id, message_id ORDER BY key NOT LIKE '%/{ARTIFACT_NAME}', key) AS place FROM bucket.artifacts)
    WHERE place = 1 ORDER BY at, chat_id, message_id"""
# They may be doubtful since before what was archived there; what is claimed stays so, and is looked at no more.
_TRUSTED = """DELETE FROM main.doubtful_keys WHERE claimed_at IS NULL
    AND key IN (SELECT key FROM bucket.claims WHERE status = 'stored')"""
_PURGED = """UPDATE main.messages SET purged_keys = (SELECT CASE WHEN count(*) THEN json_group_array(value) END
        FROM json_each(purged_keys) WHERE value NOT IN (SELECT key FROM bucket.objects))
    WHERE purged_keys IS NOT NULL"""
_MISSING = f"""SELECT count(DISTINCT claims.key) FROM bucket.claims AS claims WHERE {_ARCHIVED}
    AND NOT EXISTS (SELECT 1 FROM bucket.objects AS objects WHERE {_AS_SAID})"""
_LOST = "status = 'queued' AND job_id IS NOT NULL AND job_id NOT IN (SELECT job_id FROM main.jobs)"
_LOST_JOBS = f"""SELECT count(*) FROM bucket.claims WHERE {_LOST}
    AND artifact NOT IN (SELECT artifact FROM temp.waiting)"""
# Their messages are in the inbox, older than the archive as the ledger is: done anew, they get new jobs.
_WAITING = f"""CREATE TEMP TABLE waiting AS SELECT DISTINCT artifact FROM bucket.claims
    JOIN bucket.artifacts ON artifacts.key = claims.artifact
    WHERE {_LOST} AND EXISTS (
        SELECT 1 FROM main.inbox JOIN bucket.members ON inbox.message_id = members.message_id
        WHERE done_at IS NULL AND inbox.chat_id = artifacts.chat_id AND members.artifact = artifacts.key
        AND json_type(payload, '$.message') = 'object')
    AND NOT EXISTS (
        SELECT 1 FROM main.messages WHERE messages.chat_id = artifacts.chat_id
        AND messages.message_id = artifacts.message_id AND artifact_json IS NOT NULL)"""


class WrongBucket(TeltubbyError):
    """The bucket holds no artifact at all, while the ledger knows files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """What came of it: counts of submissions, of contents, of Telegram's ids, and of what could not be taken over.

    `submissions_ahead` are those whose text in the ledger is newer than the bucket's; `submissions_waiting` those whose
    jobs are lost and whose messages still wait in the inbox, which does them anew; `submissions_twice` are further
    artifacts of a submission that another one tells. `missing` are objects that artifacts name and that are not there
    in their size, `disputed` those whose SHA-256 they do not agree about, `lost_jobs` queued files that the ledger
    knows no job of.
    """

    submissions_new: int
    submissions_changed: int
    submissions_same: int
    submissions_ahead: int
    submissions_waiting: int
    submissions_twice: int
    files_new: int
    files_moved: int
    files_forgotten: int
    files_known: int
    ids_new: int
    missing: int
    disputed: int
    lost_jobs: int


def rebuild(ledger: SqliteLedger, catalogue: Path, total: Total, listed_at: datetime) -> Rebuilt:
    """Take over what is in the catalogue, whose file nobody has open; `total` was listed from `listed_at` on. Blocking.

    Raises DatabaseUnavailable and WrongBucket: nothing was changed then.
    """
    file = ledger.file
    file.db.conn.execute("ATTACH DATABASE ? AS bucket", (str(catalogue),))
    try:
        with file.write() as connection:
            rebuilt = _rebuilt(connection)
    finally:
        for table in ("disputed", "first_copies", "gone", "waiting"):
            file.db.conn.execute(f"DROP TABLE IF EXISTS temp.{table}")
        file.db.conn.execute("DETACH DATABASE bucket")
    ledger.room.listed(total.size_bytes, total.objects, listed_at)
    return rebuilt


def _rebuilt(connection: Transaction) -> Rebuilt:
    if _number(connection, "SELECT NOT EXISTS (SELECT 1 FROM bucket.artifacts) AND EXISTS (SELECT 1 FROM main.files)"):
        raise WrongBucket(
            "there is no artifact in the store, while the ledger knows files: nothing was changed. "
            "Is this the right bucket? What /purge deleted needs no reindex"
        )
    for statement in (_DISPUTED, _FIRST_COPIES, _GONE, _WAITING):
        connection.execute(statement)
    moved = connection.execute(_MOVED).rowcount
    connection.execute(f"DELETE FROM main.tg_map WHERE sha256 IN (SELECT sha256 {_FORGOTTEN})")
    forgotten = connection.execute(f"DELETE FROM main.files WHERE sha256 IN (SELECT sha256 {_FORGOTTEN})").rowcount
    known = _number(connection, "SELECT count(*) FROM main.files")
    new = connection.execute(_FILES).rowcount
    ids = connection.execute(_IDS).rowcount
    submissions = _take_submissions(connection)
    connection.execute(_PURGED)
    connection.execute(_TRUSTED)
    artifacts = _number(connection, "SELECT count(*) FROM bucket.artifacts")
    return Rebuilt(
        submissions_new=submissions["new"],
        submissions_changed=submissions["changed"],
        submissions_same=submissions["same"],
        submissions_ahead=submissions["ahead"],
        submissions_waiting=submissions["waiting"],
        submissions_twice=artifacts - sum(submissions.values()),
        files_new=new,
        files_moved=moved,
        files_forgotten=forgotten,
        files_known=known - moved,
        ids_new=ids,
        missing=_number(connection, _MISSING),
        disputed=_number(connection, "SELECT count(*) FROM temp.disputed"),
        lost_jobs=_number(connection, _LOST_JOBS),
    )


def _take_submissions(connection: Transaction) -> dict[str, int]:
    """One after the other, the oldest first, so that a search finds the newest first as before."""
    counts = {"new": 0, "changed": 0, "same": 0, "ahead": 0, "waiting": 0}
    for (key,) in connection.execute(_SUBMISSIONS):
        if connection.execute("SELECT 1 FROM temp.waiting WHERE artifact = ?", (key,)).fetchone():
            counts["waiting"] += 1
            continue
        artifact = connection.execute(
            "SELECT chat_id, message_id, media_group_id, base_path, at, text FROM bucket.artifacts WHERE key = ?",
            (key,),
        ).fetchone()
        members = connection.execute("SELECT message_id FROM bucket.members WHERE artifact = ?", (key,)).fetchall()
        counts[_take(connection, artifact, [member for (member,) in members])] += 1
    return counts


def _take(connection: Transaction, artifact: SqlRow, members: list[int]) -> str:
    """Record one submission; answers how it stood in the ledger."""
    chat_id, message_id, media_group_id, base_path, at, text = artifact
    known = connection.execute(
        "SELECT artifact_json, artifact_stored FROM main.messages WHERE chat_id = ? AND message_id = ?",
        (chat_id, message_id),
    ).fetchone()
    stood = "new" if known is None or known[0] is None else "same" if known[0] == text else "changed"
    if stood == "changed" and not known[1]:
        return "ahead"  # the bot brings the store to it
    connection.executemany(
        "INSERT INTO main.messages (message_id, chat_id, media_group_id, created_at, submission_message_id)"
        " VALUES (?, ?, ?, ?, ?) ON CONFLICT (message_id, chat_id) DO UPDATE SET"
        " submission_message_id = coalesce(submission_message_id, excluded.submission_message_id)",
        [(member, chat_id, media_group_id, at, message_id) for member in members],
    )
    connection.execute(
        "UPDATE main.messages SET submission_message_id = message_id, media_group_id = ?, base_path = ?,"
        " artifact_json = ?, artifact_stored = 1 WHERE chat_id = ? AND message_id = ?",
        (media_group_id, base_path, text, chat_id, message_id),
    )
    record_text(connection, chat_id, message_id, text)
    return stood


def _number(connection: Transaction, sql: str) -> int:
    return int(connection.execute(sql).fetchone()[0])
