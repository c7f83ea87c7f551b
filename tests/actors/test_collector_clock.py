"""A collector on a machine whose clock jumps: what it keeps is what the channels are, and it goes on as before."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from teltubby.collector.repositories import CollectorStore
from tests.actors.collector_stage import Collected, collecting
from tests.actors.stage import restarts
from tests.unit.collector.channel_world import ChannelWorld, WorldChannel
from tests.virtual_time import until, wall_clock

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

RIGHT = timedelta()


@dataclass(slots=True)
class MachineClock:
    """It is `wrong` by so much."""

    wrong: timedelta = RIGHT

    def __call__(self) -> datetime:
        return wall_clock() + self.wrong


def latest(collected: Collected, msg_id: int) -> tuple[int | None, dict[str, int]] | None:
    """Views and reactions that are kept as the newest."""
    store = CollectorStore.open_to_read(collected.database)
    try:
        rows = store.file.read("SELECT views, reactions_json FROM post_latest WHERE msg_id = ?", msg_id)
    finally:
        store.close()
    return (rows[0]["views"], json.loads(rows[0]["reactions_json"])) if rows else None


async def lives_on(collected: Collected, news: WorldChannel) -> None:
    """Whatever happens in a channel is collected."""
    kept, gone = news.post("as it was first"), news.post("soon gone")
    await collected.has_all_of(news)
    news.edit(kept, "as it is now")
    news.delete(gone)
    await collected.has_all_of(news)


@pytest.mark.parametrize("days", [400, -400], ids=["ahead", "behind"])
async def test_a_clock_that_is_wrong_for_a_while(tmp_path: Path, days: int) -> None:
    world, clock = ChannelWorld(), MachineClock()
    news = world.add("News", 30, username="news")
    async with collecting(tmp_path, world, "@news", clock=clock) as collected:
        await collected.has_all_of(news)
        counted = news.post("and many look at it")
        for wrong in (timedelta(days=days), RIGHT, timedelta(days=days), RIGHT):
            clock.wrong = wrong
            news.view(counted, 10)
            news.react(counted)
            await lives_on(collected, news)
        real = news.counters[counted]
        await until(lambda: latest(collected, counted) == (real.views, dict(real.reactions)), within=3600)
        complete_at = (await collected.standing()).channels[0].complete_at
        assert complete_at is not None and complete_at <= wall_clock(), "it is not told to be complete in the future"
        assert not restarts(collected.tree)
