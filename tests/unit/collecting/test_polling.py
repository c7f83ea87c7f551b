"""`teltubby poll-updates` over the twin of Telegram, in virtual time: what is followed, and what trouble does."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from teltubby.adapters.base import Account
from teltubby.archive.media_filter import read_filter
from teltubby.collecting.opened import Opened
from teltubby.collecting.peers import NoChannel
from teltubby.collecting.poll_updates import LOOK_SECONDS, Polling
from teltubby.collector.pages import Page
from teltubby.collector.repositories import CollectorStore
from teltubby.collector.store_thread import StoreThread
from teltubby.config import Config, Role, load
from teltubby.errors import ChatUnavailable, ConnectionLost, SessionRevoked, TelegramUnavailable
from teltubby.messages.channels import Pushed
from teltubby.messages.collected import CollectedMedia, MediaFacts
from tests.unit.collector.channel_world import ChannelWorld, Fate, WorldChannel
from tests.virtual_time import wall_clock

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

ACCOUNT = Account(id=815, username="ada", is_bot=False)
INTERVAL = 100.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CollectorStore]:
    opened = CollectorStore.open(tmp_path / "collector.db")
    yield opened
    opened.close()


@pytest.fixture
def config() -> Config:
    return load(Role.WORKER, {"MTPROTO_PEERS": "@news", "MTPROTO_SYNC_INTERVAL": str(INTERVAL)}, None, checks=())


def polling(config: Config, store: CollectorStore, world: ChannelWorld) -> Polling:
    return Polling(config, Opened(store=StoreThread(store), account=ACCOUNT, gateway=world), clock=wall_clock)


@asynccontextmanager
async def running(polling: Polling, *, restart: bool = False) -> AsyncIterator[None]:
    """It follows whatever can be followed; afterwards it is interrupted."""
    async with anyio.create_task_group() as tasks:

        async def run() -> None:
            await polling.run(restart=restart)

        tasks.start_soon(run)
        await anyio.sleep(LOOK_SECONDS / 10)
        yield
        tasks.cancel_scope.cancel()


async def until(condition: Callable[[], bool], *, within: float) -> None:
    """Wait for it in virtual time."""
    with anyio.fail_after(within):
        while not condition():
            await anyio.sleep(0.1)


def stored(store: CollectorStore, channel: WorldChannel) -> dict[int, str]:
    """What is stored of it and not gone."""
    posts = (store.posts.find(channel.id, msg_id) for msg_id in range(channel.last_id + 1))
    return {post.msg_id: post.text for post in posts if post is not None and post.deleted_at is None}


def summary(polling: Polling) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(polling.summary())
    return told


async def test_pushes_that_are_lost_come_by_asking(config: Config, store: CollectorStore) -> None:
    world = ChannelWorld()
    news = world.add("News", 5, username="news")
    following = polling(config, store, world)

    def lost(pushed: Pushed) -> Fate:
        return Fate.LOST

    async with running(following):
        pushed = news.post("pushed")
        await until(lambda: stored(store, news) == {pushed: "pushed"}, within=5)
        world.fate = lost
        silent = news.post("not pushed")
        await until(lambda: silent in stored(store, news), within=INTERVAL + LOOK_SECONDS)
    [told] = summary(following)["channels"]
    assert (told["peer"], told["title"], told["new"]) == ("@news", "News", 2)


async def test_channels_come_and_go_while_it_runs(config: Config, store: CollectorStore) -> None:
    world = ChannelWorld()
    news, weather = world.add("News", 5, username="news"), world.add("Weather", 5, username="weather")
    following = polling(config, store, world)
    async with running(following):
        store.tracking.add("@weather", user_id=None, at=wall_clock())
        await anyio.sleep(LOOK_SECONDS + 1)
        rain = weather.post("rain")
        await until(lambda: stored(store, weather) == {rain: "rain"}, within=5)
        store.tracking.remove("@weather")
        await anyio.sleep(LOOK_SECONDS + 1)
        weather.post("sun")
        told = news.post("news")
        await until(lambda: stored(store, news) == {told: "news"}, within=5)
        await anyio.sleep(INTERVAL)
    assert stored(store, weather) == {rain: "rain"}
    assert [channel["peer"] for channel in summary(following)["channels"]] == ["@news"]


async def test_a_channel_in_trouble_is_looked_for_again(config: Config, store: CollectorStore) -> None:
    world = ChannelWorld()
    news, weather = world.add("News", 5, username="news"), world.add("Weather", 5, username="weather")
    store.tracking.add("@weather", user_id=None, at=wall_clock())
    weather.closed = "it is private"
    following = polling(config, store, world)
    async with running(following):
        assert "@weather" in summary(following)["troubles"]
        assert store.tracking.known("@weather").trouble is not None
        weather.closed = None
        await anyio.sleep(INTERVAL + LOOK_SECONDS + 1)
        assert summary(following)["troubles"] == {} and store.tracking.known("@weather").trouble is None
        news.closed = "it was deleted"
        rain = weather.post("rain")
        await until(lambda: stored(store, weather) == {rain: "rain"}, within=5)
        await until(lambda: "@news" in summary(following)["troubles"], within=2 * INTERVAL)
        news.closed = None
        await until(lambda: not summary(following)["troubles"], within=2 * INTERVAL)
        assert store.tracking.known("@news").trouble is None


async def test_nothing_that_can_be_followed_ends_it(config: Config, store: CollectorStore) -> None:
    with pytest.raises(NoChannel, match="no channel can be followed: @news: "):
        await polling(config, store, ChannelWorld()).run(restart=True)


async def test_files_that_are_wanted_are_wanted_at_once(config: Config, store: CollectorStore) -> None:
    world = ChannelWorld()
    news = world.add("News", 5, username="news")
    store.tracking.add("@news", user_id=5, at=wall_clock(), media=read_filter(["media=photo"]))
    async with running(polling(config, store, world)):
        photo = news.post("a photo", media=MediaFacts(kind=CollectedMedia.PHOTO, document_id=1))
        news.post("a film", media=MediaFacts(kind=CollectedMedia.VIDEO, document_id=2))
        await until(lambda: len(stored(store, news)) == 2, within=5)
    assert [(wanted.post.msg_id, wanted.user_id) for wanted in store.tracking.wanted(10)] == [(photo, 5)]


async def test_after_a_lost_connection_it_begins_again_without_loss(config: Config, store: CollectorStore) -> None:
    world = ChannelWorld()
    news = world.add("News", 5, username="news")
    following = polling(config, store, world)
    async with running(following, restart=True):
        for number in range(1, 4):
            world.disconnect()
            news.post("while nobody looked")
            await until(partial(_has, store, news, number), within=60)
            assert summary(following)["restarts"] == number


def _has(store: CollectorStore, channel: WorldChannel, posts: int) -> bool:
    return len(stored(store, channel)) == posts


async def test_edits_that_nobody_tells_of_any_more_are_found(config: Config, store: CollectorStore) -> None:
    world = ChannelWorld()
    news = world.add("News", 0, username="news")
    following = polling(config, store, world)
    async with running(following):
        posts = [news.post(f"post {number}") for number in range(120)]
        await until(lambda: len(stored(store, news)) == len(posts), within=10)
        world.fate = lambda pushed: Fate.LOST
        news.edit(posts[0], "edited")
        news.delete(posts[1])
        news.forget()
        await until(partial(_is_read_again, store, news), within=INTERVAL + 2 * LOOK_SECONDS)
    [told] = summary(following)["channels"]
    assert told["to_read_again"] == 0


def _is_read_again(store: CollectorStore, channel: WorldChannel) -> bool:
    return stored(store, channel) == {msg_id: post.text for msg_id, post in channel.posts.items()}


async def test_counters_are_read_again_as_the_schedule_says(config: Config, store: CollectorStore) -> None:
    world = ChannelWorld()
    news = world.add("News", 0, username="news")
    async with running(polling(config, store, world)):
        post = news.post("news")
        await until(lambda: len(stored(store, news)) == 1, within=5)
        world.fate = lambda pushed: Fate.LOST
        news.view(post, views=41)
        await anyio.sleep(11 * 60)
        assert store.metrics.latest(news.id, [post])[post].views == 42
        assert world.script.count("posts_by_id") == 1


async def test_old_snapshots_are_thinned(config: Config, store: CollectorStore) -> None:
    world = ChannelWorld()
    news = world.add("News", 1, username="news")
    store.channels.record(news.channel)
    then = wall_clock().replace(hour=1) - timedelta(days=config.collector.metrics_retention_days + 2)
    readings = [replace(news.counters[1], ts=then + timedelta(hours=hour)) for hour in range(6)]
    store.record(Page(channel_id=news.id, seen_at=then, metrics=tuple(readings)))
    store.record(Page(channel_id=news.id, seen_at=then, metrics=(news.counters[1],)))
    assert len(store.metrics.series(news.id, 1)) == 7
    async with running(polling(config, store, world)):
        await until(lambda: len(store.metrics.series(news.id, 1)) == 2, within=5)


async def test_a_lost_connection_ends_it(config: Config, store: CollectorStore) -> None:
    world = ChannelWorld()
    world.add("News", 5, username="news")
    failures: list[Exception] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_disconnect_after, world, 3.0)
        try:
            await polling(config, store, world).run(restart=False)
        except ConnectionLost as error:
            failures.append(error)
    assert len(failures) == 1


async def _disconnect_after(world: ChannelWorld, seconds: float) -> None:
    await anyio.sleep(seconds)
    world.disconnect()


@pytest.mark.parametrize("error", [SessionRevoked("signed out"), ChatUnavailable("odd")])
async def test_what_waiting_does_not_mend_ends_it_in_any_case(
    config: Config, store: CollectorStore, error: Exception
) -> None:
    world = ChannelWorld()
    world.add("News", 5, username="news")
    world.script.fail("follow", error)
    with pytest.raises(type(error)):
        await polling(config, store, world).run(restart=True)


async def test_telegram_that_is_away_is_waited_for_with_growing_pauses(config: Config, store: CollectorStore) -> None:
    world = ChannelWorld()
    news = world.add("News", 5, username="news")
    world.script.fail("follow", *[TelegramUnavailable("away")] * 4)
    following = polling(config, store, world)
    async with running(following, restart=True):
        await until(lambda: len(summary(following)["channels"]) == 1, within=120)
        assert summary(following)["restarts"] == 4
        post = news.post("at last")
        await until(lambda: stored(store, news) == {post: "at last"}, within=60)
    attempts = [call.at for call in world.script.calls if call.method == "follow"]
    assert len(attempts) == 5 and attempts[-1] - attempts[0] > 0.2
