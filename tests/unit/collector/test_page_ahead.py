"""While a page is read and stored the next one is on its way: at most one, and from where this one ends."""

from __future__ import annotations

import threading
from collections.abc import Callable

import anyio

from teltubby.collector.history import ChannelHistory, HistorySummary
from teltubby.collector.repositories import CollectorStore
from teltubby.collector.rounds import untold
from teltubby.collector.store_thread import StoreThread
from teltubby.messages.channels import ChannelRef, PostPage
from teltubby.messages.collected import ReadMessage
from tests.unit.collector.channel_world import ChannelWorld, WorldChannel
from tests.unit.collector.world import NOON, store_with

WITHIN = 60.0


class Watched(ChannelWorld):
    """What a page says is read only when the next one was asked for, or never will be."""

    def __init__(self) -> None:
        super().__init__(clock=lambda: NOON, round_trip=0.0)
        self.asked: list[threading.Event] = []
        self.unread = self.most_unread = 0

    async def posts_before(self, ref: ChannelRef, before: int | None, limit: int) -> PostPage:
        for each in self.asked:
            each.set()
        page = await super().posts_before(ref, before, limit)
        self.unread += 1
        self.most_unread = max(self.most_unread, self.unread)
        self.asked.append(threading.Event())
        read = self._reading(page, self.asked[-1])
        return PostPage(ids=page.ids, read=read, is_end=page.is_end, total=page.total)

    def _reading(self, page: PostPage, asked: threading.Event) -> Callable[[], tuple[ReadMessage, ...]]:
        def read() -> tuple[ReadMessage, ...]:
            assert page.is_end or asked.wait(WITHIN), "nobody asked for the next page"
            self.unread -= 1
            return page.messages

        return read


async def collected(world: Watched, one: WorldChannel, store: CollectorStore) -> HistorySummary:
    found = await world.describe_channel(one.ref)
    return await ChannelHistory(found, world, StoreThread(store), clock=lambda: NOON).backfill(None, untold)


def test_the_next_page_is_asked_for_before_this_one_is_read() -> None:
    world = Watched()
    one = world.add("Space", 730, username="space")
    with store_with(one.channel) as store:  # in the time of real threads: the page is read in one
        summary = anyio.run(collected, world, one, store)
        assert (summary.new, summary.pages, summary.backfill_done) == (730, 8, True)
    assert world.script.asked("posts_before") == [731 - 100 * page for page in range(8)]
    assert world.most_unread <= 3, "one that is stored, one that waits for it, and one that is asked for"
