"""Channels over a session that is opened again when its connection was lost."""

from __future__ import annotations

import math
import random

import anyio
import pytest

from teltubby.collecting.connection import ConnectedChannels, signed_in
from teltubby.errors import SessionRevoked, TelegramUnavailable
from teltubby.supervision import Backoff
from tests.person_twin import PersonTwin
from tests.unit.collector.channel_world import ChannelWorld

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]


def opened(session: PersonTwin) -> int:
    """How often the session was opened."""
    return sum(call.method == "open" for call in session.script.calls)


async def test_it_is_opened_once_for_all_who_ask_and_again_when_it_is_lost() -> None:
    session, world = PersonTwin(), ChannelWorld()
    news = world.add("News", 5, username="news")
    session.script.slow("open", 3.0)
    channels = ConnectedChannels(session, world)
    for times in (1, 2):
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(channels.find_channel, "@news")
                tasks.start_soon(channels.posts_before, news.ref, None, 100)
        assert opened(session) == times
        session.lose()
    assert len([call for call in world.script.calls if call.method == "find_channel"]) == 6


@pytest.mark.parametrize("error", [TelegramUnavailable("away"), SessionRevoked("signed out")])
async def test_where_it_cannot_be_opened_nothing_is_asked_and_nothing_tried_again(error: Exception) -> None:
    session, world = PersonTwin(), ChannelWorld()
    session.script.fail("open", error)
    channels = ConnectedChannels(session, world)
    with pytest.raises(type(error)):
        await channels.find_channel("@news")
    assert opened(session) == 1 and world.script.calls == []


async def signs_in(session: PersonTwin, *, retry_max: float) -> list[str]:
    """What was waited for until it was signed in."""
    waits: list[str] = []

    def on_wait(seconds: float, why: str) -> None:
        del seconds
        waits.append(why)

    await signed_in(session, retry_max=retry_max, backoff=Backoff(), rng=random.Random(1), on_wait=on_wait)
    return waits


async def test_at_the_beginning_telegram_may_be_away_for_a_while() -> None:
    session = PersonTwin()
    session.script.fail("open", *[TelegramUnavailable("0 bytes read")] * 20)
    with pytest.raises(TelegramUnavailable, match="Telegram cannot be reached: 0 bytes read"):
        await signs_in(session, retry_max=2)
    assert opened(session) == 3
    assert await signs_in(session, retry_max=math.inf) == ["Telegram cannot be reached: 0 bytes read"] * 17


async def test_nobody_who_is_signed_out_is_waited_for() -> None:
    session = PersonTwin()
    session.script.fail("open", SessionRevoked("signed out"))
    with pytest.raises(SessionRevoked):
        await signs_in(session, retry_max=math.inf)
