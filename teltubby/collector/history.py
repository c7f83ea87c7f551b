"""The history of one channel: back from what was the newest message once, and on from the newest that is stored.

Both ways go page by page. A page and the cursor that it moves are one transaction, so that whoever is stopped anywhere
goes on after the last page that is stored. While a page is stored the next one is asked for, from where that one ends.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from teltubby.adapters.base import ChannelGateway
from teltubby.collector.pages import Cursor, Page, Recorded
from teltubby.collector.repositories import CollectorStore
from teltubby.collector.store_thread import StoreThread
from teltubby.collector.updates import Wanted, nothing_wanted, page_of
from teltubby.errors import TelegramUnavailable, TeltubbyError
from teltubby.messages.channels import PAGE, FoundChannel, PostPage
from teltubby.messages.collected import Channel


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a channel is, told after each page that is stored."""

    channel: Channel
    posts: int
    """Stored of the channel by now, those that are deleted since too."""
    total: int | None
    """Messages that the channel has at Telegram, as far as that is known."""
    read: int
    """Messages that were read since this began, whether or not they were stored before."""
    estimate: float
    """Seconds until all that is asked for now is read, at the pace so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistorySummary:
    """What came of reading a channel's history: posts that were new or changed, messages and pages read."""

    new: int = 0
    edited: int = 0
    read: int = 0
    unreadable: int = 0
    pages: int = 0
    backfill_done: bool = False
    total: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """A way through history. Back: to the messages below `start`, at most `limit` of them; else to those above it.

    `began` is the loop's time then, `read_before` how many messages had been read.
    """

    back: bool
    start: int
    limit: int | None = None
    began: float
    read_before: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """A page, when it was asked for, the id up to which the way is gone with it, and how many may be left then."""

    page: PostPage
    asked_at: datetime
    place: int
    left: int | None


_Item = _Read | TeltubbyError | TimeoutError


def begin(store: CollectorStore, found: FoundChannel, at: datetime) -> Cursor:
    """Have a channel known to the store, and answer how far it is collected. Blocking. Raises DatabaseUnavailable.

    Collecting of a new one begins here: what is newer than its newest message at this moment is for catching up and the
    updates after its present `pts`, the rest for the way back. Where it has begun, nothing is moved: what happened
    since then is still to be asked for.
    """
    channel_id = found.ref.channel_id
    store.channels.record(found.channel)
    cursor = store.channels.cursor(channel_id)
    if cursor.newest is not None:
        return cursor
    first = Cursor(newest=found.newest or 0, pts=found.pts if cursor.pts is None else None)
    store.record(Page(channel_id=channel_id, seen_at=at, cursor=first))
    return store.channels.cursor(channel_id)


class ChannelHistory:
    """One channel's history, read into the store. Nothing is asked for twice here: `gateway` is a patient one.

    Both ways raise what the gateway and the store raise. All that was stored until then stays, and the next time
    begins there. Files of posts for which `wanted` holds are to be archived; it is asked of every post that is read.
    """

    def __init__(
        self,
        found: FoundChannel,
        gateway: ChannelGateway,
        store: StoreThread,
        *,
        clock: Callable[[], datetime],
        wanted: Wanted = nothing_wanted,
    ) -> None:
        self._found = found
        self._channel_id = found.ref.channel_id
        self._gateway = gateway
        self._store = store
        self._clock = clock
        self._wanted = wanted
        self._has_begun = False
        self.summary = HistorySummary()
        """What was done so far, with everything that is stored and nothing else."""

    async def catch_up(self, tell: Callable[[Progress], None]) -> HistorySummary:
        """Read what is newer than the newest message that is stored, oldest first, to the end."""
        cursor = await self._begin()
        await self._go(self._way(back=False, start=cursor.newest or 0), tell)
        return self.summary

    async def backfill(self, limit: int | None, tell: Callable[[Progress], None]) -> HistorySummary:
        """Read what is older than the oldest message that was passed, newest first: at most `limit` messages more.

        The first time that is what catching up does not bring. Without a limit it goes to the channel's beginning.
        """
        cursor = await self._begin()
        if not cursor.backfill_done:
            start = (cursor.newest or 0) + 1 if cursor.oldest is None else cursor.oldest
            await self._go(self._way(back=True, start=start, limit=limit), tell)
        return self.summary

    async def _begin(self) -> Cursor:
        store = self._store.store
        if self._has_begun:
            cursor = await self._store.run(store.channels.cursor, self._channel_id)
        else:
            cursor = await self._store.run(begin, store, self._found, self._clock())
            self._has_begun = True
        self.summary = replace(self.summary, backfill_done=cursor.backfill_done)
        return cursor

    def _way(self, *, back: bool, start: int, limit: int | None = None) -> _Way:
        return _Way(back=back, start=start, limit=limit, began=anyio.current_time(), read_before=self.summary.read)

    async def _go(self, way: _Way, tell: Callable[[Progress], None]) -> None:
        """Read and store at the same time; what was read before the reading failed is stored."""
        trouble: TeltubbyError | TimeoutError | None = None
        send, receive = anyio.create_memory_object_stream[_Item](0)
        with send, receive:
            async with anyio.create_task_group() as group:
                group.start_soon(self._read, way, send)
                try:
                    trouble = await self._keep_all(way, receive, tell)
                except TeltubbyError as error:  # not out of the group, which would wrap it
                    trouble = error
                    group.cancel_scope.cancel()
        if trouble is not None:
            raise trouble

    async def _keep_all(
        self, way: _Way, pages: MemoryObjectReceiveStream[_Item], tell: Callable[[Progress], None]
    ) -> TeltubbyError | TimeoutError | None:
        """Store pages as they come, to the last one, or until there are no more because of what is answered."""
        async for read in pages:
            if not isinstance(read, _Read):
                return read
            tell(self._progress(way, read, await self._keep(way, read)))
        return None

    async def _read(self, way: _Way, pages: MemoryObjectSendStream[_Item]) -> None:
        """Ask for one page after the other, each from where the one before it ended."""
        place, left = way.start, way.limit
        with pages:
            try:
                while left is None or left > 0:
                    asked_at = self._clock()
                    page = await self._page(way, place, PAGE if left is None else min(PAGE, left))
                    before, place = place, _passed(way, place, page)
                    if place == before and not page.is_end:
                        # Telegram's answers may be empty before the end; taken for the end they would lose the rest.
                        raise TelegramUnavailable(f"Telegram gives no messages beyond {place}, and says there are some")
                    left = None if left is None else left - len(page.ids)
                    await pages.send(_Read(page=page, asked_at=asked_at, place=place, left=left))
                    if page.is_end:
                        return
            except (TeltubbyError, TimeoutError) as error:
                await pages.send(error)

    async def _page(self, way: _Way, place: int, size: int) -> PostPage:
        if way.back:
            return await self._gateway.posts_before(self._found.ref, place, size)
        return await self._gateway.posts_after(self._found.ref, place, size)

    async def _keep(self, way: _Way, read: _Read) -> int:
        """Store a page with its cursor; answers how many posts of the channel are stored with it."""
        page = read.page
        if way.back:
            cursor = Cursor(oldest=read.place if page.ids else None, backfill_done=page.is_end)
        else:
            cursor = Cursor(newest=read.place, complete_at=read.asked_at if page.is_end else None)
        recorded, unreadable, posts = await self._store.run(self._record, read, cursor)
        before = self.summary
        self.summary = replace(
            before,
            new=before.new + recorded.new,
            edited=before.edited + recorded.edited,
            read=before.read + len(page.ids),
            unreadable=before.unreadable + unreadable,
            pages=before.pages + 1,
            backfill_done=before.backfill_done or cursor.backfill_done,
            total=before.total if page.total is None else page.total,
        )
        return posts

    def _record(self, read: _Read, cursor: Cursor) -> tuple[Recorded, int, int]:
        """In the store's thread: read what the messages say, and store it. Also answers how many could not be read."""
        store = self._store.store
        # What is pushed while the answer is on its way is newer.
        page = page_of(self._channel_id, read.page.messages, read.asked_at, wanted=self._wanted, cursor=cursor)
        return store.record(page), len(page.unreadable), store.channels.posts(self._channel_id)

    def _progress(self, way: _Way, read: _Read, posts: int) -> Progress:
        summary, left = self.summary, self._left(way, read, posts)
        pace = (anyio.current_time() - way.began) / max(summary.read - way.read_before, 1)
        return Progress(
            channel=self._found.channel,
            posts=posts,
            total=summary.total,
            read=summary.read,
            estimate=pace * left,
        )

    def _left(self, way: _Way, read: _Read, posts: int) -> int:
        """How many messages are to be read yet, or some more: by their ids, the limit, and what Telegram counts."""
        if read.page.is_end:
            return 0
        if not way.back:
            return max((self._found.newest or 0) - read.place, 0)
        total = self.summary.total
        bounds = (read.place - 1, read.left, None if total is None else max(total - posts, 0))
        return min(bound for bound in bounds if bound is not None)


def _passed(way: _Way, place: int, page: PostPage) -> int:
    """The id up to which the way is gone after a page; `place` where it brings nothing beyond that."""
    return min((place, *page.ids)) if way.back else max((place, *page.ids))
