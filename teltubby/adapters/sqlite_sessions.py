"""What the ledger keeps of sessions: copies in the relay, attempts to sign in, announced trouble."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from teltubby.adapters.sqlite_file import SqliteFile, known_moment, to_text
from teltubby.adapters.sqlite_trail import NO_JOB
from teltubby.messages.jobs import JobState
from teltubby.messages.ledger_sessions import CountCommands, KnownTrouble, RecordCommand, RelayCopy
from teltubby.messages.routes import AccountKind
from teltubby.messages.session import SessionState


class RelayCopies:
    """Copies in relay channels, with the intention to make one; every method raises DatabaseUnavailable."""

    def __init__(self, file: SqliteFile, clock: Callable[[], datetime]) -> None:
        self._file = file
        self._clock = clock

    def begin(self, job_id: str, chat_id: int) -> None:
        """A copy is about to be made; begun once more, it is the same intention."""
        with self._file.write() as connection:
            connection.execute(
                "INSERT INTO relay_copies (job_id, chat_id, after_id, made_at) SELECT ?1, ?2,"
                " (SELECT coalesce(max(highest_id), 0) FROM relay_channels WHERE chat_id = ?2), ?3"
                " WHERE NOT EXISTS (SELECT 1 FROM relay_copies"
                " WHERE job_id = ?1 AND chat_id = ?2 AND message_id IS NULL)",
                (job_id, chat_id, to_text(self._clock())),
            )

    def note(self, job_id: str, chat_id: int, message_id: int) -> None:
        """The copy that was begun has this id."""
        with self._file.write() as connection:
            connection.execute(
                "UPDATE relay_copies SET message_id = ?3 WHERE job_id = ?1 AND chat_id = ?2 AND message_id IS NULL",
                (job_id, chat_id, message_id),
            )
            connection.execute(
                "INSERT INTO relay_channels (chat_id, highest_id) VALUES (?1, ?2)"
                " ON CONFLICT (chat_id) DO UPDATE SET highest_id = max(highest_id, ?2)",
                (chat_id, message_id),
            )

    def list(self) -> tuple[RelayCopy, ...]:
        """Every copy that was not forgotten, oldest first."""
        rows = self._file.read(
            "SELECT relay_copies.*, upper(jobs.state) AS state FROM relay_copies LEFT JOIN jobs USING (job_id)"
            " ORDER BY id"
        )
        return tuple(
            RelayCopy(
                job_id=row["job_id"],
                chat_id=row["chat_id"],
                message_id=row["message_id"],
                after_id=row["after_id"],
                made_at=known_moment(row["made_at"]),
                job_state=None if row["state"] is None else JobState(row["state"]),
            )
            for row in rows
        )

    def forget(self, job_id: str, chat_id: int, message_id: int | None) -> None:
        """It is gone from the channel; what is forgotten already is fine."""
        with self._file.write() as connection:
            connection.execute(
                "DELETE FROM relay_copies WHERE job_id = ? AND chat_id = ? AND message_id IS ?",
                (job_id, chat_id, message_id),
            )


class SignIns:
    """The audit trail of what is commanded about no job, the trouble that was announced, and QR codes in chats."""

    def __init__(self, file: SqliteFile, clock: Callable[[], datetime]) -> None:
        self._file = file
        self._clock = clock

    def record(self, order: RecordCommand) -> None:
        """Write one line of the audit trail."""
        with self._file.write() as connection:
            connection.execute(
                "INSERT INTO commands (at, user_id, command, job_id, accepted, detail) VALUES (?, ?, ?, ?, ?, ?)",
                (to_text(self._clock()), order.user_id, order.command, NO_JOB, order.accepted, order.detail),
            )

    def count(self, request: CountCommands) -> int:
        """How often it was commanded and accepted; not what a clock that ran ahead says will be."""
        (row,) = self._file.read(
            "SELECT count(*) AS times FROM commands WHERE job_id = ?1 AND command = ?2 AND accepted"
            " AND at BETWEEN ?3 AND ?5 AND (?4 IS NULL OR user_id = ?4)",
            NO_JOB,
            request.command,
            to_text(request.since),
            request.user_id,
            to_text(self._clock()),
        )
        return int(row["times"])

    def trouble(self, place: str, account: AccountKind) -> KnownTrouble | None:
        """What the admins were told last, None where that was nothing."""
        row = self._file.read_one(
            "SELECT state, since FROM session_troubles WHERE place = ? AND account = ?", place, account
        )
        return None if row is None else KnownTrouble(state=SessionState(row["state"]), since=known_moment(row["since"]))

    def set_trouble(self, place: str, account: AccountKind, trouble: KnownTrouble | None) -> None:
        """The admins were told so."""
        with self._file.write() as connection:
            if trouble is None:
                connection.execute("DELETE FROM session_troubles WHERE place = ? AND account = ?", (place, account))
            else:
                connection.execute(
                    "INSERT OR REPLACE INTO session_troubles (place, account, state, since) VALUES (?, ?, ?, ?)",
                    (place, account, trouble.state, to_text(trouble.since)),
                )

    def keep_picture(self, chat_id: int, message_id: int) -> None:
        """A QR code is shown there."""
        with self._file.write() as connection:
            connection.execute("INSERT OR IGNORE INTO sign_in_pictures VALUES (?, ?)", (chat_id, message_id))

    def forget_picture(self, chat_id: int, message_id: int) -> None:
        """It is no longer; what is forgotten already is fine."""
        with self._file.write() as connection:
            connection.execute(
                "DELETE FROM sign_in_pictures WHERE chat_id = ? AND message_id = ?", (chat_id, message_id)
            )

    def pictures(self) -> tuple[tuple[int, int], ...]:
        """Chat id and message id of every QR code that is shown, as far as it is known."""
        rows = self._file.read("SELECT chat_id, message_id FROM sign_in_pictures ORDER BY chat_id, message_id")
        return tuple((row["chat_id"], row["message_id"]) for row in rows)
