"""The collector at work: rounds over all channels, updates in between, counters, thinning, and files to archive."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import partial

import anyio
import anyio.lowlevel

from teltubby.actors.collected_channels import CollectedChannels, CollectorMeans, Passing
from teltubby.actors.collector_peers import Wish
from teltubby.actors.collector_rounds import CollectorRound
from teltubby.actors.wakeup import Wakeup
from teltubby.collector.refresh import refresh, retain
from teltubby.collector.store_thread import StoreThread
from teltubby.collector.tracking import WantedMedia
from teltubby.errors import Permanent, SessionNotReady, TelegramUnavailable, TeltubbyError
from teltubby.messages.collector import ChannelMediaFound

_LOG = logging.getLogger(__name__)

SESSION_SECONDS = 5.0
"""So often is looked whether the session is ready, which asks nothing of Telegram."""
LEAST_REST_SECONDS = 1.0
"""Before what failed is tried again, at least."""
LOOK_SECONDS = 30.0
"""The table of tracked channels is looked at this often: `teltubby channels add` writes it."""
FILES_SECONDS = 5.0
FILES_AT_ONCE = 20
FILES_WAITING = 30
"""No more files are told of while so much waits: a channel may have a million, and curators' files take their turn
behind what is in the queue."""
FULL_SECONDS = 2.0
"""Between two looks at whether the queue has room again."""
COUNTERS_SECONDS = 60.0
RETENTION_SECONDS = 86_400.0


class CollectorWork:
    """What is done with an open store, until it is cancelled. What fails is noted, waited out, and tried again."""

    def __init__(self, store: StoreThread, means: CollectorMeans) -> None:
        self._store = store
        self._means = means
        self._channels = CollectedChannels(store, means)
        self._rounds = CollectorRound(self._channels)
        self._changed = Wakeup()

    def look(self) -> None:
        """People want something of a channel: a round over all of them begins as soon as it can."""
        self._channels.seek_again()
        self._changed.ring()

    async def run(self) -> None:
        """For ever."""
        settings = self._means.settings
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._keep, "rounds", self._rounds.go, partial(self._until_round, settings.sync_interval))
            tasks.start_soon(self._keep, "list of channels", self._look, partial(anyio.sleep, LOOK_SECONDS))
            tasks.start_soon(self._keep, "files", self._send_files, partial(anyio.sleep, FILES_SECONDS))
            tasks.start_soon(self._keep, "retention", self._retain, partial(anyio.sleep, RETENTION_SECONDS))
            if settings.updates_enabled:
                tasks.start_soon(self._keep, "updates", self._follow, anyio.lowlevel.checkpoint)
            if settings.metrics_schedule:
                tasks.start_soon(self._keep, "counters", self._count, partial(anyio.sleep, COUNTERS_SECONDS))

    async def _keep(self, what: str, work: Callable[[], Awaitable[None]], rest: Callable[[], Awaitable[None]]) -> None:
        """Do it again and again; the trouble of the world ends nothing."""
        state, failures = self._means.state, 0
        while True:
            try:
                await work()
            except SessionNotReady as error:
                state.failed(what, error)
                await anyio.sleep(SESSION_SECONDS)
            except (TeltubbyError, TimeoutError) as error:
                failures += 1
                state.failed(what, error)
                await anyio.sleep(LEAST_REST_SECONDS + self._means.backoff.delay(failures + 1, self._means.rng))
            else:
                failures = 0
                state.worked(what)
                await rest()

    async def _until_round(self, seconds: float) -> None:
        await self._changed.wait(at_most=seconds)

    async def _look(self) -> None:
        await self._channels.read()
        if self._channels.wanted != self._rounds.wanted:
            self.look()

    async def _follow(self) -> None:
        """What is pushed, from now until the connection is lost, and what happened before."""
        channels, state = self._channels, self._means.state
        pushes = await channels.gateway.follow()
        state.is_following = True
        try:
            self._bring(await channels.catch_up())
            state.worked("updates")
            while (pushed := await pushes.next()) is not None:
                self._bring(await channels.apply(pushed))
        finally:
            state.is_following = False
            with anyio.CancelScope(shield=True):
                await pushes.aclose()
        raise TelegramUnavailable("the connection that updates come over was lost")

    def _bring(self, trouble: Passing) -> None:
        """What Telegram does not tell now of one channel, a round is to bring; the others are followed meanwhile."""
        if trouble is not None:
            self._changed.ring()

    async def _count(self) -> None:
        if (trouble := await self._channels.each(self._counted)) is not None:
            raise trouble

    async def _counted(self, wish: Wish) -> None:
        assert wish.found.ref is not None
        await refresh(
            wish.found.ref,
            self._channels.gateway,
            self._store,
            schedule=self._means.settings.metrics_schedule,
            now=self._means.clock(),
            wanted=self._channels.is_wanted,
        )

    async def _retain(self) -> None:
        await retain(self._store, days=self._means.settings.metrics_retention_days, now=self._means.clock())

    async def _send_files(self) -> None:
        """Tell the bot of files to archive; they are marked when it has them for sure, so some may be told twice."""
        tracking, means = self._store.store.tracking, self._means
        while rows := await self._store.run(tracking.wanted, FILES_AT_ONCE):
            if await means.waiting() >= FILES_WAITING:
                await anyio.sleep(FULL_SECONDS)
                continue  # and look again at what is wanted
            for row in rows:
                if row.post.deleted_at is None:
                    await self._tell_of(row)
            await self._store.run(partial(tracking.sent, rows, at=means.clock()))

    async def _tell_of(self, row: WantedMedia) -> None:
        means = self._means
        try:
            await means.tell(
                ChannelMediaFound(
                    worker=means.worker,
                    at=means.clock(),
                    post=row.post,
                    title=row.title,
                    username=row.username,
                    user_id=row.user_id,
                )
            )
        except Permanent as error:  # it would hold up all others for ever
            _LOG.error("the file of %d/%d is not archived: %s", row.post.channel_id, row.post.msg_id, error)
