"""The collector reads stored posts again when Telegram no longer tells what happened to them, and says so meanwhile."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from tests.actors.collector_stage import ALL_ON, collecting
from tests.unit.collector.channel_world import ChannelWorld, Fate
from tests.virtual_time import until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

POSTS = 1250


async def test_posts_of_any_age_are_read_again_beside_all_else(tmp_path: Path) -> None:
    world = ChannelWorld()
    news = world.add("News", POSTS, username="news")
    async with collecting(tmp_path, world, "@news") as collected:
        await collected.has_all_of(news)
        world.fate = lambda pushed: Fate.LOST
        news.edit(1, "edited long after")
        news.delete(2)
        news.forget()
        await until(lambda: world.script.count("posts_by_id"), within=2 * ALL_ON.sync_interval)
        world.fate = lambda pushed: Fate.ARRIVES
        new = news.post("meanwhile")
        await until(lambda: new in collected.posts(news), within=5)
        [told] = (await collected.standing()).channels
        assert 0 < told.to_read_again < POSTS and collected.posts(news)[1] != "edited long after"
        began = anyio.current_time()
        await collected.has_all_of(news, within=60)
        assert anyio.current_time() - began > 5, "Telegram is asked for a hundred a second"
        [told] = (await collected.standing()).channels
        assert told.to_read_again == 0
