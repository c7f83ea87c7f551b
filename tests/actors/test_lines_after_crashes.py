"""A job's line grows with it to the end, although the bot died while it was begun, and the job did not wait."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from teltubby.errors import DatabaseUnavailable, StoreUnavailable
from tests.actors.bot_wing import KIB, bot_wing
from tests.actors.queues import Queue, queue_at
from tests.actors.test_crash_anywhere import BODY, Fuse, live, report
from tests.actors.updates import sent, update
from tests.actors.world import World
from tests.virtual_time import until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

READ = ("SELECT 1 FROM queue_messages WHERE queue = 'events'", "queue.db")


@pytest.fixture
def moments(anyio_backend: tuple[str, object]) -> Iterator[int]:
    """Every second moment; together, both backends see all."""
    return count(1 if anyio_backend[0] == "asyncio" else 2, 2)


async def test_the_line_of_a_job_that_ended_while_the_bot_was_dead(tmp_path: Path, moments: Iterator[int]) -> None:
    for moment in moments:
        world = World(folder=tmp_path / str(moment))
        world.folder.mkdir()
        world.telegram.deliver(update(10, sent(world.telegram, "video", 1, size=300 * KIB)))
        fuse = Fuse(left=moment)
        if await live(world, fuse):
            break
        where = f"cut off at moment {moment}: {fuse.seen[-1]}"
        await ended(world)
        assert await live(world, Fuse(left=-1), READ), where
        await ended(world)  # of one that was handed in too late for the first time
        assert await live(world, Fuse(left=-1), READ), where
        (bubble,) = world.telegram.bubbles
        assert bubble.text.startswith("✅"), where
    assert moment > 10, "the life was watched"


async def ended(world: World) -> None:
    """A worker stored the file and told so."""
    async with queue_at(world.folder / "queue.db") as queue:
        await tell_ends(world, queue)


async def tell_ends(world: World, queue: Queue) -> None:
    for row in world.facts("SELECT job_id, json_extract(payload_json, '$.target.key') AS key FROM jobs"):
        world.objects[row["key"]] = BODY
        await queue.put_event(report(row["job_id"], row["key"]))


async def test_the_line_that_the_ledger_did_not_take_note_of(tmp_path: Path) -> None:
    world = World(folder=tmp_path)
    async with bot_wing(world) as wing:
        wing.ledger_script.break_down("SetNotice", DatabaseUnavailable("locked"))
        world.telegram.deliver(update(10, sent(world.telegram, "video", 1, size=300 * KIB)))
        await until(lambda: wing.ledger_script.count("SetNotice") >= 1, within=100)
        wing.ledger_script.repair("SetNotice")
        await tell_ends(world, wing.queue)
        await wing.reads_events()
        await wing.rests()
        (bubble,) = world.telegram.bubbles
        assert bubble.text.startswith("✅")


@pytest.mark.parametrize("seconds", [1, 10])
async def test_the_end_that_is_told_while_the_line_is_begun(tmp_path: Path, seconds: float) -> None:
    """The store was away for a moment: the job has gone on when its line is to be begun."""
    world = World(folder=tmp_path)
    async with bot_wing(world) as wing:
        wing.store.script.fail("put", StoreUnavailable("away"))
        world.telegram.deliver(update(10, sent(world.telegram, "video", 1, size=300 * KIB)))
        await until(lambda: wing.store.script.count("put") == 1, within=100)
        wing.store.script.slow("put", seconds)
        wing.gateway.script.slow("send", 0.5)
        await tell_ends(world, wing.queue)
        await wing.reads_events()
        await wing.rests()
        (bubble,) = world.telegram.bubbles
        assert bubble.text.startswith("✅")
