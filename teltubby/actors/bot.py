"""BotActor: the curator's counterpart. Intake, answers, and the lines that grow with the jobs."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import assert_never

from anyio import to_thread

from teltubby.actors import phrases
from teltubby.actors.alerts import Alerts
from teltubby.actors.channels_desk import ChannelsDesk
from teltubby.actors.chat import Chat
from teltubby.actors.intake import Intake
from teltubby.actors.news import News
from teltubby.actors.patience import Patience
from teltubby.actors.quota import QuotaKeeper
from teltubby.actors.receiving import Receiving
from teltubby.actors.recollection import Recollection
from teltubby.actors.session_news import SessionNews
from teltubby.actors.trail import Trail
from teltubby.adapters.base import BotGateway
from teltubby.errors import ConfigurationError, NotAnswered, Permanent
from teltubby.messages.collector import ChannelMediaFound, CollectorReport
from teltubby.messages.queue import BotMessage, CollectorNews, JobNews, WorkerNews
from teltubby.supervision import Actor, ActorCrashed, ActorStopped, Context, Refused
from teltubby.transfer.spool import sweep

_LOG = logging.getLogger(__name__)

REPORTS_AT_ONCE = 16
"""A report whose line waits for Telegram must not hold up the others."""


class BotActor(Actor[BotMessage]):
    """Owns the Bot API connection and runs the intake; reports of the workers come by mail."""

    def __init__(
        self,
        gateway: BotGateway,
        *,
        receiving: Receiving,
        intake: Intake,
        news: News,
        session_news: SessionNews,
        channels: ChannelsDesk,
        channel_media: Callable[[ChannelMediaFound], Awaitable[None]],
        quota: QuotaKeeper,
        alerts: Alerts,
        chat: Chat,
        recollection: Recollection,
        trail: Trail,
        patience: Patience,
        spool_dir: Path,
    ) -> None:
        self._gateway = gateway
        self._patience = patience
        self._spool_dir = spool_dir
        self._receiving = receiving
        self._intake = intake
        self._news = news
        self._session_news = session_news
        self._channels = channels
        self._channel_media = channel_media
        self._quota = quota
        self._alerts = alerts
        self._chat = chat
        self._recollection = recollection
        self._trail = trail

    async def setup(self) -> None:
        await to_thread.run_sync(sweep, self._spool_dir)  # what an incarnation before this one left half-done
        await self._gateway.open()
        try:
            await self._receiving.open()
        except ConfigurationError:
            await self._gateway.aclose()
            raise

    async def teardown(self) -> None:
        await self._receiving.aclose()
        await self._trail.aclose()
        await self._recollection.aclose()
        await self._gateway.aclose()

    async def handle(self, message: BotMessage, /) -> None:
        try:
            match message:
                case JobNews():
                    await self._news.handle(message.event)
                case WorkerNews():
                    await self._session_news.handle(message.report)
                case CollectorNews():
                    await self._hear(message.report)
                case _:
                    assert_never(message)
        except (ActorCrashed, ActorStopped, TimeoutError) as error:
            raise NotAnswered(f"the report waits: {error}") from error
        except Refused:
            raise
        except Exception as error:
            _LOG.exception("a report of %s met a bug", _subject(message))
            raise Permanent(f"internal error: {error!r}") from error

    async def _hear(self, report: CollectorReport) -> None:
        if isinstance(report, ChannelMediaFound):
            await self._channel_media(report)
        else:
            await self._channels.told(report)

    async def run(self, context: Context[BotMessage]) -> None:
        context.started()
        self._patience.heed(context)
        await context.serve(
            self.handle,
            partial(self._until_stop, context, self._chat.keep_lines),
            partial(self._until_stop, context, self._quota.keep),
            partial(self._until_stop, context, self._trail.keep),
            partial(self._until_stop, context, self._session_news.keep),
            partial(self._alert, context),
            partial(self._until_stop, context, partial(self._chat.set_menu, phrases.COMMANDS)),
            partial(self._receiving.receive, context),
            partial(self._intake.work, context),
            width=REPORTS_AT_ONCE,
        )

    async def _alert(self, context: Context[BotMessage]) -> None:
        await self._until_stop(context, self._alerts.keep)
        if context.draining:  # it ends for good, and not because something crashed
            await self._alerts.leave()

    async def _until_stop(self, context: Context[BotMessage], loop: Callable[[], Awaitable[None]]) -> None:
        with context.interruptible():
            await loop()


def _subject(message: BotMessage) -> str:
    match message:
        case JobNews(event=event):
            return f"job {event.job_id}"
        case WorkerNews(report=report):
            return f"worker {report.worker}"
        case CollectorNews(report=told):
            return f"the collector of {told.worker}"
