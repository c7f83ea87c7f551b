"""Objects that nobody names go, whenever they appear, and nothing else does: whatever is cut off, late or retried."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import count, pairwise
from pathlib import Path

import anyio
import pytest

from teltubby.actors.reconciler import ReconcilerRules
from teltubby.archive.keys import preview_key
from teltubby.errors import DatabaseUnavailable, StoreRefused, StoreUnavailable
from teltubby.messages.jobs import Job, JobCommand, JobCompleted, JobState
from teltubby.messages.ledger_jobs import CommandJob
from tests.actors.bot_wing import BotWing, bot_wing
from tests.actors.stage import ANNA, noise, restarts
from tests.actors.test_crash_anywhere import Fuse
from tests.actors.test_news import SIZE, queued, read, started, tells, view
from tests.actors.test_news import completed as done
from tests.actors.updates import sent, update
from tests.actors.world import World, assert_true
from tests.virtual_time import BEGINNING, until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

RULES = ReconcilerRules(silent_seconds=1e9, vanished_seconds=1e9, retention_days=0, tidy_seconds=1e9)
PHOTO = noise(700, seed=3)
BODY = noise(SIZE, seed=9)
LATE = noise(SIZE, seed=4)
"""What a worker stored that was killed before it could tell."""
AWAY = StoreUnavailable("no answer in time")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(folder=tmp_path)


@pytest.fixture
def moments(anyio_backend: tuple[str, object]) -> Iterator[int]:
    """Every second moment; together, both backends see all."""
    return count(1 if anyio_backend[0] == "asyncio" else 2, 2)


def completed(job: Job, attempt: int = 1) -> JobCompleted:
    """A report of a file that has the size that was announced."""
    return done(job, attempt=attempt, body=BODY)


async def cancelled_job(wing: BotWing, number: int = 1) -> Job:
    """A job that ran when its curator cancelled it."""
    job = await queued(wing, number)
    await tells(wing, started(job))
    (orders,) = wing.orders
    answer = await orders.cancel(job.job_id, ANNA)
    assert answer.accepted
    await anyio.sleep(10)
    return job


def doubts(world: World) -> int:
    return len(world.facts("SELECT 1 FROM doubtful_keys"))


def told(world: World) -> list[tuple[str, str]]:
    """What the audit trail has of it."""
    sql = "SELECT kind, detail FROM commands WHERE command = 'leftover' ORDER BY id"
    return [tuple(row) for row in world.facts(sql)]


# -- they go


async def test_copies_that_appear_after_their_first_was_recorded(world: World) -> None:
    """Two requests had timed out, and the server carried them out when nobody waited any more."""
    async with bot_wing(world, reconciler=RULES) as wing:
        wing.store.script.fail("put", AWAY, AWAY, skip=1)
        await wing.receives(*[update(10 + n, sent(world.telegram, "photo", n, body=PHOTO)) for n in (1, 2, 3)])
        assert_true(world)
        tried = [str(key) for key in wing.store.script.asked("put") if not str(key).endswith(".json")]
        late = {key for key in tried if key not in world.objects}
        assert len(late) == 2 and doubts(world) == 2
        world.objects |= dict.fromkeys(late, PHOTO)
        await anyio.sleep(130)
        assert_true(world)
        assert {detail.split()[0] for _, detail in told(world)} == late
        assert restarts(wing.tree) == {}


@pytest.mark.parametrize("minutes", [0, 5, 55])
async def test_what_a_killed_worker_stored_of_a_cancelled_job(world: World, minutes: int) -> None:
    async with bot_wing(world, reconciler=RULES) as wing:
        job = await cancelled_job(wing)
        await anyio.sleep(60 * minutes)
        world.objects |= {job.target.key: LATE, str(preview_key(job.target.key)): PHOTO}
        await anyio.sleep(3600)
        assert_true(world)
        ((kind, detail),) = told(world)
        assert kind == "decision" and detail.startswith(job.target.key)


async def test_a_copy_that_appears_again_after_it_was_dropped(world: World) -> None:
    async with bot_wing(world, reconciler=RULES) as wing:
        for number in (1, 2):
            job = await queued(wing, number)
            world.objects[job.target.key] = BODY
            await tells(wing, started(job), completed(job))
        assert_true(world)
        world.objects[job.target.key] = BODY
        await anyio.sleep(130)
        assert_true(world)


@pytest.mark.parametrize(("request_name", "stored"), [("SettleFile", 1), ("Submit", 0)])
async def test_what_was_stored_of_an_album_before_more_of_it_came(world: World, request_name: str, stored: int) -> None:
    """The run was cut off; by the next one, a file has another place in the album, and another key."""
    one, two, three = (sent(world.telegram, "photo", number) for number in (1, 2, 3))
    async with bot_wing(world, reconciler=RULES) as wing:
        wing.ledger_script.fail(request_name, *[DatabaseUnavailable("locked")] * 9, skip=stored)
        world.telegram.deliver(update(10, one, group="g"), update(12, three, group="g"))
        await until(lambda: wing.ledger_script.count(request_name) > stored)
        wing.context.cancel()
    world.telegram.deliver(update(13, two, message_id=11, group="g"))
    async with bot_wing(world, reconciler=RULES):
        await anyio.sleep(4000)
    assert [item["status"] for item in world.artifact()["telegram"]["items"]] == ["stored"] * 3
    assert_true(world)


async def test_an_hour_later_everything_is_forgotten(world: World) -> None:
    async with bot_wing(world, reconciler=RULES) as wing:
        await cancelled_job(wing)
        await anyio.sleep(3800)
        assert doubts(world) == 0 and wing.store.script.count("delete") == 0
        assert told(world) == []


async def test_it_survives_a_crash_at_any_moment(tmp_path: Path, moments: Iterator[int]) -> None:
    """Of the look, the decision, the deletion: the next life finishes what this one began."""
    for moment in moments:
        world = World(folder=tmp_path / str(moment))
        world.folder.mkdir()
        async with bot_wing(world) as wing:
            job = await cancelled_job(wing)
            world.objects |= {job.target.key: LATE, str(preview_key(job.target.key)): PHOTO}
        fuse = Fuse(left=moment)
        async with bot_wing(world, reconciler=RULES, watch=fuse.watch) as wing:
            with anyio.move_on_after(130):
                await fuse.burnt.wait()
            wing.context.cancel()
        if not fuse.burnt.is_set():
            break
        async with bot_wing(world, reconciler=RULES):
            await anyio.sleep(70)
        assert_true(world)
        assert len(told(world)) == 1, f"cut off at {fuse.seen[-1]}"
    assert moment > 10, "the life was watched"


# -- what is named stays


async def test_a_job_that_was_queued_again_keeps_what_it_stores(world: World) -> None:
    async with bot_wing(world, reconciler=RULES) as wing:
        job = await cancelled_job(wing)
        (orders,) = wing.orders
        assert (await orders.retry(job.job_id, ANNA)).accepted
        world.objects[job.target.key] = BODY
        await anyio.sleep(130)
        await tells(wing, started(job, 2), completed(job, attempt=2))
        await anyio.sleep(4000)
        assert world.files() == [BODY]
        assert_true(world)


async def test_a_job_whose_leftover_goes_gets_another_key(world: World) -> None:
    """Whenever it is queued again, the lost deletion may come after what it stores then."""
    async with bot_wing(world, reconciler=RULES) as wing:
        job = await cancelled_job(wing)
        world.objects[job.target.key] = LATE
        gate = wing.store.script.hold("delete")
        await until(lambda: wing.store.script.count("delete") == 1, within=200)
        (orders,) = wing.orders
        assert (await orders.retry(job.job_id, ANNA)).accepted
        again = replace(job, target=(await view(wing, job)).job.target)
        assert again.target.key != job.target.key
        (item,) = world.artifact()["telegram"]["items"]
        assert (item["status"], item["s3_key"]) == ("queued", again.target.key)
        world.objects[again.target.key] = BODY
        await tells(wing, started(again, 2), completed(again, attempt=2))
        gate.set()
        await anyio.sleep(4000)
        assert world.files() == [BODY]
        assert_true(world)


async def test_a_completion_that_comes_after_its_object_went_is_a_stop(world: World) -> None:
    """Its worker was cut off from the broker all the time. The curator's last word is that it was cancelled."""
    async with bot_wing(world, reconciler=RULES) as wing:
        job = await cancelled_job(wing)
        world.objects[job.target.key] = BODY
        await anyio.sleep(130)
        assert job.target.key not in world.objects
        world.objects[job.target.key] = BODY  # it was not the only worker
        await tells(wing, completed(job))
        assert (await view(wing, job)).state is JobState.CANCELLED
        assert wing.said()[-1].startswith("🚫")
        await anyio.sleep(130)
        assert_true(world)


async def test_a_completion_that_was_read_first_keeps_its_object(world: World) -> None:
    """It is in the ledger, but not in the artifact yet, while somebody looks."""
    async with bot_wing(world, reconciler=RULES) as wing:
        job = await cancelled_job(wing)
        world.objects[job.target.key] = BODY
        wing.ledger_script.break_down("SettleFile", DatabaseUnavailable("locked"))
        await wing.queue.put_event(completed(job))
        await anyio.sleep(200)
        assert job.target.key in world.objects
        wing.ledger_script.repair("SettleFile")
        await read(wing)
        assert (await view(wing, job)).state is JobState.COMPLETED
        assert_true(world)


# -- trouble


async def test_a_store_that_is_away_is_asked_again(world: World) -> None:
    async with bot_wing(world, reconciler=RULES) as wing:
        job = await cancelled_job(wing)
        world.objects[job.target.key] = LATE
        wing.store.script.break_down("head", AWAY)
        await anyio.sleep(1000)
        wing.store.script.repair("head")
        wing.store.script.fail("delete", AWAY)
        await anyio.sleep(1400)
        assert_true(world)
        assert len(told(world)) == 1 and restarts(wing.tree) == {}


async def test_one_object_that_the_store_does_not_let_go_of_holds_up_no_other(world: World) -> None:
    async with bot_wing(world, reconciler=RULES) as wing:
        first = await cancelled_job(wing, 1)
        second = await cancelled_job(wing, 2)
        world.objects |= {first.target.key: LATE, second.target.key: LATE}
        wing.store.script.fail("delete", StoreRefused("this object is locked"))
        await anyio.sleep(130)
        assert len(world.files()) == 1
        await anyio.sleep(700)
        assert_true(world)


async def test_a_command_that_revives_counts_too(world: World) -> None:
    """The reconciler brings a job back whose key was claimed, under another one."""
    async with bot_wing(world, reconciler=RULES) as wing:
        job = await cancelled_job(wing)
        world.objects[job.target.key] = LATE
        await anyio.sleep(130)
        (orders,) = wing.orders
        assert (await orders.retry(job.job_id, ANNA)).accepted
        other = (await view(wing, job)).job.target.key
        revive = CommandJob(job_id=job.job_id, command=JobCommand.REVIVE, user_id=None)
        assert (await wing.ledger.ask(revive, within=10)).accepted
        assert (await view(wing, job)).job.target.key == other != job.target.key


async def test_a_slow_store_does_not_hold_up_the_reconciler(world: World) -> None:
    async with bot_wing(world):
        pass
    world.write(
        "INSERT INTO doubtful_keys (key, why, since, look_at)"
        " SELECT 'teltubby/2026/11/x/' || value || '/a.jpg', 'ELSEWHERE', ?1, ?1 FROM json_each(?2)",
        BEGINNING.isoformat(),
        json.dumps(list(range(100))),
    )
    async with bot_wing(world, reconciler=RULES) as wing:
        wing.store.script.slow("head", 3.0)
        await anyio.sleep(1000)
        times = wing.ledger_script.times("UnstoredArtifacts")
        assert max(later - sooner for sooner, later in pairwise(times)) < 100
