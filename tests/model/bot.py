"""What the bot does: publish, read reports, follow orders, reconcile; a durable step at a time."""

from __future__ import annotations

from collections.abc import Iterator

from teltubby.messages.jobs import JobCommand, JobState
from tests.model import rules
from tests.model.bugs import Bug
from tests.model.states import Reading, Report, Row, State
from tests.model.tuples import OVER, less, more, put
from tests.model.worker import Move

SETTLED = {JobState.FAILED: "failed", JobState.CANCELLED: "skipped"}


def moves(state: State, bug: Bug | None, *, nets: bool) -> Iterator[Move]:
    """What the bot may do next; with `nets`, it also looks for what fell between two steps."""
    for job, row in enumerate(state.rows):
        if not row.published:
            sent = more(state.queue, rules.message_of(row, job))
            yield f"job {job} is published", mark(state, job)._replace(queue=sent)
        if state.readings[job] is not None:
            yield _read_on(state, job, bug)
        elif nets and state.orders[job] is None:
            yield from _reconcile(state, job, row)
        if state.orders[job] is not None:
            yield _follow(state, job)
        yield from _look(state, job, row, bug)
    for report in dict.fromkeys(state.reports):
        if state.readings[report.job] is None:
            yield f"the bot reads {tuple(report)}", heard(state, report, bug)


def mark(state: State, job: int) -> State:
    """The broker has confirmed its message."""
    return state._replace(rows=put(state.rows, job, state.rows[job]._replace(published=True)))


# -- reports: actors.news


def heard(state: State, report: Report, bug: Bug | None) -> State:
    """`Reports.apply`, then the steps that follow from where the job stands by that."""
    job, before, taken = report.job, state.rows[report.job], less(state.reports, report)
    void = report.kind == "completed" and report.duplicate_of < 0 and report.ticket <= state.void[job]
    if bug is Bug.VOID_COUNTS:
        void = False
    if void and before.state is not JobState.COMPLETED:
        report = report._replace(kind="cancelled", ticket=0)
    row = recorded(before, report, late_counts=bug is Bug.LATE_COUNTS)
    reading = Reading(report, state=row.state, void=void and report.kind == "completed")
    after = state._replace(rows=put(state.rows, job, row), reports=taken)
    if (report.kind == "cancelled" and row.state is JobState.CANCELLED) or (
        report.kind == "completed" and report.duplicate_of >= 0
    ):
        after = after._replace(doubtful=put(after.doubtful, job, True))
    if bug is Bug.FAILED_GOES and report.kind == "failed" and row.state is JobState.FAILED:
        after = after._replace(doubtful=put(after.doubtful, job, True))
    follows = {"completed": JobState.COMPLETED, "failed": JobState.FAILED, "cancelled": JobState.CANCELLED}
    step = "settle" if follows.get(report.kind) is row.state else "done"
    if reading.void and row.ticket > state.void[job] and bug is not Bug.OWN_DUPLICATE:
        step = "done"  # the job is done under another key
    return after._replace(readings=put(after.readings, report.job, reading._replace(step=step)))


def recorded(row: Row, report: Report, *, late_counts: bool = False) -> Row:
    """The job after a report, as `adapters.sqlite_job_reports` writes it."""
    attempts = {(attempt, worker): over for attempt, worker, over in row.attempts}
    run = report.attempt, report.worker
    attempts[run] = attempts.get(run, False) or report.kind != "started"
    ended = frozenset((attempt, worker, over) for (attempt, worker), over in attempts.items())
    newest = max(row.attempt, report.attempt)
    state = rules.next_state(row.state, report.kind, report.attempt, 0 if late_counts else row.attempt)
    published = row.published or (state is not row.state and state in (JobState.COMPLETED, JobState.FAILED))
    failed = row.failed or (state is JobState.FAILED and state is not row.state)
    return row._replace(state=state, attempt=newest, attempts=ended, published=published, failed=failed)


def _read_on(state: State, job: int, bug: Bug | None) -> Move:
    """One step further with the report that is dealt with."""
    reading = state.readings[job]
    assert reading is not None
    kind = reading.report.kind
    match reading.step:
        case "settle" if reading.void:
            first = state.first[job % len(state.first)]
            decided = reading._replace(step="done" if first == -1 else "artifact", duplicate_of=first)
            return f"job {job}: its content is looked for", _reading(state, job, decided)
        case "settle" if kind == "completed":
            content = job % len(state.first)
            first = state.first[content] if state.first[content] >= 0 else job
            is_copy = first != job and reading.report.duplicate_of < 0
            if bug is Bug.BOTH_ARE_SECOND:
                first = next((other for other, there in enumerate(state.objects) if there and other != job), job)
            known = state._replace(first=put(state.first, content, first))
            if is_copy:
                known = known._replace(doubtful=put(known.doubtful, job, True))
            decided = reading._replace(step="artifact", duplicate_of=-1 if first == job else first)
            return f"job {job}: its content is recorded", _reading(known, job, decided)
        case "settle":
            return f"job {job}: nothing is recorded", _reading(state, job, reading._replace(step="artifact"))
        case "artifact":
            says, whose = SETTLED.get(reading.state, "stored"), job if kind == "completed" else -1
            if reading.duplicate_of >= 0:
                says, whose = "duplicate", reading.duplicate_of
            after = settle(state, job, says, whose)
            return f"job {job}: its artifact is settled", _reading(after, job, reading._replace(step="drop"))
        case "drop":
            after = state
            if reading.void:
                after = state._replace(debris=put(state.debris, job, False))
            elif reading.duplicate_of >= 0 and reading.report.duplicate_of < 0:
                after = state._replace(objects=put(state.objects, job, False))
            return f"job {job}: a second copy is dropped", _reading(after, job, reading._replace(step="line"))
        case "line":
            told = state
            if state.rows[job].state is reading.state:  # else who moved it says so
                told = state._replace(lines=put(state.lines, job, reading.state))
            return f"job {job}: the curator reads {reading.state}", _reading(told, job, reading._replace(step="done"))
        case _:
            return f"job {job}: the report is acknowledged", _reading(state, job, None)


def _reading(state: State, job: int, reading: Reading | None) -> State:
    return state._replace(readings=put(state.readings, job, reading))


def settle(state: State, job: int, says: str, whose: int) -> State:
    """`Artifacts.settle`: not when the job went on meanwhile."""
    if not rules.is_true(says, state.rows[job].state):
        return state
    return state._replace(artifacts=put(state.artifacts, job, (says, whose)))


# -- orders: actors.job_orders


def ordered(state: State, job: int, command: JobCommand, bug: Bug | None = None) -> State | None:
    """The ledger's part of a command; None where it is refused."""
    row = state.rows[job]
    after = rules.after_command(row.state, command)
    if after is None:
        return None
    doubtful = command is JobCommand.CANCEL
    if doubtful:
        changed = row._replace(state=after, published=True)  # what was not published is withdrawn
    else:
        running = row.state is JobState.PROCESSING
        message = rules.new_message(rules.message_of(row, job), command, running, row.attempt)
        changed = row._replace(
            state=after, published=False, ticket=message.ticket, tries=message.tries, parked=message.parked
        )
        if bug is Bug.KEY_KEPT:
            state = state._replace(void=put(state.void, job, -1))
    # With a new ticket the key is named again, or it is another one, if what lay there is being deleted.
    return state._replace(rows=put(state.rows, job, changed), doubtful=put(state.doubtful, job, doubtful))


# -- doubtful keys: actors.leftovers, adapters.sqlite_doubts


def _look(state: State, job: int, row: Row, bug: Bug | None) -> Iterator[Move]:
    """What nobody names is claimed, then deleted; both only while there is anything."""
    if state.debris[job] and not row.failed:
        gone = state._replace(debris=put(state.debris, job, False))
        if bug is Bug.KEY_KEPT and state.void[job] < 0:
            gone = gone._replace(objects=put(state.objects, job, False))
        yield f"job {job}: what nobody names is deleted", gone
    if state.objects[job]:
        claimed = claim(state, job, bug)
        if claimed is not None:
            lost = claimed._replace(objects=put(state.objects, job, False), debris=put(state.debris, job, True))
            yield f"job {job}: its object is claimed", lost


def claim(state: State, job: int, bug: Bug | None = None) -> State | None:
    """`Doubts.claim` of an object that lies under the job's key; None where it is refused."""
    row = state.rows[job]
    is_kept = bug is not Bug.FAILED_GOES and row.failed
    is_named = bug is not Bug.NAMES_IGNORED and _is_named(state, job, row)
    if not state.doubtful[job] or is_named or is_kept:
        return None
    return state._replace(doubtful=put(state.doubtful, job, False), void=put(state.void, job, row.ticket))


def _is_named(state: State, job: int, row: Row) -> bool:
    """By the ledger's files, an artifact, or a job that may still name it."""
    says, _ = state.artifacts[job]
    given_up = row.state in SETTLED or (row.state is JobState.COMPLETED and says == "duplicate")
    named = says in ("queued", "stored") or any(whose == job for _, whose in state.artifacts) or job in state.first
    return named or not given_up


def _follow(state: State, job: int) -> Move:
    order, row = state.orders[job], state.rows[job]
    assert order is not None
    done = state._replace(orders=put(state.orders, job, None))
    cancelled = order.command is JobCommand.CANCEL
    if (row.state is JobState.CANCELLED) is not cancelled or row.state in (JobState.COMPLETED, JobState.FAILED):
        return f"job {job}: the order is overtaken", done
    if order.step == "artifact":
        settled = settle(state, job, "skipped" if cancelled else "queued", -1)
        return f"job {job}: its artifact follows the order", settled._replace(
            orders=put(state.orders, job, order._replace(step="line"))
        )
    line = JobState.CANCELLED if cancelled else "queued"
    return f"job {job}: the curator reads {line}", done._replace(lines=put(state.lines, job, line))


# -- actors.reconciler, actors.artifact_repair


def _reconcile(state: State, job: int, row: Row) -> Iterator[Move]:
    if any(report.job == job for report in state.reports):
        return
    hands = [worker.hand for worker in state.workers if worker.hand is not None and worker.hand.message.job == job]
    runs = any(hand.step in ("running", "stored") for hand in hands)
    waits = hands or any(message.job == job for message in state.queue) or not row.published
    lost = not runs if row.state is JobState.PROCESSING else row.state not in OVER and not waits
    if lost:
        revived = ordered(state, job, JobCommand.REVIVE)
        assert revived is not None
        yield f"job {job} is revived", revived
    says, _ = state.artifacts[job]
    if not rules.is_true(says, row.state):
        first = state.first[job % len(state.first)]
        if row.state is not JobState.COMPLETED:
            repaired = settle(state, job, SETTLED.get(row.state, "queued"), -1)
        elif first == -1:
            return
        else:
            repaired = settle(state, job, "stored" if first == job else "duplicate", first)
        yield f"job {job}: its artifact is repaired", repaired
