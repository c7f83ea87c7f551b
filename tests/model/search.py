"""Every state that can be reached, what is wrong in any of them, and the shortest way there."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from teltubby.messages.jobs import JobState
from tests.model import bot, faults, worker
from tests.model.bugs import Bug
from tests.model.states import State
from tests.model.tuples import OVER

SAYS = {
    JobState.COMPLETED: ("stored", "duplicate"),
    JobState.FAILED: ("failed",),
    JobState.CANCELLED: ("skipped",),
}


class Violation(AssertionError):
    """A law is broken; the message tells the moves that lead there."""


@dataclass(frozen=True, slots=True)
class Explored:
    """How far the search came."""

    states: int
    ends: int


def explore(beginning: State, *, bug: Bug | None = None, nets: bool = True) -> Explored:
    """Look at every state; without `nets`, nobody looks for what fell between two steps.

    Raises Violation where a law is broken, or from where the work can never end.
    """
    states, numbers = [beginning], {beginning: 0}
    came: list[tuple[int, str] | None] = [None]
    before: list[list[int]] = [[]]
    ends: list[int] = []

    def number_of(after: State, number: int, label: str) -> int:
        known = numbers.setdefault(after, len(states))
        if known == len(states):
            states.append(after)
            came.append((number, label))
            before.append([])
        return known

    def violated(law: str, number: int) -> Violation:
        moves = "\n".join(reversed(list(_moves_to(came, number))))
        return Violation(f"{law}\n{moves}\n{states[number]}")

    for number, state in enumerate(states):  # which grows
        broken = never(state)
        if broken is not None:
            raise violated(broken, number)
        at_rest = True
        for label, after in (*worker.moves(state, bug), *bot.moves(state, bug, nets=nets)):
            known = number_of(after, number, label)
            if known != number:
                at_rest = False
                before[known].append(number)
        if at_rest:
            wrong = at_the_end(state)
            if wrong is not None:
                raise violated(wrong, number)
            ends.append(number)
        for label, after in faults.moves(state, bug):
            number_of(after, number, label)
    stuck = _stuck(before, ends)
    if stuck is not None:
        raise violated("from here the work never ends", stuck)
    return Explored(len(states), len(ends))


def never(state: State) -> str | None:
    """What must hold at any moment: no artifact lies, and nothing is deleted that a failed job may have stored."""
    for job, (says, whose) in enumerate(state.artifacts):
        if says in ("stored", "duplicate") and not state.objects[whose]:
            return f"the artifact of job {job} speaks of an object that is not there"
        if says == "stored" and whose != job:
            return f"the artifact of job {job} speaks of another's object as its own"
        if says == "duplicate" and whose == job:
            return f"the artifact of job {job} speaks of its own object as another's"
        row = state.rows[job]
        if row.state is JobState.FAILED and row.ticket <= state.void[job]:
            return f"what job {job} may have stored is deleted, and it failed"
    return None


def at_the_end(state: State) -> str | None:
    """What must hold when nothing is left to do: each job is over, and everybody agrees on how."""
    if state.reports or state.queue or any(state.readings) or any(state.orders):
        return "something is left over"
    for job, row in enumerate(state.rows):
        if row.state not in OVER:
            return f"job {job} is {row.state} for ever"
        says, _ = state.artifacts[job]
        if says not in SAYS[row.state]:
            return f"job {job} is {row.state}, its artifact says {says}"
        if state.lines[job] != row.state:
            return f"job {job} is {row.state}, the curator's last word is {state.lines[job]}"
        nameless = (state.objects[job] and says != "stored") or state.debris[job]
        if nameless and not row.failed:  # else it stays, and is told of
            return f"job {job} has an object that nobody speaks of"
    return None


def _stuck(before: list[list[int]], ends: list[int]) -> int | None:
    """A state from which no end is reached, unless something more goes wrong."""
    good, todo = bytearray(len(before)), deque(ends)
    for end in ends:
        good[end] = True
    while todo:
        for number in before[todo.popleft()]:
            if not good[number]:
                good[number] = True
                todo.append(number)
    stuck = good.find(0)
    return None if stuck < 0 else stuck


def _moves_to(came: list[tuple[int, str] | None], number: int) -> Iterator[str]:
    while (step := came[number]) is not None:
        number, label = step
        yield label
