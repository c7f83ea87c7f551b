"""The model's ledger is the product's: whatever is reported, ordered and published, both say the same."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from teltubby.messages.jobs import JobCommand
from teltubby.messages.ledger_jobs import CommandJob, JobView
from tests.model import rules
from tests.model.bot import mark, ordered, recorded
from tests.model.states import REPORTS, Message, Report, beginning
from tests.unit.ledger_samples import ledger_with

STEPS = st.one_of(
    st.builds(Report, st.sampled_from(REPORTS), st.just(0), st.integers(1, 4), st.integers(0, 2)),
    st.sampled_from([JobCommand.CANCEL, JobCommand.RETRY, JobCommand.REVIVE]),
    st.just("publish"),
)
JOB = rules.job_of(Message(0, 0, 0, 0))


@given(st.lists(STEPS, max_size=12))
def test_the_same_steps_lead_to_the_same_row(steps: list[Report | JobCommand | str]) -> None:
    state = beginning(jobs=1, workers=1, budget=0, same_bytes=False)
    with ledger_with(JOB) as ledger:
        ledger.file.db.conn.execute("PRAGMA synchronous=OFF")  # no power is lost here
        for step in steps:
            match step:
                case Report():
                    state = state._replace(rows=(recorded(state.rows[0], step),))
                    ledger.reports.apply(rules.event_of(step.kind, 0, step.attempt, step.worker))
                case JobCommand():
                    after = ordered(state, 0, step)
                    answer = ledger.commands.obey(CommandJob(job_id=JOB.job_id, command=step, user_id=7))
                    assert answer.accepted is (after is not None)
                    state = after or state
                case _:
                    state = mark(state, 0)
                    ledger.outbox.mark_published([(JOB.job_id, state.rows[0].ticket)])
            view = ledger.jobs.find(JOB.job_id)
            assert view is not None
            assert shown(view) == state.rows[0][:6]
        history = ledger.history.read(JOB.job_id)
        assert history is not None
        runs = {(run.attempt, int(run.worker or 0), run.success is not None) for run in history.attempts}
        assert runs == state.rows[0].attempts


def shown(view: JobView) -> tuple[object, ...]:
    """What the model has of a row but its attempts."""
    metadata = view.job.job_metadata
    return (
        view.state,
        view.attempt,
        metadata.ticket,
        metadata.retry_count,
        metadata.times_parked,
        view.published,
    )
