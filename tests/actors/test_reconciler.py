"""The reconciler: jobs that nobody runs come back, those that are well are left alone, artifacts catch up."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from datetime import datetime, timedelta
from pathlib import Path

import anyio
import pytest

from teltubby.actors.reconciler import ReconcilerRules
from teltubby.adapters.base import Destination
from teltubby.errors import BrokerUnavailable, DatabaseUnavailable, StoreUnavailable
from teltubby.messages.jobs import JobCommand, JobState
from teltubby.messages.ledger import SettleFile
from teltubby.messages.ledger_jobs import ApplyEvent, CommandJob
from tests.actors.bot_wing import KIB, BotWing, bot_wing
from tests.actors.stage import ANNA, restarts, sha256
from tests.actors.test_news import BODY, completed, failed, item_of, progress, queued, retrying, started, tells, view
from tests.actors.updates import sent, update
from tests.actors.world import World, assert_true
from tests.virtual_time import until, wall_clock

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

JOBS, EVENTS = Destination.JOBS, Destination.EVENTS
SILENT, VANISHED, LOOK, TIDY = 15.0, 60.0, 6.0, 120.0


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(folder=tmp_path)


@asynccontextmanager
async def reconciled(
    world: World, *, retention_days: int = 0, trail_days: int = 0, clock: Callable[[], datetime] = wall_clock
) -> AsyncIterator[BotWing]:
    """The wing with a reconciler that has little patience."""
    rules = ReconcilerRules(
        silent_seconds=SILENT,
        retention_days=retention_days,
        trail_days=trail_days,
        vanished_seconds=VANISHED,
        look_seconds=LOOK,
        tidy_seconds=TIDY,
    )
    async with bot_wing(world, reconciler=rules, reconciler_clock=clock) as wing:
        yield wing


def audit(world: World) -> list[tuple[str, int | None, str]]:
    """What was ordered by whom, and why."""
    return [
        tuple(row)
        for row in world.facts("SELECT command, user_id, detail FROM commands WHERE kind = 'command' ORDER BY rowid")
    ]


# -- jobs whose worker is gone


async def test_a_job_whose_worker_has_gone_quiet_is_queued_again(world: World) -> None:
    async with reconciled(world) as wing:
        job = await queued(wing)
        await tells(wing, started(job), progress(job))
        await anyio.sleep(SILENT + 2 * LOOK)
        await wing.queue.settle(JOBS, 1)
        (again,) = await wing.queue.jobs()
        assert (again.job_id, again.job_metadata.ticket) == (job.job_id, 1)
        assert (await view(wing, job)).state is JobState.PENDING
        (order,) = audit(world)
        assert order[:2] == ("revive", None) and "no worker reports it" in order[2]
        assert item_of(world, job)["status"] == "queued"


async def test_a_job_that_gives_signs_of_life_is_left_alone(world: World) -> None:
    async with reconciled(world) as wing:
        job = await queued(wing)
        await tells(wing, started(job))
        for _ in range(40):
            await anyio.sleep(SILENT / 3)
            await wing.queue.put_event(progress(job))
        assert (await view(wing, job)).state is JobState.PROCESSING
        assert audit(world) == [] and await wing.queue.depth(JOBS) == 0


async def test_after_a_start_nobody_is_taken_for_dead_before_he_could_speak(world: World) -> None:
    async with reconciled(world) as wing:
        job = await queued(wing)
        await tells(wing, started(job))
    await anyio.sleep(300)
    async with reconciled(world) as wing:
        for _ in range(12):
            await anyio.sleep(SILENT / 2)
            await wing.queue.put_event(progress(job))
        assert (await view(wing, job)).state is JobState.PROCESSING and audit(world) == []


async def test_while_reports_wait_to_be_read_nobody_is_taken_for_dead(world: World) -> None:
    async with reconciled(world) as wing:
        job = await queued(wing)
        await tells(wing, started(job))
        gate = wing.ledger_script.hold("ApplyEvent")
        for _ in range(100):
            await wing.queue.put_event(progress(job))
        await until(lambda: wing.ledger_script.count("ApplyEvent") >= 2)
        assert await wing.queue.depth(EVENTS) > 0
        await anyio.sleep(10 * SILENT)
        assert audit(world) == []
        gate.set()


async def test_a_broker_that_is_away_revives_nothing(world: World) -> None:
    async with reconciled(world) as wing:
        job = await queued(wing)
        await tells(wing, started(job))
        wing.broker.script.break_down("open", BrokerUnavailable("away"))
        await wing.broker.lose()
        await anyio.sleep(10 * SILENT)
        assert audit(world) == []
        wing.broker.script.repair("open")
        await until(lambda: len(audit(world)) == 1)
        assert (await view(wing, job)).state is JobState.PENDING
        assert restarts(wing.tree) == {}


# -- jobs whose message is gone


async def test_a_job_whose_message_vanished_is_queued_again_once(world: World) -> None:
    async with reconciled(world) as wing:
        job = await queued(wing)  # which takes it from the queue, and says nothing
        await anyio.sleep(VANISHED - LOOK)
        assert audit(world) == []
        await anyio.sleep(3 * LOOK)
        (order,) = audit(world)
        assert order[0] == "revive" and "in no queue" in order[2]
        await anyio.sleep(10 * VANISHED)
        assert len(audit(world)) == 1, "its message lies in the queue now"
        (again,) = await wing.queue.jobs()
        assert again.job_id == job.job_id


async def test_while_a_queue_holds_anything_nothing_has_vanished(world: World) -> None:
    async with reconciled(world) as wing:
        await queued(wing)
        await wing.receives(update(50, sent(wing.telegram, "video", 2, size=300 * KIB)))
        await wing.queue.settle(JOBS, 1)
        await anyio.sleep(10 * VANISHED)
        assert audit(world) == []


async def test_a_job_that_waits_for_its_next_attempt_is_given_its_time(world: World) -> None:
    async with reconciled(world) as wing:
        job = await queued(wing)
        await tells(wing, started(job), retrying(job))  # in 60 s
        await anyio.sleep(VANISHED)
        assert audit(world) == []
        await anyio.sleep(60 + 3 * LOOK)
        assert [order[0] for order in audit(world)] == ["revive"]
        await wing.queue.settle(JOBS, 1)
        (again,) = await wing.queue.jobs()
        wing.store.objects[job.target.key] = BODY
        attempt = again.job_metadata.retry_count + again.job_metadata.times_parked + 1
        assert attempt > 1, "no two attempts have one number"
        await tells(wing, started(job, attempt), completed(job, attempt=attempt))
        assert item_of(world, job)["status"] == "stored"


async def test_what_is_over_is_never_revived(world: World) -> None:
    async with reconciled(world) as wing:
        jobs = [await queued(wing, number) for number in (1, 2, 3)]
        wing.store.objects[jobs[0].target.key] = BODY
        await tells(wing, started(jobs[0]), completed(jobs[0]), started(jobs[1]), failed(jobs[1]))
        await wing.orders[-1].cancel(jobs[2].job_id, ANNA)
        await anyio.sleep(5 * VANISHED)
        assert [order[0] for order in audit(world)] == ["cancel"]
        assert await wing.queue.depth(JOBS) == 0


@pytest.mark.parametrize("request_name", ["QuietJobs", "CommandJob", "UnstoredArtifacts", "ListJobs"])
async def test_a_ledger_in_trouble_delays_it(world: World, request_name: str) -> None:
    async with reconciled(world) as wing:
        job = await queued(wing)
        await tells(wing, started(job))
        wing.ledger_script.fail(request_name, *[DatabaseUnavailable("locked")] * 3)
        await anyio.sleep(SILENT + 6 * LOOK)
        assert (await view(wing, job)).state is JobState.PENDING
        assert restarts(wing.tree) == {}


# -- artifacts


async def test_an_artifact_that_the_store_lacks_is_stored(world: World) -> None:
    async with reconciled(world) as wing:
        job = await queued(wing)
        wing.store.script.break_down("put", StoreUnavailable("away"))
        with pytest.raises((StoreUnavailable, TimeoutError)):
            await wing.orders[-1].cancel(job.job_id, ANNA)
        wing.store.script.repair("put")
        await anyio.sleep(3 * LOOK)
        assert item_of(world, job)["status"] == "skipped"
        assert_true(world)


@pytest.mark.parametrize("end", ["cancelled", "failed", "completed", "retried"])
async def test_an_artifact_that_does_not_say_how_its_job_ended_does_so_later(world: World, end: str) -> None:
    """The state moved, and then everything ended; nobody gives the order, or brings the report, again."""
    async with reconciled(world) as wing:
        job = await queued(wing)
        match end:
            case "cancelled" | "retried":
                await wing.ledger.ask(CommandJob(job_id=job.job_id, command=JobCommand.CANCEL, user_id=7), within=9)
            case "failed":
                await wing.ledger.ask(ApplyEvent(event=failed(job)), within=9)
            case "completed":
                wing.store.objects[job.target.key] = BODY
                await wing.ledger.ask(ApplyEvent(event=completed(job)), within=9)
                unique_id = job.file_info.file_unique_id
                settled = SettleFile(
                    sha256=sha256(BODY),
                    s3_key=job.target.key,
                    size_bytes=len(BODY),
                    mime=None,
                    file_unique_id=unique_id,
                )
                await wing.ledger.ask(settled, within=9)
        await anyio.sleep(TIDY + 3 * LOOK)
        expected = {"cancelled": "skipped", "failed": "failed", "completed": "stored", "retried": "skipped"}
        assert item_of(world, job)["status"] == expected[end]
        if end == "retried":
            await wing.ledger.ask(CommandJob(job_id=job.job_id, command=JobCommand.RETRY, user_id=7), within=9)
            await anyio.sleep(TIDY + 3 * LOOK)
            assert (item_of(world, job)["status"], item_of(world, job)["s3_key"]) == ("queued", job.target.key)
        assert_true(world)
        assert restarts(wing.tree) == {}


async def test_artifacts_that_agree_are_not_read_again_and_again(world: World) -> None:
    async with reconciled(world) as wing:
        job = await queued(wing)
        await tells(wing, started(job), failed(job))
        await anyio.sleep(2 * LOOK)
        looked = wing.ledger_script.count("FindSubmission")
        await anyio.sleep(5 * TIDY)
        assert wing.ledger_script.count("FindSubmission") == looked
        assert wing.ledger_script.count("ListJobs") >= 5


# -- history


async def test_history_is_forgotten_when_it_is_old_enough_and_nothing_else_is(world: World) -> None:
    late = timedelta()
    async with reconciled(world, retention_days=2, clock=lambda: wall_clock() + late) as wing:
        job = await queued(wing)
        wing.store.objects[job.target.key] = BODY
        await tells(wing, started(job), completed(job))
        late = timedelta(days=1, hours=23)
        await anyio.sleep(2 * TIDY)
        assert world.facts("SELECT 1 FROM jobs")
        late = timedelta(days=2, hours=1)
        await anyio.sleep(2 * TIDY)
        assert world.facts("SELECT 1 FROM jobs") == []
        assert world.facts("SELECT 1 FROM files") and item_of(world, job)["status"] == "stored"
        assert_true(world)


async def test_the_audit_trail_is_forgotten_by_its_own_age(world: World) -> None:
    late = timedelta()
    async with reconciled(world, retention_days=1, trail_days=3, clock=lambda: wall_clock() + late) as wing:
        job = await queued(wing)
        await wing.ledger.ask(CommandJob(job_id=job.job_id, command=JobCommand.CANCEL, user_id=7), within=9)
        late = timedelta(days=2)
        await anyio.sleep(2 * TIDY)
        assert world.facts("SELECT 1 FROM jobs") == []
        assert [row["command"] for row in world.facts("SELECT command FROM commands")] == ["cancel"]
        late = timedelta(days=3, hours=1)
        await anyio.sleep(2 * TIDY)
        assert world.facts("SELECT 1 FROM commands") == []
        assert restarts(wing.tree) == {}


async def test_without_a_limit_history_stays(world: World) -> None:
    async with reconciled(world) as wing:
        job = await queued(wing)
        await tells(wing, started(job), failed(job))
        with closing(sqlite3.connect(world.folder / "ledger.db")) as database:
            database.execute("UPDATE jobs SET updated_at = '2001-01-01T00:00:00Z'")
            database.commit()
        await anyio.sleep(3 * TIDY)
        assert world.facts("SELECT 1 FROM jobs")
        assert wing.ledger_script.count("PruneHistory") == wing.ledger_script.count("PruneTrail") == 0
