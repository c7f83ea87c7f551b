"""Following a channel: what is pushed is applied once and in order, and what is missing is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import pytest

from teltubby.collector.follower import Follower
from teltubby.collector.pages import Cursor
from teltubby.collector.repositories import CollectorStore
from teltubby.collector.store_thread import StoreThread
from teltubby.collector.sweeping import sweep_on
from teltubby.collector.updates import nothing_wanted, page_of
from teltubby.errors import ChatUnavailable, TelegramUnavailable
from teltubby.messages.channels import Pushed, PushedChange, PushedGap
from tests.unit.collector.channel_world import ChannelWorld, Fate, WorldChannel, WorldPushes
from tests.unit.collector.world import store_with
from tests.virtual_time import wall_clock

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]


@dataclass
class Ground:
    """One channel that is followed, from its beginning on."""

    world: ChannelWorld
    one: WorldChannel
    store: CollectorStore
    follower: Follower
    pushes: WorldPushes

    async def take(self) -> None:
        """All that was pushed until now."""
        while self.pushes.waiting:
            await self.follower.apply(cast(Pushed, await self.pushes.next()))

    async def sweep(self) -> None:
        """Read again all that is to be."""
        while await sweep_on(self.one.ref, self.world, StoreThread(self.store), now=self.world.clock()):
            pass

    def text(self, msg_id: int) -> str | None:
        post = self.store.posts.find(self.one.id, msg_id)
        return None if post is None else post.text

    @property
    def cursor(self) -> Cursor:
        return self.store.channels.cursor(self.one.id)


async def ground_with(store: CollectorStore, world: ChannelWorld, one: WorldChannel) -> Ground:
    follower = Follower(world, StoreThread(store), clock=wall_clock, wanted=lambda post: "file" in post.text)
    await follower.adopt(await world.find_channel("@space"))
    ground = Ground(world, one, store, follower, await world.follow())
    world.script.calls.clear()
    return ground


@pytest.fixture
def world() -> ChannelWorld:
    return ChannelWorld(clock=wall_clock)


def requests(world: ChannelWorld) -> list[str]:
    return [call.method for call in world.script.calls]


def fated(*fates: Fate) -> Callable[[Pushed], Fate]:
    """Each push meets the next one of these; those after them arrive."""
    coming = iter(fates)
    return lambda pushed: next(coming, Fate.ARRIVES)


async def test_what_is_pushed_in_order_needs_no_request(world: ChannelWorld) -> None:
    one = world.add("Space", username="space")
    with store_with(one.channel) as store:
        ground = await ground_with(store, world, one)
        first, second = one.post("a file"), one.post("no more")
        one.edit(first, "another file")
        one.delete(second)
        await ground.take()
        assert (ground.text(first), requests(world)) == ("another file", [])
        gone = store.posts.find(one.id, second)
        assert gone is not None and gone.deleted_at is not None
        assert (ground.cursor.pts, ground.cursor.newest) == (one.pts, second)
        assert [wanted.post.msg_id for wanted in store.tracking.wanted(9)] == [first]


async def test_a_push_that_comes_twice_is_taken_once(world: ChannelWorld) -> None:
    one = world.add("Space", username="space")
    with store_with(one.channel) as store:
        ground = await ground_with(store, world, one)
        world.fate = fated(Fate.TWICE, Fate.TWICE)
        msg_id = one.post("hello")
        one.edit(msg_id, "good bye")
        await ground.take()
        assert (ground.text(msg_id), requests(world)) == ("good bye", [])


async def test_a_lost_push_is_asked_for_when_the_next_one_comes(world: ChannelWorld) -> None:
    one = world.add("Space", username="space")
    with store_with(one.channel) as store:
        ground = await ground_with(store, world, one)
        world.fate = fated(Fate.LOST, Fate.LOST)
        lost, gone = one.post("lost"), one.post("gone")
        one.delete(gone)
        await ground.take()
        assert (ground.text(lost), ground.text(gone), ground.cursor.pts) == ("lost", None, one.pts)
        assert requests(world) == ["difference"]


async def test_a_late_push_does_not_bring_an_old_text_back(world: ChannelWorld) -> None:
    """Both edits are of one second, which is all that their dates tell."""
    one = world.add("Space", username="space")
    with store_with(one.channel) as store:
        ground = await ground_with(store, world, one)
        msg_id = one.post("first")
        world.fate = fated(Fate.LATE)
        one.edit(msg_id, "second")
        one.edit(msg_id, "third")
        assert len({one.posts[msg_id].edited_at}) == 1
        await ground.take()
        world.release()
        await ground.take()
        assert ground.text(msg_id) == "third"
        assert requests(world) == ["difference"]


@pytest.mark.parametrize("texts", [("a", "b"), ("b", "a")])
async def test_of_two_edits_at_one_moment_the_later_one_stays(world: ChannelWorld, texts: tuple[str, str]) -> None:
    one = world.add("Space", username="space")
    with store_with(one.channel) as store:
        ground = await ground_with(store, world, one)
        msg_id = one.post("first")
        for text in texts:
            one.edit(msg_id, text)
        await ground.take()
        assert ground.text(msg_id) == texts[1]


async def test_a_difference_is_read_to_its_end(world: ChannelWorld) -> None:
    one = world.add("Space", username="space", difference_size=2)
    with store_with(one.channel) as store:
        ground = await ground_with(store, world, one)
        world.fate = lambda pushed: Fate.LOST
        ids = [one.post(f"post {number}") for number in range(5)]
        assert await ground.follower.catch_up(one.id) == 30.0
        assert [ground.text(msg_id) for msg_id in ids] == [f"post {number}" for number in range(5)]
        assert world.script.count("difference") == 3
        assert ground.cursor.complete_at is not None


async def test_a_channel_is_complete_only_at_the_end_of_the_difference(world: ChannelWorld) -> None:
    one = world.add("Space", username="space", difference_size=2)
    with store_with(one.channel) as store:
        ground = await ground_with(store, world, one)
        world.fate = lambda pushed: Fate.LOST
        for number in range(3):
            one.post(f"post {number}")
        world.script.fail("difference", TelegramUnavailable("away"), skip=1)
        with pytest.raises(TelegramUnavailable):
            await ground.follower.catch_up(one.id)
        assert ground.text(2) == "post 1" and ground.cursor.complete_at is None
        await ground.follower.catch_up(one.id)
        assert ground.text(3) == "post 2" and ground.cursor.complete_at is not None


async def test_what_telegram_tells_no_more_is_read(world: ChannelWorld) -> None:
    one = world.add("Space", username="space", difference_size=2)
    with store_with(one.channel) as store:
        ground = await ground_with(store, world, one)
        kept, edited, gone = one.post("kept"), one.post("as it was"), one.post("gone")
        await ground.take()
        world.fate = lambda pushed: Fate.LOST
        one.edit(edited, "as it is")
        one.delete(gone)
        new = [one.post(f"new {number}") for number in range(5)]
        one.forget()
        await ground.follower.catch_up(one.id)
        await ground.sweep()
        assert [ground.text(msg_id) for msg_id in (kept, edited, *new)] == [
            *("kept", "as it is"),
            *(f"new {number}" for number in range(5)),
        ]
        stored = store.posts.find(one.id, gone)
        assert stored is not None and stored.deleted_at is not None
        assert (ground.cursor.pts, ground.cursor.newest) == (one.pts, new[-1])


async def test_the_state_is_reached_only_when_what_is_new_is_stored(world: ChannelWorld) -> None:
    one = world.add("Space", username="space")
    with store_with(one.channel) as store:
        ground = await ground_with(store, world, one)
        msg_id = one.post("as it was")
        await ground.take()
        before = ground.cursor.pts
        world.fate = lambda pushed: Fate.LOST
        one.edit(msg_id, "as it is")
        one.post("new")
        one.forget()
        world.script.fail("posts_after", TelegramUnavailable("away"))
        with pytest.raises(TelegramUnavailable):
            await ground.follower.catch_up(one.id)
        assert ground.cursor.pts == before
        await ground.sweep()
        assert world.script.count("posts_by_id") == 0, "no sweep began"
        await ground.follower.catch_up(one.id)
        await ground.sweep()
        assert (ground.cursor.pts, ground.text(msg_id)) == (one.pts, "as it is")


async def test_posts_that_were_collected_without_a_state_are_checked_too(world: ChannelWorld) -> None:
    one = world.add("Space", 3, username="space")
    with store_with(one.channel) as store:
        page = await world.posts_after(one.ref, 0, 100)
        store.record(page_of(one.id, page.messages, wall_clock(), wanted=nothing_wanted, cursor=Cursor(newest=3)))
        one.edit(2, "changed")
        ground = await ground_with(store, world, one)
        before = ground.cursor
        assert before.pts is None
        await ground.follower.catch_up(one.id)
        await ground.sweep()
        assert (ground.text(2), ground.cursor.pts) == ("changed", one.pts)


async def test_telegrams_word_that_there_is_more_is_enough(world: ChannelWorld) -> None:
    one = world.add("Space", username="space")
    with store_with(one.channel) as store:
        ground = await ground_with(store, world, one)
        world.fate = fated(Fate.GAP)
        msg_id = one.post("hello")
        await ground.take()
        assert (ground.text(msg_id), requests(world)) == ("hello", ["difference"])


async def test_one_closed_channel_does_not_keep_the_others_behind(world: ChannelWorld) -> None:
    closed, one = world.add("Closed", username="closed"), world.add("Space", username="space")
    with store_with(closed.channel, one.channel) as store:
        ground = await ground_with(store, world, one)
        ground.follower.forget(one.id)
        for each in (closed, one):
            await ground.follower.adopt(await world.describe_channel(each.ref))
        closed.closed = "This account was removed"
        world.fate = lambda pushed: Fate.LOST
        msg_id = one.post("hello")
        with pytest.raises(ChatUnavailable, match="removed"):
            await ground.follower.apply(PushedGap(channel_id=None))
        assert ground.text(msg_id) == "hello"


async def test_counters_of_posts_that_are_not_stored_wait_for_them(world: ChannelWorld) -> None:
    one = world.add("Space", 2, username="space")
    with store_with(one.channel) as store:
        ground = await ground_with(store, world, one)
        msg_id = one.post("hello")
        one.react(msg_id, "🎉", 3)
        one.view(msg_id, views=10)
        one.view(1, views=10)
        await ground.take()
        latest = store.metrics.latest(one.id, (1, msg_id))
        assert list(latest) == [msg_id]
        assert (latest[msg_id].views, latest[msg_id].reactions) == (11, {"🎉": 3})


async def test_an_unreadable_message_is_noted_and_stops_nothing(world: ChannelWorld) -> None:
    one = world.add("Space", username="space", unreadable={1})
    with store_with(one.channel) as store:
        ground = await ground_with(store, world, one)
        one.post("of a newer layer")
        after = one.post("readable")
        await ground.take()
        assert [message.msg_id for message in store.posts.unreadable(one.id)] == [1]
        assert (ground.text(after), ground.cursor.pts) == ("readable", one.pts)


async def test_what_is_not_followed_is_dropped(world: ChannelWorld) -> None:
    one = world.add("Space", username="space")
    with store_with(one.channel) as store:
        ground = await ground_with(store, world, one)
        ground.follower.forget(one.id)
        msg_id = one.post("hello")
        one.view(msg_id)
        await ground.take()
        await ground.follower.apply(PushedChange(channel_id=5, pts=9, pts_count=1))
        assert await ground.follower.catch_up(one.id) is None
        assert (ground.text(msg_id), requests(world)) == (None, [])
