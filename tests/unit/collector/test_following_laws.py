"""Whatever happens in a channel, to its updates and to the collector: in the end exactly the channel is stored."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import anyio.lowlevel
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from teltubby.collector.follower import Follower
from teltubby.collector.history import ChannelHistory
from teltubby.collector.patience import PatientChannels
from teltubby.collector.refresh import refresh
from teltubby.collector.repositories import CollectorStore
from teltubby.collector.rounds import untold
from teltubby.collector.store_thread import StoreThread
from teltubby.collector.sweeping import sweep_on
from teltubby.errors import TelegramUnavailable
from teltubby.messages.collected import PostMetrics
from teltubby.messages.collector import MetricsStep
from teltubby.supervision import Backoff
from tests.unit.collector.channel_world import ChannelWorld, Fate, WorldChannel
from tests.unit.collector.world import check_search, hours
from tests.virtual_time import backend_in_virtual_time, wall_clock

pytestmark = pytest.mark.usefixtures("virtual_time")

SCHEDULE = (MetricsStep(age=hours(24 * 365), every=hours(0)),)

Deed = Callable[[ChannelWorld, WorldChannel], object]


@dataclass(frozen=True)
class Does:
    """Something that happens in the channel or to the connection; `place` picks the post."""

    what: str
    place: int

    def __call__(self, world: ChannelWorld, one: WorldChannel) -> None:
        ids = sorted(one.posts)
        msg_id = ids[self.place % len(ids)] if ids else None
        match self.what:
            case "post":
                one.post(f"said {self.place}")
            case "forget":
                one.forget()
            case "disconnect":
                world.disconnect()
            case "release":
                world.release()
            case "flood":
                world.flood(7)
            case "fail":
                world.script.fail(
                    ("difference", "posts_before", "posts_by_id")[self.place % 3], TelegramUnavailable("-")
                )
            case _ if msg_id is None:
                pass
            case "edit":
                one.edit(msg_id, f"edited {len(one.contents[msg_id])}")
            case "rewrite":  # within one second, which is all that dates of edits tell
                one.edit(msg_id, f"edited {len(one.contents[msg_id])}")
                one.edit(msg_id, f"edited {len(one.contents[msg_id])}")
            case "delete":
                one.delete(msg_id, *ids[self.place % len(ids) + 1 :][: self.place % 2])
            case "react":
                one.react(msg_id, "👍", 1 if self.place % 3 else -1)
            case "view":
                one.view(msg_id, views=1 + self.place % 3, forwards=self.place % 2)


@dataclass(frozen=True)
class Life:
    """A life of the collector, in which `deeds` come after pauses; it is killed at its `moment`-th call, or lives until
    all deeds are done. `away` happens while it is dead. Only one that `counts` reads counters again.
    """

    deeds: Sequence[tuple[float, Does]]
    moment: int
    away: Sequence[Does]
    counts: bool


WHATS = (
    *("post", "post", "post", "edit", "rewrite", "rewrite", "delete", "react", "view", "view"),
    *("forget", "disconnect", "release", "release", "flood", "fail"),
)
DOES = st.builds(Does, st.sampled_from(WHATS), st.integers(0, 8))
PAUSES = st.sampled_from([0.0, 0.0, 0.01, 0.03, 0.06, 0.4, 2.0])
LIVES = st.builds(
    Life,
    deeds=st.lists(st.tuples(PAUSES, DOES), max_size=12),
    moment=st.integers(1, 60),
    away=st.lists(DOES, max_size=4),
    counts=st.booleans(),
)
FATES = st.lists(st.sampled_from([Fate.ARRIVES, *Fate]), max_size=20)


class Collector:
    """What the CollectorActor does for one channel, in one life: follows, catches up, and goes back through history."""

    def __init__(self, path: Path, world: ChannelWorld, one: WorldChannel, *, counts: bool = False) -> None:
        self.one, self.counts = one, counts
        self.store = CollectorStore.open(path, bucket_seconds=1, clock=wall_clock)
        self.store.file.db.conn.execute("PRAGMA synchronous = OFF")
        self.thread = StoreThread(self.store)
        rng = random.Random(1)
        self.gateway = PatientChannels(
            world, retry_max=50, backoff=Backoff(first=0.1, cap=1.0), rng=rng, on_wait=lambda seconds, why: None
        )
        self.follower = Follower(self.gateway, self.thread, clock=wall_clock)

    async def live(self) -> None:
        """Until it is cancelled."""
        found = await self.gateway.describe_channel(self.one.ref)
        await self.follower.adopt(found)
        async with anyio.create_task_group() as group:
            group.start_soon(self._follow)
            group.start_soon(self._collect)

    async def settle(self) -> None:
        """The last life: nothing goes wrong, and everything is asked for once."""
        found = await self.gateway.describe_channel(self.one.ref)
        await self.follower.adopt(found)
        await self.follower.catch_up(self.one.id)
        while await self.sweep():
            pass
        history = ChannelHistory(found, self.gateway, self.thread, clock=wall_clock)
        await history.catch_up(untold)
        while not self.store.channels.cursor(self.one.id).backfill_done:
            await history.backfill(10, untold)

    async def count(self) -> None:
        """Read all counters."""
        await refresh(self.one.ref, self.gateway, self.thread, schedule=SCHEDULE, now=wall_clock())

    async def sweep(self) -> bool:
        """Read a few of the stored posts again, where that is to be done."""
        return await sweep_on(self.one.ref, self.gateway, self.thread, now=wall_clock())

    async def _follow(self) -> None:
        while True:
            pushes = await self.gateway.follow()
            await self.follower.catch_up(self.one.id)
            while (pushed := await pushes.next()) is not None:
                await self.follower.apply(pushed)

    async def _collect(self) -> None:
        while True:
            found = await self.gateway.describe_channel(self.one.ref)
            history = ChannelHistory(found, self.gateway, self.thread, clock=wall_clock)
            await history.catch_up(untold)
            await history.backfill(7, untold)
            await self.sweep()
            if self.counts:
                await self.count()
            await anyio.sleep(1)


async def one_world(path: Path, posts: int, lives: Sequence[Life], fates: Sequence[Fate]) -> None:
    world = ChannelWorld()
    one = world.add("Space", posts, page_size=3, difference_size=3)
    coming = chain(fates, repeat(Fate.ARRIVES))
    world.fate = lambda pushed: next(coming)
    for life in lives:
        await one_life(path, world, one, life)
        for does in life.away:
            await anyio.sleep(0.01)
            does(world, one)
    await anyio.sleep(10)  # the flood is over
    world.script = type(world.script)()
    with closing((last := Collector(path, world, one)).store):
        await last.settle()
        check_posts(last.store, one)
        await last.count()
        check_posts(last.store, one)
        for msg_id in one.posts:
            check_counters(last.store, one, msg_id)


async def one_life(path: Path, world: ChannelWorld, one: WorldChannel, life: Life) -> None:
    moments = iter(range(life.moment))

    async def watch(moment: str) -> None:
        if next(moments, None) is None:
            scope.cancel()
            await anyio.lowlevel.checkpoint()

    world.script.watch = watch
    with closing((collector := Collector(path, world, one, counts=life.counts)).store):
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:
                group.start_soon(collector.live)
                for pause, does in life.deeds:
                    await anyio.sleep(pause)
                    does(world, one)
                group.cancel_scope.cancel()
    event("killed" if scope.cancel_called else "stopped")
    world.disconnect()


def check_posts(store: CollectorStore, one: WorldChannel) -> None:
    """The store has exactly the channel: posts, edits, deletions, and how far it is collected."""
    rows = store.file.read("SELECT msg_id, text, edited_at, deleted_at FROM posts")
    there = {row["msg_id"]: row["text"] for row in rows if row["deleted_at"] is None}
    assert there == {msg_id: post.text for msg_id, post in one.posts.items()}
    assert {row["msg_id"] for row in rows if row["deleted_at"] is not None} <= one.gone
    for msg_id, post in one.posts.items():
        stored = store.posts.find(one.id, msg_id)
        assert stored is not None and stored.edited_at == post.edited_at
        texts = [version.text for version in store.posts.versions(one.id, msg_id)]
        assert set(texts) <= set(one.contents[msg_id]), "nothing that it never was"
    cursor = store.channels.cursor(one.id)
    assert (cursor.pts, cursor.backfill_done) == (one.pts, True)
    assert (cursor.newest or 0) >= (one.newest or 0)
    check_search(store)


def check_counters(store: CollectorStore, one: WorldChannel, msg_id: int) -> None:
    """Every snapshot has what the counters were at its moment, and the last what they are."""
    series = store.metrics.series(one.id, msg_id)
    for snapshot in series:
        then = one.counters_at(msg_id, snapshot.ts)
        assert (snapshot.views, snapshot.forwards) == (then.views, then.forwards)
    told = store.file.read(
        "SELECT reactions_json, reactions_ts FROM post_metrics WHERE channel_id = ? AND msg_id = ?", one.id, msg_id
    )
    assert len(told) == len(series) > 0
    assert values(series[-1]) == values(one.counters[msg_id])


def values(metrics: PostMetrics) -> tuple[int | None, int | None, dict[str, int]]:
    return metrics.views, metrics.forwards, metrics.reactions


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@settings(max_examples=40)
@given(posts=st.sampled_from([0, 1, 5, 20]), lives=st.lists(LIVES, max_size=5), fates=FATES)
def test_any_interleaving_ends_with_exactly_the_channel(
    backend: str, posts: int, lives: list[Life], fates: list[Fate]
) -> None:
    name, options = backend_in_virtual_time(backend)
    with TemporaryDirectory() as folder:
        anyio.run(one_world, Path(folder) / "collected.db", posts, lives, fates, backend=name, backend_options=options)
