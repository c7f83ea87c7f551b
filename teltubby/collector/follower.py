"""Follows channels by their updates: what Telegram pushes is applied in the order of its pts, and gaps are filled."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import assert_never

import anyio

from teltubby.adapters.base import ChannelGateway
from teltubby.collector.clocks import BELIEVED
from teltubby.collector.due import known_posts
from teltubby.collector.history import begin
from teltubby.collector.pages import Cursor, Page, Sweep
from teltubby.collector.repositories import CollectorStore
from teltubby.collector.store_thread import StoreThread
from teltubby.collector.sweeps import sweep_of
from teltubby.collector.updates import (
    Step,
    Wanted,
    nothing_wanted,
    page_of,
    page_of_change,
    page_of_difference,
    step_of,
)
from teltubby.errors import ChatUnavailable
from teltubby.messages.channels import (
    PAGE,
    ChannelDifference,
    ChannelRef,
    FoundChannel,
    PostPage,
    Pushed,
    PushedChange,
    PushedCounters,
    PushedGap,
)

log = logging.getLogger(__name__)


class Follower:
    """Applies updates of the channels that it was given (`adopt`) to the store, each with its pts in one transaction:
    stopped at any moment, it goes on from what is stored. Calls for one channel wait for each other.

    After a difference that is too long new posts are read, and a sweep of those that are stored begins, which whoever
    follows goes on with (`sweep_on`). Whatever it asks of Telegram or of the store may raise what they raise, and then
    only what is stored has been applied: a later update, or `catch_up`, brings the rest.
    """

    def __init__(
        self,
        gateway: ChannelGateway,
        store: StoreThread,
        *,
        clock: Callable[[], datetime],
        wanted: Wanted = nothing_wanted,
    ) -> None:
        self._gateway = gateway
        self._store = store
        self._clock = clock
        self._wanted = wanted
        self._channels: dict[int, ChannelRef] = {}
        self._locks: dict[int, anyio.Lock] = {}
        self._last_moment: datetime | None = None

    async def adopt(self, found: FoundChannel) -> None:
        """Follow a channel from now on; of one of which nothing is stored, from the state in which it was found."""
        await self._store.run(begin, self._store.store, found, self._moment())
        self._locks.setdefault(found.ref.channel_id, anyio.Lock())
        self._channels[found.ref.channel_id] = found.ref

    def forget(self, channel_id: int) -> None:
        """Follow a channel no longer."""
        self._channels.pop(channel_id, None)

    async def apply(self, pushed: Pushed) -> None:
        """Take what was pushed; that of channels which are not followed is dropped.

        After a PushedGap of all channels, those that this account does not see are left out: raises ChatUnavailable for
        one of them when all others are caught up.
        """
        match pushed:
            case PushedChange():
                await self._change(pushed)
            case PushedCounters(channel_id=channel_id):
                if channel_id in self._channels:
                    await self._store.run(_record_counters, self._store.store, pushed, self._moment())
            case PushedGap(channel_id=channel_id):
                await (self._catch_up_all() if channel_id is None else self.catch_up(channel_id))
            case _:
                assert_never(pushed)

    async def catch_up(self, channel_id: int) -> float | None:
        """Apply what happened in a channel since the pts that is stored, until there is no more.

        Returns in how many seconds Telegram wants to be asked again, where it says so. One that is not followed is left
        alone.
        """
        ref = self._channels.get(channel_id)
        if ref is None:
            return None
        async with self._locks[channel_id]:
            return await self._close_gap(ref)

    async def _change(self, change: PushedChange) -> None:
        ref = self._channels.get(change.channel_id)
        if ref is None:
            return
        async with self._locks[change.channel_id]:
            store = self._store.store
            step = await self._store.run(_record_change, store, change, self._moment(), self._wanted)
            if step is Step.GAP:
                log.debug("There is a gap before pts %d of channel %d", change.pts, change.channel_id)
                await self._close_gap(ref)

    async def _catch_up_all(self) -> None:
        unavailable: ChatUnavailable | None = None
        for channel_id in tuple(self._channels):
            try:
                await self.catch_up(channel_id)
            except ChatUnavailable as error:
                unavailable = error
        if unavailable is not None:
            raise unavailable

    async def _close_gap(self, ref: ChannelRef) -> float | None:
        cursor = await self._cursor(ref)
        pts = cursor.pts
        if pts is None:  # posts were collected without it: as if it were too long ago
            asked_at = self._moment()
            found = await self._gateway.describe_channel(ref)
            await self._look_for_changes(ref, found.pts, asked_at)
            pts = found.pts
        while True:
            asked_at = self._moment()
            difference = await self._gateway.difference(ref, pts)
            if difference.too_long:
                log.info("Channel %d: Telegram does not tell all that happened since pts %d", ref.channel_id, pts)
                await self._look_for_changes(ref, difference.pts, asked_at)
            else:
                await self._record(page_of_difference(ref.channel_id, difference, asked_at, self._wanted))
            if _is_last(difference, pts):
                return difference.again_in
            pts = difference.pts

    async def _look_for_changes(self, ref: ChannelRef, pts: int, asked_at: datetime) -> None:
        """Find what happened until `pts`, at which the channel was when it was asked at `asked_at`, by reading it: new
        posts now, and those that are stored in a sweep, which begins (again) as `pts` is stored.
        """
        channel_id = ref.channel_id
        stored = after = (await self._cursor(ref)).newest or 0
        is_end = False
        while not is_end:
            seen_at = self._moment()
            page = await self._gateway.posts_after(ref, after, PAGE)
            after = max((after, *page.ids))
            await self._store.run(self._record_after, channel_id, page, seen_at)
            is_end = page.is_end or not page.ids
        last = await self._store.run(sweep_of, self._store.store.file, channel_id)
        sweep = Sweep(number=last.number + 1, below=stored + 1)
        reached = Cursor(pts=pts, complete_at=asked_at)
        await self._record(Page(channel_id=channel_id, seen_at=asked_at, cursor=reached, sweep=sweep))
        await self._store.run(self._store.store.channels.set_back, channel_id, pts)
        log.info("channel %d: all stored posts up to %d are to be read again", channel_id, stored)

    def _record_after(self, channel_id: int, page: PostPage, seen_at: datetime) -> None:
        """In the store's thread: read what the messages say, and store it."""
        cursor = Cursor(newest=max(page.ids, default=None))
        self._store.store.record(page_of(channel_id, page.messages, seen_at, wanted=self._wanted, cursor=cursor))

    async def _cursor(self, ref: ChannelRef) -> Cursor:
        return await self._store.run(self._store.store.channels.cursor, ref.channel_id)

    async def _record(self, page: Page) -> None:
        await self._store.run(self._store.store.record, page)

    def _moment(self) -> datetime:
        """Now, but always later than before: of two edits within a second the one that came later is the newer. Only a
        clock that ran ahead and was set back is believed.
        """
        now = self._clock()
        if self._last_moment is not None and now <= self._last_moment <= now + BELIEVED:
            now = self._last_moment + timedelta(microseconds=1)
        self._last_moment = now
        return now


def _is_last(difference: ChannelDifference, pts: int) -> bool:
    """Whether no more is to be asked for. One that is too long was read afterwards: what happened meanwhile is more."""
    return (difference.is_final and not difference.too_long) or difference.pts <= pts


def _record_change(store: CollectorStore, change: PushedChange, seen_at: datetime, wanted: Wanted) -> Step:
    """Record a change if it is the next one, by the pts that is stored at this moment."""
    step = step_of(change, store.channels.cursor(change.channel_id).pts)
    if step is Step.NEXT:
        store.record(page_of_change(change, seen_at, wanted))
    return step


def _record_counters(store: CollectorStore, counters: PushedCounters, seen_at: datetime) -> None:
    """Record counters of posts that are stored; those of others come with the posts."""
    known = known_posts(store.file, counters.channel_id, (reading.msg_id for reading in counters.metrics))
    metrics = tuple(reading for reading in counters.metrics if reading.msg_id in known)
    if metrics:
        store.record(Page(channel_id=counters.channel_id, seen_at=seen_at, metrics=metrics))
