"""CollectorActor: what the channels have is what its database has, whatever session, broker and disk do meanwhile."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from teltubby.actors.collector_standing import CollectorState
from teltubby.actors.troubles import Troubles
from teltubby.collector.repositories import CollectorStore
from teltubby.errors import DatabaseUnavailable, FloodWait, TelegramUnavailable
from teltubby.messages.channels import ChannelDifference, ChannelRef, PushedChange
from teltubby.messages.collected import CollectedMedia, MediaFacts
from teltubby.messages.collector import ChannelMediaFound, CollectorReport, MediaFilter, TrackChannel
from teltubby.messages.session import SessionState
from tests.actors.collector_stage import ALL_ON, BotsEar, collecting
from tests.actors.stage import restarts
from tests.unit.collector.channel_world import ChannelWorld, Fate
from tests.virtual_time import until, wall_clock

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

ONLY_HISTORY = ALL_ON.model_copy(update={"updates_enabled": False})
ONLY_UPDATES = ALL_ON.model_copy(update={"history_enabled": False})
VIDEO = MediaFacts(kind=CollectedMedia.VIDEO, document_id=9, size_bytes=1000, mime_type="video/mp4")
VIDEOS = MediaFilter(kinds=(CollectedMedia.VIDEO,))


async def test_history_and_updates_of_configured_channels(tmp_path: Path) -> None:
    world = ChannelWorld()
    news, talk = world.add("News", 700, username="news"), world.add("Talk", 5)
    async with collecting(tmp_path, world, "@news", f"-100{talk.id}") as collected:
        await collected.has_all_of(talk)
        await collected.has_all_of(news)
        began = anyio.current_time()
        new = news.post("just now")
        news.edit(new - 1, "corrected")
        news.delete(new - 2)
        await collected.has_all_of(news, within=20)
        assert anyio.current_time() - began < 20, "by updates, long before the next round"
        told = await collected.standing()
        assert [(one.title, one.posts, one.backfill_done) for one in told.channels] == [
            ("News", 701, True),
            ("Talk", 5, True),
        ]
        assert told.following and told.collector is None
        assert all(one.is_configured and one.complete_at is not None for one in told.channels)
        assert not restarts(collected.tree)


async def test_rounds_bring_what_is_new_where_updates_are_off(tmp_path: Path) -> None:
    world = ChannelWorld()
    news = world.add("News", 20, username="news")
    async with collecting(tmp_path, world, "@news", settings=ONLY_HISTORY) as collected:
        await collected.has_all_of(news)
        new = news.post("by and by")
        began = anyio.current_time()
        await collected.has_all_of(news, within=2 * ALL_ON.sync_interval)
        assert new in collected.posts(news)
        assert anyio.current_time() - began > 60, "nothing but the next round brings it"
        assert world.script.count("follow") == world.script.count("difference") == 0


async def test_only_what_happens_from_now_on_where_history_is_off(tmp_path: Path) -> None:
    world = ChannelWorld()
    news = world.add("News", 20, username="news")
    async with collecting(tmp_path, world, "@news", settings=ONLY_UPDATES) as collected:
        await until(lambda: world.script.count("difference"))
        new = news.post("from now on")
        await until(lambda: collected.posts(news) == {new: "from now on"})
        assert world.script.count("posts_before") == 0


async def test_a_lost_push_is_made_up_for_by_the_next_round(tmp_path: Path) -> None:
    world = ChannelWorld()
    news = world.add("News", 3, username="news")
    async with collecting(tmp_path, world, "@news") as collected:
        await collected.has_all_of(news)
        world.fate = lambda pushed: Fate.LOST if isinstance(pushed, PushedChange) else Fate.ARRIVES
        news.delete(news.last_id)
        await collected.has_all_of(news, within=2 * ALL_ON.sync_interval)


async def test_a_lost_connection_is_followed_again(tmp_path: Path) -> None:
    world = ChannelWorld()
    news = world.add("News", 3, username="news")
    async with collecting(tmp_path, world, "@news") as collected:
        await collected.has_all_of(news)
        world.disconnect()
        news.edit(news.last_id, "while nobody listened")
        await collected.has_all_of(news, within=60)
        assert (await collected.standing()).following


async def test_it_waits_for_the_session_and_says_so(tmp_path: Path) -> None:
    world = ChannelWorld()
    news = world.add("News", 3, username="news")
    async with collecting(tmp_path, world, "@news", state=SessionState.DISCONNECTED) as collected:
        await anyio.sleep(1000)
        told = await collected.standing()
        assert told.collector == "the user session is disconnected: as the test has it"
        assert not told.following and not world.script.calls, "Telegram is asked nothing"
        assert not collected.troubles.reasons, "the session itself tells of it"
        collected.session.state = SessionState.READY
        await collected.has_all_of(news, within=60)
        assert (await collected.standing()).collector is None
        assert not restarts(collected.tree)


async def test_another_account_finds_its_channels_anew(tmp_path: Path) -> None:
    world = ChannelWorld()
    news = world.add("News", 3, username="news")
    async with collecting(tmp_path, world, "@news") as collected:
        await collected.has_all_of(news)
        await anyio.sleep(3 * ALL_ON.sync_interval)
        assert world.script.count("find_channel") == 1, "a name is asked for once"
        collected.session.account_id = 78
        news.access_hash += 1
        await until(lambda: world.script.count("find_channel") == 2, within=3 * ALL_ON.sync_interval)
        news.post("for another account")
        await collected.has_all_of(news, within=60)
        assert [one.trouble for one in (await collected.standing()).channels] == [None]


async def test_what_one_account_does_not_find_another_is_asked_for_at_once(tmp_path: Path) -> None:
    world = ChannelWorld()
    news = world.add("News", 3, username="news", closed="the account was removed")
    async with collecting(tmp_path, world, "@news") as collected:
        await until(lambda: world.script.count("find_channel"))
        await anyio.sleep(60)
        news.closed, collected.session.account_id = None, 78
        await collected.has_all_of(news, within=2 * ALL_ON.sync_interval)


async def test_a_channel_that_is_closed_stops_no_other_and_is_seldom_asked_for(tmp_path: Path) -> None:
    world = ChannelWorld()
    news = world.add("News", 3, username="news")
    secret = world.add("Secret", 3, username="secret", closed="the account was removed")
    async with collecting(tmp_path, world, "@nobody", "@secret", "@news") as collected:
        await collected.has_all_of(news)
        await anyio.sleep(3000)
        told = {one.peer: one for one in (await collected.standing()).channels}
        assert told["@news"].trouble is None
        assert told["@nobody"].trouble == "@nobody is no channel that this account sees"
        assert told["@secret"].trouble == "the account was removed"
        assert [asked for asked in world.script.asked("find_channel") if asked == "@nobody"] == ["@nobody"]
        secret.closed = None
        await collected.has_all_of(secret, within=4000)
        assert {one.peer: one.trouble for one in (await collected.standing()).channels}["@secret"] is None


async def test_losing_a_channel_ends_neither_its_posts_nor_the_others(tmp_path: Path) -> None:
    world = ChannelWorld()
    news, talk = world.add("News", 3, username="news"), world.add("Talk", 3, username="talk")
    async with collecting(tmp_path, world, "@news", "@talk") as collected:
        await collected.has_all_of(news)
        await collected.has_all_of(talk)
        news.closed = "the account was removed"
        world.fate = lambda pushed: Fate.GAP
        news.post("unseen")
        talk.post("seen")
        await collected.has_all_of(talk, within=60)
        await until(lambda: len(collected.posts(news)) == 3)
        told = {one.peer: one.trouble for one in (await collected.standing()).channels}
        assert told == {"@news": "the account was removed", "@talk": None}


async def test_telegrams_trouble_and_floods_are_waited_out(tmp_path: Path) -> None:
    world = ChannelWorld()
    news = world.add("News", 250, username="news")
    world.script.fail("posts_before", TelegramUnavailable("500"), TelegramUnavailable("500"))
    async with collecting(tmp_path, world, "@news") as collected:
        await until(lambda: world.script.count("posts_before"))
        world.flood(900)
        await anyio.sleep(100)
        told = await collected.standing()
        assert told.collector is not None and "wait" in told.collector
        await collected.has_all_of(news, within=2000)
        assert not restarts(collected.tree)


async def test_a_database_that_another_process_has_is_waited_for(tmp_path: Path) -> None:
    world = ChannelWorld()
    news = world.add("News", 3, username="news")
    other = CollectorStore.open(tmp_path / "collector.db")
    async with collecting(tmp_path, world, "@news") as collected:
        await anyio.sleep(300)
        told = await collected.standing()
        assert told.collector is not None and "Another process collects into the database" in told.collector
        assert "Another process" in collected.troubles.reasons["collector"]
        assert not world.script.calls
        refused = await collected.answers(TrackChannel(order_id="1", peer="@news", user_id=7))
        assert "Another process" in str(getattr(refused, "refusal", None))
        other.close()
        await collected.has_all_of(news, within=600)
        assert not collected.troubles.reasons and not restarts(collected.tree)


async def test_trouble_of_an_incarnation_that_crashed_does_not_stay() -> None:
    troubles = Troubles()
    before = CollectorState(troubles=troubles, threshold=1.5, clock=wall_clock)
    before.failed("rounds", DatabaseUnavailable("the disk is full"))
    assert troubles.reasons == {"collector": "the disk is full"}
    CollectorState(troubles=troubles, threshold=1.5, clock=wall_clock)
    assert not troubles.reasons


async def test_a_channel_whose_updates_cannot_be_asked_for_holds_up_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = ChannelWorld()
    lost, news = world.add("Lost", 20, username="lost"), world.add("News", 20, username="news")
    ask, is_out = ChannelWorld.difference, False

    async def outdated(self: ChannelWorld, ref: ChannelRef, pts: int) -> ChannelDifference:
        if is_out and ref == lost.ref:
            raise TelegramUnavailable("Persistent timestamp outdated")
        return await ask(self, ref, pts)

    monkeypatch.setattr(ChannelWorld, "difference", outdated)
    async with collecting(tmp_path, world, "@lost", "@news") as collected:
        await collected.has_all_of(lost)
        await collected.has_all_of(news)
        is_out = True
        world.fate = lambda pushed: Fate.LOST if pushed.channel_id == lost.id else Fate.ARRIVES
        lost.edit(lost.last_id, "nobody hears of it")
        world.fate = lambda pushed: Fate.ARRIVES
        lost.post("and here a gap is seen")
        while (await collected.standing()).channels[0].trouble != "Persistent timestamp outdated":
            await anyio.sleep(1)
        for number in range(20):
            news.post(f"meanwhile, {number}")
            lost.post(f"of this as well, {number}")
            await collected.has_all_of(news, within=10)
        assert (await collected.standing()).following
        is_out = False
        await collected.has_all_of(lost, within=1000)
        lost.edit(lost.last_id, "and it is followed again")
        await collected.has_all_of(lost, within=10)


async def test_a_flood_of_searches_holds_up_no_channel_that_is_known(tmp_path: Path) -> None:
    world = ChannelWorld()
    news = world.add("News", 20, username="news")
    others = [world.add(f"Other {number}", 5, username=f"other_{number}") for number in range(5)]
    async with collecting(tmp_path, world, "@news", settings=ONLY_HISTORY) as collected:
        await collected.has_all_of(news)
        world.script.break_down("find_channel", FloodWait(5_000))
        for number in range(len(others)):
            await collected.answers(TrackChannel(order_id=str(number), peer=f"@other_{number}", user_id=7))
        await anyio.sleep(600)
        asked = world.script.count("find_channel")
        news.post("meanwhile, and it is not pushed")
        await collected.has_all_of(news, within=1000)
        assert "asks to wait" in str((await collected.standing()).channels[1].trouble)
        assert world.script.count("find_channel") == asked, "and nobody is looked for in the flood"
        world.script.repair("find_channel")
        for other in others:
            await collected.has_all_of(other, within=6_000)


async def test_a_full_disk_is_waited_out_and_passes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = ChannelWorld()
    news = world.add("News", 250, username="news")
    record, is_full = CollectorStore.record, True

    def until_there_is_room(self: CollectorStore, page: object) -> object:
        if is_full:
            raise DatabaseUnavailable("The database cannot grow: its disk is full")
        return record(self, page)  # type: ignore[arg-type]

    monkeypatch.setattr(CollectorStore, "record", until_there_is_room)
    async with collecting(tmp_path, world, "@news") as collected:
        await until(lambda: collected.troubles.reasons)
        assert collected.troubles.reasons == {"collector": "The database cannot grow: its disk is full"}
        assert (await collected.standing()).channels[0].trouble == "The database cannot grow: its disk is full"
        is_full = False
        await collected.has_all_of(news, within=1000)
        assert not collected.troubles.reasons and not restarts(collected.tree)


async def test_a_restart_goes_on_where_the_last_one_stopped(tmp_path: Path) -> None:
    world = ChannelWorld()
    news = world.add("News", 1200, username="news")
    for stopped_after in (3, 9, 30):
        async with collecting(tmp_path, world, "@news") as collected:
            await anyio.sleep(stopped_after)
        news.post(f"while it was away, {stopped_after}")
        news.delete(news.last_id - 5)
    async with collecting(tmp_path, world, "@news") as collected:
        await collected.has_all_of(news)
        assert world.script.count("find_channel") == 1, "the channel is known by its id"


@pytest.mark.parametrize("crash", range(1, 30, 3))
async def test_a_crash_anywhere_loses_nothing_and_repeats_nothing(tmp_path: Path, crash: int) -> None:
    """The session crashes over its n-th request, answered or not, and the collector with it."""
    steps = 0

    async def watch(moment: str) -> None:
        nonlocal steps
        steps += 1
        if steps == crash:
            raise RuntimeError(f"a bug in {moment}")

    world, ear = ChannelWorld(watch=watch), BotsEar()
    news = world.add("News", 650, username="news")
    film = news.post("film", media=VIDEO)
    store = CollectorStore.open_to_track(tmp_path / "collector.db")
    store.tracking.add("@news", user_id=7, at=wall_clock(), media=VIDEOS)
    store.close()
    async with collecting(tmp_path, world, ear=ear) as collected:
        await until(lambda: collected.posts(news))
        news.edit(film - 7, "corrected")
        news.delete(film - 9)
        news.post("new")
        await collected.has_all_of(news, within=3600)
        await until(lambda: collected.files)
        await anyio.sleep(600)
        assert [post.msg_id for post in collected.files] == [film]
        assert steps >= crash and restarts(collected.tree)


async def test_counters_are_read_again_on_schedule(tmp_path: Path) -> None:
    world = ChannelWorld()
    news = world.add("News", 0, username="news")
    async with collecting(tmp_path, world, "@news", settings=ONLY_HISTORY) as collected:
        new = news.post("count me")
        await collected.has_all_of(news)
        for _ in range(3):
            news.react(new)
            await anyio.sleep(1200)
        store = CollectorStore.open_to_read(collected.database)
        series = store.metrics.series(news.id, new)
        store.close()
        assert [metrics.reactions.get("👍", 0) for metrics in series][-1] == 3
        assert len(series) > 3, "a snapshot every ten minutes of its first hour"


async def test_files_are_told_once_each_and_survive_a_broker_that_is_away(tmp_path: Path) -> None:
    world, ear = ChannelWorld(), BotsEar(is_away=True)
    news = world.add("News", 0, username="news")
    old = news.post("before it was tracked", media=VIDEO)
    store = CollectorStore.open_to_track(tmp_path / "collector.db")
    store.tracking.add("@news", user_id=7, at=wall_clock(), media=VIDEOS)
    store.close()
    async with collecting(tmp_path, world, ear=ear) as collected:
        await collected.has_all_of(news)
        new = news.post("pushed", media=VIDEO)
        news.post("no file")
        await collected.has_all_of(news)
        assert not collected.files
    ear.is_away = False
    async with collecting(tmp_path, world, ear=ear) as collected:
        await until(lambda: len(collected.files) == 2)
        await anyio.sleep(1000)
        assert [(post.msg_id, post.media) for post in collected.files] == [(old, VIDEO), (new, VIDEO)]
        assert {getattr(told, "user_id", None) for told in ear.told} == {7}


async def test_files_of_a_large_channel_do_not_fill_the_queue(tmp_path: Path) -> None:
    """So many are told of as the workers get on with, and curators' files find a short queue."""
    ear = BotsEar()

    def confirms(told: CollectorReport) -> None:
        if isinstance(told, ChannelMediaFound):
            ear.waiting += 1

    ear.confirms = confirms
    world = ChannelWorld()
    news = world.add("News", 0, username="news")
    films = [news.post(f"film {number}", media=VIDEO) for number in range(200)]
    store = CollectorStore.open_to_track(tmp_path / "collector.db")
    store.tracking.add("@news", user_id=7, at=wall_clock(), media=VIDEOS)
    store.close()
    async with collecting(tmp_path, world, ear=ear) as collected:
        await collected.has_all_of(news)
        await anyio.sleep(1000)
        assert len(collected.files) == ear.waiting <= 50
        ear.waiting = 29
        await anyio.sleep(100)
        assert 30 <= ear.waiting <= 50, "there was room for some more"
        while len(collected.files) < len(films):
            ear.waiting = 0
            await anyio.sleep(10)
        assert sorted(post.msg_id for post in collected.files) == films


async def test_files_of_stored_posts_are_wanted_when_the_filter_comes_later(tmp_path: Path) -> None:
    world = ChannelWorld()
    news = world.add("News", 0, username="news")
    stored = [news.post(f"film {number}", media=VIDEO) for number in range(5)]
    gone = news.post("gone", media=VIDEO)
    unread = ALL_ON.model_copy(update={"metrics_schedule": ()})  # no post is read a second time
    async with collecting(tmp_path, world, "@news", settings=unread) as collected:
        await collected.has_all_of(news)
        news.delete(gone)
        await collected.has_all_of(news)
        await collected.answers(TrackChannel(order_id="1", peer="@news", user_id=7, media=VIDEOS))
        await until(lambda: [post.msg_id for post in collected.files] == stored)
        (told,) = (await collected.standing()).channels
        assert told.is_configured and told.media == VIDEOS


async def test_channels_of_the_command_line_are_taken_up_and_let_go(tmp_path: Path) -> None:
    world = ChannelWorld()
    news = world.add("News", 3, username="news")
    async with collecting(tmp_path, world) as collected:
        await anyio.sleep(10)
        beside = CollectorStore.open_to_track(collected.database)
        beside.tracking.add("@news", user_id=None, at=wall_clock() + timedelta(0))
        await collected.has_all_of(news, within=60)
        beside.tracking.remove("@news")
        beside.close()
        await anyio.sleep(60)
        news.post("not for us")
        await anyio.sleep(1000)
        assert len(collected.posts(news)) == 3 and not (await collected.standing()).channels
