"""How the house stands, as curators ask for it: status, quota, statistics, the database's health."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from teltubby.actors.chat import Answer
from teltubby.actors.growth import Growth
from teltubby.actors.phrases import house
from teltubby.actors.workers import Workers
from teltubby.errors import TeltubbyError
from teltubby.messages.history import Statistics, Usage
from teltubby.messages.jobs import JobState
from teltubby.messages.ledger import LedgerMessage
from teltubby.messages.ledger_archive import MaintainDatabase, ReadOverview, ReadStatistics, ReadUsage
from teltubby.messages.ledger_jobs import JobView, ListJobs
from teltubby.messages.queue import CountQueues, DescribeQueue, PublisherMessage
from teltubby.supervision import Ref, SupervisionError

_LOG = logging.getLogger(__name__)

ASK_SECONDS = 30.0
BROKER_SECONDS = 10.0
MAINTENANCE_SECONDS = 3600.0
FAILED_SHOWN = 50
RUNNING_SHOWN = 20
DAY = timedelta(days=1)

Describe = Callable[[], Awaitable[str]]
"""Says in words how a part of the house stands now."""
Paint = Callable[[Statistics], Awaitable[bytes]]
"""Paints the picture of `/stats` as PNG. Raises TeltubbyError when it cannot."""


def no_alerts() -> Sequence[str]:
    """Nothing is open."""
    return ()


class Standing:
    """Asks everybody; `workers` know how those stand who fetch large files, in whichever process they run.

    `growth` is what the archive grew by and the ledger was not told of yet, `alerts` are lines about what is open.
    """

    def __init__(
        self,
        *,
        ledger: Ref[LedgerMessage],
        queue: Ref[PublisherMessage],
        storage: str,
        quota_bytes: int,
        growth: Growth,
        workers: Workers,
        paint: Paint,
        clock: Callable[[], datetime],
        alerts: Callable[[], Sequence[str]] = no_alerts,
    ) -> None:
        self._ledger = ledger
        self._queue = queue
        self._storage = storage
        self._quota_bytes = quota_bytes
        self._growth = growth
        self._workers = workers
        self._paint = paint
        self._clock = clock
        self._alerts = alerts

    async def status(self) -> Answer:
        """The house at a glance, and what needs attention. Raises what the ledger does."""
        now = self._clock()
        failed = await self._jobs(JobState.FAILED, FAILED_SHOWN)
        lately = [view for view in failed if view.updated_at >= now - DAY]
        broker, depths = await self._broker()
        report = house.HouseReport(
            now=now,
            overview=await self._ledger.ask(ReadOverview(), within=ASK_SECONDS),
            usage=await self._usage(),
            quota_bytes=self._quota_bytes,
            large_files=await self._described(self._workers.describe),
            broker=broker,
            depths=depths,
            storage=self._storage,
            running=await self._jobs(JobState.PROCESSING, RUNNING_SHOWN),
            failed=lately,
            failed_more=len(lately) == FAILED_SHOWN,
            next_up=await self._next_up(),
            alerts=self._alerts(),
            not_collecting=[worker for worker in self._workers.known if worker.collector is not None],
        )
        return Answer(html=house.status_text(report))

    async def quota(self) -> Answer:
        """How much room the archive takes."""
        usage = await self._usage()
        overview = await self._ledger.ask(ReadOverview(), within=ASK_SECONDS)
        return Answer(html=house.quota_text(usage, overview, quota_bytes=self._quota_bytes, now=self._clock()))

    async def statistics(self, days: int) -> Answer:
        """The last days as a picture with a caption, or in words alone where it cannot be painted."""
        statistics = await self._ledger.ask(ReadStatistics(days=days), within=ASK_SECONDS)
        text = house.stats_text(statistics)
        try:
            return Answer(html=text, picture=await self._paint(statistics))
        except TeltubbyError as error:
            _LOG.warning("the picture of the statistics is left out: %s", error)
            return Answer(html=text)

    async def maintenance(self) -> Answer:
        """Have the database checked and tidied, which takes its time with a large one."""
        report = await self._ledger.ask(MaintainDatabase(), within=MAINTENANCE_SECONDS)
        return Answer(html=house.maintenance_text(report))

    async def mtproto(self) -> Answer:
        """How the side stands that fetches large files."""
        return await self._workers.status()

    async def _jobs(self, state: JobState, limit: int) -> tuple[JobView, ...]:
        return await self._ledger.ask(ListJobs(states=(state,), limit=limit), within=ASK_SECONDS)

    async def _usage(self) -> Usage:
        usage = await self._ledger.ask(ReadUsage(), within=ASK_SECONDS)
        return replace(
            usage,
            used_bytes=max(usage.used_bytes + self._growth.used_bytes, 0),
            objects=max(usage.objects + self._growth.objects, 0),
        )

    async def _next_up(self) -> JobView | None:
        request = ListJobs(states=(JobState.PENDING,), limit=1, in_turn=True)
        return next(iter(await self._ledger.ask(request, within=ASK_SECONDS)), None)

    async def _broker(self) -> tuple[str, Mapping[str, int] | None]:
        """How the connection stands, and how much is in each queue; a broker that is away is told, too."""
        broker = await self._described(lambda: self._queue.ask(DescribeQueue(), within=BROKER_SECONDS))
        try:
            return broker, await self._queue.ask(CountQueues(), within=BROKER_SECONDS)
        except (SupervisionError, TimeoutError) as error:  # every TeltubbyError is a SupervisionError
            _LOG.info("the queues cannot be counted: %s", error)
            return broker, None

    async def _described(self, describe: Describe) -> str:
        try:
            return await describe()
        except (SupervisionError, TimeoutError) as error:
            return f"no answer ({error})" if str(error) else "no answer in time"
