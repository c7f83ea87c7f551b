"""The relay: a worker learns where its copy is, and nothing stays there that no job needs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import anyio
import pytest

from teltubby.actors import relay
from teltubby.errors import (
    DatabaseUnavailable,
    FloodWait,
    TelegramUnavailable,
    TeltubbyError,
    Unauthorised,
)
from teltubby.messages.jobs import JobState
from teltubby.messages.ledger_sessions import BeginRelayCopy, NoteRelayCopy
from tests.actors.relay_wing import RELAY, RelayWing, relay_wing, with_channel
from tests.actors.stage import ANNA, large_job, restarts
from tests.actors.world import World
from tests.bot_twin import BotTwin
from tests.channel_twin import ChannelTwin
from tests.script import Watcher
from tests.virtual_time import until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

JOB = large_job(1)
HERE = (ANNA, JOB.message_id)
HOUR = 3600.0


@pytest.fixture
def in_no_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of days."""
    monkeypatch.setattr(relay, "LOOK_SECONDS", 60.0)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(folder=tmp_path)


@pytest.fixture
def channel(world: World) -> ChannelTwin:
    return with_channel(world)[0]


@pytest.fixture
def gateway(world: World) -> BotTwin:
    return with_channel(world)[1]


@pytest.fixture
async def wing(world: World, gateway: BotTwin, channel: ChannelTwin) -> AsyncIterator[RelayWing]:
    """With one job; somebody else has posted in the channel."""
    channel.write("keep this")
    async with relay_wing(world, gateway) as wing:
        await wing.submit(JOB)
        yield wing
        assert restarts(wing.tree) == {}


# -- copies


async def test_a_copy_is_made_once_and_told_to_whoever_asks(wing: RelayWing, channel: ChannelTwin) -> None:
    copy = await wing.copied(JOB)
    assert channel.posts[copy].source == HERE
    assert await wing.copied(JOB) == copy
    assert channel.ours == [HERE] and wing.rows == [(JOB.job_id, copy)]


@pytest.mark.parametrize("state", [JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED])
async def test_it_goes_with_its_job(wing: RelayWing, channel: ChannelTwin, state: JobState) -> None:
    await wing.copied(JOB)
    await anyio.sleep(HOUR)
    assert channel.ours == [HERE], "the job may wait as long as it likes"
    await wing.ends(JOB, state)
    await anyio.sleep(6)
    assert channel.ours == [] and wing.rows == []
    assert [post.source for post in channel.posts.values()] == ["keep this"]


async def test_one_that_is_not_there_for_the_worker_is_made_again(wing: RelayWing, channel: ChannelTwin) -> None:
    first = await wing.copied(JOB)
    del channel.posts[first]  # an admin tidied up
    second = await wing.copied(JOB, lost=first)
    assert second != first and await wing.copied(JOB) == second
    await wing.ends(JOB)
    await anyio.sleep(6)
    assert channel.ours == [] and wing.rows == []


async def test_one_that_was_lost_before_is_not_told_again(wing: RelayWing, channel: ChannelTwin) -> None:
    """Somebody tidies up again and again: what the ledger still knows of the older ones is no reason to hope."""
    lost: int | None = None
    for _ in range(4):
        copy = await wing.copied(JOB, lost=lost)
        assert copy in channel.posts
        del channel.posts[copy]
        lost = copy
    await wing.ends(JOB)
    await anyio.sleep(6)
    assert channel.ours == [] and wing.rows == []


@pytest.mark.usefixtures("in_no_hurry")
async def test_a_copy_is_deleted_after_a_day_and_made_again_when_asked_for(
    wing: RelayWing, channel: ChannelTwin
) -> None:
    """A bot cannot delete what is older than 48 hours."""
    first = await wing.copied(JOB)
    await anyio.sleep(24 * HOUR - 60)
    assert channel.ours == [HERE]
    await anyio.sleep(120)
    assert channel.ours == [] and wing.rows == []
    assert await wing.copied(JOB) > first
    assert channel.ours == [HERE]


async def test_copies_are_made_one_after_the_other(wing: RelayWing, channel: ChannelTwin, gateway: BotTwin) -> None:
    jobs = [large_job(number) for number in range(2, 8)]
    await wing.submit(*jobs)
    gateway.script.slow("copy", 1.0)
    told: list[int] = []

    async def ask(number: int) -> None:
        told.append(await wing.copied(jobs[number]))

    async with anyio.create_task_group() as tasks:
        for number in range(len(jobs)):
            tasks.start_soon(ask, number)
    assert len(set(told)) == len(jobs) == len(channel.ours)
    began = gateway.script.times("copy")
    assert all(later - earlier >= 1.0 for earlier, later in pairwise(began))


async def test_what_an_older_configuration_left_is_removed(
    world: World, gateway: BotTwin, channel: ChannelTwin
) -> None:
    async with relay_wing(world, gateway) as wing:
        await wing.submit(JOB)
        await wing.copied(JOB)
        await wing.ends(JOB)
    async with relay_wing(world, gateway, chat_id=None) as wing:
        await until(lambda: channel.ours == [], within=60)
        told = await wing.asks(JOB)
        assert told.reason == "no relay is configured (MTPROTO_RELAY_CHAT_ID)" and not told.passing


async def test_a_copy_for_a_job_that_the_ledger_forgot_is_removed(wing: RelayWing, channel: ChannelTwin) -> None:
    copy = channel.copy((ANNA, 99))
    unknown = large_job(99).job_id
    await wing.ledger.ask(BeginRelayCopy(job_id=unknown, chat_id=RELAY), within=60)
    await wing.ledger.ask(NoteRelayCopy(job_id=unknown, chat_id=RELAY, message_id=copy), within=60)
    await until(lambda: channel.ours == [], within=60)
    await until(lambda: wing.rows == [], within=60)


# -- why there is none


async def test_a_job_that_is_over_or_unknown_gets_none(wing: RelayWing, channel: ChannelTwin) -> None:
    await wing.ends(JOB)
    over = await wing.asks(JOB)
    assert (over.reason, over.passing, over.message_id) == ("the job is over", False, None)
    unknown = await wing.asks(large_job(5))
    assert (unknown.reason, unknown.passing) == ("the bot does not know this job", False)
    assert channel.ours == []


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        ("protected", "can't be copied"),
        ("gone", "message to copy not found"),
        ("kicked", "bot was kicked from the channel chat"),
        ("deleted", "chat not found"),
    ],
)
async def test_what_stays_so_is_told_and_leaves_nothing_behind(
    wing: RelayWing, channel: ChannelTwin, trouble: str, words: str
) -> None:
    match trouble:
        case "protected":
            channel.protected.add(HERE)
        case "gone":
            channel.gone.add(HERE)
        case "kicked":
            channel.closed = "Forbidden: bot was kicked from the channel chat"
        case _:
            del wing.world.telegram.channels[RELAY]
    told = await wing.asks(JOB)
    assert told.message_id is None and not told.passing
    assert told.reason is not None and words in told.reason
    assert wing.rows == []


@pytest.mark.parametrize(
    ("method", "error"),
    [
        ("copy", TelegramUnavailable("a gateway time-out")),
        ("copy", Unauthorised("Unauthorized")),
        ("FindJob", DatabaseUnavailable("locked")),
        ("BeginRelayCopy", DatabaseUnavailable("locked")),
        ("NoteRelayCopy", DatabaseUnavailable("locked")),
    ],
)
async def test_what_may_pass_is_told_as_such_and_the_next_try_leaves_one_copy(
    wing: RelayWing, channel: ChannelTwin, gateway: BotTwin, method: str, error: TeltubbyError
) -> None:
    (gateway.script if method == "copy" else wing.ledger_script).fail(method, error)
    told = await wing.asks(JOB)
    assert told.passing and told.message_id is None
    copy = await wing.copied(JOB)
    assert channel.ours == [HERE] and wing.rows == [(JOB.job_id, copy)]


async def test_a_flood_wait_is_kept_and_told_at_once(wing: RelayWing, channel: ChannelTwin, gateway: BotTwin) -> None:
    gateway.script.fail("copy", FloodWait(40))
    began = anyio.current_time()
    for _ in range(3):
        told = await wing.asks(JOB)
        assert told.passing and told.reason is not None and "asks to wait" in told.reason
    assert gateway.script.count("copy") == 1 and anyio.current_time() - began < 1
    await anyio.sleep(41)
    await wing.copied(JOB)
    await wing.ends(JOB)
    gateway.script.fail("delete", FloodWait(100))
    await until(lambda: channel.ours == [], within=HOUR)
    first, second = gateway.script.times("delete")
    assert 100 <= second - first < 110


# -- what was left behind


async def test_a_copy_whose_answer_was_lost_is_found_and_deleted(
    wing: RelayWing, channel: ChannelTwin, gateway: BotTwin
) -> None:
    """Among what others posted meanwhile, and with a copy of another job that is needed."""
    other = large_job(2)
    await wing.submit(other)
    kept = await wing.copied(other)
    gateway.script.watch = after("copy")
    assert (await wing.asks(JOB)).passing
    assert channel.ours == [(ANNA, 2), HERE]
    channel.write("between")
    await until(lambda: wing.rows == [(other.job_id, kept)], within=60)
    assert channel.ours == [(ANNA, 2)]
    assert [post.source for post in channel.posts.values() if not post.is_ours] == ["keep this", "between"]
    assert await wing.copied(JOB) != kept


async def test_a_copy_that_is_known_stays_when_one_that_is_not_is_looked_for(
    world: World, channel: ChannelTwin, gateway: BotTwin
) -> None:
    """Also when it is the newer one."""
    other = large_job(2)
    async with relay_wing(world, gateway, chat_id=None) as wing:
        await wing.submit(JOB, other)
        gateway.script.break_down("send", TelegramUnavailable("away"))
        channel.copy(HERE)
        await wing.ledger.ask(BeginRelayCopy(job_id=JOB.job_id, chat_id=RELAY), within=60)
        await wing.ledger.ask(BeginRelayCopy(job_id=other.job_id, chat_id=RELAY), within=60)
        kept = channel.copy((ANNA, other.message_id))
        await wing.ledger.ask(NoteRelayCopy(job_id=other.job_id, chat_id=RELAY, message_id=kept), within=60)
        gateway.script.repair("send")
        await until(lambda: len(wing.rows) == 1, within=HOUR)
        assert wing.rows == [(other.job_id, kept)] and list(channel.posts) == [kept]


async def test_a_probe_whose_answer_was_lost_is_found_too(
    wing: RelayWing, channel: ChannelTwin, gateway: BotTwin
) -> None:
    gateway.script.watch = after("copy", "send", "send")
    assert (await wing.asks(JOB)).passing
    assert (await wing.asks(JOB)).passing
    await until(lambda: gateway.script.count("send") >= 2, within=HOUR)
    await until(lambda: wing.rows == [], within=HOUR)
    assert channel.ours == []


@pytest.mark.usefixtures("in_no_hurry")
async def test_what_cannot_be_deleted_is_told_once_and_given_up_after_two_days(
    wing: RelayWing, channel: ChannelTwin, gateway: BotTwin, caplog: pytest.LogCaptureFixture
) -> None:
    await wing.copied(JOB)
    gateway.script.watch = after("copy")
    await wing.submit(large_job(2))
    assert (await wing.asks(large_job(2))).passing
    channel.closed = "Forbidden: bot was kicked from the channel chat"
    await wing.ends(JOB)
    await anyio.sleep(10 * HOUR)
    assert [row[0] for row in wing.rows] == [JOB.job_id, large_job(2).job_id]
    assert caplog.text.count("cannot be deleted") == 2
    assert gateway.script.count("delete") < 10 * 61, "tried about once a minute"
    await anyio.sleep(39 * HOUR)
    assert wing.rows == []
    assert caplog.text.count("given up") == 2


async def test_who_is_let_in_again_tidies_up(wing: RelayWing, channel: ChannelTwin) -> None:
    await wing.copied(JOB)
    channel.closed = "Forbidden: bot was kicked from the channel chat"
    await wing.ends(JOB)
    await anyio.sleep(HOUR)
    channel.closed = None
    await until(lambda: channel.ours == [], within=120)
    await until(lambda: wing.rows == [], within=120)


def after(*methods: str) -> Watcher:
    """Telegram did these, in this order, and its answers are lost."""
    left = [f"{method} after" for method in methods]

    async def watch(moment: str) -> None:
        if left and moment == left[0]:
            del left[0]
            raise TelegramUnavailable("the connection was lost")

    return watch
