"""One job through both wings and two workers: its id goes with every message and every line that is about it."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from teltubby import logs
from teltubby.actors.first_copy import asked_of_the_bot
from teltubby.adapters.base import Outgoing
from teltubby.config import LogFormat, LogSettings
from teltubby.messages.wire import is_worker_report
from tests.actors.bot_wing import bot_wing
from tests.actors.queues import queue_at
from tests.actors.stage import MIB, large_job, noise
from tests.actors.updates import sent, update
from tests.actors.worker_wing import WorkerWing, worker_wing
from tests.actors.world import World
from tests.mtproto_twins import RemoteTwin
from tests.twins import MemoryStore
from tests.virtual_time import until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("two_processes", "virtual_time")]

BODIES = {1: noise(3 * MIB), 2: noise(2 * MIB, seed=2)}
IN_BOTH = ["is handed in by user", "is in the queue", "asked by", "is taken up by", "JobStarted of"]
AT_THE_END = ["is found by way of", "a document came over", "is stored as", "is done in", "JobCompleted of"]


@asynccontextmanager
async def worker_of(world: World, name: str, said: list[Outgoing]) -> AsyncIterator[WorkerWing]:
    """A worker; all that it says of jobs across the broker is added to `said`."""
    store = MemoryStore(part_size=MIB)
    store.objects = world.objects
    async with queue_at(world.folder / "queue.db") as queue:
        broker = queue.twin()
        async with worker_wing(
            world.folder / name, broker=broker, first_copy=asked_of_the_bot(broker), store=store, worker=name
        ) as wing:
            yield wing
        for call in broker.script.calls:
            match call.subject:
                case Outgoing() as question:
                    said.append(question)
                case (_, Outgoing() as message):
                    said.append(message)


def hand_in(wing: WorkerWing) -> list[RemoteTwin]:
    return [wing.hand_in(large_job(number), body) for number, body in BODIES.items()]


async def test_an_album_whose_first_worker_dies(tmp_path: Path) -> None:
    world, stream, said = World(folder=tmp_path), io.StringIO(), list[Outgoing]()
    logs.configure(LogSettings(format=LogFormat.JSON), stream=stream)
    async with bot_wing(world) as bot:
        async with worker_of(world, "host:1", said) as first:
            for remote in hand_in(first):
                remote.script.slow("read", 1000)
            album = [sent(bot.telegram, "video", number, size=len(body)) for number, body in BODIES.items()]
            bot.telegram.deliver(*(update(each.number, each, group="g") for each in album))
            await until(lambda: len(world.facts("SELECT 1 FROM jobs WHERE state = 'PROCESSING'")) == 2)
        async with worker_of(world, "host:2", said) as second:
            hand_in(second)
            await until(lambda: len(world.facts("SELECT 1 FROM jobs WHERE state = 'COMPLETED'")) == 2)
            await anyio.sleep(30)
    ids = {row[0] for row in world.facts("SELECT job_id FROM jobs")}

    kinds = {message.type for message in said if not is_worker_report(message.type)}
    assert kinds == {
        "teltubby.job.started",
        "teltubby.job.progress",
        "teltubby.job.completed",
        "teltubby.question.turn",
        "teltubby.question.first_copy",
    }
    for message in said:
        if message.type in kinds:
            assert json.loads(message.body)["job_id"] in ids, message

    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    for job_id in ids:
        mine = [line["message"] for line in lines if line.get("job_id") == job_id]
        for stage in [*IN_BOTH, *AT_THE_END]:
            assert any(stage in text for text in mine), (stage, mine)
        for worker in ("host:1", "host:2"):
            for stage in ("is taken up by", "JobStarted of", "asked by"):
                assert any(f"{stage} {worker}" in text for text in mine), (stage, worker, mine)
        assert any("submission 1 of chat" in text for text in mine), "both are told to belong to one album"
    for line in lines:
        named = {job_id for job_id in ids if job_id in line["message"]}
        assert named in (set(), {line.get("job_id")}), line
