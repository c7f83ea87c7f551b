"""What is asked again, when, and what is not; in virtual time, against the twin of Telegram's channels."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Awaitable, Callable

import anyio
import pytest

from teltubby.collector.patience import LEAST_WAIT, PatientChannels
from teltubby.errors import ChatUnavailable, ConnectionLost, FloodWait, SessionAway, TelegramUnavailable
from teltubby.supervision import Backoff
from tests.unit.collector.channel_world import ChannelWorld, WorldChannel

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

RETRY_MAX = 3


class HighestDelay(random.Random):
    """Draws the longest wait that backoff allows."""

    def uniform(self, a: float, b: float) -> float:
        del a
        return b


class Ground:
    """A world with one channel, a patient gateway to it, and the waits that it told of."""

    def __init__(self, *, longest_search: float = math.inf) -> None:
        self.world = ChannelWorld(round_trip=0.0)
        self.channel: WorldChannel = self.world.add("space", 10, username="space")
        self.waits: list[tuple[float, str]] = []
        self.patient = PatientChannels(
            self.world,
            retry_max=RETRY_MAX,
            backoff=Backoff(first=2.0, cap=60.0),
            rng=HighestDelay(),
            on_wait=lambda seconds, why: self.waits.append((seconds, why)),
            longest_search=longest_search,
        )

    def requests(self) -> dict[str, Callable[[], Awaitable[object]]]:
        """Every request of a ChannelGateway."""
        ref = self.channel.ref
        return {
            "find_channel": lambda: self.patient.find_channel("@space"),
            "describe_channel": lambda: self.patient.describe_channel(ref),
            "posts_before": lambda: self.patient.posts_before(ref, None, 10),
            "posts_after": lambda: self.patient.posts_after(ref, 0, 10),
            "posts_by_id": lambda: self.patient.posts_by_id(ref, (1, 2)),
            "difference": lambda: self.patient.difference(ref, self.channel.pts),
            "follow": self.patient.follow,
        }


async def test_every_request_is_asked_again_and_answered() -> None:
    ground = Ground()
    for method, request in ground.requests().items():
        ground.world.script.fail(method, FloodWait(7), TelegramUnavailable("Telegram is in trouble"))
        assert await request() is not None
        assert ground.world.script.count(method) == 3
    assert ground.waits == [(7, "Telegram asks to wait 7 s"), (2.0, "Telegram is in trouble")] * 7


async def test_a_flood_is_waited_for_whole_and_as_often_as_it_comes() -> None:
    ground = Ground()
    ground.world.script.fail("posts_before", *[FloodWait(86_400)] * (RETRY_MAX + 5))
    began = anyio.current_time()
    page = await ground.patient.posts_before(ground.channel.ref, None, 10)
    assert len(page.messages) == 10
    assert anyio.current_time() - began >= 86_400 * (RETRY_MAX + 5)
    assert ground.waits == [(86_400, "Telegram asks to wait 86400 s")] * (RETRY_MAX + 5), "none counts as a try"


async def test_a_search_gives_up_for_as_long_as_its_flood_lasts() -> None:
    ground = Ground(longest_search=10.0)
    ground.world.script.fail("find_channel", FloodWait(8), FloodWait(300))
    with pytest.raises(FloodWait) as raised:  # the first is short enough
        await ground.patient.find_channel("@space")
    assert raised.value.seconds == 300
    await anyio.sleep(100)
    with pytest.raises(FloodWait) as raised:
        await ground.patient.find_channel("@space")
    assert raised.value.seconds == 200
    assert ground.world.script.count("find_channel") == 2, "Telegram is not asked in a flood"
    await ground.patient.describe_channel(ground.channel.ref)
    await anyio.sleep(195)
    await ground.patient.find_channel("@space")
    assert anyio.current_time() >= ground.world.script.times("find_channel")[1] + 300


async def test_a_flood_of_no_seconds_does_not_make_a_storm() -> None:
    ground = Ground()
    ground.world.script.fail("difference", *[FloodWait(0)] * 20)
    await ground.patient.difference(ground.channel.ref, 1)
    assert anyio.current_time() >= 20 * LEAST_WAIT


async def test_who_asks_the_same_meanwhile_waits_too_and_who_asks_another_does_not() -> None:
    ground = Ground()
    ground.world.script.fail("posts_before", FloodWait(100))
    began = anyio.current_time()
    ended: dict[str, float] = {}

    async def ask(name: str) -> None:
        await ground.requests()[name]()
        ended[name] = anyio.current_time() - began

    async with anyio.create_task_group() as group:
        group.start_soon(ask, "posts_before")
        await anyio.sleep(1)
        group.start_soon(ask, "posts_after")
        group.start_soon(ask, "difference")
    assert ended["difference"] < 10, "another method has floods of its own"
    assert ended["posts_before"] >= 100
    assert ground.world.script.times("posts_after")[0] >= began + 100, "both are messages.getHistory"
    assert len(ground.waits) == 1


async def test_a_longer_flood_that_comes_meanwhile_counts() -> None:
    ground = Ground()
    ground.world.script.fail("posts_before", FloodWait(10), FloodWait(50))
    ground.world.script.slow("posts_before", 5.0)
    began = anyio.current_time()
    async with anyio.create_task_group() as group:  # both are under way when the floods come
        for _ in range(2):
            group.start_soon(ground.patient.posts_before, ground.channel.ref, None, 10)
    assert [round(at - began) for at in ground.world.script.times("posts_before")] == [0, 0, 55, 55]


@pytest.mark.parametrize("trouble", [TelegramUnavailable("in trouble"), ConnectionLost("cut"), TimeoutError()])
async def test_trouble_is_tried_so_many_more_times_and_then_raised(trouble: Exception) -> None:
    ground = Ground()
    ground.world.script.break_down("posts_after", trouble)
    with pytest.raises(type(trouble)) as raised:
        await ground.patient.posts_after(ground.channel.ref, 0, 10)
    assert raised.value is trouble
    assert ground.world.script.count("posts_after") == 1 + RETRY_MAX
    assert [seconds for seconds, _ in ground.waits] == [2.0, 4.0, 8.0], "each wait doubles"
    assert all(why for _, why in ground.waits)
    times = ground.world.script.times("posts_after")
    assert [round(later - earlier, 3) for earlier, later in itertools.pairwise(times)] == [2.0, 4.0, 8.0]


@pytest.mark.parametrize("trouble", [ChatUnavailable("it is private"), SessionAway("not connected")])
async def test_what_waiting_does_not_mend_is_raised_at_once(trouble: Exception) -> None:
    ground = Ground()
    ground.world.script.fail("describe_channel", trouble)
    with pytest.raises(type(trouble)):
        await ground.patient.describe_channel(ground.channel.ref)
    assert ground.world.script.count("describe_channel") == 1
    assert not ground.waits


async def test_a_wait_can_be_cancelled() -> None:
    ground = Ground()
    ground.world.script.break_down("posts_after", FloodWait(1_000_000))
    with anyio.move_on_after(60) as scope:
        await ground.patient.posts_after(ground.channel.ref, 0, 10)
    assert scope.cancelled_caught and ground.world.script.count("posts_after") == 1
