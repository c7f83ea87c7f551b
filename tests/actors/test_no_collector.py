"""Whether anybody collects channels is known from what workers say of themselves: nobody waits in vain for the rest."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from teltubby.actors.channels_desk import FIRST_SECONDS
from teltubby.actors.phrases import channels as words
from tests.actors.bot_wing import bot_wing
from tests.actors.counter import says
from tests.actors.distant_worker import worker_at
from tests.actors.test_channels_desk import collector_at
from tests.actors.world import World

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

COMMANDS = ("/channels", "/track @news", "/untrack @news", "/report @news")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(folder=tmp_path)


async def test_it_is_said_at_once_where_workers_say_that_they_collect_nothing(world: World) -> None:
    async with bot_wing(world) as wing, worker_at(wing) as worker:
        worker.collects = False
        await worker.stand()
        await anyio.sleep(10)
        began = anyio.current_time()
        assert await says(wing, "/channels") == words.NO_COLLECTOR
        assert anyio.current_time() - began < 2, "others may be there that were not heard yet"
        for command in COMMANDS:
            began = anyio.current_time()
            assert await says(wing, command) == words.NO_COLLECTOR
            assert anyio.current_time() - began < 0.5, command


async def test_where_mtproto_is_missing_it_is_said_at_once(world: World) -> None:
    async with bot_wing(world, missing="telethon is not installed") as wing:
        began = anyio.current_time()
        assert "telethon is not installed" in await says(wing, "/channels")
        assert anyio.current_time() - began < 0.5


@pytest.mark.parametrize("collects", [None, True])
async def test_a_worker_that_collects_or_does_not_say_is_waited_for(world: World, collects: bool | None) -> None:
    async with bot_wing(world) as wing, worker_at(wing) as worker:
        worker.collects = collects
        await worker.stand()
        began = anyio.current_time()
        assert await says(wing, "/channels") == words.NO_COLLECTOR
        assert FIRST_SECONDS <= anyio.current_time() - began < FIRST_SECONDS + 1


async def test_a_collector_that_begins_later_is_found(world: World) -> None:
    async with bot_wing(world) as wing, worker_at(wing) as worker, worker_at(wing, name="box-2") as other:
        worker.collects = other.collects = False
        await worker.stand()
        assert await says(wing, "/channels") == words.NO_COLLECTOR
        async with collector_at(wing, "box-2"):
            other.collects = True
            await other.stand()
            await anyio.sleep(1)
            assert words.NONE_YET in await says(wing, "/channels")


async def test_a_collector_beside_one_that_was_never_heard_is_found_at_first(world: World) -> None:
    """The bot was started anew, and has heard one worker since."""
    async with bot_wing(world) as wing, worker_at(wing) as worker:
        worker.collects = False
        await worker.stand()
        async with worker_at(wing, name="box-2", introduced=False) as other, collector_at(wing, "box-2"):
            other.collects = True
            assert words.NONE_YET in await says(wing, "/channels")


async def test_a_collector_in_trouble_is_told_in_status_until_it_is_mended(world: World) -> None:
    async with bot_wing(world) as wing, worker_at(wing) as worker:
        worker.collects, worker.collector = True, "The database cannot grow: its <disk> is full"
        await worker.stand()
        await anyio.sleep(10)
        for command in ("/status", "/mtstatus"):
            told = await says(wing, command)
            assert "Channels are not collected (worker <code>box-1</code>)" in told, command
            assert "its &lt;disk&gt; is full" in told and "Nothing needs attention" not in told
        worker.collector = None
        await worker.stand()
        await anyio.sleep(10)
        assert "Nothing needs attention" in await says(wing, "/status")
