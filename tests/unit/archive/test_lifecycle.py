"""The states of a job: every state under every report and command, reports late, repeated, shuffled; new messages."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teltubby.archive.lifecycle import after_command, new_message, next_state
from teltubby.messages.jobs import (
    FileInfo,
    Job,
    JobCancelled,
    JobCommand,
    JobCompleted,
    JobEvent,
    JobFailed,
    JobMetadata,
    JobProgress,
    JobRetrying,
    JobStarted,
    JobState,
    Priority,
    Target,
    TelegramContext,
)
from teltubby.messages.media import MediaKind, Route

PENDING, PROCESSING, COMPLETED, FAILED, RETRYING, CANCELLED = (
    JobState.PENDING,
    JobState.PROCESSING,
    JobState.COMPLETED,
    JobState.FAILED,
    JobState.RETRYING,
    JobState.CANCELLED,
)
KINDS: tuple[type[JobEvent], ...] = (JobStarted, JobProgress, JobCompleted, JobRetrying, JobFailed, JobCancelled)
SPECIFIC: dict[type[JobEvent], dict[str, Any]] = {
    JobStarted: {},
    JobProgress: {"downloaded_bytes": 1, "uploaded_bytes": 0, "total_bytes": 2, "bytes_per_second": 1.0},
    JobCompleted: {
        "key": "teltubby/k",
        "size_bytes": 2,
        "sha256": "0" * 64,
        "route": Route.MTPROTO_BOT,
        "seconds": 1.0,
    },
    JobRetrying: {"reason": "no answer", "delay_seconds": 60.0},
    JobFailed: {"reason": "gone"},
    JobCancelled: {},
}
MOMENT = datetime(2025, 1, 27, tzinfo=UTC)

# state, report → where it leads when the report's attempt is older than, the same as, newer than the newest known.
REPORTED: dict[tuple[JobState, type[JobEvent]], tuple[JobState, JobState, JobState]] = {
    (PENDING, JobStarted): (PENDING, PENDING, PROCESSING),
    (PENDING, JobRetrying): (PENDING, PENDING, RETRYING),
    (PENDING, JobFailed): (PENDING, PENDING, FAILED),
    (PROCESSING, JobStarted): (PROCESSING, PROCESSING, PROCESSING),
    (PROCESSING, JobRetrying): (PROCESSING, RETRYING, RETRYING),
    (PROCESSING, JobFailed): (PROCESSING, FAILED, FAILED),
    (RETRYING, JobStarted): (RETRYING, RETRYING, PROCESSING),
    (RETRYING, JobRetrying): (RETRYING, RETRYING, RETRYING),
    (RETRYING, JobFailed): (RETRYING, FAILED, FAILED),
    (FAILED, JobStarted): (FAILED, FAILED, PROCESSING),
    (FAILED, JobRetrying): (FAILED, FAILED, RETRYING),
    (FAILED, JobFailed): (FAILED, FAILED, FAILED),
    **{(CANCELLED, kind): (CANCELLED, CANCELLED, CANCELLED) for kind in (JobStarted, JobRetrying, JobFailed)},
    **{(COMPLETED, kind): (COMPLETED, COMPLETED, COMPLETED) for kind in (JobStarted, JobRetrying, JobFailed)},
    **{(state, JobCompleted): (COMPLETED, COMPLETED, COMPLETED) for state in JobState},
    **{(state, kind): (state, state, state) for state in JobState for kind in (JobProgress, JobCancelled)},
}
CANCEL, RETRY, PRIORITISE, REVIVE = JobCommand.CANCEL, JobCommand.RETRY, JobCommand.PRIORITISE, JobCommand.REVIVE
COMMANDED: dict[JobState, dict[JobCommand, JobState]] = {
    PENDING: {CANCEL: CANCELLED, PRIORITISE: PENDING, REVIVE: PENDING},
    PROCESSING: {CANCEL: CANCELLED, REVIVE: PENDING},
    RETRYING: {CANCEL: CANCELLED, PRIORITISE: PENDING, REVIVE: PENDING},
    FAILED: {RETRY: PENDING},
    CANCELLED: {RETRY: PENDING},
    COMPLETED: {},
}
"""What is not here is refused."""


def report(kind: type[JobEvent], attempt: int) -> JobEvent:
    return kind(job_id="j", worker="w", attempt=attempt, at=MOMENT, **SPECIFIC[kind])


@pytest.mark.parametrize(("state", "kind", "age"), list(product(JobState, KINDS, (0, 1, 2))))
def test_every_state_under_every_report(state: JobState, kind: type[JobEvent], age: int) -> None:
    assert next_state(state, report(kind, 4 + age), known_attempt=5) is REPORTED[state, kind][age]


@pytest.mark.parametrize(("state", "command"), list(product(JobState, JobCommand)))
def test_every_state_under_every_command(state: JobState, command: JobCommand) -> None:
    assert after_command(state, command) is COMMANDED[state].get(command)


def run(events: list[JobEvent], state: JobState = PENDING, known: int = 0) -> tuple[JobState, int]:
    for event in events:
        state, known = next_state(state, event, known_attempt=known), max(known, event.attempt)
    return state, known


@pytest.mark.parametrize(
    ("story", "expected"),
    [
        ([(JobStarted, 1), (JobCancelled, 1)], PROCESSING),
        ([(JobStarted, 1), (JobProgress, 1), (JobCompleted, 1)], COMPLETED),
        ([(JobStarted, 1), (JobRetrying, 1), (JobStarted, 2), (JobCompleted, 2)], COMPLETED),
        ([(JobStarted, 1), (JobRetrying, 1)], RETRYING),
        ([(JobStarted, 1), (JobRetrying, 1), (JobStarted, 2), (JobFailed, 2)], FAILED),
        ([(JobStarted, 1), (JobStarted, 1)], PROCESSING),
        ([(JobStarted, 1), (JobRetrying, 1), (JobStarted, 1)], RETRYING),
        ([(JobStarted, 2), (JobRetrying, 1)], PROCESSING),
        ([(JobFailed, 1), (JobStarted, 1)], FAILED),
        ([(JobRetrying, 1), (JobStarted, 2), (JobStarted, 1), (JobRetrying, 1)], PROCESSING),
        ([(JobProgress, 1)], PENDING),
        ([(JobCompleted, 1), (JobStarted, 2), (JobFailed, 3)], COMPLETED),
    ],
)
def test_stories(story: list[tuple[type[JobEvent], int]], expected: JobState) -> None:
    assert run([report(kind, attempt) for kind, attempt in story])[0] is expected


def test_a_retried_job_ignores_what_its_earlier_attempts_still_report() -> None:
    state, known = run([report(JobStarted, 1), report(JobFailed, 1)])
    again = after_command(state, JobCommand.RETRY)
    assert again is PENDING
    assert run([report(JobStarted, 1), report(JobFailed, 1)], again, known)[0] is PENDING
    assert run([report(JobStarted, 2)], again, known)[0] is PROCESSING


EVENTS = st.builds(report, st.sampled_from(KINDS), st.integers(1, 4))


@given(st.lists(EVENTS, max_size=12), st.data())
def test_repeating_what_was_reported_changes_nothing_that_is_settled(
    events: list[JobEvent], data: st.DataObject
) -> None:
    state, known = run(events)
    if not events:
        return
    repeated = data.draw(st.sampled_from(events))
    after = next_state(state, repeated, known_attempt=known)
    if repeated.attempt < known and not isinstance(repeated, JobCompleted):
        assert after is state
    if state in (COMPLETED, FAILED):
        assert after is state
    assert (after is PROCESSING) <= (state is PROCESSING)


@given(st.lists(EVENTS, max_size=12), st.lists(EVENTS, max_size=12))
def test_a_completed_job_stays_completed(before: list[JobEvent], after: list[JobEvent]) -> None:
    assert run([*before, report(JobCompleted, 1), *after])[0] is COMPLETED


@given(st.lists(EVENTS.filter(lambda event: not isinstance(event, JobCompleted)), max_size=12))
def test_a_cancelled_job_stays_cancelled_until_its_file_is_there(events: list[JobEvent]) -> None:
    assert run(events, CANCELLED)[0] is CANCELLED


# -- new messages ------------------------------------------------------------------------------------------------

JOB = Job(
    job_id="3f2a9c1e-0000-4000-8000-000000000001",
    user_id=7,
    chat_id=7,
    message_id=11,
    file_info=FileInfo(file_id="f", file_unique_id="u", file_size=9, file_type=MediaKind.VIDEO),
    telegram_context=TelegramContext(),
    job_metadata=JobMetadata(created_at=MOMENT),
    target=Target(key="teltubby/k"),
)


def attempt_of(job: Job) -> int:
    return job.job_metadata.retry_count + job.job_metadata.times_parked + 1


@given(
    st.sampled_from([RETRY, PRIORITISE, REVIVE]),
    st.booleans(),
    st.integers(0, 4),
    st.integers(0, 9),
    st.integers(0, 3),
    st.integers(0, 9),
    st.sampled_from([None, *Priority]),
)
def test_a_new_message_voids_the_old_one_and_counts_on(
    command: JobCommand, running: bool, tries: int, parked: int, limit: int, ahead: int, priority: Priority | None
) -> None:
    metadata = JobMetadata(created_at=MOMENT, retry_count=tries, times_parked=parked, max_retries=limit, ticket=4)
    job = replace(JOB, job_metadata=metadata)
    known = tries + parked + ahead
    new = new_message(job, command, running=running, known_attempt=known, priority=priority)
    assert new.job_metadata.ticket == 5
    assert new.job_metadata.priority is (priority or Priority.NORMAL)
    assert attempt_of(new) > known, "its reports are told from those of all that are known"
    if running and command is REVIVE:
        assert tries <= new.job_metadata.retry_count <= max(limit, tries)
    elif command is RETRY:
        assert new.job_metadata.retry_count == 0
    else:
        assert new.job_metadata.retry_count == tries
    assert replace(new, job_metadata=metadata) == job, "nothing else changes"


def test_a_job_that_keeps_ending_its_workers_runs_out_of_tries() -> None:
    job, spent = JOB, []
    for known in range(1, 6):
        job = new_message(job, REVIVE, running=True, known_attempt=known)
        spent.append(job.job_metadata.retry_count)
        assert attempt_of(job) == known + 1
    assert spent == [1, 2, 3, 3, 3]
