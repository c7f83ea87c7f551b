"""Jobs in the ledger: what reports do to them, and how they are found."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from teltubby.adapters.sqlite_ledger import SqliteLedger
from teltubby.messages.jobs import JobCommand, JobEvent, JobState, Priority
from tests.unit.ledger_samples import (
    ID,
    NOON,
    Clock,
    a_job,
    accepted,
    apply,
    cancelled,
    completed,
    failed,
    ledger_with,
    moves,
    numbered,
    order,
    progress,
    retrying,
    started,
)


@pytest.fixture
def ledger() -> Iterator[SqliteLedger]:
    with ledger_with(a_job()) as ledger:
        yield ledger


def attempts(ledger: SqliteLedger) -> list[tuple[object, ...]]:
    rows = ledger.file.read(
        "SELECT attempt, worker, success, error, transferred_bytes, seconds, route FROM job_attempts ORDER BY id"
    )
    return [tuple(row) for row in rows]


def test_a_job_goes_its_way_and_every_step_is_kept(ledger: SqliteLedger) -> None:
    view = apply(ledger, started())
    assert (view.previous, view.state, view.changed, view.attempt) == (JobState.PENDING, JobState.PROCESSING, True, 1)
    assert view.worker == "w"
    view = apply(ledger, retrying())
    assert (view.state, view.last_error, view.due_at) == (
        JobState.RETRYING,
        "a timeout",
        NOON + timedelta(seconds=60),
    )
    view = apply(ledger, started(2))
    assert (view.attempt, view.due_at) == (2, None)
    view = apply(ledger, completed(2))
    assert (view.state, view.changed, view.last_error) == (JobState.COMPLETED, True, None)
    assert view.job == a_job()
    assert (view.submission_chat_id, view.submission_message_id) == (7, 11)
    assert view.updated_at > view.created_at
    assert [to for _, to in moves(ledger)] == ["PENDING", "PROCESSING", "RETRYING", "PROCESSING", "COMPLETED"]
    assert attempts(ledger) == [
        (1, "w", 0, "a timeout", 5, 2.0, "mtproto_user"),
        (2, "w", 1, None, 10**9, 10.0, "mtproto_bot"),
    ]


def test_a_failure_has_its_reason(ledger: SqliteLedger) -> None:
    view = apply(ledger, started(), failed())
    assert (view.state, view.last_error) == (JobState.FAILED, "the file is gone")


def test_a_worker_whose_clock_is_fast_delays_nothing(ledger: SqliteLedger) -> None:
    clock = Clock(now=NOON - timedelta(hours=1))
    with ledger_with(a_job(), clock=clock) as behind:
        view = apply(behind, started(), retrying(delay=60))
        assert view.due_at == clock.now + timedelta(seconds=60)


@pytest.mark.parametrize("late", [started(), retrying()])
def test_news_of_an_attempt_that_ended_comes_too_late(ledger: SqliteLedger, late: JobEvent) -> None:
    apply(ledger, started(), retrying())
    assert not apply(ledger, late).changed
    view = apply(ledger, started(2), late)
    assert (view.state, view.changed, view.attempt) == (JobState.PROCESSING, False, 2)


def test_a_file_that_is_in_the_store_is_never_too_late(ledger: SqliteLedger) -> None:
    """The broker may hand a job to a second worker while the first still works on it."""
    assert apply(ledger, started(1), started(2), completed(1)).state is JobState.COMPLETED
    assert not apply(ledger, failed(2)).changed


def test_a_job_that_is_over_keeps_its_end(ledger: SqliteLedger) -> None:
    view = apply(ledger, started(1), completed(1), failed(2, worker="other"))
    assert (view.state, view.last_error, view.attempt, view.worker) == (JobState.COMPLETED, None, 2, "w")


def test_an_attempt_that_a_second_worker_took_over_is_recorded_for_both(ledger: SqliteLedger) -> None:
    view = apply(ledger, started(worker="first"), started(worker="second"))
    assert (view.state, view.changed, view.worker) == (JobState.PROCESSING, False, "second")
    assert apply(ledger, started(worker="first")).worker == "second", "the first one's report came again"
    view = apply(ledger, completed(worker="second"))
    assert (view.state, view.worker) == (JobState.COMPLETED, "second")
    assert attempts(ledger) == [
        (1, "first", None, None, None, None, None),
        (1, "second", 1, None, 10**9, 10.0, "mtproto_bot"),
    ]


def test_a_repeated_report_is_recorded_once(ledger: SqliteLedger) -> None:
    apply(ledger, started(), started(), retrying(), retrying(), started(2), completed(2), completed(2))
    assert [row[0] for row in attempts(ledger)] == [1, 2]
    assert len(moves(ledger)) == 5


@pytest.mark.parametrize("first", [completed(), retrying(), cancelled()])
def test_the_first_end_of_an_attempt_stays(ledger: SqliteLedger, first: JobEvent) -> None:
    apply(ledger, started(), first)
    ended = attempts(ledger)
    apply(ledger, failed())
    assert attempts(ledger) == ended


def test_a_file_that_is_in_the_store_is_the_better_end_of_an_attempt(ledger: SqliteLedger) -> None:
    apply(ledger, started(), failed(), completed())
    assert attempts(ledger) == [(1, "w", 1, None, 10**9, 10.0, "mtproto_bot")]


def test_a_repeated_start_is_a_sign_of_life(ledger: SqliteLedger) -> None:
    before = apply(ledger, started())
    assert apply(ledger, started()).updated_at > before.updated_at


# -- cancelled ---------------------------------------------------------------------------------------------------


def test_a_worker_that_stopped_ends_the_attempt_of_a_cancelled_job(ledger: SqliteLedger) -> None:
    apply(ledger, started())
    accepted(order(ledger, JobCommand.CANCEL))
    view = apply(ledger, cancelled())
    assert (view.state, view.changed) == (JobState.CANCELLED, False)
    assert attempts(ledger) == [(1, "w", 0, "cancelled", 7, 3.0, None)]


@pytest.mark.parametrize("report", [started(), retrying(), failed(), cancelled(), started(2), failed(2)])
def test_a_cancelled_job_hears_of_no_attempt(ledger: SqliteLedger, report: JobEvent) -> None:
    accepted(order(ledger, JobCommand.CANCEL))
    view = apply(ledger, report)
    assert (view.state, view.changed, view.due_at) == (JobState.CANCELLED, False, None)


def test_a_cancelled_job_whose_file_is_in_the_store_is_completed(ledger: SqliteLedger) -> None:
    apply(ledger, started())
    accepted(order(ledger, JobCommand.CANCEL))
    assert apply(ledger, completed()).state is JobState.COMPLETED


def test_a_stop_that_is_reported_late_leaves_a_retried_job_alone(ledger: SqliteLedger) -> None:
    apply(ledger, started())
    accepted(order(ledger, JobCommand.CANCEL))
    accepted(order(ledger, JobCommand.RETRY))
    view = apply(ledger, cancelled(1))
    assert (view.state, view.changed, view.published) == (JobState.PENDING, False, False)
    apply(ledger, started(2))
    assert apply(ledger, cancelled(1)).state is JobState.PROCESSING


def test_progress_is_answered_but_not_written(ledger: SqliteLedger) -> None:
    apply(ledger, started())
    before = ledger.file.db.conn.total_changes
    view = apply(ledger, progress())
    assert (view.state, view.changed) == (JobState.PROCESSING, False)
    assert ledger.file.db.conn.total_changes == before


def test_an_unknown_job_is_none(ledger: SqliteLedger) -> None:
    assert ledger.reports.apply(started(job_id="nobody")) is None
    assert ledger.reports.apply(progress(job_id="nobody")) is None
    assert ledger.file.read("SELECT * FROM job_attempts") == []


# -- found -------------------------------------------------------------------------------------------------------


def test_a_job_is_found_by_the_beginning_of_its_id() -> None:
    other = "3f2a9c1e-1111-4000-8000-000000000002"
    with ledger_with(a_job(), a_job(other, 12)) as ledger:
        for name in (other, other[:-1], "3f2a9c1e-1"):
            found = ledger.jobs.find(name)
            assert found is not None and found.job.job_id == other
        assert ledger.jobs.find("3f2a9c1e") is None, "two begin so"
    with ledger_with(a_job()) as ledger:
        assert ledger.jobs.find("3f2a") is not None
        for name in ("3f2", "", "%%%%", "3f2b"):
            assert ledger.jobs.find(name) is None


def test_jobs_are_listed_by_state_newest_first_and_in_pages() -> None:
    ids = [numbered(number) for number in range(4)]
    with ledger_with(*(a_job(job_id, number + 1) for number, job_id in enumerate(ids))) as ledger:
        ledger.reports.apply(started(job_id=ids[1]))
        pending = ledger.jobs.list((JobState.PENDING,), 10)
        assert [view.job.job_id for view in pending] == [ids[3], ids[2], ids[0]]
        both = ledger.jobs.list((JobState.PENDING, JobState.PROCESSING), 3)
        assert [view.job.job_id for view in both] == [ids[3], ids[2], ids[1]]
        rest = ledger.jobs.list((JobState.PENDING, JobState.PROCESSING), 3, offset=3)
        assert [view.job.job_id for view in rest] == [ids[0]]
        assert ledger.jobs.list((), 10) == ()
        counts = {JobState.PENDING: 3, JobState.PROCESSING: 1}
        assert ledger.overview().jobs == dict.fromkeys(JobState, 0) | counts


def test_open_jobs_are_listed_in_their_turn() -> None:
    old, new, urgent, running, parked, due = (numbered(number) for number in range(6))
    clock = Clock()
    made = [
        a_job(job_id, number + 1, priority=Priority.URGENT if job_id == urgent else Priority.NORMAL)
        for number, job_id in enumerate((old, new, urgent, running, parked, due))
    ]
    with ledger_with(*made, clock=clock) as ledger:
        apply(ledger, started(job_id=running), started(job_id=parked), retrying(job_id=parked, delay=600))
        apply(ledger, started(job_id=due), retrying(job_id=due, delay=1))
        clock.now = NOON + timedelta(seconds=60)
        states = (JobState.PENDING, JobState.PROCESSING, JobState.RETRYING)

        def ids(limit: int, offset: int = 0, user_id: int | None = None) -> list[str]:
            views = ledger.jobs.list(states, limit, offset=offset, user_id=user_id, in_turn=True)
            return [view.job.job_id for view in views]

        assert ids(10) == ids(10, user_id=7) == [running, urgent, old, new, due, parked]
        assert ids(2, offset=3) == [new, due]
        assert ids(10, user_id=8) == []


def test_jobs_are_listed_by_curator() -> None:
    mine, theirs = a_job(numbered(1), 1), a_job(numbered(2), 2, user_id=8)
    with ledger_with(mine, theirs) as ledger:
        for user_id, expected in ((7, (mine,)), (8, (theirs,)), (9, ())):
            assert tuple(view.job for view in ledger.jobs.list(tuple(JobState), 10, user_id=user_id)) == expected


def test_the_notice_is_remembered(ledger: SqliteLedger) -> None:
    ledger.jobs.set_notice(ID, 99)
    assert apply(ledger, started()).notice_message_id == 99


# -- quiet -------------------------------------------------------------------------------------------------------


def quiet(ledger: SqliteLedger, seconds: float, limit: int = 10) -> list[str]:
    before = NOON + timedelta(seconds=seconds)
    return [view.job.job_id for view in ledger.jobs.quiet(before, limit)]


def test_open_jobs_that_are_published_and_unheard_of_are_quiet() -> None:
    clock = Clock()
    ids = [numbered(number) for number in range(5)]
    pending, running, over, unpublished, stopped = ids
    with ledger_with(*(a_job(job_id, number + 1) for number, job_id in enumerate(ids)), clock=clock) as ledger:
        ledger.outbox.mark_published([(job_id, 0) for job_id in ids if job_id is not unpublished])
        apply(ledger, started(job_id=running))
        apply(ledger, completed(job_id=over))
        accepted(order(ledger, JobCommand.CANCEL, stopped))
        clock.now = NOON + timedelta(minutes=10)
        assert quiet(ledger, 1) == []
        assert quiet(ledger, 300) == [running, pending]
        assert quiet(ledger, 300, limit=1) == [running], "however many wait, they hide no job that ran"
        apply(ledger, started(job_id=running))
        assert quiet(ledger, 300) == [pending], "it was heard of again"
        ledger.outbox.mark_published([(unpublished, 0)])
        assert quiet(ledger, 300) == [pending], "it has been in the queue for a moment only"
        assert quiet(ledger, 900) == [running, pending, unpublished]


def test_what_was_heard_by_a_clock_that_ran_ahead_is_quiet_when_it_is_set_back() -> None:
    clock = Clock(now=NOON + timedelta(days=1))
    with ledger_with(a_job(), clock=clock) as ledger:
        ledger.outbox.mark_published([(ID, 0)])
        apply(ledger, started())
        for back, expected in ((timedelta(minutes=4), []), (timedelta(hours=1), [ID])):
            clock.now = NOON + timedelta(days=1) - back
            before = clock.now - timedelta(minutes=5)
            assert [view.job.job_id for view in ledger.jobs.quiet(before, 10)] == expected


def test_a_job_that_waits_is_quiet_once_its_time_has_passed_too(ledger: SqliteLedger) -> None:
    ledger.outbox.mark_published([(ID, 0)])
    apply(ledger, started(), retrying(delay=600))
    assert quiet(ledger, 599) == []
    assert quiet(ledger, 601) == [ID]
