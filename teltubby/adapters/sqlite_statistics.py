"""What was archived, day by day (UTC) and in all: from the files that are there, and from how jobs ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from statistics import median

from teltubby.adapters.sqlite_file import SqliteFile
from teltubby.messages.history import Day, Statistics
from teltubby.messages.jobs import JobState


class Archived:
    """Numbers of the archive's past. Every method raises DatabaseUnavailable.

    Jobs are counted when they end, as often as they do (`job_outcomes`), so that the numbers stay when their history
    is pruned; files are those that the ledger knows, by when they were first archived.
    """

    def __init__(self, file: SqliteFile, clock: Callable[[], datetime]) -> None:
        self._file = file
        self._clock = clock

    def statistics(self, days: int) -> Statistics:
        """The last `days` days, today last, and the sums of all time."""
        today = self._clock().astimezone(UTC).date()
        dates = [today - timedelta(days=ago) for ago in range(days - 1, -1, -1)]
        since = dates[0].isoformat() if dates else "9999"
        files = {
            row["day"]: row
            for row in self._file.read(
                "SELECT date(created_at, 'auto') AS day, count(*) AS files, sum(size_bytes) AS bytes FROM files"
                " WHERE date(created_at, 'auto') >= ? GROUP BY 1",
                since,
            )
        }
        ended: Counter[tuple[str, str]] = Counter()
        seconds: dict[str, list[float]] = {}
        for row in self._file.read("SELECT day, state, seconds FROM job_outcomes WHERE day >= ?", since):
            ended[row["day"], row["state"]] += 1
            if row["seconds"] is not None:
                seconds.setdefault(row["day"], []).append(row["seconds"])
        (every,) = self._file.read(
            "SELECT (SELECT count(*) FROM files) AS files, (SELECT coalesce(sum(size_bytes), 0) FROM files) AS bytes,"
            " (SELECT count(*) FROM job_outcomes WHERE state = ?) AS completed,"
            " (SELECT count(*) FROM job_outcomes WHERE state = ?) AS failed",
            JobState.COMPLETED,
            JobState.FAILED,
        )
        return Statistics(
            days=tuple(
                Day(
                    day=date,
                    files=files[day]["files"] if day in files else 0,
                    stored_bytes=(files[day]["bytes"] or 0) if day in files else 0,
                    jobs_completed=ended[day, JobState.COMPLETED],
                    jobs_failed=ended[day, JobState.FAILED],
                    median_seconds=median(seconds[day]) if day in seconds else None,
                )
                for date in dates
                for day in (date.isoformat(),)
            ),
            files=every["files"],
            stored_bytes=every["bytes"],
            jobs_completed=every["completed"],
            jobs_failed=every["failed"],
        )
