"""What may go wrong, and what curators may order; each of these spends one of the state's budget."""

from __future__ import annotations

from collections.abc import Iterator

from teltubby.messages.jobs import JobCommand
from teltubby.messages.questions import Turn
from tests.model import rules
from tests.model.bot import mark, ordered
from tests.model.bugs import Bug
from tests.model.states import Order, Reading, State, Worker
from tests.model.tuples import OVER, more, put
from tests.model.worker import Move, begin, fails, turn_told


def moves(state: State, bug: Bug | None) -> Iterator[Move]:
    """Everything that may go wrong next."""
    if state.budget == 0:
        return
    for told in (_killed(state), _cut(state), _bot(state, bug), _misled(state), _commands(state, bug), fails(state)):
        for label, after in told:
            yield label, after._replace(budget=state.budget - 1)


def _killed(state: State) -> Iterator[Move]:
    for place, worker in enumerate(state.workers):
        hand = worker.hand
        if hand is None:
            continue
        born = max(other.name for other in state.workers) + 1
        after = state._replace(workers=put(state.workers, place, Worker(born)))
        if hand.held:
            after = after._replace(queue=more(state.queue, hand.message))
        yield f"worker {worker.name} is killed at {hand.step}", after


def _cut(state: State) -> Iterator[Move]:
    """The workers' connections are cut: what they held comes again, and what they do goes on."""
    for place, worker in enumerate(state.workers):
        if worker.hand is not None and worker.hand.held:
            lost = worker._replace(hand=worker.hand._replace(held=False))
            back = state._replace(workers=put(state.workers, place, lost), queue=more(state.queue, worker.hand.message))
            yield f"the connection of worker {worker.name} is cut", back


def _bot(state: State, bug: Bug | None) -> Iterator[Move]:
    """It is killed, or its connection is cut: what it held comes again; orders come again with Telegram's update."""
    readings = [reading for reading in state.readings if reading is not None]
    if readings or any(state.orders):
        back = () if bug is Bug.REPORT_FORGOTTEN else [reading.report for reading in readings]
        orders = tuple(None if order is None else order._replace(step="artifact") for order in state.orders)
        nothing: tuple[Reading | None, ...] = (None,) * len(state.readings)
        yield "the bot is killed", state._replace(readings=nothing, orders=orders, reports=more(state.reports, *back))
    for reading in readings:
        again = state._replace(reports=more(state.reports, reading.report))
        yield "the bot's connection is cut in the middle of a report", again
    for job, row in enumerate(state.rows):
        if not row.published:
            if bug is Bug.OUTBOX_DROPPED:
                yield f"job {job} counts as published", mark(state, job)
            sent = more(state.queue, rules.message_of(row, job))
            yield f"job {job} is published, and nobody notes it", state._replace(queue=sent)


def _misled(state: State) -> Iterator[Move]:
    """A worker gets no answer, or one from a bot that takes a living worker for dead; so does the reconciler."""
    for place, worker in enumerate(state.workers):
        hand = worker.hand
        if hand is not None and hand.held and hand.step == "taken":
            turn = turn_told(state, worker, hand.message, alive=False)
            yield f"worker {worker.name} hears nothing, and begins", begin(state, place, worker, hand)
            if turn is not Turn.GO:
                continue
        if hand is not None and hand.step == "parking" and hand.next is not None:
            twice = state._replace(queue=more(state.queue, hand.next))
            yield f"worker {worker.name} parks its message, and does not know it", twice
    for job, row in enumerate(state.rows):
        if row.state not in OVER and (revived := ordered(state, job, JobCommand.REVIVE)) is not None:
            yield f"job {job} is revived by mistake", revived


def _commands(state: State, bug: Bug | None) -> Iterator[Move]:
    for job in range(len(state.rows)):
        for command in (JobCommand.CANCEL, JobCommand.RETRY):
            after = ordered(state, job, command, bug) if state.orders[job] is None else None
            if after is not None:
                orders = put(after.orders, job, Order(command))
                yield f"a curator orders: {command} job {job}", after._replace(orders=orders)
