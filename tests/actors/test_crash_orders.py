"""The process dies at any moment while an order is carried out, or while jobs are published: another one ends it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from teltubby.adapters.base import Destination
from teltubby.errors import DatabaseUnavailable
from teltubby.messages.jobs import JobCancelled, JobFailed, JobStarted
from tests.actors.bot_wing import KIB, bot_wing
from tests.actors.test_crash_anywhere import Fuse, live, moments
from tests.actors.updates import ANNA, sent, update
from tests.actors.world import World, assert_true
from tests.virtual_time import BEGINNING, until

__all__ = ["moments"]

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

EVENTS_READ = ("SELECT 1 FROM queue_messages WHERE queue = 'events'", "queue.db")


def facts(world: World) -> tuple[str, str, str, int]:
    """The job's id, state, artifact's status, and its newest ticket."""
    (row,) = world.facts("SELECT job_id, state, payload_json FROM jobs")
    (item,) = world.artifact()["telegram"]["items"]
    return row["job_id"], row["state"], item["status"], json.loads(row["payload_json"])["job_metadata"]["ticket"]


def tickets(world: World) -> set[int]:
    """The tickets of the messages that lie in the queue."""
    rows = world.facts("SELECT body FROM queue_messages WHERE queue = 'jobs'", "queue.db")
    return {json.loads(row["body"])["job_metadata"]["ticket"] for row in rows}


async def with_a_job(world: World, *reports: str) -> str:
    """A large file was handed in, and a worker reported this of it."""
    async with bot_wing(world) as wing:
        await wing.receives(update(11, sent(world.telegram, "video", 1, size=300 * KIB)))
        await wing.queue.settle(Destination.JOBS, 1)
        (row,) = world.facts("SELECT job_id FROM jobs")
        job_id = str(row["job_id"])
        if "started" in reports:
            await wing.queue.put_event(JobStarted(job_id=job_id, worker="w", attempt=1, at=BEGINNING))
        if "failed" in reports:
            await wing.queue.put_event(JobFailed(job_id=job_id, worker="w", attempt=1, at=BEGINNING, reason="gone"))
        await until(lambda: not world.facts(*EVENTS_READ))
    return job_id


async def stopped(world: World, job_id: str) -> None:
    """The worker reports that it has stopped."""
    async with bot_wing(world) as wing:
        await wing.queue.put_event(JobCancelled(job_id=job_id, worker="w", attempt=1, at=BEGINNING))
        await until(lambda: not world.facts(*EVENTS_READ))


async def with_three_unpublished(world: World) -> None:
    """Three large files were handed in, and the broker has confirmed none of their jobs."""
    async with bot_wing(world) as wing:
        wing.broker.script.hold("publish")
        for number in (1, 2, 3):
            world.telegram.deliver(update(10 + number, sent(world.telegram, "video", number, size=300 * KIB)))
        await until(lambda: len(world.facts("SELECT 1 FROM jobs WHERE notice_message_id IS NOT NULL")) == 3)
        await until(lambda: not world.facts("SELECT 1 FROM inbox WHERE done_at IS NULL"))


@pytest.mark.parametrize("reports", [(), ("started",)], ids=["waiting", "running"])
async def test_a_cancel_survives_a_crash_at_any_moment(
    tmp_path: Path, moments: Iterator[int], reports: tuple[str, ...]
) -> None:
    for moment in moments:
        world = World(folder=tmp_path / str(moment))
        world.folder.mkdir()
        job_id = await with_a_job(world, *reports)
        world.telegram.deliver(update(50, text=f"/cancel {job_id}"))
        fuse = Fuse(left=moment)
        if await live(world, fuse):
            break
        where = f"cut off at moment {moment}: {fuse.seen[-1]}"
        assert await live(world, Fuse(left=-1)), where
        assert facts(world)[1:3] == ("CANCELLED", "skipped"), where
        if reports:  # the word that it is being stopped may be lost; the worker's own is not
            await stopped(world, job_id)
        assert world.telegram.bubbles[0].text.startswith("🚫 Cancelled"), where
        assert_true(world)
    assert moment > 10, "the life was watched"


async def test_a_retry_survives_a_crash_at_any_moment(tmp_path: Path, moments: Iterator[int]) -> None:
    for moment in moments:
        world = World(folder=tmp_path / str(moment))
        world.folder.mkdir()
        job_id = await with_a_job(world, "started", "failed")
        world.telegram.deliver(update(50, text=f"/retry {job_id}"))
        fuse = Fuse(left=moment)
        if await live(world, fuse):
            break
        where = f"cut off at moment {moment}: {fuse.seen[-1]}"
        assert await live(world, Fuse(left=-1)), where
        assert facts(world)[1:] == ("PENDING", "queued", 1), where
        assert tickets(world) == {0, 1}, f"{where}: the newest message is in the queue"
        assert_true(world)
    assert moment > 10, "the life was watched"


async def test_the_outbox_survives_a_crash_at_any_moment(tmp_path: Path, moments: Iterator[int]) -> None:
    for moment in moments:
        world = World(folder=tmp_path / str(moment))
        world.folder.mkdir()
        await with_three_unpublished(world)
        fuse = Fuse(left=moment)
        if await live(world, fuse):
            break
        where = f"cut off at moment {moment}: {fuse.seen[-1]}"
        assert await live(world, Fuse(left=-1)), where
        assert world.facts("SELECT 1 FROM outbox WHERE published_at IS NULL") == [], where
        rows = world.facts("SELECT body FROM queue_messages WHERE queue = 'jobs' ORDER BY id", "queue.db")
        queued = [json.loads(row["body"])["job_id"] for row in rows]
        wanted = world.facts("SELECT job_id FROM outbox ORDER BY urgency, created_at, rowid")
        assert list(dict.fromkeys(queued)) == [row["job_id"] for row in wanted], f"{where}: all of them, in order"
    assert moment > 3, "the life was watched"


async def test_an_order_that_was_answered_is_not_obeyed_again(tmp_path: Path) -> None:
    """The process dies between its answer and the inbox; meanwhile a button undid the order."""
    world = World(folder=tmp_path)
    job_id = await with_a_job(world)
    async with bot_wing(world) as wing:
        wing.ledger_script.break_down("CloseUpdates", DatabaseUnavailable("locked"))
        world.telegram.deliver(update(12, text=f"/cancel {job_id}"))
        await until(lambda: any("taken out of the queue" in line for line in world.telegram.said(ANNA)))
        await wing.orders[-1].retry(job_id, ANNA)
        wing.context.cancel()
    said = len(world.telegram.bubbles)
    async with bot_wing(world) as wing:
        await wing.rests()
    assert facts(world)[1] == "PENDING"
    assert [
        row["command"] for row in world.facts("SELECT command FROM commands WHERE kind = 'command' ORDER BY id")
    ] == ["cancel", "retry"]
    assert len(world.telegram.bubbles) == said
