"""Both wings on one queue: the same bytes again end in one object, whether the bot can be asked or not."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from teltubby.actors.first_copy import PATIENCE_SECONDS, asked_of_the_bot
from teltubby.messages.ledger import SettleFile
from tests.actors.bot_wing import BotWing, bot_wing
from tests.actors.queues import queue_at
from tests.actors.stage import MIB, large_job, noise, sha256
from tests.actors.updates import sent, update
from tests.actors.worker_wing import WorkerWing, worker_wing
from tests.actors.world import World, assert_true
from tests.twins import MemoryStore
from tests.virtual_time import until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("two_processes", "virtual_time")]

BODY = noise(3 * MIB + 7)
FIRST = "teltubby/2026/10/boris/1/film.mp4"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@asynccontextmanager
async def worker_of(world: World) -> AsyncIterator[WorkerWing]:
    """The worker wing over what the world holds, in a process of its own as far as it can tell."""
    store = MemoryStore(part_size=MIB)
    store.objects = world.objects
    async with queue_at(world.folder / "queue.db") as queue:
        broker = queue.twin()
        first_copy = asked_of_the_bot(broker)
        async with worker_wing(world.folder / "large", broker=broker, first_copy=first_copy, store=store) as worker:
            yield worker


def hand_in(bot: BotWing, worker: WorkerWing, *numbers: int) -> None:
    """The curator sends the same bytes, each time as a document of its own."""
    for number in numbers:
        worker.hand_in(large_job(number), BODY)
        bot.telegram.deliver(update(number, sent(bot.telegram, "video", number, size=len(BODY))))


async def over(world: World, count: int) -> None:
    """Wait until so many jobs are completed, and their artifacts are in the store."""
    await until(lambda: len(world.facts("SELECT 1 FROM jobs WHERE state = 'COMPLETED'")) == count, every=0.2)
    await until(lambda: not world.facts("SELECT 1 FROM messages WHERE artifact_stored = 0"), every=0.2)


def statuses(world: World) -> list[str]:
    """How the items ended, by the number of their message."""
    return [artifact["telegram"]["items"][0]["status"] for _, artifact in sorted(world.artifacts().items())]


async def test_one_after_the_other_never_makes_a_second_object(world: World) -> None:
    async with bot_wing(world) as bot, worker_of(world) as worker:
        hand_in(bot, worker, 1)
        await over(world, 1)
        hand_in(bot, worker, 2)
        await over(world, 2)
        assert worker.store.script.count("complete") == 1 and worker.store.uploads == {}
        assert worker.store.script.count("abort") == 1
        await until(lambda: bot.counted("dedup_hits") == 1)
    assert statuses(world) == ["stored", "duplicate"] and world.files() == [BODY]
    assert_true(world)


async def test_two_at_once_are_both_completed_and_settled_by_the_ledger(world: World) -> None:
    async with bot_wing(world) as bot, worker_of(world) as worker:
        gate = worker.store.script.hold("complete")
        hand_in(bot, worker, 1, 2)
        await until(lambda: worker.store.script.count("complete") == 2)
        gate.set()
        await over(world, 2)
        await until(lambda: len(world.files()) == 1)
        assert worker.store.script.count("abort") == 0
    assert sorted(statuses(world)) == ["duplicate", "stored"] and world.files() == [BODY]
    assert_true(world)


async def test_without_a_bot_the_file_is_stored_and_settled_when_it_is_back(world: World) -> None:
    async with worker_of(world) as worker:
        async with bot_wing(world) as bot:
            hand_in(bot, worker, 1)
            await over(world, 1)
            gate = worker.store.script.hold("put_part")
            hand_in(bot, worker, 2)
            await until(lambda: world.facts("SELECT 1 FROM jobs WHERE state = 'PROCESSING'"))
        began = anyio.current_time()
        gate.set()
        await until(lambda: len(world.files()) == 2)
        assert PATIENCE_SECONDS <= anyio.current_time() - began < PATIENCE_SECONDS + 5
        async with bot_wing(world):
            await over(world, 2)
            await until(lambda: len(world.files()) == 1)
    assert statuses(world) == ["stored", "duplicate"]
    assert_true(world)


async def test_what_a_killed_run_had_completed_already_goes_when_it_turns_out_to_be_a_duplicate(world: World) -> None:
    """Its report was lost with it; until it runs again, the same bytes are archived under another key."""
    async with bot_wing(world) as bot, worker_of(world) as worker:
        gate = worker.store.script.hold("begin")
        hand_in(bot, worker, 2)
        await until(lambda: worker.store.script.count("begin") == 1)
        (row,) = world.facts("SELECT payload_json FROM jobs")
        key = json.loads(row["payload_json"])["target"]["key"]
        world.objects[key] = BODY
        settled = SettleFile(
            sha256=sha256(BODY), s3_key=FIRST, size_bytes=len(BODY), mime=None, file_unique_id="another"
        )
        world.objects[FIRST] = BODY
        await bot.ledger.ask(settled, within=100)
        gate.set()
        await over(world, 1)
        await until(lambda: key not in world.objects)
        assert worker.store.uploads == {}
    (item,) = world.artifact()["telegram"]["items"]
    assert (item["status"], item["s3_key"]) == ("duplicate", FIRST)
    assert set(world.files()) == {BODY} and len(world.files()) == 1
