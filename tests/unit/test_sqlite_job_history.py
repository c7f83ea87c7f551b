"""What the ledger tells of the past: a job's history, how fast jobs go, and what is forgotten when."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from teltubby.adapters.sqlite_ledger import SqliteLedger
from teltubby.messages.history import Attempt, QueuePace
from teltubby.messages.jobs import JobCancelled, JobCommand, JobFailed, JobState, Priority
from teltubby.messages.ledger import SettleFile
from teltubby.messages.media import RawUpdate, Route
from teltubby.messages.routes import FileRoute, RouteTry
from teltubby.messages.stages import Stage
from tests.unit.ledger_samples import (
    ID,
    NOON,
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


@pytest.fixture
def ledger() -> Iterator[SqliteLedger]:
    with ledger_with(a_job()) as ledger:
        yield ledger


def test_the_whole_history_of_a_job_is_told(ledger: SqliteLedger) -> None:
    apply(ledger, started(worker="ada"), retrying(worker="ada"))
    order(ledger, JobCommand.RETRY, user_id=8)
    accepted(order(ledger, JobCommand.CANCEL, user_id=9, reason="by button"))
    history = ledger.history.read(ID[:8])
    assert history is not None
    assert (history.job, history.state) == (a_job(), JobState.CANCELLED)
    assert [(step.to_state, step.attempt, step.worker, step.user_id, step.reason) for step in history.transitions] == [
        (JobState.PENDING, 0, None, None, None),
        (JobState.PROCESSING, 1, "ada", None, None),
        (JobState.RETRYING, 1, "ada", None, "a timeout"),
        (JobState.CANCELLED, 1, None, 9, "by button"),
    ]
    assert history.attempts == (
        Attempt(
            attempt=1,
            started_at=NOON,
            finished_at=NOON,
            success=False,
            error="a timeout",
            worker="ada",
            transferred_bytes=5,
            seconds=2.0,
            route=Route.MTPROTO_USER,
            stages={Stage.OUTBOX: 1.0, Stage.QUEUE: 0.0},
            heard_at=NOON + timedelta(seconds=2),
        ),
    )
    assert [(told.user_id, told.command, told.accepted, told.detail) for told in history.commands] == [
        (8, "retry", False, "the job is RETRYING"),
        (9, "cancel", True, "by button"),
    ]
    assert history.created_at < history.commands[0].at < history.commands[1].at


def test_the_ways_that_each_attempt_tried_are_kept(ledger: SqliteLedger) -> None:
    relay = RouteTry(route=FileRoute.RELAY, reason='no "member" of the channel\n😀')
    bot = RouteTry(route=FileRoute.BOT)
    apply(ledger, started(), replace(retrying(), routes=(relay,)))
    apply(ledger, started(2), replace(completed(2), via=FileRoute.BOT, routes=(relay, bot)))
    history = ledger.history.read(ID)
    assert history is not None
    assert [(attempt.via, attempt.routes) for attempt in history.attempts] == [
        (None, (relay,)),
        (FileRoute.BOT, (relay, bot)),
    ]


@pytest.mark.parametrize("end", [failed(), cancelled()], ids=["failed", "cancelled"])
def test_the_ways_are_kept_however_the_attempt_ended(ledger: SqliteLedger, end: JobFailed | JobCancelled) -> None:
    tries = tuple(RouteTry(route=route, reason=f"not by {route}") for route in FileRoute)
    apply(ledger, started(), replace(end, routes=tries))
    history = ledger.history.read(ID)
    assert history is not None
    assert [(attempt.via, attempt.routes) for attempt in history.attempts] == [(None, tries)]


def test_an_attempt_that_runs_has_no_end(ledger: SqliteLedger) -> None:
    apply(ledger, started())
    history = ledger.history.read(ID)
    assert history is not None
    (attempt,) = history.attempts
    assert (attempt.success, attempt.finished_at, attempt.transferred_bytes, attempt.route) == (None, None, None, None)


def test_a_job_that_is_unknown_has_no_history(ledger: SqliteLedger) -> None:
    assert ledger.history.read("nobody") is None
    assert ledger.history.read("") is None


# -- pace --------------------------------------------------------------------------------------------------------


def test_an_empty_queue_has_no_pace() -> None:
    with ledger_with() as ledger:
        assert ledger.history.pace(Priority.NORMAL) == QueuePace(jobs_ahead=0, bytes_ahead=0, bytes_per_second=None)


def test_what_runs_and_what_waits_in_the_same_queue_or_a_faster_one_comes_before() -> None:
    normal, high, urgent, running, unknown = (
        a_job(numbered(1), 1, size=1),
        a_job(numbered(2), 2, size=10, priority=Priority.HIGH),
        a_job(numbered(3), 3, size=100, priority=Priority.URGENT),
        a_job(numbered(4), 4, size=1000),
        a_job(numbered(5), 5, size=None),
    )
    with ledger_with(normal, high, urgent, running, unknown) as ledger:
        apply(ledger, started(job_id=running.job_id))
        pace = ledger.history.pace(Priority.NORMAL)
        assert (pace.jobs_ahead, pace.bytes_ahead) == (5, 1111)
        for priority in (Priority.HIGH, Priority.URGENT):
            pace = ledger.history.pace(priority)
            assert (pace.jobs_ahead, pace.bytes_ahead) == (3, 1110)
        pace = ledger.history.pace(Priority.NORMAL, urgent.job_id)
        assert (pace.jobs_ahead, pace.bytes_ahead) == (2, 11), "only what came before it"
        apply(ledger, completed(job_id=running.job_id))
        accepted(order(ledger, JobCommand.CANCEL, urgent.job_id))
        assert ledger.history.pace(Priority.HIGH).bytes_ahead == 10


def test_a_job_that_waits_for_its_next_attempt_comes_before_once_it_is_due() -> None:
    clock = Clock()
    with ledger_with(a_job(), clock=clock) as ledger:
        apply(ledger, started(), retrying(delay=600))
        assert ledger.history.pace(Priority.NORMAL).jobs_ahead == 0
        clock.now = NOON + timedelta(seconds=601)
        assert ledger.history.pace(Priority.NORMAL).jobs_ahead == 1


def test_the_pace_is_that_of_the_last_jobs_that_were_archived() -> None:
    with ledger_with(*(a_job(numbered(n), n + 1) for n in range(3))) as ledger:
        apply(ledger, started(job_id=numbered(0)), retrying(job_id=numbered(0)))
        assert ledger.history.pace(Priority.NORMAL).bytes_per_second is None, "that one did not get there"
        for number in range(3):
            apply(ledger, started(2, job_id=numbered(number)), completed(2, job_id=numbered(number)))
        assert ledger.history.pace(Priority.NORMAL).bytes_per_second == pytest.approx(SIZE / 10.0)


# -- forgetting --------------------------------------------------------------------------------------------------


def rows(ledger: SqliteLedger) -> dict[str, int]:
    tables = ("jobs", "job_attempts", "transitions", "commands", "outbox", "inbox", "files", "tg_map", "messages")
    return {table: ledger.file.read(f"SELECT count(*) AS n FROM {table}")[0]["n"] for table in tables}


def test_jobs_that_ended_long_ago_are_forgotten_and_nothing_else_of_the_archive() -> None:
    clock = Clock()
    ids = [numbered(number) for number in range(5)]
    done, gone, stopped, waiting, recent = ids
    jobs = [a_job(job_id, number + 1) for number, job_id in enumerate(ids)]
    with ledger_with(*jobs, clock=clock) as ledger:
        ledger.outbox.mark_published([(job_id, 0) for job_id in ids])
        apply(ledger, started(job_id=done), completed(job_id=done))
        apply(ledger, failed(job_id=gone))
        accepted(order(ledger, JobCommand.CANCEL, stopped))
        order(ledger, JobCommand.CANCEL, "nobody's")
        apply(ledger, started(job_id=waiting), retrying(job_id=waiting, delay=10**7))
        ledger.files.settle(SettleFile(sha256="a" * 64, s3_key="k", size_bytes=3, mime=None, file_unique_id="u"))
        before = rows(ledger)
        clock.now = NOON + timedelta(days=90)
        apply(ledger, completed(job_id=recent))
        assert ledger.history.prune(NOON) == 0
        # Each its row and its outbox entry; transitions and attempts.
        assert ledger.history.prune(NOON + timedelta(days=1)) == (2 + 3 + 1) + (2 + 2 + 1) + (2 + 2)
        after = rows(ledger)
        assert {view.job.job_id for view in ledger.jobs.list(tuple(JobState), 10)} == {waiting, recent}
        assert [after[table] for table in ("outbox", "job_attempts")] == [2, 2]
        assert after["commands"] == before["commands"], "the audit trail has a limit of its own"
        assert {table: after[table] for table in ("files", "tg_map", "messages")} == {
            table: before[table] for table in ("files", "tg_map", "messages")
        }
        assert ledger.files.find("u") is not None and ledger.submissions.find(7, 1) is not None
        assert ledger.reports.apply(completed(job_id=done)) is None, "a report of it is news of an unknown job"
        assert ledger.history.prune(NOON + timedelta(days=1)) == 0


def test_updates_that_were_done_are_forgotten_but_for_the_newest() -> None:
    clock = Clock()
    with ledger_with(clock=clock) as ledger:
        ledger.inbox.record([RawUpdate(update_id=number, payload="{}") for number in (1, 2, 3)])
        ledger.inbox.close([1, 3])
        assert ledger.history.prune(NOON) == 0
        assert ledger.history.prune(NOON + timedelta(days=1)) == 1
        assert [row["update_id"] for row in ledger.file.read("SELECT update_id FROM inbox")] == [2, 3]


@pytest.mark.parametrize("moment", ["1737972672", "yesterday", ""])
def test_a_job_whose_time_cannot_be_compared_is_kept(ledger: SqliteLedger, moment: str) -> None:
    apply(ledger, completed())
    with ledger.file.write() as connection:
        connection.execute("UPDATE jobs SET updated_at = ?", (moment,))
    assert ledger.history.prune(NOON + timedelta(days=9999)) == 0


def test_forgetting_is_all_or_nothing(ledger: SqliteLedger) -> None:
    apply(ledger, started(), completed())
    before = rows(ledger)
    with ledger.file.write() as connection:
        connection.execute("CREATE TRIGGER no BEFORE DELETE ON jobs BEGIN SELECT raise(ABORT, 'no'); END")
    with pytest.raises(sqlite3.IntegrityError, match="no"):
        ledger.history.prune(NOON + timedelta(days=1))
    assert rows(ledger) == before
