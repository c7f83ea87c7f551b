"""CollectorActor: what people order in the bot's chat, and what they are told."""

from __future__ import annotations

import base64
from pathlib import Path

import anyio
import pytest

from teltubby.errors import FloodWait
from teltubby.messages.collected import CollectedMedia
from teltubby.messages.collector import (
    ChannelsTold,
    DescribeChannels,
    MakeReport,
    MediaFilter,
    ReportTold,
    TrackChannel,
    TrackTold,
    UntrackChannel,
)
from teltubby.messages.session import SessionState
from tests.actors.collector_stage import BotsEar, Collected, collecting
from tests.actors.stage import restarts
from tests.unit.collector.channel_world import ChannelWorld
from tests.virtual_time import until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

PHOTOS = MediaFilter(kinds=(CollectedMedia.PHOTO,), max_bytes=5_000_000)


def track(number: int, peer: str, media: MediaFilter | None = None) -> TrackChannel:
    return TrackChannel(order_id=f"order {number}", peer=peer, user_id=7, media=media)


def untrack(number: int, peer: str) -> UntrackChannel:
    return UntrackChannel(order_id=f"order {number}", peer=peer, user_id=7)


async def told(collected: Collected, order: TrackChannel | UntrackChannel) -> TrackTold:
    answer = await collected.answers(order)
    assert isinstance(answer, TrackTold) and answer.worker == "box:1:ab"
    return answer


async def names(collected: Collected) -> list[str]:
    return [one.peer for one in (await collected.standing()).channels]


async def test_a_channel_is_tracked_collected_listed_and_let_go(tmp_path: Path) -> None:
    world = ChannelWorld()
    news = world.add("News", 300, username="news")
    async with collecting(tmp_path, world) as collected:
        answer = await told(collected, track(1, "https://t.me/News/5"))
        assert answer.peer == "@news" and answer.refusal is None and answer.changed
        assert answer.channel is not None
        assert (answer.channel.title, answer.channel.channel_id, answer.channel.is_configured) == (
            "News",
            news.id,
            False,
        )
        await collected.has_all_of(news, within=60)
        listed = await collected.answers(DescribeChannels(order_id="list"))
        assert isinstance(listed, ChannelsTold)
        (one,) = listed.channels
        assert (one.peer, one.posts, one.total, one.backfill_done, one.trouble) == ("@news", 300, 300, True, None)
        assert not (await told(collected, track(2, "@news"))).changed
        answer = await told(collected, untrack(3, f"-100{news.id}"))
        assert answer.changed and answer.refusal is None and answer.channel is not None and answer.channel.posts == 300
        assert await names(collected) == []
        await anyio.sleep(10)  # the round that is on its way may end
        news.post("not for us")
        await anyio.sleep(1000)
        assert len(collected.posts(news)) == 300, "what was collected stays, and nothing is added"
        assert (await told(collected, untrack(4, "@news"))).refusal == "it is not collected"
        assert not restarts(collected.tree)


async def test_one_channel_is_one_whatever_it_is_called(tmp_path: Path) -> None:
    world = ChannelWorld()
    news = world.add("News", 3, username="news")
    async with collecting(tmp_path, world) as collected:
        await told(collected, track(1, "@news"))
        answer = await told(collected, track(2, str(news.id), PHOTOS))
        assert answer.changed and answer.channel is not None and answer.channel.media == PHOTOS
        assert await names(collected) == ["@news"]
        answer = await told(collected, track(3, "@news"))
        assert answer.changed and answer.channel is not None and answer.channel.media is None


async def test_what_the_configuration_names_gets_a_filter_and_cannot_be_let_go(tmp_path: Path) -> None:
    world = ChannelWorld()
    news = world.add("News", 3, username="news")
    async with collecting(tmp_path, world, "@news") as collected:
        await collected.has_all_of(news)
        assert not (await told(collected, track(1, "@news"))).changed
        refused = await told(collected, untrack(2, "@news"))
        assert refused.refusal == "it stands in MTPROTO_PEERS, which only the operator changes"
        assert (await told(collected, track(3, "@news", PHOTOS))).changed
        (one,) = (await collected.standing()).channels
        assert one.is_configured and one.media == PHOTOS
        assert (await told(collected, untrack(4, "@news"))).changed, "its filter is taken away"
        (one,) = (await collected.standing()).channels
        assert one.is_configured and one.media is None


@pytest.mark.parametrize(
    ("peer", "refusal"),
    [
        ("https://example.org/news", "that link does not lead to Telegram (t.me)"),
        ("@nobody", "@nobody is no channel that this account sees"),
    ],
)
async def test_what_is_no_channel_is_refused_and_not_kept(tmp_path: Path, peer: str, refusal: str) -> None:
    async with collecting(tmp_path, ChannelWorld()) as collected:
        answer = await told(collected, track(1, peer))
        assert answer.refusal == refusal and not answer.changed
        assert await names(collected) == []
        assert (await told(collected, untrack(2, peer))).refusal is not None


async def test_while_telegram_cannot_be_asked_a_channel_is_kept_for_later(tmp_path: Path) -> None:
    world = ChannelWorld()
    news = world.add("News", 3, username="news")
    async with collecting(tmp_path, world, state=SessionState.CONNECTING) as collected:
        answer = await told(collected, track(1, "@news"))
        assert answer.changed and answer.refusal is None and answer.channel is not None
        assert answer.channel.trouble is not None and "the user session is connecting" in answer.channel.trouble
        collected.session.state = SessionState.READY
        world.script.fail("find_channel", FloodWait(100))
        await collected.has_all_of(news, within=400)
        assert (await collected.standing()).channels[0].trouble is None


async def test_a_channel_that_can_be_read_again_is_collected_at_once_when_somebody_asks(tmp_path: Path) -> None:
    world = ChannelWorld()
    news = world.add("News", 3, username="news", closed="the account was removed")
    async with collecting(tmp_path, world, "@news") as collected:
        await until(lambda: world.script.count("find_channel"))
        await anyio.sleep(600)
        news.closed = None
        assert (await told(collected, track(1, "@news"))).refusal is None
        await collected.has_all_of(news, within=60)


async def test_an_order_that_comes_twice_is_answered_once(tmp_path: Path) -> None:
    world = ChannelWorld()
    world.add("News", 3, username="news")
    async with collecting(tmp_path, world) as collected:
        await told(collected, track(1, "@news"))
        collected.ref.tell(untrack(2, "@news"))
        collected.ref.tell(untrack(2, "@news"))
        collected.ref.tell(track(1, "@news"))
        await anyio.sleep(60)
        assert await names(collected) == []
        assert [getattr(one, "order_id", None) for one in collected.ear.told] == ["order 1", "order 2"]


async def test_an_answer_waits_for_the_broker(tmp_path: Path) -> None:
    world, ear = ChannelWorld(), BotsEar(is_away=True)
    world.add("News", 3, username="news")
    async with collecting(tmp_path, world, ear=ear) as collected:
        collected.ref.tell(track(1, "@news"))
        await anyio.sleep(0.5)
        ear.is_away = False
        await anyio.sleep(60)
        assert [getattr(one, "order_id", None) for one in ear.told] == ["order 1"]


async def test_a_stop_does_not_wait_for_the_broker(tmp_path: Path) -> None:
    world, ear = ChannelWorld(), BotsEar(is_away=True)
    news = world.add("News", 3, username="news")
    async with collecting(tmp_path, world, "@news", ear=ear) as collected:
        await collected.has_all_of(news)
        collected.ref.tell(track(1, "@news"))
        await anyio.sleep(0.5)
        stopped_at = anyio.current_time()
    assert anyio.current_time() - stopped_at < 1


async def test_a_report_is_a_page_and_a_picture(tmp_path: Path) -> None:
    world = ChannelWorld()
    news = world.add("News <b>", 30, username="news")
    async with collecting(tmp_path, world, "@news") as collected:
        await collected.has_all_of(news)
        told = await collected.answers(MakeReport(order_id="r", peer="@news", days=30))
        assert isinstance(told, ReportTold) and told.refusal is None
        assert told.title == "News <b>" and told.file_name is not None and told.file_name.endswith(".html")
        assert told.page is not None and b"News &lt;b&gt;" in base64.b64decode(told.page)
        assert told.picture is not None and base64.b64decode(told.picture).startswith(b"\x89PNG")
        nothing = await collected.answers(MakeReport(order_id="s", peer="@nobody", days=30))
        assert isinstance(nothing, ReportTold) and nothing.refusal == "nothing was collected of it yet"
        assert not restarts(collected.tree)
