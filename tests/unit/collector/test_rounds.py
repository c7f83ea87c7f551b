"""Rounds over many channels of the twin, with a real store, in virtual time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from teltubby.collector.history import HistorySummary, Progress
from teltubby.collector.repositories import CollectorStore
from teltubby.collector.rounds import ChannelSummary, Round, RoundSummary, Target
from teltubby.collector.store_thread import StoreThread
from teltubby.errors import ChatUnavailable, DatabaseUnavailable, SessionAway, SessionRevoked, TelegramUnavailable
from teltubby.messages.channels import FoundChannel
from teltubby.messages.collected import CollectedMedia, MediaFacts
from teltubby.messages.collector import MediaFilter
from tests.unit.collector.channel_world import ChannelWorld, WorldChannel
from tests.virtual_time import wall_clock

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CollectorStore]:
    opened = CollectorStore.open(tmp_path / "collector.db")
    yield opened
    opened.close()


class Ground:
    """Channels `@c0`, `@c1`, …, of so many posts."""

    def __init__(self, store: CollectorStore, *posts: int) -> None:
        self.store = store
        self.world = ChannelWorld()
        self.channels = [
            self.world.add(f"channel {number}", count, username=f"c{number}") for number, count in enumerate(posts)
        ]
        self.told: list[Progress] = []
        self.found: list[tuple[str, int]] = []

    async def note_found(self, peer: str, found: FoundChannel) -> None:
        self.found.append((peer, found.ref.channel_id))

    def round(self, *targets: Target, **changed: Any) -> Round:
        arguments: dict[str, Any] = {
            "gateway": self.world,
            "store": StoreThread(self.store),
            "clock": wall_clock,
            "limit": 200,
            "concurrency": 2,
            "tell": self.told.append,
            "found": self.note_found,
        }
        names = tuple(Target(f"@{channel.channel.username}") for channel in self.channels)
        return Round(targets=targets or names, **{**arguments, **changed})

    def stored(self, channel: WorldChannel) -> int:
        return self.store.channels.posts(channel.id)


def troubles(summary: RoundSummary) -> dict[str, str | None]:
    return {one.peer: one.trouble for one in summary.channels}


async def test_every_channel_is_caught_up_and_followed_back_as_far_as_the_limit(store: CollectorStore) -> None:
    ground = Ground(store, 50, 450, 0)
    summary = await ground.round().run()
    assert summary.ended is None
    assert [one.history.new for one in summary.channels] == [50, 200, 0]
    assert [one.history.backfill_done for one in summary.channels] == [True, False, True]
    assert [one.history.total for one in summary.channels] == [50, 450, 0]
    assert [one.channel and one.channel.title for one in summary.channels] == ["channel 0", "channel 1", "channel 2"]
    assert troubles(summary) == {"@c0": None, "@c1": None, "@c2": None}
    assert sorted(ground.found) == [(f"@c{number}", channel.id) for number, channel in enumerate(ground.channels)]
    assert {told.channel.title for told in ground.told} == {"channel 0", "channel 1", "channel 2"}

    ground.channels[0].post("new")
    summary = await ground.round().run()
    assert [one.history.new for one in summary.channels] == [1, 200, 0]
    summary = await ground.round().run()
    assert [one.history.new for one in summary.channels] == [0, 50, 0]
    assert all(one.history.backfill_done for one in summary.channels)


async def test_no_more_channels_at_once_than_allowed(store: CollectorStore) -> None:
    ground = Ground(store, *[150] * 7)
    under_way: set[str] = set()
    most = 0

    async def found(peer: str, found: FoundChannel) -> None:
        nonlocal most
        del found
        under_way.add(peer)
        most = max(most, len(under_way))

    def tell(progress: Progress) -> None:
        if progress.posts == 150:
            under_way.discard(f"@{progress.channel.username}")

    await ground.round(concurrency=3, found=found, tell=tell).run()
    assert most == 3 and not under_way


async def test_a_channel_whose_way_is_known_is_not_looked_up_again(store: CollectorStore) -> None:
    ground = Ground(store, 10)
    await ground.round(Target("@renamed", ground.channels[0].ref)).run()
    assert ground.world.script.count("find_channel") == 0
    assert ground.stored(ground.channels[0]) == 10


async def test_two_names_of_one_channel_are_read_once(store: CollectorStore) -> None:
    ground = Ground(store, 120)
    by_id = Target(f"-100{ground.channels[0].id}")
    summary = await ground.round(Target("@c0"), by_id).run()
    assert troubles(summary) == {"@c0": None, by_id.peer: None}
    assert ground.world.script.count("posts_before") == 2
    assert len(ground.found) == 2, "which channel it is was told of both"


@pytest.mark.parametrize(
    "trouble",
    [
        ChatUnavailable("The channel is private"),
        TelegramUnavailable("Telegram is in trouble"),
        TimeoutError(),
        DatabaseUnavailable("The disk is full"),
    ],
)
async def test_trouble_of_one_channel_ends_only_that_one(store: CollectorStore, trouble: Exception) -> None:
    ground = Ground(store, 150, 150, 150)

    async def found(peer: str, found: FoundChannel) -> None:
        if peer == "@c1":
            raise trouble

    summary = await ground.round(found=found).run()
    told = troubles(summary)
    assert told["@c0"] is None and told["@c2"] is None
    assert told["@c1"] == (str(trouble) or "Telegram did not answer in time")
    assert summary.channels[1].error is trouble
    assert [ground.stored(channel) for channel in ground.channels] == [150, 0, 150]


async def test_what_was_stored_before_the_trouble_is_in_the_summary(store: CollectorStore) -> None:
    ground = Ground(store, 500)
    ground.world.script.fail("posts_before", TelegramUnavailable("in trouble"), skip=1)
    summary = await ground.round(limit=None).run()
    assert summary.channels[0].history == HistorySummary(new=100, read=100, pages=2, total=500)
    assert summary.channels[0].trouble == "in trouble"
    assert ground.stored(ground.channels[0]) == 100


async def test_a_channel_that_is_closed_is_trouble_in_words(store: CollectorStore) -> None:
    ground = Ground(store, 10, 10)
    ground.channels[0].closed = "The channel is private, and this account is no member"
    summary = await ground.round(Target("@c0"), Target("@nobody"), Target("@c1")).run()
    assert troubles(summary) == {
        "@c0": "The channel is private, and this account is no member",
        "@nobody": "@nobody is no channel that this account sees",
        "@c1": None,
    }
    assert summary.channels[1] == ChannelSummary(
        peer="@nobody",
        channel=None,
        history=HistorySummary(),
        trouble="@nobody is no channel that this account sees",
        error=summary.channels[1].error,
    )


@pytest.mark.parametrize("error", [SessionAway("not connected"), SessionRevoked("somebody ended the session")])
async def test_a_session_that_is_not_ready_ends_the_round(store: CollectorStore, error: Exception) -> None:
    ground = Ground(store, 300, 300, 300, 300)
    ground.world.script.fail("posts_before", error, skip=3)
    summary = await ground.round(limit=None).run()
    assert summary.ended is error
    assert [one.error for one in summary.channels].count(error) == 1
    assert troubles(summary)["@c3"] == "The round ended before all of it was read"
    assert all(one.trouble is not None for one in summary.channels)
    assert ground.world.script.count("find_channel") == 2, "nobody else was begun"
    for one, channel in zip(summary.channels, ground.channels, strict=True):
        assert one.history.new == ground.stored(channel), "what is told is what is stored"


async def test_a_round_that_is_cancelled_can_tell_what_it_did(store: CollectorStore) -> None:
    ground = Ground(store, 1000, 1000)
    one = ground.round(limit=None)

    def tell(progress: Progress) -> None:
        if progress.posts >= 300:
            scope.cancel()

    one = ground.round(limit=None, tell=tell)
    assert one.summary.channels[0].trouble is not None, "it has not begun"
    with anyio.CancelScope() as scope:
        await one.run()
    assert scope.cancelled_caught
    for told, channel in zip(one.summary.channels, ground.channels, strict=True):
        assert told.trouble == "The round ended before all of it was read"
        assert told.history.new == ground.stored(channel) >= 200
    summary = await ground.round(limit=None).run()
    assert [ground.stored(channel) for channel in ground.channels] == [1000, 1000]
    assert set(troubles(summary).values()) == {None}


async def test_files_that_the_filter_of_a_channel_accepts_are_wanted(store: CollectorStore) -> None:
    ground = Ground(store, 0, 0)
    for channel in ground.channels:
        for kind in (CollectedMedia.PHOTO, CollectedMedia.VIDEO):
            channel.post(kind, media=MediaFacts(kind=kind, document_id=5, size_bytes=1000))
    photos = MediaFilter(kinds=(CollectedMedia.PHOTO,))
    await ground.round(Target("@c0", media=photos), Target("@c1")).run()
    wanted = [(wish.post.channel_id, wish.post.text) for wish in store.tracking.wanted(10)]
    assert wanted == [(ground.channels[0].id, "photo")]


async def test_a_round_of_nothing_ends_at_once(store: CollectorStore) -> None:
    world = ChannelWorld()
    nothing = Round(targets=(), gateway=world, store=StoreThread(store), clock=wall_clock, limit=None, concurrency=4)
    assert await nothing.run() == RoundSummary(channels=())
    assert not world.script.calls
