"""One channel's history, read into a real store from the twin of Telegram's channels, in virtual time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TypeVar, TypeVarTuple, Unpack

import anyio
import pytest

from teltubby.collector.history import ChannelHistory, HistorySummary, Progress, begin
from teltubby.collector.pages import Cursor
from teltubby.collector.repositories import CollectorStore
from teltubby.collector.store_thread import StoreThread
from teltubby.errors import ChatUnavailable, DatabaseUnavailable, FloodWait, TelegramUnavailable, TeltubbyError
from teltubby.messages.channels import ChannelRef, PostPage
from teltubby.messages.collected import Post
from tests.unit.collector.channel_world import ChannelWorld, WorldChannel
from tests.unit.collector.world import store_with
from tests.virtual_time import wall_clock

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

R = TypeVar("R")
Ts = TypeVarTuple("Ts")


@pytest.fixture
def store() -> Iterator[CollectorStore]:
    with store_with() as opened:
        yield opened


class Ground:
    """A store, a world, and what was told of the progress in it."""

    def __init__(self, store: CollectorStore, posts: int = 0, *, world: ChannelWorld | None = None) -> None:
        self.store = store
        self.thread = StoreThread(store)
        self.world = world or ChannelWorld()
        self.channel: WorldChannel = self.world.add("space", posts)
        self.told: list[Progress] = []

    async def history(self, wanted: Callable[[Post], bool] = lambda post: False) -> ChannelHistory:
        """As after a start of the program."""
        found = await self.world.describe_channel(self.channel.ref)
        return ChannelHistory(found, self.world, self.thread, clock=wall_clock, wanted=wanted)

    @property
    def cursor(self) -> Cursor:
        return self.store.channels.cursor(self.channel.id)

    def stored(self) -> list[int]:
        return stored(self.store, self.channel)

    def asked(self, method: str) -> Sequence[object]:
        return self.world.script.asked(method)


def stored(store: CollectorStore, channel: WorldChannel) -> list[int]:
    rows = store.file.read("SELECT msg_id FROM posts WHERE channel_id = ? ORDER BY msg_id", channel.id)
    return [row["msg_id"] for row in rows]


async def test_back_from_the_newest_to_the_beginning_page_by_page(store: CollectorStore) -> None:
    ground = Ground(store, 250)
    summary = await (await ground.history()).backfill(None, ground.told.append)
    assert ground.asked("posts_before") == [251, 151, 51], "each from the smallest id of the page before it"
    assert ground.stored() == sorted(ground.channel.posts)
    assert summary == HistorySummary(new=250, read=250, pages=3, backfill_done=True, total=250)
    assert ground.cursor == Cursor(oldest=1, newest=250, backfill_done=True, pts=ground.channel.pts)
    assert store.metrics.latest(ground.channel.id, [250])[250].views == 1

    again = await (await ground.history()).backfill(None, ground.told.append)
    assert again == HistorySummary(backfill_done=True), "what is done is not asked for again"
    assert len(ground.asked("posts_before")) == 3


async def test_a_run_has_its_limit_and_the_next_one_goes_on(store: CollectorStore) -> None:
    ground = Ground(store, 300)
    for run, (oldest, is_done) in enumerate([(151, False), (1, True)], start=1):
        summary = await (await ground.history()).backfill(150, ground.told.append)
        assert (summary.new, summary.backfill_done) == (150, is_done)
        assert (ground.cursor.oldest, ground.cursor.backfill_done) == (oldest, is_done)
        assert len(ground.stored()) == 150 * run
    assert ground.asked("posts_before") == [301, 201, 151, 51]
    await (await ground.history()).backfill(0, ground.told.append)
    assert len(ground.asked("posts_before")) == 4, "a limit of nothing asks nothing"


async def test_catching_up_brings_only_what_is_newer_and_says_when_it_was_complete(store: CollectorStore) -> None:
    ground = Ground(store, 40)
    history = await ground.history()
    assert (await history.catch_up(ground.told.append)).new == 0, "what is there already is for the way back"
    assert ground.cursor.newest == 40
    for number in range(230):
        ground.channel.post(f"new {number}")
    before = wall_clock()
    summary = await (await ground.history()).catch_up(ground.told.append)
    assert ground.asked("posts_after") == [40, 40, 140, 240]
    assert (summary.new, summary.pages, summary.backfill_done) == (230, 3, False)
    assert ground.stored() == list(range(41, 271))
    complete_at = ground.cursor.complete_at
    assert complete_at is not None and before <= complete_at < wall_clock(), "when the last page was asked for"


async def test_both_ways_meet_whatever_is_posted_meanwhile(store: CollectorStore) -> None:
    async def post(moment: str) -> None:
        if moment.endswith("before"):
            ground.channel.post(f"meanwhile, at {moment}")

    ground = Ground(store, 120)
    history = await ground.history()
    ground.world.script.watch = post
    await history.backfill(60, ground.told.append)
    for _ in range(2):
        history = await ground.history()
        await history.backfill(None, ground.told.append)
        ground.world.script.watch = _silent
        await history.catch_up(ground.told.append)
    assert ground.stored() == sorted(ground.channel.posts)


async def _silent(moment: str) -> None:
    del moment


async def test_where_collecting_begins_is_decided_once(store: CollectorStore) -> None:
    ground = Ground(store, 10)
    found = await ground.world.describe_channel(ground.channel.ref)
    assert begin(store, found, wall_clock()) == Cursor(newest=10, pts=found.pts)
    ground.channel.post("later")
    later = await ground.world.describe_channel(ground.channel.ref)
    assert later.pts > found.pts
    assert begin(store, later, wall_clock()) == Cursor(newest=10, pts=found.pts), "what came since is to be asked for"


async def test_an_empty_channel_is_complete(store: CollectorStore) -> None:
    ground = Ground(store)
    history = await ground.history()
    await history.catch_up(ground.told.append)
    await history.backfill(100, ground.told.append)
    assert ground.cursor.newest == 0 and ground.cursor.backfill_done and ground.cursor.oldest is None
    ground.channel.post("the first")
    await (await ground.history()).catch_up(ground.told.append)
    assert ground.stored() == [1]


@pytest.mark.parametrize("shows_absent", [False, True])
async def test_short_pages_are_not_the_end(store: CollectorStore, *, shows_absent: bool) -> None:
    ground = Ground(store)
    ground.channel.page_size, ground.channel.shows_absent = 7, shows_absent
    ground.channel.fill(60, step=3)
    history = await ground.history()
    ground.channel.delete(*range(3, 120, 3))
    for _ in range(20):
        ground.channel.post("new")
    await history.catch_up(ground.told.append)
    summary = await history.backfill(None, ground.told.append)
    assert ground.stored() == sorted(ground.channel.posts)
    assert summary.backfill_done
    gone = store.file.read("SELECT * FROM deletions")
    assert not gone, "that a page does not have a message is no word that it is deleted"


class EmptyPages(ChannelWorld):
    """Gives empty pages that are not the end."""

    async def posts_before(self, ref: ChannelRef, before: int | None, limit: int) -> PostPage:
        return PostPage.of((), is_end=False)

    async def posts_after(self, ref: ChannelRef, after: int, limit: int) -> PostPage:
        return PostPage.of((), is_end=False)


async def test_an_empty_page_that_is_not_the_end_is_neither_the_end_nor_asked_for_without_end(
    store: CollectorStore,
) -> None:
    ground = Ground(store, 10, world=EmptyPages())
    history = await ground.history()
    for way in (history.catch_up(ground.told.append), history.backfill(None, ground.told.append)):
        with pytest.raises(TelegramUnavailable, match="no messages beyond"):
            await way
    assert not ground.cursor.backfill_done and ground.cursor.complete_at is None


async def test_a_message_that_cannot_be_read_is_recorded_and_stops_nothing(store: CollectorStore) -> None:
    ground = Ground(store, 150)
    ground.channel.unreadable = {1, 50, 51, 150}
    history = await ground.history()
    await history.backfill(None, ground.told.append)
    ground.channel.unreadable.add(151)
    assert ground.channel.post("new") == 151
    summary = await history.catch_up(ground.told.append)
    assert summary.backfill_done and summary.unreadable == 5
    recorded = store.posts.unreadable(ground.channel.id)
    assert {message.msg_id for message in recorded} == {1, 50, 51, 150, 151}
    assert ground.stored() == sorted(ground.channel.posts.keys() - ground.channel.unreadable)
    assert ground.cursor == Cursor(
        oldest=1, newest=151, backfill_done=True, pts=151, complete_at=ground.cursor.complete_at
    )


@pytest.mark.parametrize(
    "trouble", [FloodWait(30), TelegramUnavailable("in trouble"), TimeoutError("late"), ChatUnavailable("private")]
)
async def test_trouble_is_raised_when_all_that_was_read_is_stored_and_is_never_the_end(
    store: CollectorStore, trouble: TeltubbyError | TimeoutError
) -> None:
    ground = Ground(store, 500)
    ground.world.script.fail("posts_before", trouble, skip=2)
    history = await ground.history()
    with pytest.raises(type(trouble)) as raised:
        await history.backfill(None, ground.told.append)
    assert raised.value is trouble
    assert history.summary == HistorySummary(new=200, read=200, pages=2, total=500)
    assert ground.cursor == Cursor(oldest=301, newest=500, pts=ground.channel.pts)
    assert ground.stored() == list(range(301, 501))
    await (await ground.history()).backfill(None, ground.told.append)
    assert ground.stored() == sorted(ground.channel.posts)


@pytest.mark.parametrize("way", ["back", "on"])
async def test_the_cursor_does_not_pass_what_the_disk_did_not_take(store: CollectorStore, way: str) -> None:
    ground = Ground(store, 500)
    history = await ground.history()
    await history.catch_up(ground.told.append)
    for _ in range(500):
        ground.channel.post("new")
    before = ground.cursor
    go = history.catch_up if way == "on" else lambda tell: history.backfill(None, tell)
    store.file.read("PRAGMA query_only = ON")
    with pytest.raises(DatabaseUnavailable):
        await go(ground.told.append)
    store.file.read("PRAGMA query_only = OFF")
    assert ground.cursor == before and not ground.stored()
    summary = await go(ground.told.append)
    assert summary.new == 500


class Entangled(StoreThread):
    """Stores a page only when the next one has been asked for."""

    def __init__(self, store: CollectorStore, next_asked: Callable[[], Awaitable[object]]) -> None:
        super().__init__(store)
        self.next_asked = next_asked

    async def run(self, function: Callable[[Unpack[Ts]], R], *args: *Ts) -> R:
        await self.next_asked()
        return await super().run(function, *args)


async def test_while_a_page_is_stored_the_next_one_is_asked_for(store: CollectorStore) -> None:
    ground = Ground(store, 300)
    pages = 0

    async def next_asked() -> None:
        nonlocal pages
        if pages:
            while ground.world.script.count("posts_before") < min(pages + 1, 3):
                await anyio.sleep(0.01)
        pages += 1

    found = await ground.world.describe_channel(ground.channel.ref)
    history = ChannelHistory(found, ground.world, Entangled(store, next_asked), clock=wall_clock)
    with anyio.fail_after(3600):
        assert (await history.backfill(None, ground.told.append)).new == 300


async def test_files_that_are_wanted_are_in_the_outbox_with_their_page(store: CollectorStore) -> None:
    ground = Ground(store, 120)
    history = await ground.history(wanted=lambda post: post.msg_id % 50 == 0)
    for _ in range(80):
        ground.channel.post("new")
    await history.catch_up(ground.told.append)
    assert [wish.post.msg_id for wish in store.tracking.wanted(10)] == [150, 200]
    for _ in range(2):
        await (await ground.history(wanted=lambda post: post.msg_id % 50 == 0)).backfill(None, ground.told.append)
    assert sorted(wish.post.msg_id for wish in store.tracking.wanted(10)) == [50, 100, 150, 200]


async def test_progress_counts_what_is_stored_and_estimates_what_is_left(store: CollectorStore) -> None:
    ground = Ground(store, 1000)
    ground.world.round_trip = 10.0
    await (await ground.history()).backfill(300, lambda told: None)
    await (await ground.history()).backfill(None, ground.told.append)
    assert [told.posts for told in ground.told] == [400, 500, 600, 700, 800, 900, 1000]
    assert [told.read for told in ground.told] == [100, 200, 300, 400, 500, 600, 700]
    assert {told.total for told in ground.told} == {1000}
    assert [round(told.estimate) for told in ground.told] == [60, 50, 40, 30, 20, 10, 0], "10 s for each page"
    assert ground.told[0].channel.title == "space"

    ground.told.clear()
    for _ in range(250):
        ground.channel.post("new")
    await (await ground.history()).catch_up(ground.told.append)
    assert [round(told.estimate) for told in ground.told] == [15, 5, 0]
    assert [told.posts for told in ground.told] == [1100, 1200, 1250]


async def test_the_limit_of_a_run_bounds_its_estimate(store: CollectorStore) -> None:
    ground = Ground(store, 1000)
    ground.world.round_trip = 10.0
    await (await ground.history()).backfill(200, ground.told.append)
    assert [round(told.estimate) for told in ground.told] == [10, 0]
