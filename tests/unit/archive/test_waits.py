"""What a job waited for, by clocks that need not agree: never less than nothing, never more than there was."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teltubby.archive.waits import Post, believed, waited
from teltubby.messages.jobs import JobState
from teltubby.messages.stages import Stage

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SECONDS = st.floats(0, 10**6)


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


POSTED = Post(posted_at=NOON, published_at=after(1))


@pytest.mark.parametrize(
    ("state", "post", "due", "began", "turn", "expected"),
    [
        (JobState.PENDING, POSTED, None, 30, 4, {Stage.OUTBOX: 1, Stage.QUEUE: 25}),
        (JobState.PENDING, Post(posted_at=NOON, published_at=None), None, 30, 0, {Stage.OUTBOX: 30, Stage.QUEUE: 0}),
        (
            JobState.PENDING,
            Post(posted_at=NOON, published_at=after(31)),
            None,
            30,
            0,
            {Stage.OUTBOX: 30, Stage.QUEUE: 0},
        ),
        (JobState.PENDING, POSTED, None, -9999, 0, {Stage.OUTBOX: 1, Stage.QUEUE: 31}),
        (JobState.PENDING, POSTED, None, 9999, 0, {Stage.OUTBOX: 1, Stage.QUEUE: 31}),
        (JobState.RETRYING, POSTED, 20, 30, 4, {Stage.PARKED: 20, Stage.QUEUE: 6}),
        (JobState.RETRYING, POSTED, 99, 30, 0, {Stage.PARKED: 30, Stage.QUEUE: 0}),
        (JobState.PENDING, None, None, 30, 0, {}),
        (JobState.RETRYING, POSTED, None, 30, 0, {}),
        (JobState.PROCESSING, POSTED, None, 30, 0, {}),
        (JobState.FAILED, POSTED, None, 30, 0, {}),
    ],
    ids=[
        *("as it should be", "not marked yet", "marked late", "a slow clock", "a fast clock", "parked", "taken early"),
        *("an older program's", "parked by one", "came again", "a retry in its stead"),
    ],
)
def test_what_is_known(
    state: JobState, post: Post | None, due: float | None, began: float, turn: float, expected: dict[Stage, float]
) -> None:
    due_at = None if due is None else after(due)
    known = waited(state, since=NOON, due_at=due_at, post=post, began=after(began), heard=after(32), turn=turn)
    assert known == expected


@given(
    state=st.sampled_from(JobState),
    published=st.none() | SECONDS,
    due=st.none() | SECONDS,
    began=st.floats(-(10**7), 10**7),
    heard=SECONDS,
    turn=SECONDS,
)
def test_the_clocks_make_no_time_and_lose_none_below_nothing(
    state: JobState, published: float | None, due: float | None, began: float, heard: float, turn: float
) -> None:
    post = Post(posted_at=NOON, published_at=None if published is None else after(published))
    due_at = None if due is None else after(due)
    known = waited(state, since=NOON, due_at=due_at, post=post, began=after(began), heard=after(heard), turn=turn)
    assert all(seconds >= 0 for seconds in known.values())
    assert sum(known.values()) <= heard + 0.001


@given(told=st.floats(-(10**7), 10**7), heard=st.floats(-100, 10**6))
def test_what_is_believed_is_possible(told: float, heard: float) -> None:
    moment = believed(after(told), since=NOON, heard=after(heard))
    assert NOON <= moment <= max(after(heard), NOON)
    assert moment == after(told) or not 0 <= told <= heard
