"""Whose turn it is: every state of a job under every question, and what holds for all of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teltubby.archive.turns import lost_runs, turn_of
from teltubby.messages.history import Attempt, Command, JobHistory
from teltubby.messages.jobs import JobState
from teltubby.messages.ledger_jobs import JobView
from teltubby.messages.questions import Turn, TurnAsked
from tests.actors.stage import large_job
from tests.virtual_time import BEGINNING

OPEN = (JobState.PENDING, JobState.PROCESSING, JobState.RETRYING)
JOB = large_job()

TICKETS = st.integers(0, 4)
ATTEMPTS = st.integers(1, 5)
WORKERS = st.sampled_from(["one", "two", None])
ALIVE = st.sampled_from([True, False, None])


def view(state: JobState, *, ticket: int = 0, attempt: int = 0, worker: str | None = None) -> JobView:
    """The job as the ledger knows it."""
    return JobView(
        job=replace(JOB, job_metadata=replace(JOB.job_metadata, ticket=ticket)),
        state=state,
        previous=state,
        changed=False,
        attempt=attempt,
        last_error=None,
        notice_message_id=None,
        created_at=BEGINNING,
        updated_at=BEGINNING,
        submission_chat_id=7,
        submission_message_id=1,
        worker=worker,
    )


def asked(*, ticket: int = 0, attempt: int = 1, worker: str = "one") -> TurnAsked:
    return TurnAsked(job_id=JOB.job_id, ticket=ticket, attempt=attempt, worker=worker)


VIEWS = st.builds(
    lambda state, ticket, attempt, worker: view(state, ticket=ticket, attempt=attempt, worker=worker),
    st.sampled_from(JobState),
    TICKETS,
    ATTEMPTS,
    WORKERS,
)
QUESTIONS = st.builds(lambda ticket, attempt: asked(ticket=ticket, attempt=attempt), TICKETS, ATTEMPTS)


@given(asked=QUESTIONS, alive=ALIVE)
def test_a_job_that_nobody_knows_is_nobodys(asked: TurnAsked, alive: bool | None) -> None:
    assert turn_of(None, asked, alive) is Turn.UNKNOWN


@given(known=VIEWS, asked=QUESTIONS, alive=ALIVE)
def test_what_the_state_alone_decides(known: JobView, asked: TurnAsked, alive: bool | None) -> None:
    turn = turn_of(known, asked, alive)
    assert (turn is Turn.CANCELLED) == (known.state is JobState.CANCELLED)
    assert turn is not Turn.UNKNOWN
    if known.state is JobState.COMPLETED:
        assert turn is Turn.OVER
    if known.state in OPEN:
        older = asked.ticket < known.job.job_metadata.ticket
        assert (turn is Turn.SUPERSEDED) == older
        assert older or turn in (Turn.GO, Turn.WAIT)


@given(known=VIEWS, asked=QUESTIONS)
def test_signs_of_life_only_ever_delay(known: JobView, asked: TurnAsked) -> None:
    """Who is alive decides between now and later, never whether the message is good."""
    quiet, lively, unknown = (turn_of(known, asked, alive) for alive in (False, True, None))
    assert quiet is not Turn.WAIT
    assert lively is (Turn.WAIT if quiet is Turn.GO else quiet)
    assert unknown in (quiet, lively)


@pytest.mark.parametrize(
    ("state", "worker", "turn"),
    [
        (JobState.PROCESSING, "two", Turn.WAIT),
        (JobState.PROCESSING, None, Turn.WAIT),
        (JobState.PROCESSING, "one", Turn.GO),
        (JobState.PENDING, None, Turn.GO),
        (JobState.RETRYING, "two", Turn.GO),
    ],
)
def test_while_nobody_can_tell_the_ledger_is_believed(state: JobState, worker: str | None, turn: Turn) -> None:
    assert turn_of(view(state, attempt=1, worker=worker), asked(worker="one"), None) is turn


@pytest.mark.parametrize(("attempt", "turn"), [(2, Turn.OVER), (3, Turn.OVER), (4, Turn.GO)])
def test_a_failed_job_is_over_but_for_a_later_attempt(attempt: int, turn: Turn) -> None:
    assert turn_of(view(JobState.FAILED, attempt=3), asked(attempt=attempt), False) is turn


def test_an_older_message_of_a_failed_job_is_void_whatever_its_attempt() -> None:
    assert turn_of(view(JobState.FAILED, ticket=1, attempt=3), asked(ticket=0, attempt=9), False) is Turn.OVER


def run(attempt: int, success: bool | None) -> Attempt:
    """One attempt, begun so many minutes after the beginning."""
    return Attempt(
        attempt=attempt,
        started_at=BEGINNING + timedelta(minutes=attempt),
        finished_at=None,
        success=success,
        error=None,
        worker="w",
        transferred_bytes=None,
        seconds=None,
        route=None,
    )


def command(kind: str, minutes: float, *, accepted: bool = True) -> Command:
    return Command(at=BEGINNING + timedelta(minutes=minutes), user_id=7, command=kind, accepted=accepted, detail=None)


@pytest.mark.parametrize(
    ("commands", "lost"),
    [
        ((), 3),
        ((command("retry", 2.5),), 1),
        ((command("retry", 1.5), command("retry", 9, accepted=False)), 2),
        ((command("priority", 9), command("cancel", 9)), 3),
    ],
)
def test_runs_are_lost_when_they_never_ended_since_the_last_retry(commands: tuple[Command, ...], lost: int) -> None:
    runs = [run(1, None), run(2, None), run(3, False), run(4, None), run(5, True), run(6, None), run(7, None)]
    history = JobHistory(
        job=JOB,
        state=JobState.PROCESSING,
        created_at=BEGINNING,
        transitions=(),
        attempts=tuple(runs),
        commands=commands,
    )
    same, another = (replace(asked(attempt=6), worker=worker) for worker in (runs[5].worker or "", "another"))
    assert lost_runs(history, same) == lost
    assert lost_runs(history, another) == lost + 1, "a message that came again to another worker"
