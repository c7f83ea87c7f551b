"""CollectorActor: what it hears of (a session, an order, a full archive, another file) is heeded at once, and told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from teltubby.collector.pages import Page
from teltubby.collector.repositories import CollectorStore
from teltubby.errors import DatabaseUnavailable
from teltubby.messages.channels import ChannelRef, PostPage
from teltubby.messages.collected import CollectedMedia, MediaFacts
from teltubby.messages.collector import MediaFilter, TrackChannel, UntrackChannel
from teltubby.messages.session import DescribeSession, SessionChanged, SessionState
from tests.actors.collector_stage import ALL_ON, BotsEar, Collected, collecting
from tests.unit.collector.channel_world import ChannelWorld
from tests.virtual_time import until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

VIDEO = MediaFacts(kind=CollectedMedia.VIDEO, document_id=9, size_bytes=1000, mime_type="video/mp4")
VIDEOS = MediaFilter(kinds=(CollectedMedia.VIDEO,))
WHOLE = ALL_ON.model_copy(update={"history_limit_per_run": 100_000})


async def session_is(collected: Collected, state: SessionState) -> None:
    """The session enters this state, and says so as the SessionActor does."""
    collected.session.state = state
    collected.ref.tell(SessionChanged(standing=await collected.session_ref.ask(DescribeSession(), within=60)))


async def test_collecting_begins_when_the_session_is_ready(tmp_path: Path) -> None:
    world = ChannelWorld()
    news = world.add("News", 3, username="news")
    async with collecting(tmp_path, world, "@news", state=SessionState.CONNECTING) as collected:
        await anyio.sleep(33)
        began = anyio.current_time()
        await session_is(collected, SessionState.READY)
        await until(lambda: world.script.count("find_channel") and world.script.count("follow"), within=60)
        assert anyio.current_time() - began < 1
        await collected.has_all_of(news, within=60)


async def test_news_that_change_nothing_have_nothing_asked_of_telegram(tmp_path: Path) -> None:
    world = ChannelWorld()
    world.add("News", 3, username="news")
    async with collecting(tmp_path, world, "@news", state=SessionState.DISCONNECTED) as collected:
        for _ in range(20):
            await session_is(collected, SessionState.CONNECTING)
            await anyio.sleep(1)
        assert not world.script.calls


async def test_an_untracked_channel_is_let_go_between_two_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = ChannelWorld(round_trip=1.0)
    news, other = world.add("News", username="news"), world.add("Other", 500, username="other")
    for number in range(3000):
        news.last_id += 1
        news._put(f"post {number}", world.clock(), {"media": VIDEO})
    asked: list[int] = []
    ask = ChannelWorld.posts_before

    async def counted(self: ChannelWorld, ref: ChannelRef, before: int | None, limit: int) -> PostPage:
        if ref == news.ref:
            asked.append(before or 0)
        return await ask(self, ref, before, limit)

    monkeypatch.setattr(ChannelWorld, "posts_before", counted)
    ear = BotsEar(waiting=99)  # so that no file is told of meanwhile
    async with collecting(tmp_path, world, "@other", settings=WHOLE, ear=ear) as collected:
        await collected.answers(TrackChannel(order_id="1", peer="@news", user_id=7, media=VIDEOS))
        await until(lambda: len(collected.posts(news)) >= 300, within=600)
        await collected.answers(UntrackChannel(order_id="2", peer="@news", user_id=7))
        pages = len(asked)
        await anyio.sleep(600)
        assert len(asked) <= pages + 2, "what was on its way, and no more"
        assert len(collected.posts(news)) <= 100 * len(asked) < 3000
        told = await collected.standing()
        assert [(one.peer, one.trouble) for one in told.channels] == [("@other", None)]
        assert told.collector is None and not collected.troubles.reasons
        ear.waiting = 0
        await anyio.sleep(60)
        assert collected.files == [], "nor are files of its last pages wanted"
        await collected.has_all_of(other, within=60)
        await collected.answers(TrackChannel(order_id="3", peer="@news", user_id=7))
        await collected.has_all_of(news, within=600)


async def test_a_channel_that_is_untracked_before_its_turn_is_not_begun(tmp_path: Path) -> None:
    world = ChannelWorld(round_trip=1.0)
    for number in range(3):
        world.add(f"Other {number}", 500, username=f"other_{number}")
    last = world.add("Last", 500, username="last")
    one_by_one = WHOLE.model_copy(update={"concurrency": 1, "updates_enabled": False})
    async with collecting(tmp_path, world, "@other_0", "@other_1", "@other_2", settings=one_by_one) as collected:
        await until(lambda: world.script.count("find_channel"))
        await collected.answers(TrackChannel(order_id="1", peer="@last", user_id=7))
        await until(lambda: world.script.asked("find_channel").count("@other_2"), within=600)
        await until(lambda: len(collected.posts(world.channels[last.id - 1])) == 500, within=600)
        await collected.answers(UntrackChannel(order_id="2", peer="@last", user_id=7))
        await anyio.sleep(1000)
        assert len(collected.posts(last)) <= 200
        assert not (await collected.standing()).collector


@pytest.mark.parametrize("full_for", ["one channel", "all"])
async def test_a_full_disk_is_told_wherever_people_look_while_it_lasts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full_for: str
) -> None:
    world, ear = ChannelWorld(), BotsEar()
    news, talk = world.add("News", 250, username="news"), world.add("Talk", 20, username="talk")
    record, is_full, words = CollectorStore.record, True, "The database cannot grow: its disk is full"

    def until_there_is_room(self: CollectorStore, page: Page) -> object:
        if is_full and (full_for == "all" or page.channel_id == news.id):
            raise DatabaseUnavailable(words)
        return record(self, page)

    monkeypatch.setattr(CollectorStore, "record", until_there_is_room)
    only_history = ALL_ON.model_copy(update={"updates_enabled": False})
    async with collecting(tmp_path, world, "@news", "@talk", settings=only_history, ear=ear) as collected:
        await until(lambda: collected.troubles.reasons, within=60)
        assert collected.troubles.reasons == {"collector": words} and ear.changes == 1
        await anyio.sleep(100)
        assert words in str((await collected.standing()).collector)
        assert collected.troubles.reasons == {"collector": words} and ear.changes == 1, "as long as it lasts"
        is_full = False
        await collected.has_all_of(news, within=1000)
        await collected.has_all_of(talk, within=1000)
        await until(lambda: not collected.troubles.reasons, within=60)
        assert ear.changes == 2 and (await collected.standing()).collector is None


async def test_files_wait_here_while_the_archive_is_full(tmp_path: Path) -> None:
    world, ear = ChannelWorld(), BotsEar(is_full=True)
    news = world.add("News", 3, username="news")
    stored = [news.post(f"a film, {number}", media=VIDEO) for number in range(30)]
    async with collecting(tmp_path, world, ear=ear) as collected:
        await collected.answers(TrackChannel(order_id="1", peer="@news", user_id=7, media=VIDEOS))
        await collected.has_all_of(news, within=60)
        await anyio.sleep(1000)
        told = await collected.standing()
        assert told.collector == "the archive is full: 30 files of channels wait here until there is room"
        assert collected.files == [] and not collected.troubles.reasons, "it is the bot that tells of its archive"
        ear.is_full = False
        await until(lambda: len(collected.files) == 30, within=60)
        assert sorted(post.msg_id for post in collected.files) == stored
        await anyio.sleep(60)
        assert (await collected.standing()).collector is None


async def test_a_file_that_an_edit_puts_in_anothers_place_is_wanted_once(tmp_path: Path) -> None:
    world = ChannelWorld()
    news = world.add("News", 3, username="news")
    film = news.post("a film", media=VIDEO)

    def documents(collected: Collected) -> list[int | None]:
        return [None if post.media is None else post.media.document_id for post in collected.files]

    async with collecting(tmp_path, world) as collected:
        await collected.answers(TrackChannel(order_id="1", peer="@news", user_id=7, media=VIDEOS))
        await until(lambda: documents(collected) == [9], within=60)
        news.edit(film, "only its words are others")
        await anyio.sleep(60)
        news.posts[film] = replace(news.posts[film], media=replace(VIDEO, document_id=10))
        news.edit(film, "another film")
        await until(lambda: documents(collected) == [9, 10], within=60)
        await anyio.sleep(3 * ALL_ON.sync_interval)
        assert documents(collected) == [9, 10]


async def test_the_filter_that_is_replaced_is_told(tmp_path: Path) -> None:
    world = ChannelWorld()
    world.add("News", 3, username="news")
    photos = MediaFilter(kinds=(CollectedMedia.PHOTO,))
    async with collecting(tmp_path, world) as collected:
        told = [
            await collected.answers(TrackChannel(order_id=str(number), peer="@news", user_id=7, media=media))
            for number, media in enumerate((VIDEOS, photos, photos))
        ]
        facts = [(one.changed, one.was_collected, one.media_before) for one in told if hasattr(one, "media_before")]
        assert facts == [(True, False, None), (True, True, VIDEOS), (False, True, photos)]
        assert (await collected.standing()).history


async def test_without_history_that_is_told(tmp_path: Path) -> None:
    world = ChannelWorld()
    world.add("News", 3, username="news")
    async with collecting(
        tmp_path, world, "@news", settings=ALL_ON.model_copy(update={"history_enabled": False})
    ) as collected:
        assert not (await collected.standing()).history
