"""Laws of a job's life, whatever is reported and commanded in whatever order: repeated, late, by two workers."""

from __future__ import annotations

from contextlib import ExitStack

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from teltubby.messages.jobs import JobCommand, JobCompleted, JobEvent, JobState, Priority
from teltubby.messages.ledger_jobs import JobView
from tests.unit.ledger_samples import (
    ID,
    a_job,
    apply,
    cancelled,
    completed,
    failed,
    ledger_with,
    order,
    progress,
    retrying,
    started,
)

REPORTS = st.builds(
    lambda make, attempt, worker: make(attempt, worker=worker),
    st.sampled_from([started, retrying, failed, completed, cancelled, progress]),
    st.integers(1, 5),
    st.sampled_from(["ada", "bob"]),
)
BACKWARDS = {
    (JobState.PROCESSING, JobState.PENDING),
    (JobState.RETRYING, JobState.PROCESSING),
    (JobState.RETRYING, JobState.PENDING),
    (JobState.FAILED, JobState.PROCESSING),
    (JobState.FAILED, JobState.RETRYING),
    (JobState.FAILED, JobState.PENDING),
}
OVER = (JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED)


class Life(RuleBasedStateMachine):
    """One job in a real ledger."""

    @initialize()
    def hand_in(self) -> None:
        self._open = ExitStack()
        self._ledger = self._open.enter_context(ledger_with(a_job()))
        self._ledger.file.db.conn.execute("PRAGMA synchronous=OFF")  # no power is lost here
        self._commands = 0
        self._newest = 0
        """The newest attempt that any report named."""
        self._view = self._stands()

    def _stands(self) -> JobView:
        view = self._ledger.jobs.find(ID)
        assert view is not None
        return view

    def _moved(self, after: JobView) -> JobView:
        before, self._view = self._view, after
        assert after.previous is before.state
        assert after.changed == (after.state is not before.state)
        assert after.attempt >= before.attempt
        assert after.job.job_metadata.ticket >= before.job.job_metadata.ticket
        if before.state is JobState.COMPLETED:
            assert after.state is JobState.COMPLETED
        return before

    @rule(report=REPORTS)
    def report(self, report: JobEvent) -> None:
        before = self._moved(apply(self._ledger, report))
        after = self._view
        if type(report) is not type(progress()):
            self._newest = max(self._newest, report.attempt)
        assert after.attempt == self._newest
        assert after.job == before.job, "a report writes no message"
        if isinstance(report, JobCompleted):
            assert after.state is JobState.COMPLETED
        elif before.state is JobState.CANCELLED:
            assert after.state is JobState.CANCELLED
        if after.changed and report.attempt <= before.attempt:
            assert (before.state, after.state) not in BACKWARDS
        again = apply(self._ledger, report)
        assert (again.changed, again.state, again.attempt, again.due_at, again.worker) == (
            False,
            after.state,
            after.attempt,
            after.due_at,
            after.worker,
        )

    @rule(
        command=st.sampled_from(JobCommand),
        priority=st.sampled_from([None, *Priority]),
        stale=st.sampled_from([None, 0, -1, 1]),
    )
    def command(self, command: JobCommand, priority: Priority | None, stale: int | None) -> None:
        newest = self._view.job.job_metadata.ticket
        ticket = None if stale is None else newest + stale
        answer = order(self._ledger, command, priority=priority, ticket=ticket)
        self._commands += 1
        assert answer.view is not None
        if not answer.accepted:
            assert answer.view == self._stands()
            return
        assert ticket in (None, newest)
        before = self._moved(answer.view)
        fresh = self._view.job.job_metadata.ticket - newest
        if command is JobCommand.CANCEL:
            assert (self._view.state, fresh) == (JobState.CANCELLED, 0)
            return
        assert before.state is not JobState.COMPLETED
        assert self._view.state is JobState.PENDING
        assert fresh <= 1
        if fresh:
            metadata = self._view.job.job_metadata
            assert metadata.retry_count + metadata.times_parked >= self._newest, "its attempt is a new one"
            assert not self._view.published

    @rule(back=st.integers(0, 2))
    def publish(self, back: int) -> None:
        newest = self._view.job.job_metadata.ticket
        was_waiting = not self._view.published
        self._ledger.outbox.mark_published([(ID, newest - back)])
        self._view = self._stands()
        assert (not self._view.published) == (was_waiting and back > 0)

    @invariant()
    def what_is_read_is_what_was_answered(self) -> None:
        stands = self._stands()
        assert (stands.state, stands.attempt, stands.worker, stands.due_at, stands.job, stands.published) == (
            self._view.state,
            self._view.attempt,
            self._view.worker,
            self._view.due_at,
            self._view.job,
            self._view.published,
        )
        assert (stands.due_at is not None) == (stands.state is JobState.RETRYING)

    @invariant()
    def one_message_waits_at_most_and_none_for_a_job_that_is_over(self) -> None:
        waiting = self._ledger.outbox.pending(10)
        assert waiting == (() if self._view.published else (self._view.job,))
        if self._view.state in OVER:
            assert waiting == ()

    @invariant()
    def the_history_is_whole(self) -> None:
        history = self._ledger.history.read(ID)
        assert history is not None and history.state is self._view.state
        steps = history.transitions
        assert steps[0].from_state is None and steps[-1].to_state is self._view.state
        assert [step.from_state for step in steps[1:]] == [step.to_state for step in steps[:-1]]
        assert all(step.from_state is not step.to_state for step in steps)
        assert len(history.commands) == self._commands
        attempts = [(attempt.attempt, attempt.worker) for attempt in history.attempts]
        assert len(attempts) == len(set(attempts))
        assert max((number for number, _ in attempts), default=0) == self._newest
        if self._view.state is JobState.COMPLETED:
            assert any(attempt.success for attempt in history.attempts)

    def teardown(self) -> None:
        self._open.close()


Life.TestCase.settings = settings(max_examples=50, stateful_step_count=25, deadline=None)
TestLife = Life.TestCase
