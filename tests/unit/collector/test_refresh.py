"""Counters are read again as METRICS_SCHEDULE says, and kept as long as METRICS_RETENTION_DAYS says."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teltubby.collector.due import DUE, FIRST_READ, KNOWN, due_posts
from teltubby.collector.refresh import next_due, refresh, retain
from teltubby.collector.repositories import CollectorStore
from teltubby.collector.store_thread import StoreThread
from teltubby.collector.sweeps import LEFT, TO_BE_READ
from teltubby.errors import TelegramUnavailable
from teltubby.messages.collected import CollectedMessage
from teltubby.messages.collector import MetricsStep
from tests.unit.collector.channel_world import ChannelWorld, WorldChannel
from tests.unit.collector.world import CHANNEL, NOON, counted, hours, page, post, store_with
from tests.virtual_time import backend_in_virtual_time, wall_clock

pytestmark = pytest.mark.usefixtures("virtual_time")

SCHEDULE = (MetricsStep(age=hours(1), every=hours(1 / 6)), MetricsStep(age=hours(24), every=hours(2)))


async def collected(world: ChannelWorld, one: WorldChannel, store: CollectorStore) -> StoreThread:
    """All posts of the channel are stored, as they are now."""
    now = wall_clock()
    messages = (one.read(msg_id, now) for msg_id in one.posts)
    found = tuple(message for message in messages if isinstance(message, CollectedMessage))
    store.channels.record((await world.describe_channel(one.ref)).channel)
    store.record(page(seen_at=now, metrics=tuple(each.metrics for each in found if each.metrics is not None)))
    store.record(page(*(each.post for each in found), seen_at=now))
    world.script.calls.clear()
    return StoreThread(store)


async def read_again(world: ChannelWorld, one: WorldChannel, thread: StoreThread) -> tuple[int, ...]:
    """Ids that were asked for in a refresh."""
    world.script.calls.clear()
    number = await refresh(one.ref, world, thread, schedule=SCHEDULE, now=wall_clock())
    asked = [ids for ids in world.script.asked("posts_by_id") if isinstance(ids, tuple)]
    ids = tuple(msg_id for each in asked for msg_id in each)
    assert len(ids) == number
    return ids


@pytest.mark.anyio
async def test_posts_are_read_by_their_age() -> None:
    world = ChannelWorld()
    one = world.add("Space")
    one.fill(3, every=12 * 3600.0)  # 36, 24 and 12 hours old
    young = one.post("now")
    with store_with(one.channel) as store:
        thread = await collected(world, one, store)
        assert await read_again(world, one, thread) == (), "all were read now"
        await anyio.sleep(600)
        assert await read_again(world, one, thread) == (young,)
        await anyio.sleep(6600)
        assert await read_again(world, one, thread) == (3,), "the other one is no longer that young"
        await anyio.sleep(600)
        assert await read_again(world, one, thread) == (young,)
        await anyio.sleep(6600)
        assert await read_again(world, one, thread) == (3,)
        await anyio.sleep(24 * 3600)
        assert await read_again(world, one, thread) == ()


@pytest.mark.anyio
async def test_snapshots_are_what_the_counters_were_and_edits_and_deletions_are_found() -> None:
    world = ChannelWorld()
    one = world.add("Space")
    kept, edited, gone = one.post("kept"), one.post("as it was"), one.post("gone")
    with store_with(one.channel, bucket_seconds=600) as store:
        thread = await collected(world, one, store)
        for _ in range(4):
            await anyio.sleep(610)
            one.view(kept, 5, forwards=1)
            one.react(kept, "🔥", 2)
            await read_again(world, one, thread)
        series = store.metrics.series(one.id, kept)
        assert [reading.views for reading in series] == [1, 6, 11, 16, 21]
        assert [reading.reactions.get("🔥") for reading in series] == [None, 2, 4, 6, 8]
        for reading in series[1:]:
            then = one.counters_at(kept, reading.ts)
            assert (reading.views, reading.forwards) == (then.views, then.forwards)
        one.edit(edited, "as it is")
        one.delete(gone)
        await anyio.sleep(610)
        assert await read_again(world, one, thread) == (kept, edited, gone)
        now = store.posts.find(one.id, edited)
        assert now is not None and now.text == "as it is"
        stored = store.posts.find(one.id, gone)
        assert stored is not None and stored.deleted_at is not None
        await anyio.sleep(7300)
        assert await read_again(world, one, thread) == (kept, edited), "what is gone is not asked for again"


@pytest.mark.anyio
async def test_a_reading_that_lags_lowers_no_views() -> None:
    world = ChannelWorld()
    one = world.add("Space")
    msg_id = one.post("hello")
    with store_with(one.channel, bucket_seconds=600) as store:
        thread = await collected(world, one, store)
        await anyio.sleep(300)
        store.record(page(seen_at=wall_clock(), metrics=(counted(msg_id, wall_clock(), 50, reactions_told=False),)))
        await anyio.sleep(350)
        assert await read_again(world, one, thread) == (msg_id,), "views alone are no reading of all counters"
        assert [reading.views for reading in store.metrics.series(one.id, msg_id)] == [50, 50]


@pytest.mark.anyio
async def test_hundreds_are_stored_one_by_one() -> None:
    world = ChannelWorld()
    one = world.add("Space")
    one.fill(250, every=1.0)
    with store_with(one.channel) as store:
        thread = await collected(world, one, store)
        await anyio.sleep(600)
        world.script.fail("posts_by_id", None, None, TelegramUnavailable("away"))
        with pytest.raises(TelegramUnavailable):
            await refresh(one.ref, world, thread, schedule=SCHEDULE, now=wall_clock())
        assert [len(ids) for ids in world.script.asked("posts_by_id") if isinstance(ids, tuple)] == [100, 100, 50]
        assert await read_again(world, one, thread) == tuple(range(201, 251)), "the rest is due still"


@pytest.mark.anyio
async def test_subscribers_are_read_every_hour() -> None:
    world = ChannelWorld()
    one = world.add("Space")
    with store_with(one.channel) as store:
        thread = await collected(world, one, store)
        for minute in range(150):
            one.follow(100 + minute)
            await anyio.sleep(60)
            await refresh(one.ref, world, thread, schedule=SCHEDULE, now=wall_clock())
        assert world.script.count("describe_channel") == 2
        told = store.metrics.subscribers(one.id, NOON, NOON + hours(24))
        assert [number for _, number in told][-1] > 200


@pytest.mark.anyio
async def test_when_something_is_due_next() -> None:
    world = ChannelWorld()
    one = world.add("Space")
    with store_with(one.channel) as store:
        thread = await collected(world, one, store)
        assert await next_due(one.id, thread, schedule=SCHEDULE, now=wall_clock()) is None
        one.fill(1, every=12 * 3600.0)
        await collected(world, one, store)
        counted_at = store.metrics.latest(one.id, (1,))[1].ts
        assert await next_due(one.id, thread, schedule=SCHEDULE, now=wall_clock()) == counted_at + hours(2)
        one.post("young")
        await collected(world, one, store)
        counted_at = store.metrics.latest(one.id, (2,))[2].ts
        assert await next_due(one.id, thread, schedule=SCHEDULE, now=wall_clock()) == counted_at + hours(1 / 6)
        await anyio.sleep(5000)
        assert await next_due(one.id, thread, schedule=(), now=wall_clock()) is None
        now = counted_at + hours(1 / 2)
        assert await next_due(one.id, thread, schedule=SCHEDULE, now=now) == now, "it is overdue"


@pytest.mark.anyio
async def test_of_old_snapshots_one_a_day_is_kept() -> None:
    with store_with(bucket_seconds=3600) as store:
        for hour in range(96):
            store.record(page(post(1), seen_at=NOON, metrics=(counted(1, NOON + hours(hour), hour),)))
        thread = StoreThread(store)
        assert await retain(thread, days=2, now=NOON + hours(96)) > 0
        left = [reading.ts - NOON for reading in store.metrics.series(CHANNEL, 1)]
        assert [each for each in left if each >= hours(48)] == [hours(hour) for hour in range(48, 96)]
        assert [each for each in left if each < hours(48)] == [hours(11), hours(35), hours(47)]
        assert await retain(thread, days=2, now=NOON + hours(96)) == 0


def test_every_question_is_answered_by_an_index() -> None:
    with store_with() as store:
        for sql, number in ((DUE, 5), (FIRST_READ, 3), (KNOWN, 2), (TO_BE_READ, 3), (LEFT, 1)):
            plan = store.file.read(f"EXPLAIN QUERY PLAN {sql}", *["[]"] * number)
            steps = [row["detail"] for row in plan]
            assert not [step for step in steps if "SCAN posts" in step or "SCAN post_latest" in step]


AGES = st.integers(0, 60)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@settings(max_examples=40)
@given(
    ages=st.lists(AGES, max_size=8),
    steps=st.lists(st.tuples(st.integers(1, 50), st.integers(1, 20)), max_size=3, unique_by=lambda step: step[0]),
    waits=st.lists(st.integers(1, 30), max_size=6),
)
def test_no_post_is_read_sooner_or_later_than_its_step_says(
    backend: str, ages: list[int], steps: list[tuple[int, int]], waits: list[int]
) -> None:
    """Against the schedule read post by post, in hours."""
    schedule = tuple(MetricsStep(age=hours(age), every=hours(every)) for age, every in sorted(steps))
    name, options = backend_in_virtual_time(backend)
    anyio.run(_compared, ages, schedule, waits, backend=name, backend_options=options)


async def _compared(ages: Sequence[int], schedule: Sequence[MetricsStep], waits: Sequence[int]) -> None:
    world = ChannelWorld(round_trip=0.0)
    one = world.add("Space")
    for age in sorted(ages, reverse=True):
        one.fill(1, every=age * 3600.0)
    with store_with(one.channel) as store:
        thread = await collected(world, one, store)
        read_at = dict.fromkeys(one.posts, wall_clock())
        for wait in waits:
            await anyio.sleep(wait * 3600 + 1)
            now = wall_clock()
            expected = tuple(
                msg_id
                for msg_id, each in sorted(one.posts.items())
                if _is_due(schedule, each.date, read_at[msg_id], now)
            )
            assert due_posts(store.file, one.id, schedule, now) == expected
            await refresh(one.ref, world, thread, schedule=schedule, now=now)
            read_at.update(dict.fromkeys(expected, wall_clock()))


def _is_due(schedule: Sequence[MetricsStep], date: datetime, read_at: datetime, now: datetime) -> bool:
    every = next((step.every for step in schedule if now - date < step.age), timedelta.max)
    return now - read_at >= every
