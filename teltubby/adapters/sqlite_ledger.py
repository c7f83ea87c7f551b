"""The ledger's database: inbox, files, submissions and jobs in one SQLite file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from teltubby.adapters.clock import utc_now
from teltubby.adapters.sqlite_alerts import Alerts
from teltubby.adapters.sqlite_archive import Files, Submissions
from teltubby.adapters.sqlite_doubts import Doubts
from teltubby.adapters.sqlite_file import SqliteFile, to_moment
from teltubby.adapters.sqlite_inbox import Inbox
from teltubby.adapters.sqlite_job_commands import Commands
from teltubby.adapters.sqlite_job_history import History
from teltubby.adapters.sqlite_job_reports import Reports
from teltubby.adapters.sqlite_jobs import Jobs
from teltubby.adapters.sqlite_maintenance import Maintenance
from teltubby.adapters.sqlite_outbox import Outbox
from teltubby.adapters.sqlite_schema import SCHEMA_VERSION, migrate
from teltubby.adapters.sqlite_search import Search
from teltubby.adapters.sqlite_sessions import RelayCopies, SignIns
from teltubby.adapters.sqlite_statistics import Archived
from teltubby.adapters.sqlite_trail import Trail
from teltubby.adapters.sqlite_usage import Room
from teltubby.messages.jobs import JobState
from teltubby.messages.ledger_archive import Overview

Clock = Callable[[], datetime]


class SqliteLedger:
    """Everything durable that the bot wing knows, by subject. Blocking; for one caller at a time.

    Every method of it and of its parts raises DatabaseUnavailable when the file is locked, read-only, full or broken;
    nothing was written then.
    """

    def __init__(self, file: SqliteFile, clock: Clock) -> None:
        self.file = file
        self.inbox = Inbox(file, clock)
        self.files = Files(file, clock)
        self.submissions = Submissions(file, clock)
        self.search = Search(file)
        self.archived = Archived(file, clock)
        self.room = Room(file, clock)
        self.maintenance = Maintenance(file)
        self.jobs = Jobs(file, clock)
        self.outbox = Outbox(file, clock)
        self.reports = Reports(file, clock)
        self.commands = Commands(file, clock)
        self.history = History(file, clock)
        self.relay = RelayCopies(file, clock)
        self.sign_ins = SignIns(file, clock)
        self.alerts = Alerts(file, clock)
        self.trail = Trail(file)
        self.doubts = Doubts(file, clock)

    @classmethod
    def open(
        cls, path: Path, *, clock: Clock = utc_now, busy_timeout: float = 5.0, exclusive: bool = False
    ) -> SqliteLedger:
        """Open or create the file and migrate it; `exclusive`: see `SqliteFile.open`.

        Raises DatabaseUnavailable, ConfigurationError (file too new).
        """
        file = SqliteFile.open(path, newest=SCHEMA_VERSION, busy_timeout=busy_timeout, exclusive=exclusive)
        try:
            migrate(file)
        except BaseException:
            file.close()
            raise
        return cls(file, clock)

    def claim(self, bot_id: int) -> int:
        """Make the file that bot's, if it is nobody's yet, and return the id of the bot that it belongs to."""
        with self.file.write() as connection:
            connection.execute("INSERT INTO owner SELECT ? WHERE NOT EXISTS (SELECT 1 FROM owner)", (bot_id,))
        (row,) = self.file.read("SELECT bot_id FROM owner")
        return int(row["bot_id"])

    def overview(self) -> Overview:
        """Counts of everything."""
        states = self.file.read("SELECT upper(state) AS state, count(*) AS jobs FROM jobs GROUP BY 1")
        (row,) = self.file.read(
            "SELECT (SELECT count(*) FROM inbox WHERE done_at IS NULL) AS open_updates,"
            " (SELECT count(*) FROM outbox WHERE published_at IS NULL) AS unpublished,"
            " (SELECT count(*) FROM files) AS files, (SELECT coalesce(sum(size_bytes), 0) FROM files) AS bytes,"
            " (SELECT count(*) FROM messages WHERE artifact_json IS NOT NULL AND artifact_stored = 0) AS unstored,"
            " (SELECT min(received_at) FROM inbox WHERE done_at IS NULL) AS open_since,"
            " (SELECT min(updated_at) FROM jobs WHERE upper(state) = 'PENDING') AS waiting_since"
        )
        counts = Counter({state["state"]: state["jobs"] for state in states})
        return Overview(
            jobs={state: counts[state] for state in JobState},
            open_updates=row["open_updates"],
            unpublished=row["unpublished"],
            files=row["files"],
            bytes=row["bytes"],
            unstored_artifacts=row["unstored"],
            open_since=to_moment(row["open_since"]),
            waiting_since=to_moment(row["waiting_since"]),
        )

    def close(self) -> None:
        """Close the file; safe to call twice."""
        self.file.close()
