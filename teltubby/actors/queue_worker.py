"""The worker side's QueueActor: takes jobs while a session is ready, and keeps them when the connection goes."""

from __future__ import annotations

import logging
import mimetypes
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any, assert_never

import anyio
from anyio import to_thread
from anyio.abc import ObjectReceiveStream, TaskGroup

from teltubby.actors.job_flow import JobFlow
from teltubby.actors.job_run import JobRun
from teltubby.actors.jobs_in_hand import JobsInHand
from teltubby.actors.letters import collector_report_letter, schema_of
from teltubby.actors.link import Link
from teltubby.actors.queue import QueueActor
from teltubby.actors.worker_reports import WorkerReports, all_is_well
from teltubby.adapters.base import Broker, Delivery, Destination, Heard
from teltubby.errors import BrokerUnavailable, MalformedMessage
from teltubby.messages.collector import (
    CollectorOrder,
    CollectorReport,
    DescribeChannels,
    MakeReport,
    ReportCollected,
    TrackChannel,
    UntrackChannel,
)
from teltubby.messages.control import (
    BeginSignIn,
    CancelSignIn,
    DescribeWorkers,
    SignInOrder,
    StopJob,
    SubmitCode,
    SubmitPassword,
)
from teltubby.messages.health import Standing
from teltubby.messages.queue import CollectorChanged, ConsumerMessage, CountQueues, DescribeQueue, ReportSignIn
from teltubby.messages.routes import AccountKind, FileRoute
from teltubby.messages.session import DescribeSession, SessionChanged
from teltubby.messages.wire import decode_job, decode_order
from teltubby.supervision import Backoff, Context, Ref, Signal, SupervisionError

_LOG = logging.getLogger(__name__)

DESCRIBE_SECONDS = 5.0
REPORT_SECONDS = 30.0
"""A report that the broker has not confirmed by then is told again by who told it."""
REPORTS_AT_ONCE = 16
LOST = "the connection to the broker was lost"


def nothing() -> None:
    """No trouble is known."""


class ConsumingQueueActor(QueueActor[ConsumerMessage]):
    """Runs up to `concurrency` jobs at once, across connections; `JobFlow` says what becomes of each.

    A connection's streams have as many places as there are jobs to take up: what runs on without its delivery has one
    too, so that while all run on, the messages are left to other workers. Orders about channels go to the `collector`,
    and `collector_trouble` says why it cannot work, if so; without one they are for others.
    """

    def __init__(
        self,
        broker: Broker,
        *,
        run: JobRun,
        sessions: Mapping[AccountKind, Ref[DescribeSession | SignInOrder]],
        place: str,
        public_key: str,
        routes: Sequence[FileRoute],
        concurrency: int,
        retry_seconds: float,
        backoff: Backoff,
        rng: random.Random,
        clock: Callable[[], datetime],
        collector: Ref[CollectorOrder] | None = None,
        collector_trouble: Callable[[], str | None] = nothing,
        unwell: Callable[[], Sequence[Standing]] = all_is_well,
    ) -> None:
        super().__init__(broker, backoff=backoff, rng=rng)
        self._run = run
        self._sessions = sessions
        self._collector = collector
        self._concurrency = concurrency
        self._changed = Signal()
        self._link = Link(broker, self._changed)
        self._hands = JobsInHand(self._changed)
        self._flow = JobFlow(broker, link=self._link, hands=self._hands, run=run, retry_seconds=retry_seconds, rng=rng)
        self._reports = WorkerReports(
            broker,
            self._link,
            worker=run.worker,
            place=place,
            public_key=public_key,
            routes=routes,
            clock=clock,
            collector=None if collector is None else collector_trouble,
            unwell=unwell,
        )
        self._times_told: Counter[AccountKind] = Counter()
        self._receiving: set[anyio.CancelScope] = set()
        self._places = 0

    async def setup(self) -> None:
        await to_thread.run_sync(self._run.spools.sweep)
        await to_thread.run_sync(mimetypes.init)  # it reads files, and would do so in the loop with the first job

    async def handle(self, message: ConsumerMessage, /) -> object:
        match message:
            case SessionChanged(standing=standing):
                self._times_told[standing.account] += 1
                self._reports.learn(standing)
                self._reports.describe()
                self._changed.notify()
                if not self._reports.is_ready:
                    for scope in self._receiving:
                        scope.cancel()
                return None
            case CollectorChanged():
                self._reports.describe()
                return None
            case ReportSignIn(report=report):
                self._reports.tell(report)
                return None
            case ReportCollected(report=told):
                await self._publish_collected(told)
                return None
            case DescribeQueue():
                return self.standing
            case CountQueues():
                return {str(destination): count for destination, count in (await self._broker.depths()).items()}
            case _:
                assert_never(message)

    async def run(self, context: Context[ConsumerMessage]) -> None:
        context.started()
        # What waits for the broker's confirm must not hold up the sessions' news.
        await context.serve(self.handle, partial(self._take_and_run, context), width=REPORTS_AT_ONCE)

    async def _take_and_run(self, context: Context[ConsumerMessage]) -> None:
        """Jobs that run when a stop finds no connection are cut off: they could not say how they end."""
        async with anyio.create_task_group() as jobs:
            self._jobs = jobs
            jobs.start_soon(self._reports.publish)
            await self._stay_connected(context)
            jobs.cancel_scope.cancel()

    async def connected(self, context: Context[Any]) -> None:
        self._link.made()
        try:
            orders = await self._broker.listen()
            async with orders:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._obey, orders, tasks)
                    tasks.start_soon(self._notice_stop, context)
                    await self._describe()
                    await self._keep_taking(context, tasks)
                    tasks.cancel_scope.cancel()
                if context.draining:  # it ends for good, and not because something crashed
                    await self._reports.take_leave()
        finally:
            self._link.lost()
            self._places = 0
            self._hands.lose()

    async def _describe(self) -> None:
        """Ask all sessions, and report how this worker stands."""
        for account, session in self._sessions.items():
            told = self._times_told[account]
            with suppress(SupervisionError, TimeoutError):  # it tells us anyway once it is there again
                standing = await session.ask(DescribeSession(), within=DESCRIBE_SECONDS)
                if told == self._times_told[account]:  # else the answer is older than what we were told meanwhile
                    self._reports.learn(standing)
        self._reports.describe()
        self._changed.notify()

    async def _obey(self, orders: ObjectReceiveStream[Heard], tasks: TaskGroup) -> None:
        async for heard in orders:
            try:
                order = decode_order(heard.body, heard.type, schema_of(heard))
            except MalformedMessage as error:
                _LOG.warning("an order cannot be read: %s", error)
                continue
            match order:
                case StopJob():
                    tasks.start_soon(self._flow.stop, order)
                case BeginSignIn() | SubmitCode() | SubmitPassword() | CancelSignIn():
                    self._pass_on(order)
                case DescribeWorkers():
                    tasks.start_soon(self._describe)
                case TrackChannel() | UntrackChannel() | DescribeChannels() | MakeReport():
                    self._collect(order)
                case _:
                    assert_never(order)
        raise BrokerUnavailable(LOST)

    def _pass_on(self, order: SignInOrder) -> None:
        """To the person's session, if this worker is meant."""
        if order.worker != self._run.worker:
            return
        session = self._sessions.get(AccountKind.USER)
        if session is None:
            self._reports.refuse(order.sign_in_id, "this worker's routes need no user account (MTPROTO_ROUTES)")
            return
        try:
            session.tell(order)
        except SupervisionError as error:
            self._reports.refuse(order.sign_in_id, f"the worker cannot take it now ({error})")

    def _collect(self, order: CollectorOrder) -> None:
        """Pass it on; who ordered hears nothing from a collector that cannot take it, and orders again."""
        if self._collector is None:
            return
        try:
            self._collector.tell(order)
        except SupervisionError as error:
            _LOG.warning("the collector cannot take an order now: %s", error)

    async def _publish_collected(self, report: CollectorReport) -> None:
        """Over the connection that there is. Raises BrokerUnavailable, MalformedMessage (it is too long)."""
        letter = collector_report_letter(report)
        try:
            with anyio.fail_after(REPORT_SECONDS):
                await self._link.use(partial(self._broker.publish, Destination.EVENTS, letter))
        except TimeoutError:
            raise BrokerUnavailable("the broker did not confirm in time") from None

    async def _notice_stop(self, context: Context[Any]) -> None:
        await context.stopping.wait()
        self._hands.leave()
        self._changed.notify()

    async def _keep_taking(self, context: Context[Any], tasks: TaskGroup) -> None:
        """Until a stop is asked for and nothing is in hand any more."""
        while self._hands or not context.stopping.is_set():
            self._link.check()
            free = self._concurrency - self._places - self._hands.adrift
            if free > 0 and self._wanted(context):
                jobs = await self._broker.consume([Destination.PRIORITY, Destination.JOBS], prefetch=free)
                self._places += free
                tasks.start_soon(self._take_from, context, jobs, free)
            else:
                await self._changed.wait()

    def _wanted(self, context: Context[Any]) -> bool:
        return self._reports.is_ready and not context.stopping.is_set()

    async def _take_from(self, context: Context[Any], jobs: ObjectReceiveStream[Delivery], places: int) -> None:
        """Take up jobs; when none are wanted, the stream stays until those that it lent are settled."""
        async with jobs:
            while True:
                if self._wanted(context):
                    delivery = await self._next(context, jobs)
                    if delivery is not None:
                        self._take_up(delivery, jobs)
                elif self._hands.lent_by(jobs):
                    await self._changed.wait()
                else:
                    break
        self._places -= places
        self._changed.notify()

    async def _next(self, context: Context[Any], jobs: ObjectReceiveStream[Delivery]) -> Delivery | None:
        """The next delivery, or None when the last session went away or a stop was asked for."""
        delivery: Delivery | None = None
        with context.interruptible() as scope:
            self._receiving.add(scope)
            try:
                delivery = await jobs.receive()
            except anyio.EndOfStream:
                raise BrokerUnavailable(LOST) from None
            finally:
                self._receiving.discard(scope)
        return delivery

    def _take_up(self, delivery: Delivery, lender: object) -> None:
        try:
            job = decode_job(delivery.body, schema=schema_of(delivery))
        except MalformedMessage as error:
            self._jobs.start_soon(self._flow.refuse, delivery, str(error))
            return
        hand, spare = self._hands.take(job, delivery, lender)
        if spare is not None:
            _LOG.info("job %s came once more", job.job_id)
            self._jobs.start_soon(self._flow.drop, spare)
        if hand is not None:
            self._jobs.start_soon(self._flow.run, hand)
