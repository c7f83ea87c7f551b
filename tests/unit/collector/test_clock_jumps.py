"""Our clock ran ahead and was set back: what was read meanwhile is dated in the future, and hides nothing. Or it is
behind: that takes nothing back.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teltubby.adapters.sqlite_file import to_text
from teltubby.collector.clocks import Moments
from teltubby.collector.due import due_posts
from teltubby.collector.follower import Follower
from teltubby.collector.pages import Cursor
from teltubby.collector.repositories import CollectorStore
from teltubby.collector.store_thread import StoreThread
from teltubby.collector.updates import nothing_wanted
from teltubby.collector.upkeep import Upkeep
from teltubby.messages.collector import MetricsStep
from tests.unit.collector.channel_world import ChannelWorld
from tests.unit.collector.world import CHANNEL, NOON, channel, counted, hours, page, post, store_with, tables

AHEAD = timedelta(days=3)


@dataclass
class Clock:
    """Tells what it is set to."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> Iterator[CollectorStore]:
    with store_with(clock=clock) as opened:
        opened.record(page(post(1, date=NOON)))
        yield opened


def read(store: CollectorStore, clock: Clock, views: int, **fields: object) -> None:
    """The counters of the post, as they are at this moment of our clock."""
    store.record(page(seen_at=clock.now, metrics=(counted(1, clock.now, views, **fields),)))


def test_counters_of_now_are_the_latest_though_a_clock_that_ran_ahead_dated_others_later(
    store: CollectorStore, clock: Clock
) -> None:
    read(store, clock, 10, reactions={"👍": 1}, replies=1)
    clock.now = NOON + AHEAD
    read(store, clock, 20, reactions={"👍": 5}, replies=2)
    clock.now = NOON + AHEAD + hours(5)
    read(store, clock, 30, reactions={"👍": 7})
    clock.now = NOON + hours(8)
    read(store, clock, 25, reactions={"👍": 2})
    latest = store.metrics.latest(CHANNEL, [1])[1]
    assert (latest.ts, latest.views, latest.reactions, latest.replies) == (clock.now, 30, {"👍": 2}, 2)
    assert [(one.ts, one.views) for one in store.metrics.series(CHANNEL, 1)] == [(NOON, 10), (clock.now, 30)]
    clock.now = NOON + hours(9)
    read(store, clock, 40, reactions={"👍": 3})
    series = store.metrics.series(CHANNEL, 1)
    assert [(one.ts, one.views) for one in series][1:] == [(NOON + hours(8), 30), (clock.now, 40)]


def test_it_is_all_the_same_when_it_is_recorded_again(store: CollectorStore, clock: Clock) -> None:
    clock.now = NOON + AHEAD
    read(store, clock, 20, reactions={"👍": 5})
    clock.now = NOON + hours(1)
    for views in (22, 22, 21):
        read(store, clock, views, reactions={"👍": 4})
    once = tables(store)
    read(store, clock, 22, reactions={"👍": 4})
    assert tables(store) == once
    [only] = store.metrics.series(CHANNEL, 1)
    assert (only.views, only.reactions) == (22, {"👍": 4})


def test_a_reading_of_views_alone_keeps_what_else_was_known(store: CollectorStore, clock: Clock) -> None:
    clock.now = NOON + AHEAD
    read(store, clock, 20, reactions={"👍": 5}, comments=3)
    clock.now = NOON + hours(1)
    read(store, clock, 21, reactions_told=False)
    latest = store.metrics.latest(CHANNEL, [1])[1]
    assert (latest.views, latest.reactions, latest.comments) == (21, {"👍": 5}, 3)


def test_a_clock_that_is_set_back_by_a_little_takes_nothing_back(store: CollectorStore, clock: Clock) -> None:
    read(store, clock, 20, reactions={"👍": 5})
    clock.now = NOON - timedelta(seconds=5)
    read(store, clock, 19, reactions={"👍": 4})
    latest = store.metrics.latest(CHANNEL, [1])[1]
    assert (latest.ts, latest.views, latest.reactions) == (NOON, 20, {"👍": 5})


def test_posts_that_were_read_in_the_future_are_due_now(store: CollectorStore, clock: Clock) -> None:
    schedule = (MetricsStep(age=hours(24 * 30), every=hours(1)),)
    clock.now = NOON + AHEAD
    read(store, clock, 20)
    assert due_posts(store.file, CHANNEL, schedule, clock.now) == ()
    clock.now = NOON + hours(2)
    assert due_posts(store.file, CHANNEL, schedule, clock.now) == (1,)
    read(store, clock, 20)
    assert due_posts(store.file, CHANNEL, schedule, clock.now) == ()


def test_posts_and_channels_are_what_they_are_now(store: CollectorStore, clock: Clock) -> None:
    clock.now = NOON + AHEAD
    store.record(page(post(1, "of a poll: 3 votes"), seen_at=clock.now, cursor=Cursor(complete_at=clock.now)))
    store.channels.record(channel(seen_at=clock.now, title="Then", about="then", subscribers=50))
    clock.now = NOON + hours(1)
    store.record(page(post(1, "of a poll: 4 votes"), seen_at=clock.now, cursor=Cursor(complete_at=clock.now)))
    store.channels.record(channel(seen_at=clock.now, title="Now", about="now", subscribers=40))
    found = store.posts.find(CHANNEL, 1)
    assert found is not None and found.text == "of a poll: 4 votes"
    known = store.channels.find(CHANNEL)
    assert known is not None and (known.title, known.about, known.subscribers) == ("Now", "now", 40)
    assert known.seen_at == clock.now == store.channels.cursor(CHANNEL).complete_at
    assert store.file.read("SELECT * FROM posts WHERE seen_at > ?", to_text(clock.now)) == []


@pytest.mark.anyio
@pytest.mark.usefixtures("virtual_time")
async def test_updates_are_dated_by_the_clock_as_it_is_set(clock: Clock) -> None:
    world = ChannelWorld(clock=lambda: NOON)
    one = world.add("Space", username="space")
    with store_with(replace(one.channel, seen_at=NOON), clock=clock) as store:
        follower = Follower(world, StoreThread(store), clock=clock)
        await follower.adopt(await world.find_channel("@space"))
        for moment in (NOON + AHEAD, NOON + hours(1)):
            clock.now = moment
            one.post("said")
            await follower.catch_up(one.id)
            assert store.channels.cursor(one.id).complete_at == moment


READS = st.tuples(st.integers(0, 1), st.integers(0, 90), st.integers(0, 9), st.none() | st.integers(0, 3))


@settings(max_examples=40)
@given(st.lists(READS, min_size=1, max_size=8))
def test_however_often_it_jumps_the_last_reading_has_the_word(reads: list[tuple[int, int, int, int | None]]) -> None:
    """Each is read so many minutes after the one before it, by a clock that is ahead or not; the last by one that is
    right.
    """
    clock, truth = Clock(), NOON
    with store_with(clock=clock) as store:
        store.record(page(post(1, date=NOON)))
        for ahead, minutes, views, thumbs in (*reads, (0, 61, 0, None)):
            truth += timedelta(minutes=minutes, seconds=1)
            clock.now = truth + ahead * AHEAD
            told = {"reactions_told": False} if thumbs is None else {"reactions": {"👍": thumbs} if thumbs else {}}
            read(store, clock, views, **told)
        latest, series = store.metrics.latest(CHANNEL, [1])[1], store.metrics.series(CHANNEL, 1)
        assert latest.views == max(views for _, _, views, _ in reads) and latest.ts == truth
        known = [thumbs for *_, thumbs in reads if thumbs is not None]
        assert latest.reactions_count == (known[-1] if known else 0)
        counts = [one.views or 0 for one in series]
        assert counts == sorted(counts) and series[-1] == latest and all(one.ts <= truth for one in series)


def test_a_clock_that_is_behind_for_a_while_takes_nothing_back(clock: Clock) -> None:
    with store_with(clock=clock) as store:
        for day in range(30):
            clock.now = NOON + timedelta(days=day)
            store.record(page(post(day + 1, date=clock.now), seen_at=clock.now))
            read(store, clock, 10 + day, reactions={"👍": day})
            store.channels.record(channel(seen_at=clock.now, subscribers=100 + day))
        right, series = clock.now, store.metrics.series(CHANNEL, 1)
        for year in (1970, 2020):
            clock.now = right.replace(year=year)
            read(store, clock, 50, reactions={"👍": 1})
            store.record(page(post(1, f"in {year}"), seen_at=clock.now, cursor=Cursor(complete_at=clock.now)))
            store.channels.record(channel(seen_at=clock.now, subscribers=99))
        assert store.metrics.series(CHANNEL, 1)[:-1] == series[:-1]
        followers = store.metrics.subscribers(CHANNEL, NOON - hours(1), right + hours(1))
        assert [number for _, number in followers[:-1]] == list(range(100, 129))
        clock.now = right + hours(2)
        read(store, clock, 60, reactions={"👍": 2})
        latest, found = store.metrics.latest(CHANNEL, [1])[1], store.posts.find(CHANNEL, 1)
        assert (latest.ts, latest.views, latest.reactions) == (clock.now, 60, {"👍": 2})
        assert found is not None and found.text == "in 2020"


def test_time_goes_on_by_a_clock_that_is_behind_until_it_is_set(clock: Clock) -> None:
    moments = Moments(clock, NOON)
    for shown, is_later in ((-48, 0), (-48 + 1 / 60, 1 / 60), (-24, 1 / 60), (1, 1)):
        clock.now = NOON + hours(shown)
        assert moments.dated(clock.now) == NOON + hours(is_later)
        assert moments.dated(moments.dated(clock.now)) == NOON + hours(is_later)


@pytest.mark.anyio
@pytest.mark.usefixtures("virtual_time")
async def test_what_was_just_read_by_a_clock_that_is_behind_is_not_due(clock: Clock) -> None:
    world = ChannelWorld(clock=clock)
    one = world.add("Space", 3, username="space")
    with store_with(one.channel, clock=clock) as store:
        thread = StoreThread(store)
        follower = Follower(world, thread, clock=clock)
        await follower.adopt(await world.find_channel("@space"))
        one.post("said")
        await follower.catch_up(one.id)
        clock.now = NOON - hours(2)
        schedule = (MetricsStep(age=hours(24), every=hours(1)),)
        upkeep = Upkeep(
            gateway=world, store=thread, schedule=schedule, retention_days=1, clock=clock, wanted=nothing_wanted
        )
        clock.now += hours(1.5)
        for _ in range(3):
            await upkeep.count(one.ref)
        assert world.script.count("posts_by_id") == 0


@pytest.mark.anyio
@pytest.mark.usefixtures("virtual_time")
async def test_a_clock_that_runs_ahead_thins_nothing(clock: Clock) -> None:
    with store_with(clock=clock) as store:
        store.record(page(post(1, date=NOON)))
        for hour in range(48):
            clock.now = NOON + hours(hour)
            read(store, clock, hour)
        upkeep = Upkeep(
            gateway=ChannelWorld(clock=clock),
            store=StoreThread(store),
            schedule=(),
            retention_days=90,
            clock=clock,
            wanted=nothing_wanted,
        )
        clock.now = NOON + timedelta(days=400)
        await upkeep.retain()
        assert len(store.metrics.series(CHANNEL, 1)) == 48
        store.record(page(post(2, date=clock.now)))
        await upkeep.retain()
        assert len(store.metrics.series(CHANNEL, 1)) == 3, "it is that late: there is a post of then"
