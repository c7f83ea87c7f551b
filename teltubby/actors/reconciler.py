"""ReconcilerActor: looks for what fell between two steps, from time to time, and does the missing one."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Never

import anyio

from teltubby.actors.artifact_repair import ArtifactRepair
from teltubby.actors.leftovers import Leftovers
from teltubby.actors.signs_of_life import SignsOfLife
from teltubby.adapters.base import Destination
from teltubby.messages.jobs import JobCommand, JobState
from teltubby.messages.ledger import LedgerMessage
from teltubby.messages.ledger_jobs import CommandJob, JobView, PruneHistory, QuietJobs
from teltubby.messages.queue import CountQueues, OutboxFilled, PublisherMessage
from teltubby.messages.trail import PruneTrail
from teltubby.supervision import Actor, Context, Ref, SupervisionError

_LOG = logging.getLogger(__name__)

ASK_SECONDS = 60.0
QUIET_JOBS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcilerRules:
    """When it looks, and what it finds too long.

    `silent_seconds`: a worker that said nothing of a job for so long does not run it. `vanished_seconds`: a job of
    which nothing was heard for so long, while no queue holds anything, has lost its message. `retention_days` of the
    history, `trail_days` of the audit trail, 0: for ever.
    """

    silent_seconds: float
    retention_days: int
    trail_days: int = 0
    vanished_seconds: float = 600.0
    look_seconds: float = 60.0
    tidy_seconds: float = 3600.0


class ReconcilerActor(Actor[Never]):
    """Revives jobs that nobody runs and no queue holds, completes artifacts, has deleted what nobody names, and forgets
    old history.

    A job that gives signs of life is left alone, and so is every job until reports have been read for long enough.
    Reviving one that was well is harmless: its older messages are void by their tickets, and storing is idempotent.
    """

    def __init__(
        self,
        rules: ReconcilerRules,
        *,
        ledger: Ref[LedgerMessage],
        queue: Ref[PublisherMessage],
        repair: ArtifactRepair,
        leftovers: Leftovers,
        signs: SignsOfLife,
        clock: Callable[[], datetime],
    ) -> None:
        self._rules = rules
        self._ledger = ledger
        self._queue = queue
        self._repair = repair
        self._leftovers = leftovers
        self._signs = signs
        self._clock = clock

    async def handle(self, message: Never, /) -> None:
        raise AssertionError(f"nobody writes to the ReconcilerActor: {message}")

    async def run(self, context: Context[Never]) -> None:
        context.started()
        tidy_at = anyio.current_time()
        while not context.stopping.is_set():
            with context.interruptible():
                await anyio.sleep(self._rules.look_seconds)
                await self._try(self.look)
                await self._try(self._leftovers.look)
                if anyio.current_time() >= tidy_at and await self._try(self.tidy):
                    tidy_at = anyio.current_time() + self._rules.tidy_seconds

    async def look(self) -> None:
        """Store the artifacts that the store lacks, and revive the jobs that are lost."""
        await self._repair.store_missing()
        await self._revive(await self._lost_jobs())

    async def tidy(self) -> None:
        """Compare artifacts with how their jobs stand, and forget what ended long ago."""
        await self._repair.settle_ended()
        if self._rules.retention_days:
            before = self._clock() - timedelta(days=self._rules.retention_days)
            forgotten = await self._ledger.ask(PruneHistory(before=before), within=ASK_SECONDS)
            _LOG.info("%d rows of the history were older than %d days", forgotten, self._rules.retention_days)
        if self._rules.trail_days:
            before = self._clock() - timedelta(days=self._rules.trail_days)
            forgotten = await self._ledger.ask(PruneTrail(before=before), within=ASK_SECONDS)
            _LOG.info("%d lines of the audit trail were older than %d days", forgotten, self._rules.trail_days)

    async def _try(self, work: Callable[[], Awaitable[None]]) -> bool:
        try:
            await work()
        except (SupervisionError, TimeoutError) as error:  # every TeltubbyError is a SupervisionError
            _LOG.warning("the reconciler tries again later: %s", str(error) or "something took too long")
            return False
        return True

    async def _lost_jobs(self) -> Sequence[JobView]:
        silent = self._rules.silent_seconds
        if not self._signs.listening(silent):
            return ()
        depths = await self._queue.ask(CountQueues(), within=ASK_SECONDS)
        if depths[Destination.EVENTS]:
            return ()  # what they say may be about any job
        lost = [view for view in await self._quiet(silent) if view.state is JobState.PROCESSING]
        if not depths[Destination.JOBS] and not depths[Destination.PRIORITY]:
            vanished = await self._quiet(self._rules.vanished_seconds)
            lost += [view for view in vanished if view.state is not JobState.PROCESSING]
        return lost

    async def _quiet(self, seconds: float) -> Sequence[JobView]:
        """Jobs of which the ledger heard nothing for so long, and nobody else either."""
        request = QuietJobs(before=self._clock() - timedelta(seconds=seconds), limit=QUIET_JOBS)
        quiet = await self._ledger.ask(request, within=ASK_SECONDS)
        silent = self._rules.silent_seconds
        return [view for view in quiet if not self._signs.heard(view.job.job_id, within=silent)]

    async def _revive(self, lost: Sequence[JobView]) -> None:
        revived = False
        for view in lost:
            job = view.job
            reason = "no worker reports it" if view.state is JobState.PROCESSING else "its message is in no queue"
            command = CommandJob(
                job_id=job.job_id,
                command=JobCommand.REVIVE,
                user_id=None,
                reason=reason,
                ticket=job.job_metadata.ticket,
            )
            answer = await self._ledger.ask(command, within=ASK_SECONDS)
            if answer.accepted:
                _LOG.warning("job %s is put into the queue again: %s", job.job_id, reason)
                revived = True
        if revived:
            self._queue.tell(OutboxFilled())
