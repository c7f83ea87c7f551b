"""After a difference that is too long every stored post is read again: newest first, and from where it was left."""

from __future__ import annotations

from typing import cast

import pytest

from teltubby.collector.follower import Follower
from teltubby.collector.history import ChannelHistory
from teltubby.collector.pages import Cursor, Page, Sweep
from teltubby.collector.repositories import CollectorStore
from teltubby.collector.rounds import untold
from teltubby.collector.store_thread import StoreThread
from teltubby.collector.sweeping import sweep_on
from teltubby.collector.sweeps import left_to_sweep, sweep_of
from teltubby.errors import TelegramUnavailable
from teltubby.messages.channels import Pushed
from tests.unit.collector.channel_world import ChannelWorld, WorldChannel
from tests.unit.collector.world import store_with
from tests.virtual_time import wall_clock

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

POSTS = 3250


@pytest.fixture
def world() -> ChannelWorld:
    return ChannelWorld(clock=wall_clock)


async def missed(world: ChannelWorld, one: WorldChannel, store: CollectorStore, *, gone: int = POSTS) -> Follower:
    """All of the channel is stored; then something happens of which Telegram tells nothing any more."""
    found, thread = await world.describe_channel(one.ref), StoreThread(store)
    follower = Follower(world, thread, clock=wall_clock)
    await follower.adopt(found)
    await ChannelHistory(found, world, thread, clock=wall_clock).backfill(None, untold)
    one.edit(1, "as it is")
    one.delete(2, gone)
    one.post("new")
    one.forget()
    await follower.catch_up(one.id)
    return follower


def stored(store: CollectorStore, one: WorldChannel) -> dict[int, str]:
    rows = store.file.read("SELECT msg_id, text FROM posts WHERE channel_id = ? AND deleted_at IS NULL", one.id)
    return {row["msg_id"]: row["text"] for row in rows}


async def sweep(world: ChannelWorld, one: WorldChannel, store: CollectorStore) -> bool:
    """As by a collector that has just begun."""
    return await sweep_on(one.ref, world, StoreThread(store), now=wall_clock())


async def test_edits_and_deletions_of_any_age_are_found_newest_first(world: ChannelWorld) -> None:
    one = world.add("Space", POSTS, username="space")
    with store_with(one.channel) as store:
        await missed(world, one, store)
        assert world.script.count("posts_by_id") == 0, "what is new does not wait for it"
        assert left_to_sweep(store.file, one.id) == POSTS
        while await sweep(world, one, store):
            pass
        assert stored(store, one) == {msg_id: post.text for msg_id, post in one.posts.items()}
        hundreds = [tuple(range(top, max(top - 100, 0), -1)) for top in range(POSTS, 0, -100)]
        assert world.script.asked("posts_by_id") == hundreds, "each once, though each was asked by another collector"
        assert left_to_sweep(store.file, one.id) == 0
        before = world.script.count("posts_by_id")
        assert not await sweep(world, one, store)
        assert world.script.count("posts_by_id") == before


async def test_a_request_that_fails_is_put_again(world: ChannelWorld) -> None:
    one = world.add("Space", POSTS, username="space")
    with store_with(one.channel) as store:
        await missed(world, one, store)
        await sweep(world, one, store)
        world.script.fail("posts_by_id", TelegramUnavailable("away"))
        with pytest.raises(TelegramUnavailable):
            await sweep(world, one, store)
        await sweep(world, one, store)
        assert world.script.asked("posts_by_id") == [
            tuple(range(top, top - 100, -1)) for top in (POSTS, POSTS - 100, POSTS - 100)
        ]


async def test_what_is_missed_during_a_sweep_begins_another_that_nothing_of_it_moves(world: ChannelWorld) -> None:
    one = world.add("Space", POSTS, username="space")
    with store_with(one.channel) as store:
        follower = await missed(world, one, store)
        await sweep(world, one, store)
        late = sweep_of(store.file, one.id)
        one.edit(POSTS - 1, "edited meanwhile")
        one.forget()
        await follower.catch_up(one.id)
        store.record(Page(channel_id=one.id, seen_at=wall_clock(), sweep=Sweep(number=late.number, below=0)))
        while await sweep(world, one, store):
            pass
        assert stored(store, one) == {msg_id: post.text for msg_id, post in one.posts.items()}


@pytest.mark.parametrize("texts", [("first", "second"), ("second", "first")])
async def test_what_is_pushed_while_a_hundred_is_on_its_way_is_newer(
    world: ChannelWorld, texts: tuple[str, str]
) -> None:
    one = world.add("Space", 150, username="space")
    with store_with(one.channel) as store:
        follower = await missed(world, one, store, gone=150)
        pushes = await world.follow()
        one.edit(149, texts[0])
        before = one.posts[149].edited_at

        async def meanwhile(moment: str) -> None:
            if moment == "posts_by_id after" and one.posts[149].text == texts[0]:
                one.edit(149, texts[1])
                while pushes.waiting and (pushed := await pushes.next()) is not None:
                    await follower.apply(pushed)

        world.script.watch = meanwhile
        await sweep(world, one, store)
        assert one.posts[149].edited_at == before, "within a second"
        assert stored(store, one)[149] == texts[1]


async def test_what_happens_while_new_posts_are_read_needs_no_sweep(world: ChannelWorld) -> None:
    one = world.add("Space", 150, username="space")

    async def meanwhile(moment: str) -> None:
        if moment == "posts_after after":
            one.edit(3, "edited meanwhile")

    world.script.watch = meanwhile
    with store_with(one.channel) as store:
        await missed(world, one, store, gone=150)
        assert stored(store, one)[3] == "edited meanwhile"
        assert store.channels.cursor(one.id).pts == one.pts


async def test_a_state_that_telegram_never_reached_is_taken_back(world: ChannelWorld) -> None:
    one = world.add("Space", 150, username="space")
    with store_with(one.channel) as store:
        follower = await missed(world, one, store, gone=150)
        store.record(Page(channel_id=one.id, seen_at=wall_clock(), cursor=Cursor(pts=one.pts + 1000)))
        await follower.catch_up(one.id)
        assert store.channels.cursor(one.id).pts == one.pts
        pushes = await world.follow()
        msg_id = one.post("pushed")
        await follower.apply(cast(Pushed, await pushes.next()))
        assert stored(store, one)[msg_id] == "pushed"
