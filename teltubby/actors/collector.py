"""CollectorActor: collects channels while the session of a person is there, and answers what is asked of it."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from functools import partial
from typing import assert_never

import anyio
from anyio import to_thread

from teltubby.actors.collected_channels import CollectorMeans
from teltubby.actors.collector_desk import AnswerHead, CollectorDesk, answer_head
from teltubby.actors.collector_work import CollectorWork
from teltubby.actors.patience import Patience
from teltubby.collector.repositories import BUCKET_SECONDS, CollectorStore
from teltubby.collector.store_thread import StoreThread
from teltubby.errors import BrokerUnavailable, DatabaseUnavailable, MalformedMessage
from teltubby.messages.collector import (
    ChannelsTold,
    CollectorMessage,
    CollectorReport,
    DescribeChannels,
    DescribeCollector,
    MakeReport,
    ReportTold,
    TrackChannel,
    TrackTold,
    UntrackChannel,
)
from teltubby.messages.session import SessionChanged
from teltubby.supervision import Actor, Context

_LOG = logging.getLogger(__name__)

WIDTH = 4
ORDERS_REMEMBERED = 256
ANSWERS_TRIED = 5
"""An answer that the broker does not take so often is of no use to the one who waits for it."""


class CollectorActor(Actor[CollectorMessage]):
    """Owns the collector's database, from when it can be opened; what fails is waited out and told, never a crash.

    A file that a newer program wrote is a ConfigurationError, by which the process ends.
    """

    def __init__(self, means: CollectorMeans) -> None:
        self._means = means
        self._store: CollectorStore | None = None
        self._work: CollectorWork | None = None
        self._desk: CollectorDesk | None = None
        self._heard: OrderedDict[str, None] = OrderedDict()
        """The latest orders: one that is heard twice is obeyed once."""
        self._reports = anyio.Semaphore(1)
        self._patience = Patience()

    async def run(self, context: Context[CollectorMessage]) -> None:
        self._patience.heed(context)
        context.started()
        await context.serve(self.handle, partial(self._collect, context), width=WIDTH)

    async def teardown(self) -> None:
        if self._store is not None:
            await to_thread.run_sync(self._store.close)

    async def handle(self, message: CollectorMessage, /) -> object:
        if isinstance(message, SessionChanged):
            if self._work is not None:
                self._work.session_changed()
            return None
        if isinstance(message, DescribeCollector):
            return await self._channels("")
        if message.order_id in self._heard:
            return None
        self._heard[message.order_id] = None
        if len(self._heard) > ORDERS_REMEMBERED:
            self._heard.popitem(last=False)
        match message:
            case TrackChannel():
                await self._answer(await self._of_channel(message, lambda desk: desk.track(message)))
            case UntrackChannel():
                await self._answer(await self._of_channel(message, lambda desk: desk.untrack(message)))
            case DescribeChannels(order_id=order_id):
                await self._answer(await self._channels(order_id))
            case MakeReport():
                await self._answer(await self._report(message))
            case _:
                assert_never(message)
        return None

    # -- orders

    async def _of_channel(
        self, order: TrackChannel | UntrackChannel, obey: Callable[[CollectorDesk], Awaitable[TrackTold]]
    ) -> TrackTold:
        try:
            return await obey(self._open_desk())
        except DatabaseUnavailable as error:
            return TrackTold(**self._head(order.order_id), peer=order.peer, refusal=str(error))

    async def _channels(self, order_id: str) -> ChannelsTold:
        try:
            return await self._open_desk().channels(order_id)
        except DatabaseUnavailable as error:
            history = self._means.settings.history_enabled
            return ChannelsTold(**self._head(order_id), channels=(), collector=str(error), history=history)

    async def _report(self, order: MakeReport) -> ReportTold:
        try:
            async with self._reports:  # one at a time: each takes a processor for seconds
                return await self._open_desk().report(order, self._means.settings.database_path)
        except DatabaseUnavailable as error:
            return ReportTold(**self._head(order.order_id), peer=order.peer, refusal=str(error))

    def _head(self, order_id: str) -> AnswerHead:
        return answer_head(self._means, order_id)

    def _open_desk(self) -> CollectorDesk:
        if self._desk is None:
            raise DatabaseUnavailable(self._means.state.words or "The collector's database is not open yet")
        return self._desk

    async def _answer(self, report: CollectorReport) -> None:
        for attempt in range(1, ANSWERS_TRIED + 1):
            try:
                await self._means.tell(report)
            except MalformedMessage as error:
                _LOG.error("an answer of the collector cannot be sent: %s", error)
                return
            except (BrokerUnavailable, TimeoutError) as error:
                _LOG.warning("an answer of the collector cannot be sent now: %s", error)
                await self._patience.wait(self._means.backoff.delay(attempt + 1, self._means.rng))
            else:
                return

    # -- the work

    async def _collect(self, context: Context[CollectorMessage]) -> None:
        failures = 0
        while not context.stopping.is_set():
            with context.interruptible():
                try:
                    await self._open()
                except DatabaseUnavailable as error:
                    failures += 1
                    self._means.state.failed("database", error)
                    await anyio.sleep(1.0 + self._means.backoff.delay(failures + 1, self._means.rng))
                    continue
                self._means.state.worked("database")
                assert self._work is not None
                await self._work.run()

    async def _open(self) -> None:
        settings = self._means.settings
        # Readings within one bucket are one snapshot: as many are kept as are asked for.
        bucket = min([BUCKET_SECONDS, *(int(step.every.total_seconds()) for step in settings.metrics_schedule)])
        opening = partial(CollectorStore.open, settings.database_path, bucket_seconds=bucket, clock=self._means.clock)
        self._store = await to_thread.run_sync(opening)
        thread = StoreThread(self._store)
        self._work = CollectorWork(thread, self._means)
        self._desk = CollectorDesk(thread, self._means, look=self._work.look)
