"""`/track`, `/untrack`, `/channels` and `/report`: asked of every collector, answered in time or later, once."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from teltubby.actors.audit import LIMITS
from teltubby.actors.channels_desk import ANSWER_SECONDS, FIRST_SECONDS
from teltubby.actors.letters import collector_report_letter
from teltubby.actors.phrases import channels as words
from teltubby.adapters.base import Broker, Destination
from teltubby.errors import BrokerUnavailable, DatabaseUnavailable, TelegramUnavailable
from teltubby.messages.collected import CollectedMedia
from teltubby.messages.collector import (
    ChannelStanding,
    ChannelsTold,
    CollectorOrder,
    CollectorReport,
    DescribeChannels,
    MakeReport,
    MediaFilter,
    ReportTold,
    TrackChannel,
    TrackTold,
    UntrackChannel,
)
from teltubby.messages.wire import decode_order
from tests.actors.bot_wing import STRANGER, BotWing, bot_wing
from tests.actors.counter import answer, says
from tests.actors.stage import ANNA
from tests.actors.updates import update
from tests.actors.world import World
from tests.virtual_time import until, wall_clock

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

NEWS = ChannelStanding(peer="@news", channel_id=5, title="<News>", posts=1200, total=1300, backfill_done=True)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(folder=tmp_path)


@dataclass
class DistantCollector:
    """A collector at the other end of the broker: it notes its orders, and does what the test says with them.

    `holds` keeps it from answering anything but how its channels stand.
    """

    broker: Broker
    name: str
    channels: list[ChannelStanding] = field(default_factory=list)
    refusal: str | None = None
    holds: bool = False
    is_deaf: bool = False
    orders: list[CollectorOrder] = field(default_factory=list)

    async def work(self) -> None:
        async with await self.broker.listen() as stream:
            async for heard in stream:
                order = decode_order(heard.body, heard.type, str(heard.headers["schema"]))
                if self.is_deaf:
                    continue
                if isinstance(order, DescribeChannels):
                    await self.say(self.list(order))
                elif isinstance(order, TrackChannel | UntrackChannel | MakeReport):
                    self.orders.append(order)
                    if not self.holds:
                        await self.say(self.outcome(order))

    def list(self, order: DescribeChannels) -> ChannelsTold:
        channels = tuple(self.channels)
        return ChannelsTold(
            worker=self.name, order_id=order.order_id, at=wall_clock(), channels=channels, following=True
        )

    def outcome(self, order: TrackChannel | UntrackChannel | MakeReport) -> TrackTold | ReportTold:
        if isinstance(order, MakeReport):
            return self.report(order)
        changed = self.refusal is None and all(channel.peer != order.peer for channel in self.channels)
        media = order.media if isinstance(order, TrackChannel) else None
        return TrackTold(
            worker=self.name,
            order_id=order.order_id,
            at=wall_clock(),
            peer=order.peer,
            refusal=self.refusal,
            changed=changed or isinstance(order, UntrackChannel),
            channel=None if self.refusal else replace(NEWS, peer=order.peer, media=media),
        )

    def report(self, order: MakeReport) -> ReportTold:
        told = ReportTold(
            worker=self.name, order_id=order.order_id, at=wall_clock(), peer=order.peer, refusal=self.refusal
        )
        if self.refusal is not None:
            return told
        return replace(
            told,
            title="<News>",
            file_name="news.html",
            summary="12 posts\n34 views",
            page=b64encode(b"<html>page</html>").decode(),
            picture=b64encode(b"png").decode(),
        )

    async def say(self, report: CollectorReport) -> None:
        await self.broker.publish(Destination.EVENTS, collector_report_letter(report))

    async def ordered(self, count: int = 1) -> CollectorOrder:
        """Wait until it had so many orders; the newest."""
        await until(lambda: len(self.orders) >= count, within=60)
        assert len(self.orders) == count
        return self.orders[-1]


@asynccontextmanager
async def collector_at(
    wing: BotWing, name: str = "box-1", *channels: ChannelStanding
) -> AsyncIterator[DistantCollector]:
    broker = wing.queue.client()
    await broker.open()
    collector = DistantCollector(broker, name, list(channels))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(collector.work)
        await anyio.sleep(1)
        yield collector
        tasks.cancel_scope.cancel()
    await broker.aclose()


def audit(world: World) -> list[tuple[str, bool, str]]:
    """The trail: command, whether it was accepted, and what is noted of it."""
    rows = world.facts("SELECT command, accepted, detail FROM commands WHERE kind = 'command' ORDER BY rowid")
    return [(row["command"], bool(row["accepted"]), row["detail"]) for row in rows]


# -- who is there


@pytest.mark.parametrize("command", ["/channels", "/track @news", "/untrack @news", "/report @news"])
async def test_without_a_collector_it_is_said_how_to_have_one(world: World, command: str) -> None:
    async with bot_wing(world) as wing:
        began = anyio.current_time()
        told = await says(wing, command)
        assert told == words.NO_COLLECTOR and "MTPROTO_ENABLED=true" in told
        assert anyio.current_time() - began <= FIRST_SECONDS + 1


async def test_where_mtproto_is_missing_that_is_said_too(world: World) -> None:
    async with bot_wing(world, missing="telethon is not installed") as wing:
        assert "telethon is not installed" in await says(wing, "/channels")


@pytest.mark.parametrize("command", ["/channels", "/track @news", "/report @news"])
async def test_a_broker_that_is_away_is_told(world: World, command: str) -> None:
    async with bot_wing(world) as wing, collector_at(wing):
        wing.broker.script.break_down("broadcast", BrokerUnavailable("away"))
        assert await says(wing, command) == words.BROKER_AWAY


async def test_a_collector_that_went_is_waited_for_once(world: World) -> None:
    async with bot_wing(world) as wing, collector_at(wing) as collector:
        assert words.NONE_YET in await says(wing, "/channels")
        collector.is_deaf = True
        for patience in (ANSWER_SECONDS, FIRST_SECONDS):
            began = anyio.current_time()
            assert await says(wing, "/channels") == words.NO_COLLECTOR
            assert patience <= anyio.current_time() - began < patience + 1
        collector.is_deaf = False
        assert words.NONE_YET in await says(wing, "/channels")


# -- /channels


async def test_every_collector_lists_its_channels(world: World) -> None:
    async with bot_wing(world) as wing, collector_at(wing, "one", NEWS), collector_at(wing, "two") as two:
        told = await says(wing, "/channels")
        assert "<code>one</code>" in told and "<code>two</code>" in told and "&lt;News&gt;" in told
        two.is_deaf = True
        assert "<code>two</code>" not in await says(wing, "/channels")


async def test_a_long_list_comes_in_several_messages(world: World) -> None:
    channels = [replace(NEWS, peer=f"@news_{number}", title="<" * 60) for number in range(100)]
    async with bot_wing(world) as wing, collector_at(wing, "one", *channels):
        await wing.receives(update(50, text="/channels"))
        await until(lambda: any("@news_99" in said for said in wing.said()), within=60)
        assert len(wing.said()) > 2 and sum(said.count("@news_") for said in wing.said()) == 100


# -- /track and /untrack


async def test_a_channel_is_tracked_with_its_filter(world: World) -> None:
    async with bot_wing(world) as wing, collector_at(wing) as collector:
        told = await says(wing, "/track https://t.me/News media=photo,video max=500MB words=cats")
        order = await collector.ordered()
        assert isinstance(order, TrackChannel) and (order.peer, order.user_id) == ("@news", ANNA)
        kinds = (CollectedMedia.PHOTO, CollectedMedia.VIDEO)
        assert order.media == MediaFilter(kinds=kinds, max_bytes=500_000_000, words=("cats",))
        assert "&lt;News&gt;" in told and "is collected from now on" in told and "up to 500 MB" in told
        assert audit(world) == [("track", True, "@news")]


async def test_a_channel_is_untracked(world: World) -> None:
    async with bot_wing(world) as wing, collector_at(wing, "one", NEWS) as collector:
        assert "no longer" in await says(wing, "/untrack -1001234567890")
        order = await collector.ordered()
        assert isinstance(order, UntrackChannel) and (order.peer, order.user_id) == ("-1001234567890", ANNA)
        assert audit(world) == [("untrack", True, "-1001234567890")]


async def test_what_the_collector_refuses_is_said(world: World) -> None:
    async with bot_wing(world) as wing, collector_at(wing) as collector:
        collector.refusal = "the account is no <member> of it"
        assert "the account is no &lt;member&gt; of it." in await says(wing, "/track @news")
        assert "the account is no &lt;member&gt; of it." in await says(wing, "/report @news")


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("/track", words.TRACK_USAGE),
        ("/untrack", words.UNTRACK_USAGE),
        ("/untrack @news @other", words.UNTRACK_USAGE),
        ("/report", words.REPORT_USAGE),
        ("/report @news 0", words.REPORT_USAGE),
        ("/report @news 3651", words.REPORT_USAGE),
        ("/report @news soon", words.REPORT_USAGE),
        ("/report @news 30 days", words.REPORT_USAGE),
        ("/report @news ٣", words.REPORT_USAGE),
        ("/track <b>", "&lt;b&gt;"),
        ("/track +491234567", "phone number"),
        ("/untrack https://example.org/x", "does not lead to Telegram"),
        ("/report @a", "has 4 to 32 letters"),
        ("/track @news photos", "media=photo,video"),
        ("/track @news media=<b>", "&lt;b&gt;"),
        ("/track @news max=1MB", "say which files"),
    ],
)
async def test_what_is_not_understood_is_explained_and_asks_nobody(world: World, command: str, expected: str) -> None:
    async with bot_wing(world) as wing, collector_at(wing) as collector:
        sent = wing.broker.script.count("broadcast")
        assert expected in await says(wing, command)
        assert wing.broker.script.count("broadcast") == sent and collector.orders == [] and audit(world) == []


async def test_each_collector_says_what_it_did(world: World) -> None:
    async with bot_wing(world) as wing, collector_at(wing, "one"), collector_at(wing, "two") as two:
        two.refusal = "no such channel"
        told = await says(wing, "/track @news")
        assert "collected from now on" in told and "no such channel" in told
        two.refusal = None
        assert (await says(wing, "/track @other")).count("collected from now on") == 1, "said by both, told once"


async def test_what_comes_late_is_said_when_it_comes(world: World) -> None:
    async with bot_wing(world) as wing, collector_at(wing) as collector:
        collector.holds = True
        await wing.receives(update(60, text="/track @news"))
        await until(lambda: any("needs longer" in said for said in wing.said()), within=60)
        order = await collector.ordered()
        assert isinstance(order, TrackChannel)
        wing.gateway.script.fail("send", TelegramUnavailable("away"))
        for _ in range(2):  # brought twice, as events may be
            await collector.say(collector.outcome(order))
        await until(lambda: any("from now on" in said for said in wing.said()), within=60)
        await anyio.sleep(100)
        late = [bubble for bubble in wing.telegram.bubbles if "from now on" in bubble.text]
        assert [(bubble.chat_id, bubble.reply_to) for bubble in late] == [(ANNA, 60)]
        assert await wing.queue.depth(Destination.EVENTS) == 0


async def test_an_answer_that_nobody_waits_for_is_left_out(world: World) -> None:
    async with bot_wing(world) as wing, collector_at(wing) as collector:
        await collector.say(collector.report(MakeReport(order_id="of an earlier process", peer="@news", days=1)))
        await wing.queue.settle(Destination.EVENTS, 0)
        assert wing.said() == []


async def test_orders_are_limited_and_those_that_were_not_obeyed_do_not_count(world: World) -> None:
    limit = LIMITS["track"]
    async with bot_wing(world) as wing:
        for _ in range(3):
            assert await says(wing, "/track @news") == words.NO_COLLECTOR
        async with collector_at(wing) as collector:
            for number in range(limit.times):
                assert "from now on" in await says(wing, f"/track @news_{number}"), number
            assert "which is enough" in await says(wing, "/track @one_more")
            assert len(collector.orders) == limit.times and audit(world)[-1] == ("track", False, "too often")
            assert "no longer" in await says(wing, "/untrack @news"), "each command for itself"
            await anyio.sleep(limit.within / timedelta(seconds=1) + 1)
            assert "from now on" in await says(wing, "/track @one_more")


async def test_a_ledger_that_is_away_keeps_the_command(world: World) -> None:
    async with bot_wing(world) as wing, collector_at(wing) as collector:
        wing.ledger_script.fail("CountCommands", *[DatabaseUnavailable("locked")] * 3)
        await wing.receives(update(70, text="/track @news"))
        await until(lambda: any("from now on" in said for said in wing.said()), within=600)
        assert len(collector.orders) == 1


async def test_strangers_order_nothing(world: World) -> None:
    async with bot_wing(world) as wing, collector_at(wing) as collector:
        for number, command in enumerate(("/track @news", "/channels", "/report @news"), start=80):
            await wing.receives(update(number, text=command, user=STRANGER))
        await wing.rests()
        assert collector.orders == [] and wing.telegram.bubbles == []


# -- /report


async def test_a_report_is_a_picture_and_a_file(world: World) -> None:
    async with bot_wing(world) as wing, collector_at(wing) as collector:
        await wing.receives(update(90, text="/report @news 90"))
        await until(lambda: len(wing.telegram.bubbles) == 2, within=60)
        picture, file = wing.telegram.bubbles
        assert (picture.picture, picture.text) == (b"png", "📊 <b>&lt;News&gt;</b>\n12 posts\n34 views")
        assert file.document == ("news.html", b"<html>page</html>")
        assert [bubble.reply_to for bubble in (picture, file)] == [90, 90]
        order = await collector.ordered()
        assert isinstance(order, MakeReport) and (order.peer, order.days) == ("@news", 90)


async def test_one_report_of_several_collectors_is_enough(world: World) -> None:
    async with bot_wing(world) as wing, collector_at(wing, "one") as one, collector_at(wing, "two") as two:
        one.refusal = "it does not collect this channel"
        assert (await answer(wing, "/report @news")).document is not None
        two.holds = True
        assert "needs longer" not in (await answer(wing, "/report @other")).html
        two.refusal = "neither does this one"
        late = two.orders[-1]
        assert isinstance(late, MakeReport)
        await two.say(two.report(late))
        await until(lambda: any("neither does this one" in said for said in wing.said()), within=60)


async def test_a_report_without_a_picture_is_said_in_words(world: World) -> None:
    async with bot_wing(world) as wing, collector_at(wing) as collector:
        collector.holds = True
        wing.telegram.deliver(update(91, text="/report @news"))
        order = await collector.ordered()
        assert isinstance(order, MakeReport)
        await collector.say(replace(collector.report(order), picture=None))
        await until(lambda: len(wing.telegram.bubbles) == 2, within=60)
        assert wing.telegram.bubbles[0].picture is None and "34 views" in wing.telegram.bubbles[0].text
        assert wing.telegram.bubbles[1].document is not None
