"""The states of a job: every state under every report and command, and reports that are late, repeated, shuffled."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teltubby.archive.lifecycle import JobCommand, after_command, next_state
from teltubby.messages.jobs import (
    JobCompleted,
    JobEvent,
    JobFailed,
    JobProgress,
    JobRetrying,
    JobStarted,
    JobState,
)
from teltubby.messages.media import Route

PENDING, PROCESSING, COMPLETED, FAILED, RETRYING, CANCELLED = (
    JobState.PENDING,
    JobState.PROCESSING,
    JobState.COMPLETED,
    JobState.FAILED,
    JobState.RETRYING,
    JobState.CANCELLED,
)
KINDS: tuple[type[JobEvent], ...] = (JobStarted, JobProgress, JobCompleted, JobRetrying, JobFailed)
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
    **{(state, JobProgress): (state, state, state) for state in JobState},
}
COMMANDED: dict[tuple[JobState, JobCommand], JobState | None] = {
    (PENDING, JobCommand.CANCEL): CANCELLED,
    (PROCESSING, JobCommand.CANCEL): CANCELLED,
    (RETRYING, JobCommand.CANCEL): CANCELLED,
    (COMPLETED, JobCommand.CANCEL): None,
    (FAILED, JobCommand.CANCEL): None,
    (CANCELLED, JobCommand.CANCEL): None,
    (PENDING, JobCommand.RETRY): None,
    (PROCESSING, JobCommand.RETRY): None,
    (RETRYING, JobCommand.RETRY): None,
    (COMPLETED, JobCommand.RETRY): None,
    (FAILED, JobCommand.RETRY): PENDING,
    (CANCELLED, JobCommand.RETRY): PENDING,
}


def report(kind: type[JobEvent], attempt: int) -> JobEvent:
    return kind(job_id="j", worker="w", attempt=attempt, at=MOMENT, **SPECIFIC[kind])


@pytest.mark.parametrize(("state", "kind", "age"), list(product(JobState, KINDS, (0, 1, 2))))
def test_every_state_under_every_report(state: JobState, kind: type[JobEvent], age: int) -> None:
    assert next_state(state, report(kind, 4 + age), known_attempt=5) is REPORTED[state, kind][age]


@pytest.mark.parametrize(("state", "command"), list(product(JobState, JobCommand)))
def test_every_state_under_every_command(state: JobState, command: JobCommand) -> None:
    assert after_command(state, command) is COMMANDED[state, command]


def run(events: list[JobEvent], state: JobState = PENDING, known: int = 0) -> tuple[JobState, int]:
    for event in events:
        state, known = next_state(state, event, known_attempt=known), max(known, event.attempt)
    return state, known


@pytest.mark.parametrize(
    ("story", "expected"),
    [
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
