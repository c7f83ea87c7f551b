"""Jobs in the ledger: what events do to them, how they are found, and what is kept of their history."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teltubby.adapters.sqlite_ledger import SqliteLedger
from teltubby.messages.jobs import (
    FileInfo,
    Job,
    JobCompleted,
    JobEvent,
    JobFailed,
    JobMetadata,
    JobProgress,
    JobRetrying,
    JobStarted,
    JobState,
    Target,
    TelegramContext,
)
from teltubby.messages.ledger import JobView, Submit
from teltubby.messages.media import MediaKind, Route

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
ID = "3f2a9c1e-0000-4000-8000-000000000001"


def a_job(job_id: str = ID, message_id: int = 11) -> Job:
    return Job(
        job_id=job_id,
        user_id=7,
        chat_id=7,
        message_id=message_id,
        file_info=FileInfo(file_id="f", file_unique_id="u", file_size=10**9, file_type=MediaKind.VIDEO),
        telegram_context=TelegramContext(),
        job_metadata=JobMetadata(created_at=NOON),
        target=Target(key="teltubby/x.mp4"),
    )


@contextmanager
def ledger_with(*jobs: Job) -> Iterator[SqliteLedger]:
    ticks = iter(range(10**6))
    with TemporaryDirectory() as folder:
        ledger = SqliteLedger.open(Path(folder) / "l.db", clock=lambda: NOON + timedelta(seconds=next(ticks)))
        with closing(ledger):
            for job in jobs:
                handed_in = Submit(
                    chat_id=7,
                    message_id=job.message_id,
                    media_group_id=None,
                    base_path="teltubby/2026/11/anna/11/",
                    artifact_json="{}",
                    jobs=(job,),
                    member_message_ids=(job.message_id,),
                )
                ledger.submissions.submit(handed_in)
            yield ledger


@pytest.fixture
def ledger() -> Iterator[SqliteLedger]:
    with ledger_with(a_job()) as ledger:
        yield ledger


def started(attempt: int = 1, job_id: str = ID) -> JobStarted:
    return JobStarted(job_id=job_id, worker="w", attempt=attempt, at=NOON)


def completed(attempt: int = 1) -> JobCompleted:
    return JobCompleted(
        job_id=ID,
        worker="w",
        attempt=attempt,
        at=NOON,
        key="teltubby/x.mp4",
        size_bytes=10**9,
        sha256="a" * 64,
        route=Route.MTPROTO_BOT,
        seconds=9.0,
    )


def retrying(attempt: int = 1) -> JobRetrying:
    return JobRetrying(job_id=ID, worker="w", attempt=attempt, at=NOON, reason="a timeout", delay_seconds=60)


def failed(attempt: int = 1) -> JobFailed:
    return JobFailed(job_id=ID, worker="w", attempt=attempt, at=NOON, reason="the file is gone")


def progress(attempt: int = 1, job_id: str = ID) -> JobProgress:
    return JobProgress(
        job_id=job_id,
        worker="w",
        attempt=attempt,
        at=NOON,
        downloaded_bytes=5,
        uploaded_bytes=1,
        total_bytes=9,
        bytes_per_second=1.0,
    )


def apply(ledger: SqliteLedger, event: JobEvent) -> JobView:
    view = ledger.jobs.apply(event)
    assert view is not None
    return view


def moves(ledger: SqliteLedger) -> list[tuple[str | None, str]]:
    return [(row["from_state"], row["to_state"]) for row in ledger.file.read("SELECT * FROM transitions ORDER BY id")]


def test_a_job_goes_its_way_and_every_step_is_kept(ledger: SqliteLedger) -> None:
    view = apply(ledger, started())
    assert (view.previous, view.state, view.changed, view.attempt) == (JobState.PENDING, JobState.PROCESSING, True, 1)
    view = apply(ledger, retrying())
    assert (view.state, view.last_error) == (JobState.RETRYING, "a timeout")
    assert apply(ledger, started(2)).attempt == 2
    view = apply(ledger, completed(2))
    assert (view.state, view.changed, view.last_error) == (JobState.COMPLETED, True, None)
    assert view.job == a_job()
    assert (view.submission_chat_id, view.submission_message_id) == (7, 11)
    assert view.updated_at > view.created_at
    assert [to for _, to in moves(ledger)] == ["PENDING", "PROCESSING", "RETRYING", "PROCESSING", "COMPLETED"]
    attempts = ledger.file.read("SELECT attempt, success, error, finished_at FROM job_attempts ORDER BY id")
    assert [tuple(row) for row in attempts] == [
        (1, 0, "a timeout", "2026-11-20T12:00:00.000000Z"),
        (2, 1, None, "2026-11-20T12:00:00.000000Z"),
    ]


def test_a_failure_has_its_reason(ledger: SqliteLedger) -> None:
    apply(ledger, started())
    view = apply(ledger, failed())
    assert (view.state, view.last_error) == (JobState.FAILED, "the file is gone")


@pytest.mark.parametrize("late", [started(), retrying()])
def test_news_of_an_attempt_that_ended_comes_too_late(ledger: SqliteLedger, late: JobEvent) -> None:
    for event in (started(), retrying()):
        apply(ledger, event)
    assert not apply(ledger, late).changed
    apply(ledger, started(2))
    view = apply(ledger, late)
    assert (view.state, view.changed, view.attempt) == (JobState.PROCESSING, False, 2)


def test_a_file_that_is_in_the_store_is_never_too_late(ledger: SqliteLedger) -> None:
    """The broker may hand a job to a second worker while the first still works on it."""
    apply(ledger, started(1))
    apply(ledger, started(2))
    assert apply(ledger, completed(1)).state is JobState.COMPLETED
    assert not apply(ledger, failed(2)).changed


def test_a_job_that_is_over_keeps_its_end(ledger: SqliteLedger) -> None:
    apply(ledger, started(1))
    apply(ledger, completed(1))
    view = apply(ledger, failed(2))
    assert (view.state, view.last_error, view.attempt) == (JobState.COMPLETED, None, 2)
    assert [row["worker"] for row in ledger.file.read("SELECT worker FROM jobs")] == ["w"]


def test_progress_is_answered_but_not_written(ledger: SqliteLedger) -> None:
    apply(ledger, started())
    before = ledger.file.db.conn.total_changes
    view = apply(ledger, progress())
    assert (view.state, view.changed) == (JobState.PROCESSING, False)
    assert ledger.file.db.conn.total_changes == before


def test_an_unknown_job_is_none(ledger: SqliteLedger) -> None:
    assert ledger.jobs.apply(started(job_id="nobody")) is None
    assert ledger.jobs.apply(progress(job_id="nobody")) is None
    assert ledger.file.read("SELECT * FROM job_attempts") == []


BACKWARDS = {
    (JobState.PROCESSING, JobState.PENDING),
    (JobState.RETRYING, JobState.PROCESSING),
    (JobState.RETRYING, JobState.PENDING),
    (JobState.FAILED, JobState.PROCESSING),
    (JobState.FAILED, JobState.RETRYING),
    (JobState.FAILED, JobState.PENDING),
}
events = st.builds(
    lambda make, attempt: make(attempt),
    st.sampled_from([started, completed, retrying, failed, progress]),
    st.integers(1, 4),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(events, max_size=12))
def test_no_sequence_of_events_moves_a_job_backwards(reports: list[JobEvent]) -> None:
    with ledger_with(a_job()) as ledger:
        view = ledger.jobs.find(ID)
        assert view is not None
        for report in reports:
            before, view = view, apply(ledger, report)
            assert view.previous is before.state
            assert view.changed == (view.state is not before.state)
            assert view.attempt >= before.attempt
            if before.state is JobState.COMPLETED:
                assert view.state is JobState.COMPLETED
            if view.changed and report.attempt <= before.attempt:
                assert (before.state, view.state) not in BACKWARDS
            again = apply(ledger, report)
            assert (again.changed, again.state, again.attempt) == (False, view.state, view.attempt)
        path = moves(ledger)
        assert [source for source, _ in path[1:]] == [target for _, target in path[:-1]]
        assert path[-1][1] == view.state


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


def test_jobs_are_listed_by_state_newest_first() -> None:
    ids = [f"{number:08}-0000-4000-8000-000000000000" for number in range(4)]
    with ledger_with(*(a_job(job_id, number + 1) for number, job_id in enumerate(ids))) as ledger:
        ledger.jobs.apply(started(job_id=ids[1]))
        pending = ledger.jobs.list((JobState.PENDING,), 10)
        assert [view.job.job_id for view in pending] == [ids[3], ids[2], ids[0]]
        both = ledger.jobs.list((JobState.PENDING, JobState.PROCESSING), 3)
        assert [view.job.job_id for view in both] == [ids[3], ids[2], ids[1]]
        assert ledger.jobs.list((), 10) == ()
        counts = {JobState.PENDING: 3, JobState.PROCESSING: 1}
        assert ledger.overview().jobs == dict.fromkeys(JobState, 0) | counts


def test_the_notice_is_remembered(ledger: SqliteLedger) -> None:
    ledger.jobs.set_notice(ID, 99)
    assert apply(ledger, started()).notice_message_id == 99
