"""What happened to a job, in one order: by the ledger's clock, and for what logs say by that of who wrote them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from teltubby.adapters.sqlite_job_trace import JobTrace
from teltubby.messages.history import Attempt, Command, JobHistory, Transition
from teltubby.messages.jobs import JobState
from teltubby.messages.stages import Stages
from teltubby.tracing.lines import LogLine

LEDGER = "ledger"
_CLOCKS_AGREE = timedelta(seconds=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing that happened; `source` is the ledger or a log. `at` is None of a line of a log that tells no time."""

    at: datetime | None
    source: str
    what: str
    level: str | None = None
    actor: str | None = None
    more: tuple[str, ...] = ()


def timeline(trace: JobTrace | None, logs: Iterable[tuple[str, Sequence[LogLine]]]) -> list[Entry]:
    """All of it, oldest first. What tells no time keeps its place in its log; at one moment the ledger goes first."""
    placed: list[tuple[datetime | None, Entry]] = []
    if trace is not None:
        placed += [(entry.at, entry) for entry in _from_ledger(trace)]
    for name, lines in logs:
        at: datetime | None = None
        for line in lines:
            at = line.at or at
            entry = Entry(at=line.at, source=name, what=line.text, level=line.level, actor=line.actor, more=line.more)
            placed.append((at, entry))
    known = [(at, entry) for at, entry in placed if at is not None]
    return [entry for at, entry in placed if at is None] + [
        entry for _, entry in sorted(known, key=lambda each: each[0])
    ]


def stage_words(stages: Stages) -> str:
    """`queue 12.0 s, turn 0.1 s`, under the names that the metric has."""
    return ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in stages.items())


def ends_at(attempt: Attempt, history: JobHistory) -> datetime | None:
    """When it ended by the ledger's clock: as long after the ledger heard of it as its worker worked.

    That is not after the ledger heard of the end, however the worker's clock went meanwhile.
    """
    if attempt.finished_at is None:
        return None
    begin = attempt.heard_at or attempt.started_at
    end = begin + max(attempt.finished_at - attempt.started_at, timedelta())
    heard = [
        step.heard_at
        for step in history.transitions
        if step.heard_at is not None
        and (step.attempt, step.worker) == (attempt.attempt, attempt.worker)
        and step.to_state is not JobState.PROCESSING
    ]
    return max(begin, min([end, *heard[:1]]))


def _from_ledger(trace: JobTrace) -> Iterator[Entry]:
    for update in trace.updates:
        yield _entry(update.received_at, f"update {update.update_id} came, with the message")
        if update.done_at is not None:
            yield _entry(update.done_at, f"update {update.update_id} was dealt with")
    for step in trace.history.transitions:
        yield _entry(step.heard_at or step.at, _step(step, trace))
    if trace.post is not None:
        if trace.post.posted_at != trace.view.created_at:
            yield _entry(trace.post.posted_at, "a new message of it is to be published")
        if trace.post.published_at is not None:
            yield _entry(trace.post.published_at, f"the broker has its message {trace.view.job.job_metadata.ticket}")
    for copy in trace.copies:
        where = "" if copy.message_id is None else f" as message {copy.message_id}"
        yield _entry(copy.at, f"its message was copied into the relay channel {copy.chat_id}{where}")
    for attempt in trace.history.attempts:
        yield from _attempt(attempt, trace.history)
    for command in trace.history.commands:
        yield _entry(command.at, _command(command))


def _entry(at: datetime, what: str) -> Entry:
    return Entry(at=at, source=LEDGER, what=what)


def _step(step: Transition, trace: JobTrace) -> str:
    if step.from_state is None:
        job = trace.view.job
        return f"{step.to_state}: handed in by user {job.user_id} with message {job.message_id} of chat {job.chat_id}"
    words = f"{step.from_state} → {step.to_state}"
    if step.user_id is not None:
        words += f", by user {step.user_id}"
    elif step.worker is not None:
        words += f", attempt {step.attempt} of {step.worker}{_by_its_clock(step.at, step.heard_at)}"
    return words if step.reason is None else f"{words}: {step.reason}"


def _attempt(attempt: Attempt, history: JobHistory) -> Iterator[Entry]:
    whose = f"attempt {attempt.attempt} of {attempt.worker or 'a worker'}"
    begin = attempt.heard_at or attempt.started_at
    yield _entry(begin, f"{whose} begins{_by_its_clock(attempt.started_at, attempt.heard_at)}")
    if (end := ends_at(attempt, history)) is not None:
        yield _entry(end, f"{whose} {_end(attempt)}")


def _end(attempt: Attempt) -> str:
    words = {True: "succeeds", False: "fails", None: "stops"}[attempt.success]
    if attempt.transferred_bytes is not None and attempt.seconds is not None:
        words += f": {attempt.transferred_bytes} bytes in {attempt.seconds:.1f} s"
    ways = [f"{way.route} {'served' if way.reason is None else f'({way.reason})'}" for way in attempt.routes]
    words += f", ways: {', '.join(ways)}" if ways else ""
    return words if attempt.error is None else f"{words}; {attempt.error}"


def _command(command: Command) -> str:
    who = "teltubby itself" if command.user_id is None else f"user {command.user_id}"
    what = "" if command.detail is None else f": {command.detail}"
    return f"{who}: {command.command}, {'obeyed' if command.accepted else 'refused'}{what}"


def _by_its_clock(told: datetime, heard: datetime | None) -> str:
    """Worth a word only where the clocks differ, or the report was long on its way."""
    if heard is None or abs(heard - told) <= _CLOCKS_AGREE:
        return ""
    return f" (at {told:%Y-%m-%d %H:%M:%S} by its own clock)"
