"""What a person sees who opens the file with `datasette`: jobs and failures in readable columns, of old rows too."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing

from teltubby.adapters.sqlite_ledger import SqliteLedger
from teltubby.messages.jobs import JobCommand
from tests.unit.ledger_samples import (
    ID,
    SIZE,
    Clock,
    a_job,
    accepted,
    apply,
    cancelled,
    completed,
    failed,
    ledger_with,
    numbered,
    order,
    retrying,
    started,
)


def seen(ledger: SqliteLedger, view: str, columns: Sequence[str]) -> list[tuple[object, ...]]:
    """As another program reads it."""
    with closing(sqlite3.connect(f"file:{ledger.file.path}?mode=ro", uri=True)) as reader:
        return reader.execute(f"SELECT {', '.join(columns)} FROM {view}").fetchall()


def test_jobs_are_seen_with_their_file_curator_and_last_error() -> None:
    with ledger_with(a_job(numbered(1), 1), a_job(numbered(2), 2, user_id=8), clock=Clock()) as ledger:
        apply(ledger, started(job_id=numbered(1)), retrying(job_id=numbered(1)))
        columns = ("job_id", "state", "file_name", "size_bytes", "s3_key", "curator", "tries", "worker", "last_error")
        assert seen(ledger, "jobs_overview", columns) == [
            (numbered(2), "PENDING", "Ёлка.mp4", SIZE, "teltubby/x.mp4", 8, 0, None, None),
            (numbered(1), "RETRYING", "Ёлка.mp4", SIZE, "teltubby/x.mp4", 7, 1, "w", "a timeout"),
        ]
        times = ("created_at", "started_at", "due_at", "finished_at", "updated_at")
        assert all(seen(ledger, "jobs_overview", times)[1])


def test_failures_are_the_attempts_that_failed_and_whose_they_were() -> None:
    with ledger_with(a_job()) as ledger:
        apply(ledger, started(), retrying(), started(2), failed(2, worker="ada"))
        accepted(order(ledger, JobCommand.RETRY))
        apply(ledger, started(3))
        accepted(order(ledger, JobCommand.CANCEL))
        apply(ledger, cancelled(3))
        columns = ("error", "job_id", "attempt", "worker", "route", "transferred_bytes", "curator", "job_state")
        assert sorted(seen(ledger, "failures", columns)) == [
            ("a timeout", ID, 1, "w", "mtproto_user", 5, 7, "CANCELLED"),
            ("the file is gone", ID, 2, "ada", None, 0, 7, "CANCELLED"),
        ]
        apply(ledger, completed(3))
        assert {row[0] for row in seen(ledger, "failures", ("job_state",))} == {"COMPLETED"}


def test_a_row_that_only_an_older_program_can_read_is_seen_as_far_as_it_goes() -> None:
    with ledger_with(a_job()) as ledger:
        with ledger.file.write() as connection:
            connection.execute("UPDATE jobs SET payload_json = 'not JSON'")
        assert seen(ledger, "jobs_overview", ("job_id", "file_name", "s3_key")) == [(ID, None, None)]
