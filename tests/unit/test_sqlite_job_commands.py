"""Commands to jobs: what each does in each state, and the audit trail."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from teltubby.adapters.sqlite_ledger import SqliteLedger
from teltubby.messages.jobs import JobCommand, JobEvent, JobState, Priority
from tests.unit.ledger_samples import (
    ID,
    a_job,
    accepted,
    apply,
    cancelled,
    completed,
    failed,
    ledger_with,
    moves,
    order,
    retrying,
    started,
)

CANCEL, RETRY, PRIORITISE, REVIVE = JobCommand.CANCEL, JobCommand.RETRY, JobCommand.PRIORITISE, JobCommand.REVIVE


@pytest.fixture
def ledger() -> Iterator[SqliteLedger]:
    with ledger_with(a_job()) as ledger:
        yield ledger


def trail(ledger: SqliteLedger) -> list[tuple[object, ...]]:
    rows = ledger.file.read("SELECT user_id, command, job_id, accepted, detail FROM commands ORDER BY id")
    return [tuple(row) for row in rows]


@pytest.mark.parametrize("reports", [(), (started(),), (started(), retrying())])
def test_what_is_neither_over_nor_failed_can_be_cancelled(ledger: SqliteLedger, reports: tuple[JobEvent, ...]) -> None:
    for report in reports:
        apply(ledger, report)
    before = ledger.jobs.find(ID)
    assert before is not None
    view = accepted(order(ledger, CANCEL, reason="not needed"))
    assert (view.state, view.previous, view.changed) == (JobState.CANCELLED, before.state, True)
    assert (view.last_error, view.due_at, view.worker) == ("not needed", None, before.worker)
    (ended,) = ledger.file.read("SELECT finished_at, updated_at FROM jobs")
    assert ended["finished_at"] == ended["updated_at"]
    assert moves(ledger)[-1] == (before.state, JobState.CANCELLED)
    again = order(ledger, CANCEL)
    assert not again.accepted and again.view is not None and again.view.state is JobState.CANCELLED


def test_a_retry_gives_all_tries_again_and_counts_attempts_on(ledger: SqliteLedger) -> None:
    apply(ledger, started(), retrying(), started(2), failed(2))
    view = accepted(order(ledger, RETRY))
    assert (view.state, view.previous, view.published) == (JobState.PENDING, JobState.FAILED, False)
    assert (view.last_error, view.worker) == (None, None)
    metadata = view.job.job_metadata
    assert (metadata.ticket, metadata.retry_count, metadata.times_parked) == (1, 0, 2)
    assert ledger.outbox.pending(5) == (view.job,)
    assert apply(ledger, started(2), failed(2)).state is JobState.PENDING, "that was before"
    assert apply(ledger, started(3), completed(3)).state is JobState.COMPLETED
    assert not order(ledger, RETRY).accepted


def test_a_cancelled_job_can_be_retried(ledger: SqliteLedger) -> None:
    apply(ledger, started())
    accepted(order(ledger, CANCEL))
    apply(ledger, cancelled())
    assert accepted(order(ledger, RETRY)).state is JobState.PENDING
    (ended,) = ledger.file.read("SELECT finished_at FROM jobs")
    assert ended["finished_at"] is None


@pytest.mark.parametrize("reports", [(), (started(),), (started(), retrying()), (completed(),)])
def test_what_is_under_way_or_done_cannot_be_retried(ledger: SqliteLedger, reports: tuple[JobEvent, ...]) -> None:
    for report in reports:
        apply(ledger, report)
    stands = ledger.jobs.find(ID)
    assert stands is not None
    answer = order(ledger, RETRY)
    assert not answer.accepted and answer.view == stands
    assert trail(ledger) == [(7, "retry", ID, 0, f"the job is {stands.state}")]


def test_a_priority_is_in_the_message_and_in_the_row(ledger: SqliteLedger) -> None:
    ledger.outbox.mark_published([(ID, 0)])
    view = accepted(order(ledger, PRIORITISE, priority=Priority.HIGH))
    assert (view.state, view.changed, view.published) == (JobState.PENDING, False, False)
    assert (view.job.job_metadata.priority, view.job.job_metadata.ticket) == (Priority.HIGH, 1)
    assert [tuple(row) for row in ledger.file.read("SELECT priority, ticket FROM jobs")] == [("high", 1)]
    assert moves(ledger) == [(None, JobState.PENDING)], "it moved nowhere"
    kept = accepted(order(ledger, REVIVE, user_id=None))
    assert kept.job.job_metadata.priority is Priority.HIGH


def test_a_job_that_is_queued_so_keeps_its_place(ledger: SqliteLedger) -> None:
    ledger.outbox.mark_published([(ID, 0)])
    view = accepted(order(ledger, PRIORITISE, priority=Priority.NORMAL))
    assert (view.job.job_metadata.ticket, view.published) == (0, True)


def test_a_job_that_waits_for_its_next_attempt_is_queued_at_once(ledger: SqliteLedger) -> None:
    apply(ledger, started(), retrying())
    view = accepted(order(ledger, PRIORITISE, priority=Priority.URGENT))
    assert (view.state, view.due_at, view.job.job_metadata.ticket) == (JobState.PENDING, None, 1)
    assert view.job.job_metadata.times_parked == 1, "attempt 2 is next"
    assert apply(ledger, started(2)).state is JobState.PROCESSING


@pytest.mark.parametrize("report", [started(), failed(), completed()])
def test_a_job_that_runs_or_ended_has_no_priority(ledger: SqliteLedger, report: JobEvent) -> None:
    apply(ledger, report)
    assert not order(ledger, PRIORITISE, priority=Priority.HIGH).accepted


def test_a_priority_has_to_be_named(ledger: SqliteLedger) -> None:
    assert not order(ledger, PRIORITISE).accepted
    assert trail(ledger) == [(7, "prioritise", ID, 0, "no priority was named")]


def test_a_revived_job_spends_a_try_only_if_it_ran(ledger: SqliteLedger) -> None:
    view = accepted(order(ledger, REVIVE, user_id=None, reason="its message vanished"))
    assert view.job.job_metadata.retry_count == 0
    apply(ledger, started())
    view = accepted(order(ledger, REVIVE, user_id=None, reason="no sign of life"))
    assert (view.state, view.previous, view.last_error) == (JobState.PENDING, JobState.PROCESSING, "no sign of life")
    metadata = view.job.job_metadata
    assert (metadata.ticket, metadata.retry_count, metadata.times_parked) == (2, 1, 0)
    assert moves(ledger)[-1] == (JobState.PROCESSING, JobState.PENDING)
    assert [row[:2] for row in trail(ledger)] == [(None, "revive"), (None, "revive")]


def test_a_command_for_an_older_message_is_refused(ledger: SqliteLedger) -> None:
    accepted(order(ledger, REVIVE, user_id=None, ticket=0))
    assert not order(ledger, REVIVE, user_id=None, ticket=0).accepted
    assert trail(ledger)[-1] == (None, "revive", ID, 0, "message 0 is void, 1 is the newest")
    accepted(order(ledger, REVIVE, user_id=None, ticket=1))


def test_every_command_is_in_the_audit_trail(ledger: SqliteLedger) -> None:
    accepted(order(ledger, PRIORITISE, ID[:4], priority=Priority.HIGH))
    accepted(order(ledger, CANCEL, user_id=8, reason="by button"))
    order(ledger, RETRY, "nobody's", user_id=9)
    order(ledger, CANCEL, "x" * 4000)
    order(ledger, CANCEL, "")
    assert trail(ledger) == [
        (7, "prioritise", ID, 1, "high"),
        (8, "cancel", ID, 1, "by button"),
        (9, "retry", "nobody's", 0, "no job has this id"),
        (7, "cancel", "x" * 64, 0, "no job has this id"),
        (7, "cancel", "", 0, "no job has this id"),
    ]


def test_an_id_that_begins_several_commands_none() -> None:
    with ledger_with(a_job(), a_job("3f2a9c1e-1111-4000-8000-000000000002", 12)) as ledger:
        answer = order(ledger, CANCEL, "3f2a9c1e")
        assert (answer.view, answer.accepted) == (None, False)
        assert trail(ledger)[0][3:] == (0, "several ids begin so")
        assert ledger.overview().jobs[JobState.PENDING] == 2


def test_who_commanded_is_in_the_history_of_the_job(ledger: SqliteLedger) -> None:
    accepted(order(ledger, CANCEL, user_id=8, reason="by button"))
    (row,) = ledger.file.read("SELECT user_id, worker, reason FROM transitions WHERE to_state = 'CANCELLED'")
    assert tuple(row) == (8, None, "by button")
