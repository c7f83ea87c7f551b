"""Backfill and catch-up, killed anywhere and started again while the channel goes on: nothing missing or invented."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar, TypeVarTuple, Unpack

import anyio
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from teltubby.collector.history import ChannelHistory
from teltubby.collector.repositories import CollectorStore
from teltubby.collector.store_thread import StoreThread
from teltubby.errors import FloodWait, TelegramUnavailable, TeltubbyError
from tests.script import Script
from tests.unit.collector.channel_world import ChannelWorld, WorldChannel, contents
from tests.unit.collector.world import check_search, store_with
from tests.virtual_time import backend_in_virtual_time, use_virtual_time, wall_clock

R = TypeVar("R")
Ts = TypeVarTuple("Ts")


@dataclass(frozen=True, kw_only=True)
class Life:
    """One life of the program: which ways it goes, what happens meanwhile, and after how many steps it dies."""

    ways: tuple[str, ...]
    limit: int | None
    steps: int
    posts: frozenset[int]
    """At these steps somebody posts."""
    deletions: frozenset[int]
    """At these the newest post is deleted."""
    trouble: Exception | None


LIVES = st.lists(
    st.builds(
        Life,
        ways=st.sampled_from([("on",), ("back",), ("on", "back"), ("back", "on"), ("back and on",)]),
        limit=st.none() | st.integers(0, 20),
        steps=st.integers(0, 60),
        posts=st.frozensets(st.integers(0, 40), max_size=5),
        deletions=st.frozensets(st.integers(0, 40), max_size=2),
        trouble=st.sampled_from([None, None, FloodWait(5), TelegramUnavailable("in trouble"), TimeoutError("late")]),
    ),
    max_size=5,
)


class WatchedThread(StoreThread):
    """Tells of each piece of work before and after it; killed after it, what it did is stored."""

    def __init__(self, store: CollectorStore, step: Callable[[], object]) -> None:
        super().__init__(store)
        self._step = step

    async def run(self, function: Callable[[Unpack[Ts]], R], *args: *Ts) -> R:
        self._step()
        await anyio.lowlevel.checkpoint()
        answer = await super().run(function, *args)
        self._step()
        await anyio.lowlevel.checkpoint()
        return answer


@dataclass
class Story:
    """A channel, the store, and what happens at each step of the life that is lived."""

    store: CollectorStore
    world: ChannelWorld
    channel: WorldChannel
    life: Life | None = None
    step: int = 0
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)

    def next_step(self) -> None:
        self.step += 1
        if self.life is None:
            return
        if self.step in self.life.posts:
            self.channel.post(f"at step {self.step}")
        if self.step in self.life.deletions and self.channel.posts:
            self.channel.delete(max(self.channel.posts))
        if self.step >= self.life.steps:
            self.scope.cancel()

    async def watch(self, moment: str) -> None:
        del moment
        self.next_step()
        await anyio.lowlevel.checkpoint()

    async def live(self, ways: tuple[str, ...], limit: int | None) -> None:
        found = await self.world.describe_channel(self.channel.ref)
        history = ChannelHistory(found, self.world, WatchedThread(self.store, self.next_step), clock=wall_clock)
        try:
            for way in ways:
                if way == "back and on":
                    async with anyio.create_task_group() as group:
                        group.start_soon(history.backfill, limit, lambda told: None)
                        await ChannelHistory(found, self.world, StoreThread(self.store), clock=wall_clock).catch_up(
                            lambda told: None
                        )
                elif way == "back":
                    await history.backfill(limit, lambda told: None)
                else:
                    await history.catch_up(lambda told: None)
        except* (TeltubbyError, TimeoutError):
            event("it met trouble")

    def check(self) -> None:
        """What the cursor has passed is stored, at every moment."""
        cursor, there = self.store.channels.cursor(self.channel.id), self.channel.posts
        if cursor.newest is None:
            return
        stored = {row["msg_id"] for row in self.store.file.read("SELECT msg_id FROM posts")}
        lowest = 0 if cursor.backfill_done else cursor.oldest
        if lowest is not None:
            passed = {msg_id for msg_id in there if lowest <= msg_id <= cursor.newest}
            assert passed - self.channel.unreadable <= stored
        assert stored <= there.keys() | self.channel.gone


async def told(
    store: CollectorStore, number: int, step: int, lives: list[Life], page_size: int, unreadable: set[int]
) -> WorldChannel:
    world = ChannelWorld()
    story = Story(store, world, world.add("space", page_size=page_size, unreadable=unreadable))
    story.channel.fill(number, step=step)
    world.script.watch = story.watch
    for life in lives:
        if life.trouble is not None:
            world.script.fail("posts_before", None, life.trouble)
            world.script.fail("posts_after", None, life.trouble)
        story.life, story.step = life, 0
        with anyio.CancelScope() as story.scope:
            await story.live(life.ways, life.limit)
        event("killed" if story.scope.cancelled_caught else "lived to the end")
        story.check()
        story.channel.post("between two lives")
    story.life = None
    world.script = Script()  # what the lives before did not meet is over
    await story.live(("back", "on"), None)
    story.check()
    return story.channel


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@settings(max_examples=80)
@given(
    number=st.integers(0, 40),
    step=st.integers(1, 3),
    lives=LIVES,
    page_size=st.integers(1, 9),
    unreadable=st.frozensets(st.integers(1, 60), max_size=4),
)
def test_however_it_is_killed_the_store_ends_as_the_world(
    backend: str, number: int, step: int, lives: list[Life], page_size: int, unreadable: frozenset[int]
) -> None:
    name, options = backend_in_virtual_time(backend)
    with pytest.MonkeyPatch.context() as patched, store_with() as store:
        use_virtual_time(patched)
        channel: WorldChannel = anyio.run(
            told, store, number, step, lives, page_size, set(unreadable), backend=name, backend_options=options
        )
        rows = store.file.read("SELECT channel_id, msg_id, text FROM posts")
        stored = {(row["channel_id"], row["msg_id"]): row["text"] for row in rows}
        there = {key: text for key, text in contents([channel]).items() if key[1] not in unreadable}
        assert {key: text for key, text in stored.items() if key[1] in channel.posts} == there
        assert {key[1] for key in stored} <= channel.posts.keys() | channel.gone
        found = {message.msg_id for message in store.posts.unreadable(channel.id)}
        assert unreadable & channel.posts.keys() <= found <= unreadable
        cursor = store.channels.cursor(channel.id)
        assert cursor.backfill_done and cursor.newest == channel.last_id - (channel.last_id in channel.gone)
        assert store.channels.posts(channel.id) == len(stored)
        check_search(store)
