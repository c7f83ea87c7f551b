"""The model's ledger is the product's: whatever is reported, ordered and published, both say the same."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import example, given
from hypothesis import strategies as st

from teltubby.messages.jobs import JobCommand, JobCompleted
from teltubby.messages.ledger_doubts import Verdict
from teltubby.messages.ledger_jobs import CommandJob, JobView
from tests.model import rules
from tests.model.bot import claim, heard, mark, ordered
from tests.model.states import REPORTS, Message, Report, beginning
from tests.unit.ledger_samples import ledger_with

STEPS = st.one_of(
    st.builds(
        Report,
        kind=st.sampled_from(REPORTS),
        job=st.just(0),
        attempt=st.integers(1, 4),
        worker=st.integers(0, 2),
        duplicate_of=st.just(-1),
        ticket=st.integers(0, 2),
    ),
    st.sampled_from([JobCommand.CANCEL, JobCommand.RETRY, JobCommand.REVIVE]),
    st.sampled_from(["publish", "claim"]),
)
JOB = rules.job_of(Message(0, 0, 0, 0))


def completed(ticket: int) -> Report:
    return Report("completed", 0, 1, 0, ticket=ticket)


@example([JobCommand.CANCEL, "claim", completed(0), JobCommand.RETRY, completed(0), completed(1)])
@example([Report("failed", 0, 1, 0), JobCommand.RETRY, JobCommand.CANCEL, "claim", completed(0)])
@given(st.lists(STEPS, max_size=12))
def test_the_same_steps_lead_to_the_same_row(steps: list[Report | JobCommand | str]) -> None:
    state = beginning(jobs=1, workers=1, budget=0, same_bytes=False)._replace(artifacts=(("skipped", -1),))
    with ledger_with(JOB) as ledger:
        ledger.file.db.conn.execute("PRAGMA synchronous=OFF")  # no power is lost here
        keys = [JOB.target.key]  # by ticket
        for step in steps:
            match step:
                case Report():
                    told = step._replace(ticket=min(step.ticket, len(keys) - 1))
                    void = told.kind == "completed" and told.ticket <= state.void[0]
                    state = heard(state._replace(reports=(told,)), told, None)._replace(readings=(None,))
                    event = rules.event_of(step.kind, 0, step.attempt, step.worker)
                    if isinstance(event, JobCompleted):
                        event = replace(event, key=keys[told.ticket])
                    answer = ledger.reports.apply(event)
                    assert answer is not None and answer.void is void
                case JobCommand():
                    after = ordered(state, 0, step)
                    obeyed = ledger.commands.obey(CommandJob(job_id=JOB.job_id, command=step, user_id=7))
                    assert obeyed.accepted is (after is not None) and obeyed.view is not None
                    state = after or state
                    if obeyed.view.job.job_metadata.ticket == len(keys):
                        keys.append(obeyed.view.job.target.key)
                case "claim":
                    claimed = claim(state, 0)
                    verdict = ledger.doubts.claim(keys[-1], named=False, size=1)
                    already = state.void[0] == state.rows[0].ticket
                    assert (verdict is Verdict.DELETE) is (claimed is not None or already)
                    state = claimed or state
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
