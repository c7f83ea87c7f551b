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
from teltubby.collector.store_thread import StoreThread
from teltubby.collector.tracking import WantedMedia
from teltubby.collector.upkeep import COUNTERS_SECONDS, NO_SWEEP_SECONDS, RETENTION_SECONDS, SWEEP_SECONDS, Upkeep
from teltubby.errors import Permanent, SessionNotReady, TelegramUnavailable, TeltubbyError
from teltubby.messages.collector import ChannelMediaFound
from teltubby.supervision import Signal

_LOG = logging.getLogger(__name__)

SESSION_SECONDS = 60.0
"""So often at least is looked whether the session is ready, which asks nothing of Telegram; its news come at once."""
SETTLING_SECONDS = 0.1
"""A session that is told of again and again must not have us ask without a pause."""
LEAST_REST_SECONDS = 1.0
"""Before what failed is tried again, at least."""
LOOK_SECONDS = 30.0
"""The table of tracked channels is looked at this often: `teltubby channels add` writes it."""
FILES_SECONDS = 5.0
FILES_AT_ONCE = 20
FILES_WAITING = 30
"""No more files are told of while so much waits: a channel may have a million, and curators' files take their turn
behind what is in the queue."""
FULL = "the archive is full: {:,} files of channels wait here until there is room"
FULL_SECONDS = 2.0
"""Between two looks at whether the queue has room again."""


class CollectorWork:
    """What is done with an open store, until it is cancelled. What fails is noted, waited out, and tried again."""

    def __init__(self, store: StoreThread, means: CollectorMeans) -> None:
        self._store = store
        self._means = means
        self._channels = CollectedChannels(store, means)
        self._upkeep = Upkeep(
            gateway=self._channels.gateway,
            store=store,
            schedule=means.settings.metrics_schedule,
            retention_days=means.settings.metrics_retention_days,
            clock=means.clock,
            wanted=self._channels.is_wanted,
        )
        self._sweeps = False
        """Whether stored posts were read again, of which there may be more."""
        self._rounds = CollectorRound(self._channels)
        self._changed = Wakeup()
        self._listed = Wakeup()
        self._session = Signal()
        self._times_told = 0
        """How often the session was told to have changed."""

    def look(self) -> None:
        """People want something of a channel, or no longer: that is heeded at once, and a round over all of them begins
        as soon as it can.
        """
        self._begin_round()
        self._listed.ring()

    def session_changed(self) -> None:
        """The session is in another state: what waits for it looks again."""
        self._times_told += 1
        self._session.notify()

    def _begin_round(self) -> None:
        self._channels.seek_again()
        self._changed.ring()

    async def run(self) -> None:
        """For ever."""
        settings = self._means.settings
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._keep, "rounds", self._rounds.go, partial(self._until_round, settings.sync_interval))
            tasks.start_soon(self._keep, "list of channels", self._look, partial(self._until_listed, LOOK_SECONDS))
            tasks.start_soon(self._keep, "files", self._send_files, partial(anyio.sleep, FILES_SECONDS))
            tasks.start_soon(self._keep, "retention", self._upkeep.retain, partial(anyio.sleep, RETENTION_SECONDS))
            if settings.updates_enabled:
                tasks.start_soon(self._keep, "updates", self._follow, anyio.lowlevel.checkpoint)
                tasks.start_soon(self._keep, "sweep", self._sweep, self._until_sweep)
            if settings.metrics_schedule:
                tasks.start_soon(self._keep, "counters", self._count, partial(anyio.sleep, COUNTERS_SECONDS))

    async def _keep(self, what: str, work: Callable[[], Awaitable[None]], rest: Callable[[], Awaitable[None]]) -> None:
        """Do it again and again; the trouble of the world ends nothing."""
        state, failures = self._means.state, 0
        while True:
            told = self._times_told
            try:
                await work()
            except SessionNotReady as error:
                state.failed(what, error)
                await self._until_session_changed(told)
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

    async def _until_listed(self, seconds: float) -> None:
        await self._listed.wait(at_most=seconds)

    async def _until_session_changed(self, told: int) -> None:
        """Until more was told of the session than when it was asked last, or for a while."""
        with anyio.move_on_after(SESSION_SECONDS):
            while self._times_told == told:
                await self._session.wait()
        await anyio.sleep(SETTLING_SECONDS)

    async def _look(self) -> None:
        await self._channels.read()
        if self._channels.wanted != self._rounds.wanted:
            self._begin_round()

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
        await self._upkeep.count(wish.found.ref)

    async def _sweep(self) -> None:
        """A hundred posts of each channel whose stored posts are to be read again."""
        self._sweeps = False
        if (trouble := await self._channels.each(self._swept)) is not None:
            raise trouble

    async def _swept(self, wish: Wish) -> None:
        assert wish.found.ref is not None
        self._sweeps = await self._upkeep.sweep(wish.found.ref) or self._sweeps

    async def _until_sweep(self) -> None:
        await anyio.sleep(SWEEP_SECONDS if self._sweeps else NO_SWEEP_SECONDS)

    async def _send_files(self) -> None:
        """Tell the bot of files to archive; they are marked when it has them for sure, so some may be told twice."""
        tracking, means = self._store.store.tracking, self._means
        while rows := await self._store.run(tracking.wanted, FILES_AT_ONCE):
            if not await means.has_room():
                means.state.held = FULL.format(await self._store.run(tracking.unsent))
                return
            means.state.held = None
            if await means.waiting() >= FILES_WAITING:
                await anyio.sleep(FULL_SECONDS)
                continue  # and look again at what is wanted
            for row in rows:
                if row.post.deleted_at is None:
                    await self._tell_of(row)
            await self._store.run(partial(tracking.sent, rows, at=means.clock()))
        means.state.held = None

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
