"""Where alerts come from: this process, the ledger, and what workers say of theirs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from teltubby.actors.unwell import OPERATOR, Unwell
from teltubby.actors.workers import Workers
from teltubby.archive.conditions import Condition, exceeds, place_of, subject_of, too_often
from teltubby.messages.alerts import (
    AlertBook,
    AlertKind,
    CountStarts,
    Failure,
    Key,
    LastFailure,
    NoteEnd,
    NoteStart,
    ReadFailures,
)
from teltubby.messages.health import Standing
from teltubby.messages.jobs import JobState
from teltubby.messages.ledger import LedgerMessage
from teltubby.messages.ledger_archive import Overview, ReadOverview
from teltubby.supervision import Ref

_LOG = logging.getLogger(__name__)

ASK_SECONDS = 20.0
STARTS_WITHIN = timedelta(minutes=10)
"""A process that began often within that time, and not after orderly ends, is in a loop of crashes."""
FAILURES_AT_ONCE = 100
GONE = timedelta(days=1)
"""A worker that is silent for longer was taken away."""

_KINDS = {
    "store": AlertKind.STORE,
    "broker": AlertKind.BROKER,
    "worker_broker": AlertKind.BROKER,
    "ledger": AlertKind.LEDGER,
    "bot_api": AlertKind.TELEGRAM,
    "data_disk": AlertKind.DISK,
    "spool_disk": AlertKind.DISK,
    "actors": AlertKind.ACTOR_CRASHES,
}
_OF_LEDGER = (AlertKind.QUEUE_DEPTH, AlertKind.QUEUE_AGE, AlertKind.PROCESS_STARTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertLimits:
    """The operator's settings; 0: no alert of that."""

    queue_depth: int
    queue_age: timedelta
    process_starts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What a look found, and which of what is open it would have found."""

    conditions: Collection[Condition]
    is_known: Callable[[Key], bool]


class AlertSources:
    """Each look asks one source, and may raise what the asked one does: then nothing is known of it.

    `process` is this process's name, `incarnation` that of its run. Without `workers` there are none of their own.
    """

    def __init__(
        self,
        limits: AlertLimits,
        *,
        process: str,
        incarnation: str,
        unwell: Unwell,
        ledger: Ref[LedgerMessage],
        workers: Workers | None,
        clock: Callable[[], datetime],
    ) -> None:
        self._limits = limits
        self._process = process
        self._incarnation = incarnation
        self._unwell = unwell
        self._ledger = ledger
        self._workers = workers
        self._clock = clock
        self._noted: set[str] = set()

    def at_process(self) -> Sight:
        """What this process knows of itself, without asking anybody."""
        found = [_condition(standing, "") for standing in self._unwell.standings()]
        kinds = {*_KINDS.values(), AlertKind.OPERATOR}
        return Sight(conditions=found, is_known=lambda key: key[0] in kinds and not place_of(key[1]))

    async def at_ledger(self, book: AlertBook) -> Sight:
        """Queues, and how often processes began."""
        await self._note_start(self._process, self._incarnation)
        overview = await self._ledger.ask(ReadOverview(), within=ASK_SECONDS)
        request = CountStarts(since=self._clock() - STARTS_WITHIN)
        starts = await self._ledger.ask(request, within=ASK_SECONDS)
        looping = [
            Condition(
                kind=AlertKind.PROCESS_STARTS,
                subject=process,
                detail=f"{times} starts within {STARTS_WITHIN.seconds // 60} min",
                since=self._clock(),
            )
            for process, times in starts.items()
            if too_often(times, self._limits.process_starts)
        ]
        found = [*self._queue(overview, {period.kind for period in book.periods if period.is_open}), *looping]
        return Sight(conditions=found, is_known=lambda key: key[0] in _OF_LEDGER)

    async def at_workers(self, book: AlertBook) -> Sight:
        """Has every worker say how it stands. Of those that say nothing only that is known."""
        if self._workers is None or not await self._workers.ask():
            return Sight(conditions=(), is_known=lambda key: False)
        now, answering, said_nothing = self._clock(), self._workers.answering, self._workers.silent
        places = {standing.place for standing in answering}
        found: list[Condition] = []
        for standing in answering:
            await self._note_start(subject_of("", standing.place), standing.public_key)
            found += [_condition(each, standing.place) for each in standing.unwell]
        silent = [
            Condition(
                kind=AlertKind.WORKER_SILENT,
                subject=subject_of("", standing.place),
                detail=standing.worker,
                since=heard,
            )
            for standing, heard in said_nothing
            if now - heard < GONE
        ]
        gone = {period.key for period in book.periods if place_of(period.subject) and now - period.since >= GONE}
        places.update(self._workers.left)

        def is_known(key: Key) -> bool:
            return key[0] not in _OF_LEDGER and (place_of(key[1]) in places or key in gone)

        return Sight(conditions=[*found, *silent], is_known=is_known)

    async def note_end(self) -> None:
        """This process ends in order."""
        await self._ledger.ask(NoteEnd(process=self._process, incarnation=self._incarnation), within=ASK_SECONDS)

    async def failures(self, after: int) -> Sequence[Failure]:
        """The next jobs that failed, a few."""
        return await self._ledger.ask(ReadFailures(after=after, limit=FAILURES_AT_ONCE), within=ASK_SECONDS)

    async def last_failure(self) -> int:
        """The number of the newest one."""
        return await self._ledger.ask(LastFailure(), within=ASK_SECONDS)

    def _queue(self, overview: Overview, were: Collection[AlertKind]) -> Sequence[Condition]:
        now, limits = self._clock(), self._limits
        found = []
        waiting = sum(overview.jobs.get(state, 0) for state in (JobState.PENDING, JobState.RETRYING))
        if limits.queue_depth and exceeds(waiting, limits.queue_depth, was=AlertKind.QUEUE_DEPTH in were):
            found.append(Condition(kind=AlertKind.QUEUE_DEPTH, detail=f"{waiting} large files wait", since=now))
        oldest = overview.waiting_since
        if limits.queue_age and oldest is not None:
            age, most = (now - oldest).total_seconds(), limits.queue_age.total_seconds()
            if exceeds(age, most, was=AlertKind.QUEUE_AGE in were):
                detail = f"the oldest large file has waited for {age / 60:.0f} min"
                found.append(Condition(kind=AlertKind.QUEUE_AGE, detail=detail, since=now))
        return found

    async def _note_start(self, process: str, incarnation: str) -> None:
        if incarnation not in self._noted:
            await self._ledger.ask(NoteStart(process=process, incarnation=incarnation), within=ASK_SECONDS)
            self._noted.add(incarnation)


def failed_job(failure: Failure) -> Condition:
    """The event that a job failed; a job can fail again after `/retry`."""
    name = failure.file_name or "a file without a name"
    detail = f"{name} · {failure.job_id[:8]}: {failure.reason or 'no reason is known'}"
    return Condition(kind=AlertKind.JOB_FAILED, subject=str(failure.number), detail=detail, since=failure.at)


def _condition(standing: Standing, place: str) -> Condition:
    kind = _KINDS.get(standing.name, AlertKind.OPERATOR)
    is_one_of_many = kind in (AlertKind.DISK, AlertKind.OPERATOR) or standing.name == "worker_broker"
    part = standing.name.removeprefix(OPERATOR) if is_one_of_many else ""
    return Condition(kind=kind, subject=subject_of(part, place), detail=standing.detail, since=standing.since)
