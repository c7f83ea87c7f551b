"""What the ledger keeps of alerts, and of when processes began."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from teltubby.adapters.sqlite_file import SqliteFile, SqlRow, known_moment, to_moment, to_text
from teltubby.messages.alerts import AlertBook, AlertKind, Failure, Period

STARTS_KEPT = timedelta(days=30)
"""A worker that runs for longer than that counts as started once more when the bot hears of it anew."""


class Alerts:
    """The book of alerts, starts of processes, and failures; every method raises DatabaseUnavailable."""

    def __init__(self, file: SqliteFile, clock: Callable[[], datetime]) -> None:
        self._file = file
        self._clock = clock

    def book(self) -> AlertBook:
        """As it was written last."""
        rows = self._file.read("SELECT * FROM alerts ORDER BY noticed_at, kind, subject, since")
        (row,) = self._file.read("SELECT muted_until, failures_through FROM alert_book")
        return AlertBook(
            periods=tuple(_period(each) for each in rows),
            muted_until=to_moment(row["muted_until"]),
            failures_through=row["failures_through"],
        )

    def write(self, book: AlertBook) -> None:
        """In the place of the last one."""
        with self._file.write() as connection:
            connection.execute("DELETE FROM alerts")
            connection.executemany(
                "INSERT INTO alerts (kind, subject, since, detail, noticed_at, absent_since, until, ended_at, told_at,"
                " reminded_at, over_told_at, times) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [_row(period) for period in book.periods],
            )
            connection.execute(
                "UPDATE alert_book SET muted_until = ?, failures_through = ?",
                (_text(book.muted_until), book.failures_through),
            )

    def note_start(self, process: str, incarnation: str) -> None:
        """This process began, now; what was noted already stays as it is."""
        now = self._clock()
        with self._file.write() as connection:
            connection.execute("DELETE FROM process_starts WHERE at < ?", (to_text(now - STARTS_KEPT),))
            connection.execute(
                "INSERT OR IGNORE INTO process_starts (process, incarnation, at) VALUES (?, ?, ?)",
                (process, incarnation, to_text(now)),
            )

    def note_end(self, process: str, incarnation: str) -> None:
        """It ended in order."""
        with self._file.write() as connection:
            connection.execute(
                "DELETE FROM process_starts WHERE process = ? AND incarnation = ?", (process, incarnation)
            )

    def starts(self, since: datetime) -> dict[str, int]:
        """How often each process began; not what another clock says began in times to come."""
        rows = self._file.read(
            "SELECT process, count(*) AS starts FROM process_starts WHERE at BETWEEN ? AND ? GROUP BY process",
            to_text(since),
            to_text(self._clock()),
        )
        return {row["process"]: row["starts"] for row in rows}

    def failures(self, after: int, limit: int) -> tuple[Failure, ...]:
        """In their order."""
        rows = self._file.read(
            "SELECT id, job_id, at, reason, CASE WHEN json_valid(payload_json)"
            " THEN json_extract(payload_json, '$.file_info.file_name') END AS file_name"
            " FROM transitions LEFT JOIN jobs USING (job_id)"
            " WHERE to_state = 'FAILED' AND transitions.id > ? ORDER BY id LIMIT ?",
            after,
            limit,
        )
        return tuple(
            Failure(
                number=row["id"],
                job_id=row["job_id"],
                file_name=row["file_name"],
                at=known_moment(row["at"]),
                reason=row["reason"],
            )
            for row in rows
        )

    def last_failure(self) -> int:
        """The newest one's number."""
        (row,) = self._file.read("SELECT coalesce(max(id), 0) AS number FROM transitions WHERE to_state = 'FAILED'")
        return int(row["number"])


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else to_text(moment)


def _row(period: Period) -> tuple[str | int | None, ...]:
    return (
        period.kind,
        period.subject,
        to_text(period.since),
        period.detail,
        to_text(period.noticed_at),
        _text(period.absent_since),
        _text(period.until),
        _text(period.ended_at),
        _text(period.told_at),
        _text(period.reminded_at),
        _text(period.over_told_at),
        period.times,
    )


def _period(row: SqlRow) -> Period:
    return Period(
        kind=AlertKind(row["kind"]),
        subject=row["subject"],
        detail=row["detail"],
        since=known_moment(row["since"]),
        noticed_at=known_moment(row["noticed_at"]),
        absent_since=to_moment(row["absent_since"]),
        until=to_moment(row["until"]),
        ended_at=to_moment(row["ended_at"]),
        told_at=to_moment(row["told_at"]),
        reminded_at=to_moment(row["reminded_at"]),
        over_told_at=to_moment(row["over_told_at"]),
        times=row["times"],
    )
