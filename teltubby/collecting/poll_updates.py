"""`teltubby poll-updates`: follows the channels that are collected, until it is interrupted."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

import anyio

from teltubby.adapters.clock import utc_now
from teltubby.archive.media_filter import accepts
from teltubby.collecting.opened import Opened, opened, patience
from teltubby.collecting.peers import NoChannel, peers_of, targets_of
from teltubby.collector.follower import Follower
from teltubby.collector.rounds import Target
from teltubby.collector.sweeps import left_to_sweep
from teltubby.collector.upkeep import COUNTERS_SECONDS, NO_SWEEP_SECONDS, RETENTION_SECONDS, SWEEP_SECONDS, Upkeep
from teltubby.config import Config
from teltubby.errors import ChatUnavailable, ConnectionLost, SessionNotReady, TeltubbyError, Transient
from teltubby.messages.channels import ChannelRef, Pushes
from teltubby.messages.collected import Channel, Post
from teltubby.messages.collector import MediaFilter
from teltubby.trees import parts

_LOG = logging.getLogger(__name__)

LOOK_SECONDS = 30.0
"""Between two looks at which channels are tracked: other processes may change that."""
LEAST_SECONDS = 1.0
"""Between two questions about one channel, whatever Telegram proposes."""


@dataclass(slots=True)
class _Followed:
    """A channel that is followed; `posts` were stored of it before, and it is asked about again at `due`."""

    peer: str
    ref: ChannelRef
    channel: Channel
    posts: int
    due: float


@dataclass(slots=True)
class _Tally:
    """What happened so far."""

    pushes: int = 0
    restarts: int = 0
    troubles: dict[str, str] = field(default_factory=dict)
    """By peer, of those that cannot be followed now."""


async def poll_updates(config: Config, *, restart: bool, write: Callable[[str], None]) -> None:
    """Follow the channels of MTPROTO_PEERS and those that are tracked, until it is cancelled; the summary comes then.

    With `restart` it begins again, after a pause that grows, when the connection is lost or Telegram or the database
    are away. Raises ConnectionLost and the like without, SessionNotReady always, NoChannel where there is none.
    """

    def on_wait(seconds: float, why: str) -> None:
        if seconds > config.collector.sleep_threshold:
            _LOG.warning("waiting for %.0f s: %s", seconds, why)

    async with opened(config, follows=True, on_wait=on_wait, endless=restart) as have:
        polling = Polling(config, have)
        try:
            await polling.run(restart=restart)
        finally:
            with anyio.CancelScope(shield=True):
                write(await have.store.run(polling.summary))


class Polling:
    """Following channels with what was opened for it."""

    def __init__(self, config: Config, have: Opened, *, clock: Callable[[], datetime] = utc_now) -> None:
        self._settings = config.collector
        self._backoff = patience(config)
        self._have = have
        self._clock = clock
        self._follower = Follower(have.gateway, have.store, clock=clock, wanted=self._is_wanted)
        self._upkeep = Upkeep(
            gateway=have.gateway,
            store=have.store,
            schedule=config.collector.metrics_schedule,
            retention_days=config.collector.metrics_retention_days,
            clock=clock,
            wanted=self._is_wanted,
        )
        self._followed: dict[int, _Followed] = {}
        self._media: dict[int, MediaFilter] = {}
        self._looked_for_again: dict[str, float] = {}
        self._tally = _Tally()
        self._failure: TeltubbyError | TimeoutError | None = None

    async def run(self, *, restart: bool) -> None:
        """See `poll_updates`."""
        attempt = 1
        while True:
            began = anyio.current_time()
            try:
                await self._follow()
            except SessionNotReady:
                raise
            except (Transient, TimeoutError) as error:
                if not restart:
                    raise
                attempt = attempt + 1 if anyio.current_time() - began < self._backoff.healthy_after else 2
                pause = self._backoff.delay(attempt, parts.RNG)
                self._tally.restarts += 1
                _LOG.warning("%s; beginning again in %.1f s", str(error) or "no answer in time", pause)
                await anyio.sleep(pause)

    def summary(self) -> str:
        """One JSON object. Blocking: how many posts are new is known by the database alone."""
        store = self._have.store.store
        told = {
            "pushes": self._tally.pushes,
            "restarts": self._tally.restarts,
            "channels": [
                {
                    "peer": followed.peer,
                    "channel_id": channel_id,
                    "title": followed.channel.title,
                    "new": store.channels.posts(channel_id) - followed.posts,
                    "to_read_again": left_to_sweep(store.file, channel_id),
                }
                for channel_id, followed in self._followed.items()
            ],
            "troubles": self._tally.troubles,
        }
        return json.dumps(told, ensure_ascii=False, indent=2)

    async def _follow(self) -> None:
        """Take what is pushed, ask for what is not, and do the rest beside, until something fails. Raises with what."""
        pushes = await self._have.gateway.follow()
        self._failure = None
        for followed in self._followed.values():
            followed.due = anyio.current_time()  # what was pushed while nobody took it is in the differences
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._guarded, self._ask_around, tasks.cancel_scope)
                tasks.start_soon(self._guarded, partial(self._take, pushes), tasks.cancel_scope)
                for work in (self._count, self._sweep, self._retain):
                    tasks.start_soon(self._guarded, work, tasks.cancel_scope)
        finally:
            with anyio.CancelScope(shield=True):
                await pushes.aclose()
        if self._failure is not None:
            raise self._failure

    async def _guarded(self, task: Callable[[], Awaitable[None]], scope: anyio.CancelScope) -> None:
        """Keep what a task fails with: a group would wrap it."""
        try:
            await task()
        except (TeltubbyError, TimeoutError) as error:
            self._failure = self._failure or error
            scope.cancel()

    async def _take(self, pushes: Pushes) -> None:
        while (pushed := await pushes.next()) is not None:
            self._tally.pushes += 1
            try:
                await self._follower.apply(pushed)
            except ChatUnavailable as error:
                _LOG.warning("a channel cannot be followed: %s", error)
        raise ConnectionLost("the connection to Telegram is lost")

    async def _ask_around(self) -> None:
        """Ask about every channel when it is its turn: of channels without many members nothing may be pushed."""
        while True:
            await self._look()
            for channel_id, followed in tuple(self._followed.items()):
                if followed.due > anyio.current_time():
                    continue
                again_in = None
                try:
                    again_in = await self._follower.catch_up(channel_id)
                    await self._trouble(followed.peer, None)
                except ChatUnavailable as error:
                    await self._trouble(followed.peer, error)
                pause = self._settings.sync_interval if again_in is None else again_in
                followed.due = anyio.current_time() + max(LEAST_SECONDS, min(pause, self._settings.sync_interval))
            next_due = min((followed.due for followed in self._followed.values()), default=float("inf"))
            await anyio.sleep(min(LOOK_SECONDS, max(0.0, next_due - anyio.current_time())))

    async def _count(self) -> None:
        while self._settings.metrics_schedule:
            await self._each(self._upkeep.count)
            await anyio.sleep(COUNTERS_SECONDS)

    async def _sweep(self) -> None:
        while True:
            sweeps = await self._each(self._upkeep.sweep)
            await anyio.sleep(SWEEP_SECONDS if sweeps else NO_SWEEP_SECONDS)

    async def _retain(self) -> None:
        while True:
            await self._upkeep.retain()
            await anyio.sleep(RETENTION_SECONDS)

    async def _each(self, work: Callable[[ChannelRef], Awaitable[bool | None]]) -> bool:
        """Work on every channel that is followed; whether any of it says that there is more."""
        is_more = False
        for followed in tuple(self._followed.values()):
            try:
                is_more = bool(await work(followed.ref)) or is_more
            except ChatUnavailable as error:
                await self._trouble(followed.peer, error)
        return is_more

    # -- which channels

    async def _look(self) -> None:
        """Follow what is tracked since, and no longer what is not."""
        store = self._have.store.store
        tracked = await self._have.store.run(store.tracking.all)
        peers = peers_of((), self._settings.peers, [each.peer for each in tracked])
        targets = await self._have.store.run(targets_of, store, peers, self._have.account.id)
        known = {followed.peer for followed in self._followed.values()}
        for target in targets:
            again_at = self._looked_for_again.get(target.peer, 0.0)
            if target.peer not in known and again_at <= anyio.current_time():
                await self._adopt(target)
        for channel_id, followed in tuple(self._followed.items()):
            if followed.peer not in peers:
                self._follower.forget(channel_id)
                del self._followed[channel_id]
        if not self._followed:
            why = "; ".join(f"{peer}: {reason}" for peer, reason in self._tally.troubles.items())
            raise NoChannel(f"no channel can be followed: {why}")
        by_peer = {target.peer: target.media for target in targets}
        media = {channel_id: by_peer.get(followed.peer) for channel_id, followed in self._followed.items()}
        self._media = {channel_id: wanted for channel_id, wanted in media.items() if wanted is not None}

    async def _adopt(self, target: Target) -> None:
        gateway, store = self._have.gateway, self._have.store
        try:
            if target.ref is None:
                found = await gateway.find_channel(target.peer)
            else:
                found = await gateway.describe_channel(target.ref)
        except ChatUnavailable as error:
            await self._trouble(target.peer, error)
            self._looked_for_again[target.peer] = anyio.current_time() + self._settings.sync_interval
            return
        self._tally.troubles.pop(target.peer, None)
        channel_id = found.ref.channel_id
        await store.run(store.store.tracking.found, target.peer, found.ref, self._have.account.id)
        await self._follower.adopt(found)
        if channel_id not in self._followed:
            posts = await store.run(store.store.channels.posts, channel_id)
            self._followed[channel_id] = _Followed(target.peer, found.ref, found.channel, posts, anyio.current_time())
            _LOG.info("%s is followed", target.peer)

    async def _trouble(self, peer: str, error: ChatUnavailable | None) -> None:
        """Note what is wrong with a channel, or that nothing is any more; said when it begins."""
        reason = None if error is None else str(error)
        if self._tally.troubles.get(peer) == reason:
            return
        if reason is None:
            del self._tally.troubles[peer]
        else:
            _LOG.warning("%s cannot be followed: %s", peer, reason)
            self._tally.troubles[peer] = reason
        await self._have.store.run(self._have.store.store.tracking.trouble, peer, reason, self._clock())

    def _is_wanted(self, post: Post) -> bool:
        media = self._media.get(post.channel_id)
        return media is not None and accepts(media, post)
