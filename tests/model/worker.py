"""What a worker does with a message: `actors.job_flow` and `actors.job_run`, one durable step at a time."""

from __future__ import annotations

from collections.abc import Iterator

from teltubby.messages.questions import Turn
from tests.model import rules
from tests.model.bugs import Bug
from tests.model.states import MAX_RETRIES, Hand, Message, Report, State, Worker
from tests.model.tuples import less, more, put

Move = tuple[str, State]


def moves(state: State, bug: Bug | None) -> Iterator[Move]:
    """What workers may do next."""
    for place, worker in enumerate(state.workers):
        hand = worker.hand
        if hand is None:
            for message in dict.fromkeys(state.queue):
                taken = with_hand(state, place, Hand(message))._replace(queue=less(state.queue, message))
                yield f"worker {worker.name} takes {tuple(message)}", taken
            continue
        if not hand.held and hand.message in state.queue:
            found = with_hand(state, place, hand._replace(held=True))._replace(queue=less(state.queue, hand.message))
            yield f"worker {worker.name} is brought its message again", found
        yield from _steps(state, place, worker, hand, bug)


def _steps(state: State, place: int, worker: Worker, hand: Hand, bug: Bug | None) -> Iterator[Move]:
    who = f"worker {worker.name}, job {hand.message.job}:"
    match hand.step:
        case "taken" if not hand.held:
            yield f"{who} lets go of what is lost", with_hand(state, place, None)
        case "taken":
            yield from _asks(state, place, worker, hand, who)
        case "running":
            yield from _ends(state, place, worker, hand, who, bug)
        case "stored":
            told = tell(state, worker, hand, "completed", duplicate_of=hand.duplicate_of)
            yield f"{who} tells that it is done", with_hand(told, place, hand._replace(step="told"))
        case "parking":
            assert hand.next is not None
            parked = state._replace(queue=more(state.queue, hand.next))
            yield f"{who} puts it off", with_hand(parked, place, hand._replace(step="told", next=None))
        case "told":
            yield f"{who} acknowledges", with_hand(state, place, None)


def _asks(state: State, place: int, worker: Worker, hand: Hand, who: str) -> Iterator[Move]:
    message = hand.message
    turn = turn_told(state, worker, message, alive=runs_elsewhere(state, worker, message.job))
    match turn:
        case Turn.GO:
            yield f"{who} begins", begin(state, place, worker, hand)
        case Turn.WAIT:
            yield f"{who} is to wait", with_hand(state, place, hand._replace(step="parking", next=message))
        case Turn.CANCELLED:
            ended = with_hand(state, place, hand._replace(step="told"))
            row = state.rows[message.job]
            lost = [
                Report("cancelled", message.job, attempt, name)
                for attempt, name, over in sorted(row.attempts)
                if not over and name != worker.name
            ]
            yield f"{who} hears that it is cancelled", ended._replace(reports=more(ended.reports, *lost))
        case Turn.OVER | Turn.SUPERSEDED:
            yield f"{who} hears that it is {turn}", with_hand(state, place, hand._replace(step="told"))
        case Turn.UNKNOWN:
            raise AssertionError("the ledger knows every job")


def _ends(state: State, place: int, worker: Worker, hand: Hand, who: str, bug: Bug | None) -> Iterator[Move]:
    job = hand.message.job
    stored = with_hand(state, place, hand._replace(step="stored"))
    if bug is Bug.ACK_EARLY and hand.held:
        yield f"{who} acknowledges early", with_hand(state, place, hand._replace(held=False))
    if hand.message.ticket > state.void[job]:
        yield f"{who} stores its file", stored._replace(objects=put(state.objects, job, True))
    else:
        yield f"{who} stores its file where one was deleted", stored._replace(debris=put(state.debris, job, True))
    first = state.first[job % len(state.first)]
    if first not in (-1, job):
        yield f"{who} finds the first copy", with_hand(state, place, hand._replace(step="stored", duplicate_of=first))
    void = turn_told(state, worker, hand.message, alive=False)
    if void in (Turn.CANCELLED, Turn.OVER, Turn.SUPERSEDED):
        told = tell(state, worker, hand, "cancelled")
        yield f"{who} is stopped, as it is {void}", with_hand(told, place, hand._replace(step="told"))


def fails(state: State) -> Iterator[Move]:
    """Attempts that end badly, each of which is something going wrong."""
    for place, worker in enumerate(state.workers):
        hand = worker.hand
        if hand is None or hand.step != "running":
            continue
        who, message = f"worker {worker.name}, job {hand.message.job}:", hand.message
        spent = message._replace(tries=message.tries + 1)
        if spent.tries > MAX_RETRIES:
            dead = tell(state, worker, hand, "failed")
            yield f"{who} gives up", with_hand(dead, place, hand._replace(step="told"))
        else:
            again = tell(state, worker, hand, "retrying")
            yield f"{who} fails", with_hand(again, place, hand._replace(step="parking", next=spent))
            gone = tell(state, worker, hand, "failed")
            yield f"{who} learns that no attempt can succeed", with_hand(gone, place, hand._replace(step="told"))
        unspent = message._replace(parked=message.parked + 1)
        parked = tell(state, worker, hand, "retrying")
        yield f"{who} meets a store that is away", with_hand(parked, place, hand._replace(step="parking", next=unspent))
        back = state if not hand.held else state._replace(queue=more(state.queue, message))
        yield f"{who} has no session any more", with_hand(back, place, None)


def begin(state: State, place: int, worker: Worker, hand: Hand) -> State:
    """Its start is told, and it runs."""
    return with_hand(tell(state, worker, hand, "started"), place, hand._replace(step="running"))


def tell(state: State, worker: Worker, hand: Hand, kind: str, *, duplicate_of: int = -1) -> State:
    """A report is confirmed by the broker."""
    ticket = hand.message.ticket if kind == "completed" else 0
    report = Report(kind, hand.message.job, hand.message.attempt, worker.name, duplicate_of, ticket)
    return state._replace(reports=more(state.reports, report))


def with_hand(state: State, place: int, hand: Hand | None) -> State:
    """Another step of this worker, or its end: an acknowledgement takes a message that is held out of the broker."""
    return state._replace(workers=put(state.workers, place, state.workers[place]._replace(hand=hand)))


def runs_elsewhere(state: State, asking: Worker, job: int) -> bool:
    """Whether another worker runs the job."""
    return any(
        worker.name != asking.name
        and worker.hand is not None
        and worker.hand.message.job == job
        and worker.hand.step in ("running", "stored")
        for worker in state.workers
    )


def turn_told(state: State, worker: Worker, message: Message, *, alive: bool) -> Turn:
    """What the bot says of this message."""
    row = state.rows[message.job]
    return rules.turn_of(row.state, row.ticket, row.attempt, message, alive)
