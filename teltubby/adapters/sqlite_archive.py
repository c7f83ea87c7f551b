"""What is archived: contents and their first copies, and the submissions with their artifacts."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from datetime import datetime

from teltubby.adapters.json_column import texts_in
from teltubby.adapters.sqlite_doubts import doubt
from teltubby.adapters.sqlite_file import SqliteFile, to_moment, to_text
from teltubby.adapters.sqlite_jobs import insert_job
from teltubby.adapters.sqlite_search import record_text
from teltubby.messages.ledger import (
    ArchivedFile,
    ExtendSubmission,
    SettleFile,
    Submission,
    Submit,
    UnknownSubmission,
)
from teltubby.messages.ledger_doubts import Doubt

_MESSAGE = "SELECT * FROM messages WHERE chat_id = ? AND message_id = ?"


class Files:
    """Contents by SHA-256, and the ids by which Telegram calls them. Every method raises DatabaseUnavailable."""

    def __init__(self, file: SqliteFile, clock: Callable[[], datetime]) -> None:
        self._file = file
        self._clock = clock

    def find(self, file_unique_id: str) -> ArchivedFile | None:
        """By Telegram's id."""
        row = self._file.read_one(
            "SELECT files.* FROM tg_map JOIN files USING (sha256) WHERE file_unique_id = ?", file_unique_id
        )
        return None if row is None else _archived(row)

    def find_content(self, sha256: str) -> ArchivedFile | None:
        """By content."""
        row = self._file.read_one("SELECT * FROM files WHERE sha256 = ?", sha256)
        return None if row is None else _archived(row)

    def settle(self, copy: SettleFile) -> ArchivedFile:
        """Record a copy and return the first one of that content; Telegram's id is tied to the content in any case."""
        with self._file.write() as connection:
            connection.execute(
                "INSERT INTO files (sha256, s3_key, size_bytes, mime, created_at) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (sha256) DO NOTHING",
                (copy.sha256, copy.s3_key, copy.size_bytes, copy.mime, to_text(self._clock())),
            )
            connection.execute(
                "INSERT INTO tg_map (file_unique_id, sha256) VALUES (?, ?)"
                " ON CONFLICT (file_unique_id) DO UPDATE SET sha256 = excluded.sha256",
                (copy.file_unique_id, copy.sha256),
            )
            (row,) = self._file.read("SELECT * FROM files WHERE sha256 = ?", copy.sha256)
            if copy.job_id is not None and row["s3_key"] != copy.s3_key:
                doubt(connection, [copy.s3_key], Doubt.DUPLICATE, self._clock(), job_id=copy.job_id)
            return _archived(row)

    def forget(self, user_id: int) -> int:
        """The store was purged: no content is known any more, and no artifact's key is in the store; answers how many.

        What the artifacts say stays; the keys that are gone are noted beside it. The order goes to the audit trail.
        """
        with self._file.write() as connection:
            connection.execute("DELETE FROM tg_map")
            forgotten = connection.execute("DELETE FROM files").rowcount
            connection.execute(
                "UPDATE messages SET purged_keys = json_extract(artifact_json, '$.keys')"
                " WHERE json_valid(artifact_json)"
            )
            connection.execute(
                "INSERT INTO commands (at, user_id, command, job_id, accepted, detail)"
                " VALUES (?, ?, 'purge', '', 1, ?)",
                (to_text(self._clock()), user_id, f"{forgotten} files"),
            )
            return forgotten


class Submissions:
    """Messages and albums that were handed in, with their artifacts. Every method raises DatabaseUnavailable."""

    def __init__(self, file: SqliteFile, clock: Callable[[], datetime]) -> None:
        self._file = file
        self._clock = clock

    def find(self, chat_id: int, message_id: int) -> Submission | None:
        """The submission that the message is, or belongs to."""
        member = self._file.read_one(_MESSAGE, chat_id, message_id)
        if member is None or member["submission_message_id"] is None:
            return None
        head = self._file.read_one(_MESSAGE, chat_id, member["submission_message_id"])
        return None if head is None or head["artifact_json"] is None else self._submission(head)

    def submit(self, handed_in: Submit) -> Submission:
        """Record it with its jobs and their outbox entries, unless it is there: then nothing changes."""
        chat_id, message_id = handed_in.chat_id, handed_in.message_id
        now = self._clock()
        with self._file.write() as connection:
            if (known := self.find(chat_id, message_id)) is not None:
                return known
            _add_members(
                connection,
                chat_id,
                (message_id, *handed_in.member_message_ids),
                media_group_id=handed_in.media_group_id,
                submission_message_id=message_id,
                now=now,
            )
            connection.execute(
                "UPDATE messages SET submission_message_id = message_id, base_path = ?, artifact_json = ?,"
                " artifact_stored = 0 WHERE chat_id = ? AND message_id = ?",
                (handed_in.base_path, handed_in.artifact_json, chat_id, message_id),
            )
            record_text(connection, chat_id, message_id, handed_in.artifact_json)
            for job in handed_in.jobs:
                insert_job(connection, job, submission_message_id=message_id, now=now)
            doubt(connection, handed_in.doubtful, Doubt.ELSEWHERE, now)
            doubt(connection, handed_in.left_out, Doubt.LEFT_OUT, now)
            submission = self.find(chat_id, message_id)
            assert submission is not None
            return submission

    def extend(self, more: ExtendSubmission) -> Submission:
        """Add members, jobs with their outbox entries, and the artifact's text that has them. Raises UnknownSubmission.

        When all of them are there, this was done before: the artifact may have moved on since, and stays as it is.
        """
        chat_id, message_id = more.chat_id, more.message_id
        now = self._clock()
        with self._file.write() as connection:
            known = self.find(chat_id, message_id)
            if known is None or known.message_id != message_id:
                raise _unknown(chat_id, message_id)
            jobs = [job for job in more.jobs if not _is_there(connection, "jobs WHERE job_id = ?", job.job_id)]
            recorded = "messages WHERE chat_id = ? AND message_id = ? AND submission_message_id IS NOT NULL"
            members = [one for one in more.member_message_ids if not _is_there(connection, recorded, chat_id, one)]
            if not jobs and not members:
                return known
            _add_members(
                connection,
                chat_id,
                members,
                media_group_id=known.media_group_id,
                submission_message_id=message_id,
                now=now,
            )
            self._save_artifact(connection, chat_id, message_id, more.artifact_json)
            for job in jobs:
                insert_job(connection, job, submission_message_id=message_id, now=now)
            doubt(connection, more.doubtful, Doubt.ELSEWHERE, now)
            doubt(connection, more.left_out, Doubt.LEFT_OUT, now)
            extended = self.find(chat_id, message_id)
            assert extended is not None
            return extended

    def find_album(self, chat_id: int, media_group_id: str) -> Submission | None:
        """The newest submission that has messages of the album."""
        row = self._file.read_one(
            "SELECT submission_message_id FROM messages WHERE chat_id = ? AND media_group_id = ?"
            " AND submission_message_id IS NOT NULL ORDER BY created_at DESC, submission_message_id DESC LIMIT 1",
            chat_id,
            media_group_id,
        )
        return None if row is None else self.find(chat_id, row["submission_message_id"])

    def save_artifact(self, chat_id: int, message_id: int, artifact_json: str) -> None:
        """A new text, not stored yet. Raises UnknownSubmission."""
        with self._file.write() as connection:
            self._save_artifact(connection, chat_id, message_id, artifact_json)

    def _save_artifact(self, connection: sqlite3.Connection, chat_id: int, message_id: int, artifact_json: str) -> None:
        _update(connection, chat_id, message_id, "artifact_json = ?, artifact_stored = 0", artifact_json)
        record_text(connection, chat_id, message_id, artifact_json)

    def artifact_stored(self, chat_id: int, message_id: int, artifact_json: str | None) -> None:
        """The store has it; with a text given, only if that is still the current one."""
        with self._file.write() as connection:
            connection.execute(
                "UPDATE messages SET artifact_stored = 1"
                " WHERE chat_id = ? AND message_id = ? AND artifact_json = coalesce(?, artifact_json)",
                (chat_id, message_id, artifact_json),
            )

    def unstored(self, limit: int) -> tuple[Submission, ...]:
        """Those whose artifact the store does not have, oldest first."""
        rows = self._file.read(
            "SELECT * FROM messages WHERE artifact_json IS NOT NULL AND artifact_stored = 0"
            " ORDER BY created_at, message_id LIMIT ?",
            limit,
        )
        return tuple(self._submission(row) for row in rows)

    def acknowledged(self, chat_id: int, message_id: int, ack_message_id: int, members: Iterable[int] = ()) -> None:
        """The curator was told by this message, of the submission or of late members. Raises UnknownSubmission."""
        with self._file.write() as connection:
            for member in (late := tuple(members)):
                changed = connection.execute(
                    "UPDATE messages SET ack_message_id = ?"
                    " WHERE chat_id = ? AND message_id = ? AND submission_message_id = ?",
                    (ack_message_id, chat_id, member, message_id),
                ).rowcount
                if not changed:
                    raise _unknown(chat_id, member)
            if not late:
                _update(connection, chat_id, message_id, "ack_message_id = ?", ack_message_id)

    def _submission(self, head: sqlite3.Row) -> Submission:
        jobs = self._file.read(
            "SELECT job_id FROM jobs WHERE chat_id = ? AND submission_message_id = ? ORDER BY rowid",
            head["chat_id"],
            head["message_id"],
        )
        acknowledged = self._file.read(
            "SELECT message_id FROM messages WHERE chat_id = ? AND media_group_id = ? AND submission_message_id = ?"
            " AND message_id <> submission_message_id AND ack_message_id IS NOT NULL ORDER BY message_id",
            head["chat_id"],
            head["media_group_id"],
            head["message_id"],
        )
        return Submission(
            chat_id=int(head["chat_id"]),
            message_id=int(head["message_id"]),
            media_group_id=head["media_group_id"],
            base_path=head["base_path"],
            artifact_json=head["artifact_json"],
            artifact_stored=bool(head["artifact_stored"]),
            ack_message_id=head["ack_message_id"],
            jobs=tuple(row["job_id"] for row in jobs),
            acknowledged=tuple(int(row["message_id"]) for row in acknowledged),
            purged_keys=texts_in(head["purged_keys"]),
        )


def _add_members(
    connection: sqlite3.Connection,
    chat_id: int,
    message_ids: Iterable[int],
    *,
    media_group_id: str | None,
    submission_message_id: int,
    now: datetime,
) -> None:
    """Make messages part of a submission; one that an earlier submission took stays with that one."""
    connection.executemany(
        "INSERT INTO messages (message_id, chat_id, media_group_id, created_at, submission_message_id)"
        " VALUES (?, ?, ?, ?, ?) ON CONFLICT (message_id, chat_id) DO UPDATE"
        " SET submission_message_id = coalesce(submission_message_id, excluded.submission_message_id)",
        [
            (member, chat_id, media_group_id, to_text(now), submission_message_id)
            for member in dict.fromkeys(message_ids)
        ],
    )


def _update(connection: sqlite3.Connection, chat_id: int, message_id: int, assignment: str, value: str | int) -> None:
    changed = connection.execute(
        f"UPDATE messages SET {assignment} WHERE chat_id = ? AND message_id = ? AND artifact_json IS NOT NULL",
        (value, chat_id, message_id),
    ).rowcount
    if not changed:
        raise _unknown(chat_id, message_id)


def _unknown(chat_id: int, message_id: int) -> UnknownSubmission:
    return UnknownSubmission(f"No submission is recorded under message {message_id} of chat {chat_id}")


def _is_there(connection: sqlite3.Connection, rows: str, *values: str | int) -> bool:
    return connection.execute(f"SELECT 1 FROM {rows}", values).fetchone() is not None


def _archived(row: sqlite3.Row) -> ArchivedFile:
    return ArchivedFile(
        sha256=row["sha256"],
        s3_key=row["s3_key"],
        size_bytes=int(row["size_bytes"]),
        mime=row["mime"],
        created_at=to_moment(row["created_at"]),
    )
