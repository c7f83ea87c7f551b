"""The channels that a collector has in hand, and what every part of its work shares."""

from __future__ import annotations

import math
import random
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import anyio

from teltubby.actors.collector_peers import Wish, read_wishes
from teltubby.actors.collector_standing import CollectorState
from teltubby.actors.room_asked import HasRoom
from teltubby.actors.session_channels import SessionChannels
from teltubby.adapters.base import Destination
from teltubby.archive.media_filter import accepts
from teltubby.collector.follower import Follower
from teltubby.collector.patience import PatientChannels
from teltubby.collector.store_thread import StoreThread
from teltubby.config.collector import CollectorSettings
from teltubby.errors import (
    BrokerUnavailable,
    DatabaseUnavailable,
    NotAnswered,
    Permanent,
    SessionNotReady,
    TeltubbyError,
)
from teltubby.messages.channels import FoundChannel, Pushed
from teltubby.messages.collected import Post
from teltubby.messages.collector import CollectorReport, MediaFilter, ReportCollected
from teltubby.messages.queue import CountQueues
from teltubby.messages.session import SessionState
from teltubby.supervision import ActorCrashed, ActorStopped, Backoff, Ref

SOUGHT_AGAIN_SECONDS = 3600.0
"""A channel that is not to be found is looked for this seldom: Telegram answers some 200 such questions a day."""
LONGEST_BACKOFF = 60.0
TELL_SECONDS = 60.0
LONGEST_SEARCH = 10.0
"""Telegram may let nobody be looked for by name for a day; meanwhile a round goes on with the channels it knows."""

Tell = Callable[[CollectorReport], Awaitable[None]]
Waiting = Callable[[], Awaitable[int]]
Wanted = frozenset[tuple[str, MediaFilter | None]]
Passing = TeltubbyError | TimeoutError | None
"""Trouble of a channel that may pass, if there is any."""


def told_over(queue: Ref[ReportCollected]) -> Tell:
    """Tells the bot over the worker's queue. Raises BrokerUnavailable, TimeoutError, MalformedMessage for what is too
    long for the broker, and NotAnswered when the worker stops.
    """

    async def tell(report: CollectorReport) -> None:
        with _asked():
            await queue.ask(ReportCollected(report=report), within=TELL_SECONDS)

    return tell


def waiting_in(queue: Ref[CountQueues]) -> Waiting:
    """Counts what waits before another file: jobs in their turn, and reports that the bot has not taken yet.

    Raises what `told_over` says.
    """

    async def waiting() -> int:
        with _asked():
            depths = await queue.ask(CountQueues(), within=TELL_SECONDS)
        return depths.get(Destination.JOBS, 0) + depths.get(Destination.EVENTS, 0)

    return waiting


@contextmanager
def _asked() -> Iterator[None]:
    """What became of the worker's queue, as the collector's waiting goes by it."""
    try:
        yield
    except ActorCrashed as error:
        raise BrokerUnavailable(f"the worker's queue ended meanwhile: {error}") from error
    except ActorStopped as error:
        raise NotAnswered(f"this worker stops: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectorMeans:
    """What the parts of a collector work with.

    `peers` are those of the configuration, as archive.peers writes them. `tell` returns when the bot will have it for
    sure; `waiting` says how much is before another file. Both raise what `told_over` says. `has_room`: the archive
    takes more files.
    """

    worker: str
    settings: CollectorSettings
    peers: tuple[str, ...]
    session: SessionChannels
    tell: Tell
    waiting: Waiting
    has_room: HasRoom
    state: CollectorState
    backoff: Backoff
    rng: random.Random
    clock: Callable[[], datetime]


class NoLongerWanted(TeltubbyError):
    """The channel was untracked in the middle of its turn, which ends between two pages."""


class CollectedChannels:
    """Which channels are collected now, by which account, and with which trouble.

    `gateway` asks Telegram, patiently; `follower` applies updates where they are followed.
    """

    def __init__(self, store: StoreThread, means: CollectorMeans) -> None:
        settings = means.settings
        self.store = store
        self.means = means
        self.gateway = PatientChannels(
            means.session,
            retry_max=settings.retry_max,
            backoff=Backoff(first=settings.retry_backoff, cap=max(LONGEST_BACKOFF, settings.retry_backoff)),
            rng=means.rng,
            on_wait=means.state.waits,
            longest_search=LONGEST_SEARCH,
        )
        self.follower = Follower(self.gateway, store, clock=means.clock, wanted=self.is_wanted)
        self.account_id: int | None = None
        self.wishes: tuple[Wish, ...] = ()
        self._filters: dict[int, MediaFilter | None] = {}
        self._reading = anyio.Lock()  # else what was just found would be missing from what was read before
        self._sought: dict[str, float] = {}
        """When peers were looked for in vain."""
        self._behind: set[int] = set()
        """Channels of which Telegram did not tell what happened when it was asked."""

    async def sign_in(self) -> None:
        """Learn whose session it is. Raises SessionNotReady."""
        session = await self.means.session.standing()
        if session.state is not SessionState.READY:
            raise SessionNotReady(f"the user session is {session.state}: {session.detail}")
        if session.account_id != self.account_id:  # what another account did not find, this one may
            self.seek_again()
        self.account_id = session.account_id

    def seek_again(self) -> None:
        """The next round is for all channels, also those that were not to be found."""
        self._sought.clear()

    async def read(self) -> tuple[Wish, ...]:
        """What people want now; what they no longer do is not followed any more."""
        async with self._reading:
            wishes = await self.store.run(read_wishes, self.store.store, self.means.peers)
            collected = {wish.channel_id: wish.media for wish in wishes if wish.channel_id is not None}
            for channel_id in self._filters.keys() - collected.keys():
                self.follower.forget(channel_id)
            before, self.wishes, self._filters = self._filters, wishes, collected
        if any(media is not None and collected.get(channel_id) is None for channel_id, media in before.items()):
            await self.let_go()
        return wishes

    def is_collected(self, channel_id: int) -> bool:
        """Whether people want this channel collected, as far as was read."""
        return channel_id in self._filters

    async def let_go(self) -> None:
        """Forget the files that were wanted of channels whose files nobody wants any more."""
        await self.store.run(self.store.store.tracking.let_go)

    @property
    def wanted(self) -> Wanted:
        """What people want of it all, without what is known of the channels."""
        return frozenset((wish.peer, wish.media) for wish in self.wishes)

    def is_wanted(self, post: Post) -> bool:
        """Whether the post's file is to be archived."""
        media = self._filters.get(post.channel_id)
        return media is not None and accepts(media, post)

    @property
    def to_be_sought(self) -> tuple[Wish, ...]:
        """Those that a round is for: all but what was looked for in vain a short time ago."""
        since = anyio.current_time() - SOUGHT_AGAIN_SECONDS
        return tuple(wish for wish in self.wishes if self._sought.get(wish.peer, -math.inf) <= since)

    @property
    def at_hand(self) -> tuple[tuple[Wish, int], ...]:
        """Those that the account that is signed in has found, and that are in no trouble; with their bare ids."""
        return tuple(
            (wish, wish.channel_id)
            for wish in self.wishes
            if wish.channel_id is not None
            and wish.ref_of(self.account_id) is not None
            and wish.peer not in self._sought
        )

    async def found(self, wish: Wish, found: FoundChannel) -> None:
        """Telegram says which channel it is. Raises NoLongerWanted for one that was untracked meanwhile."""
        self._sought.pop(wish.peer, None)
        async with self._reading:
            if all(wish.peer != other.peer for other in self.wishes):
                raise NoLongerWanted("nobody wants it collected any more")
            await self.store.run(self.store.store.tracking.found, wish.peer, found.ref, self.account_id)
            self._filters[found.ref.channel_id] = wish.media
        if self.means.settings.updates_enabled:
            await self.follower.adopt(found)

    async def note(self, peer: str, error: Exception | None, trouble: str | None) -> None:
        """What stands in the way of a channel now, if anything; what is for good is not tried again soon."""
        if isinstance(error, Permanent):
            self._sought[peer] = anyio.current_time()
            for wish in self.wishes:
                if wish.peer == peer and wish.channel_id is not None:
                    self.follower.forget(wish.channel_id)
        await self.store.run(self.store.store.tracking.trouble, peer, trouble, self.means.clock())

    async def catch_up(self) -> Passing:
        """Apply what happened in each channel at hand, also in those that are behind. Answers and raises as `each`."""
        return await self.each(self._caught_up)

    async def apply(self, pushed: Pushed) -> Passing:
        """Apply what was pushed of a channel, or that more happened in all of them than is told.

        One of which Telegram does not tell now what happened is behind: its trouble is the answer, and what is pushed
        of it is passed over until `catch_up` brings it. Of channels that are not at hand yet, a round does.
        """
        of_all = pushed.channel_id is None
        named = [wish for wish, channel_id in self.at_hand if of_all or channel_id == pushed.channel_id]
        wishes = [wish for wish in named if wish.channel_id not in self._behind]
        return await self.all_of(wishes, self._caught_up if of_all else partial(self._applied, pushed))

    async def each(self, work: Callable[[Wish], Awaitable[object]]) -> Passing:
        """See `all_of`: of every channel at hand."""
        return await self.all_of([wish for wish, _ in self.at_hand], work)

    async def all_of(self, wishes: Iterable[Wish], work: Callable[[Wish], Awaitable[object]]) -> Passing:
        """Work on channels one after the other; one's own trouble is noted, and stops no other.

        Answers with such trouble, if it may pass. Raises SessionNotReady and DatabaseUnavailable.
        """
        passing: Passing = None
        for wish in wishes:
            try:
                await work(wish)
            except (SessionNotReady, DatabaseUnavailable):  # which are no channel's own
                raise
            except NoLongerWanted:
                continue
            except (TeltubbyError, TimeoutError) as error:
                await self.note(wish.peer, error, str(error) or "Telegram did not answer in time")
                passing = passing if isinstance(error, Permanent) else error
        return passing

    async def _caught_up(self, wish: Wish) -> None:
        channel_id = wish.channel_id
        assert channel_id is not None
        try:
            await self.follower.catch_up(channel_id)
            if channel_id in self._behind:
                self._behind.discard(channel_id)
                await self.follower.catch_up(channel_id)  # what was pushed since it was asked was passed over
        except (TeltubbyError, TimeoutError):
            self._behind.add(channel_id)
            raise

    async def _applied(self, pushed: Pushed, wish: Wish) -> None:
        try:
            await self.follower.apply(pushed)
        except (TeltubbyError, TimeoutError):
            if wish.channel_id is not None:
                self._behind.add(wish.channel_id)
            raise
