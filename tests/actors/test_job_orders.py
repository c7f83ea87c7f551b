"""Orders about jobs: what waits is taken out, what runs is stopped, what was done is true everywhere afterwards."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from teltubby.actors.job_orders import JobOrders
from teltubby.actors.late_stops import STOP_SECONDS
from teltubby.adapters.base import Destination
from teltubby.errors import (
    BrokerUnavailable,
    DatabaseUnavailable,
    FloodWait,
    NotAnswered,
    StoreUnavailable,
    TelegramUnavailable,
)
from teltubby.messages.control import StopJob
from teltubby.messages.jobs import Job, JobCancelled, JobEvent, JobState, Priority
from teltubby.messages.wire import decode_order
from tests.actors.bot_wing import KIB, BotWing, bot_wing
from tests.actors.stage import ANNA, restarts
from tests.actors.test_news import (
    BODY,
    completed,
    failed,
    item_of,
    line,
    progress,
    queued,
    retrying,
    started,
    tells,
    view,
)
from tests.actors.updates import sent, update
from tests.actors.world import World, assert_true
from tests.virtual_time import BEGINNING, until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

JOBS, PRIORITY = Destination.JOBS, Destination.PRIORITY


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(folder=tmp_path)


def orders(wing: BotWing) -> JobOrders:
    return wing.orders[-1]


def stopped(job: Job, transferred: int = 12_300_000) -> JobCancelled:
    return JobCancelled(job_id=job.job_id, worker="w", attempt=1, at=BEGINNING, transferred_bytes=transferred)


def told_to_stop(wing: BotWing) -> list[str]:
    """The jobs that all workers were told to stop, one entry for each time."""
    told = []
    for message in wing.broker.script.asked("broadcast"):
        order = decode_order(message.body, message.type, message.headers["schema"])  # type: ignore[attr-defined]
        assert isinstance(order, StopJob)
        told.append(order.job_id)
    return told


# -- cancel


async def test_what_waits_is_taken_out_of_the_queue(world: World) -> None:
    async with bot_wing(world) as wing:
        job = await queued(wing)
        answer = await orders(wing).cancel(job.job_id[:8], ANNA)
        assert (answer.accepted, answer.words) == (True, "was waiting: taken out of the queue")
        assert answer.view is not None and answer.view.job.job_id == job.job_id
        assert (await view(wing, job)).state is JobState.CANCELLED
        assert (item_of(world, job)["status"], item_of(world, job)["reason"]) == ("skipped", "cancelled")
        await anyio.sleep(10)
        assert line(wing).startswith("🚫 Cancelled: taken out of the queue")
        assert wing.telegram.bubbles[0].buttons == [f"job:status:{job.job_id}", f"job:retry:{job.job_id}"]
        assert told_to_stop(wing) == [] and wing.counted("jobs_cancelled") == 1
        assert_true(world)


async def test_what_was_never_published_never_is(world: World) -> None:
    async with bot_wing(world) as wing:
        wing.broker.script.break_down("open", BrokerUnavailable("away"))
        await until(lambda: wing.broker.script.count("questions") == 1)
        await wing.broker.lose()
        wing.telegram.deliver(update(11, sent(wing.telegram, "video", 1, size=300 * KIB)))
        await until(wing.said)
        (row,) = world.facts("SELECT job_id FROM jobs")
        await orders(wing).cancel(row["job_id"], ANNA)
        wing.broker.script.repair("open")
        await anyio.sleep(300)
        assert await wing.queue.depth(JOBS) == 0


async def test_what_runs_is_stopped_and_says_how_far_it_was(world: World) -> None:
    async with bot_wing(world) as wing:
        job = await queued(wing)
        await tells(wing, started(job), progress(job))
        answer = await orders(wing).cancel(job.job_id, ANNA)
        assert (answer.accepted, answer.words) == (True, "is running: being stopped")
        assert told_to_stop(wing) == [job.job_id]
        await anyio.sleep(10)
        assert line(wing).startswith("🚫 Cancelled: its worker is told to stop")
        await tells(wing, stopped(job), stopped(job))
        assert line(wing).startswith("🚫 Cancelled: stopped after 12.3 MB")
        assert (item_of(world, job)["status"], (await view(wing, job)).state) == ("skipped", JobState.CANCELLED)
        assert restarts(wing.tree) == {}


@pytest.mark.parametrize("ends", [failed, retrying])
async def test_an_attempt_that_ended_when_it_was_cancelled_is_told_as_stopped(
    world: World, ends: Callable[[Job], JobEvent]
) -> None:
    """Its report was on its way: nobody runs the job, so that no worker says that it has stopped."""
    async with bot_wing(world) as wing:
        job = await queued(wing)
        await tells(wing, started(job))
        await orders(wing).cancel(job.job_id, ANNA)
        await anyio.sleep(10)
        await tells(wing, ends(job))
        assert line(wing).startswith("🚫 Cancelled: stopped after")
        assert (item_of(world, job)["status"], (await view(wing, job)).state) == ("skipped", JobState.CANCELLED)


async def test_the_workers_word_is_the_last_one(world: World) -> None:
    """It may stop and say so before the broker has confirmed that it was told to."""
    async with bot_wing(world) as wing, anyio.create_task_group() as tasks:
        job = await queued(wing)
        await tells(wing, started(job))
        gate = wing.broker.script.hold("broadcast")
        tasks.start_soon(orders(wing).cancel, job.job_id, ANNA)
        await until(lambda: wing.broker.script.count("broadcast"))
        await tells(wing, stopped(job))
        gate.set()
        await anyio.sleep(30)
        assert line(wing).startswith("🚫 Cancelled: stopped after 12.3 MB")


async def test_who_did_not_hear_the_order_is_told_again_now_and_then(world: World) -> None:
    async with bot_wing(world) as wing:
        job = await queued(wing)
        await tells(wing, started(job))
        wing.broker.script.fail("broadcast", BrokerUnavailable("cut"))
        assert (await orders(wing).cancel(job.job_id, ANNA)).accepted, "the order holds although nobody heard it"
        await anyio.sleep(10)
        before = line(wing)
        assert before.startswith("🚫")
        for _ in range(20):
            await wing.queue.put_event(progress(job))
            await anyio.sleep(1)
        assert 20 / STOP_SECONDS <= wing.broker.script.count("broadcast") <= 20 / STOP_SECONDS + 2
        await anyio.sleep(10)
        assert line(wing) == before, "late reports of it are not shown"


async def test_a_completion_wins_over_the_order(world: World) -> None:
    async with bot_wing(world) as wing:
        job = await queued(wing)
        await tells(wing, started(job))
        await orders(wing).cancel(job.job_id, ANNA)
        wing.store.objects[job.target.key] = BODY
        await tells(wing, completed(job), completed(job), stopped(job))
        assert (item_of(world, job)["status"], (await view(wing, job)).state) == ("stored", JobState.COMPLETED)
        assert line(wing).startswith("🏁 It was archived before it could be stopped.")
        assert_true(world)


async def test_a_completion_while_the_order_is_carried_out_is_not_overwritten(world: World) -> None:
    """The artifact's lock is held when the job completes: what is true by then counts, not what was ordered."""
    async with bot_wing(world) as wing:
        job = await queued(wing)
        await tells(wing, started(job))
        gate = wing.broker.script.hold("broadcast")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(orders(wing).cancel, job.job_id, ANNA)
            await until(lambda: wing.broker.script.count("broadcast") == 1)
            wing.store.objects[job.target.key] = BODY
            await wing.queue.put_event(completed(job))
            await until(lambda: wing.said()[0].startswith("🏁"))
            gate.set()
        await anyio.sleep(30)
        assert item_of(world, job)["status"] == "stored"
        assert line(wing).startswith("🏁")
        assert_true(world)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("completed", "is archived already: there is nothing to cancel"),
        ("failed", "has failed already: there is nothing to cancel"),
        ("cancelled", "is cancelled"),
    ],
)
async def test_what_is_over_cannot_be_cancelled(world: World, state: str, words: str) -> None:
    async with bot_wing(world) as wing:
        job = await queued(wing)
        wing.store.objects[job.target.key] = BODY
        match state:
            case "completed":
                await tells(wing, started(job), completed(job))
            case "failed":
                await tells(wing, started(job), failed(job))
            case "cancelled":
                await orders(wing).cancel(job.job_id, ANNA)
        before = item_of(world, job)
        answer = await orders(wing).cancel(job.job_id, ANNA)
        assert (answer.accepted, answer.words) == (False, words)
        assert item_of(world, job) == before
        assert wing.counted("jobs_cancelled") == (1 if state == "cancelled" else 0)


async def test_an_unknown_job_is_told_so(world: World) -> None:
    async with bot_wing(world) as wing:
        job = await queued(wing)
        for answer in (
            await orders(wing).cancel("ffffffff", ANNA),
            await orders(wing).retry("", ANNA),
            await orders(wing).prioritise("zzzz", Priority.HIGH, ANNA),
        ):
            assert (answer.view, answer.accepted) == (None, False) and answer.words.startswith("there is no such job")
        assert (await view(wing, job)).state is JobState.PENDING


# -- retry


async def test_a_failed_job_goes_through_the_queue_again(world: World) -> None:
    async with bot_wing(world) as wing:
        job = await queued(wing)
        await tells(wing, started(job), failed(job))
        answer = await orders(wing).retry(job.job_id, ANNA)
        assert answer.accepted and answer.words.startswith("had failed: waits in the queue again")
        await wing.queue.settle(JOBS, 1)
        (again,) = await wing.queue.jobs()
        assert (again.job_id, again.job_metadata.ticket, again.job_metadata.retry_count) == (job.job_id, 1, 0)
        assert (item_of(world, job)["status"], item_of(world, job)["s3_key"]) == ("queued", job.target.key)
        await anyio.sleep(10)
        assert line(wing).startswith("⏳ In the queue again")
        wing.store.objects[job.target.key] = BODY
        await tells(wing, started(job, 2))
        assert line(wing).startswith("▶️")
        await tells(wing, completed(job, attempt=2))
        assert item_of(world, job)["status"] == "stored" and line(wing).startswith("✅")
        assert_true(world)


async def test_a_cancelled_job_can_be_wanted_after_all(world: World) -> None:
    async with bot_wing(world) as wing:
        job = await queued(wing)
        await tells(wing, started(job))
        await orders(wing).cancel(job.job_id, ANNA)
        answer = await orders(wing).retry(job.job_id, ANNA)
        assert answer.accepted and answer.words.startswith("was cancelled: waits in the queue again")
        await tells(wing, stopped(job))
        assert item_of(world, job)["status"] == "queued", "that the first run has stopped is old news"
        assert (await view(wing, job)).state is JobState.PENDING
        await wing.queue.settle(JOBS, 1)


@pytest.mark.parametrize("state", ["pending", "processing", "retrying", "completed"])
async def test_what_is_not_over_is_not_retried(world: World, state: str) -> None:
    async with bot_wing(world) as wing:
        job = await queued(wing)
        if state != "pending":
            await tells(wing, started(job))
        if state == "retrying":
            await tells(wing, retrying(job))
        if state == "completed":
            wing.store.objects[job.target.key] = BODY
            await tells(wing, completed(job))
        before = line(wing)
        answer = await orders(wing).retry(job.job_id, ANNA)
        assert not answer.accepted and answer.view is not None
        await anyio.sleep(60)
        assert await wing.queue.depth(JOBS) == 0 and line(wing) == before
        assert_true(world)


# -- priority


async def test_an_urgent_job_takes_the_other_queue_and_its_older_message_is_void(world: World) -> None:
    async with bot_wing(world) as wing:
        await wing.receives(update(11, sent(wing.telegram, "video", 1, size=300 * KIB)))
        await wing.queue.settle(JOBS, 1)
        (row,) = world.facts("SELECT job_id FROM jobs")
        answer = await orders(wing).prioritise(row["job_id"], Priority.URGENT, ANNA)
        assert (answer.accepted, answer.words) == (
            True,
            "has urgent priority now: it overtakes those of normal priority",
        )
        await wing.queue.settle(PRIORITY, 1)
        (newest,), (void,) = await wing.queue.jobs(PRIORITY), await wing.queue.jobs(JOBS)
        assert (newest.job_metadata.ticket, void.job_metadata.ticket) == (1, 0)
        await anyio.sleep(10)
        assert "priority urgent" in line(wing)


async def test_what_runs_needs_no_priority(world: World) -> None:
    async with bot_wing(world) as wing:
        job = await queued(wing)
        await tells(wing, started(job))
        answer = await orders(wing).prioritise(job.job_id, Priority.HIGH, ANNA)
        assert (answer.accepted, answer.words) == (False, "is running: nothing is before it")
        assert await wing.queue.depth(PRIORITY) == 0


# -- trouble on the way


@pytest.mark.parametrize("request_name", ["CommandJob", "FindSubmission", "SaveArtifact", "ArtifactStored", "FindJob"])
async def test_an_order_that_was_cut_off_is_made_up_for_when_it_is_given_again(world: World, request_name: str) -> None:
    async with bot_wing(world) as wing:
        job = await queued(wing)
        wing.ledger_script.fail(request_name, DatabaseUnavailable("locked"))
        with pytest.raises(DatabaseUnavailable):
            await orders(wing).cancel(job.job_id, ANNA)
        answer = await orders(wing).cancel(job.job_id, ANNA)
        assert answer.view is not None and answer.view.state is JobState.CANCELLED
        assert item_of(world, job)["status"] == "skipped"
        await anyio.sleep(10)
        assert line(wing).startswith("🚫 Cancelled")
        wing.ledger_script.fail(request_name, DatabaseUnavailable("locked"))
        with pytest.raises(DatabaseUnavailable):
            await orders(wing).retry(job.job_id, ANNA)
        await orders(wing).retry(job.job_id, ANNA)
        assert item_of(world, job)["status"] == "queued"
        await wing.queue.settle(JOBS, 1)
        assert_true(world)


async def test_a_store_that_is_away_does_not_undo_the_order(world: World) -> None:
    async with bot_wing(world) as wing:
        job = await queued(wing)
        wing.store.script.break_down("put", StoreUnavailable("away"))
        with pytest.raises((StoreUnavailable, TimeoutError, NotAnswered)):
            await orders(wing).cancel(job.job_id, ANNA)
        assert (await view(wing, job)).state is JobState.CANCELLED
        wing.store.script.repair("put")
        await orders(wing).cancel(job.job_id, ANNA)
        assert item_of(world, job)["status"] == "skipped"


async def test_a_line_that_cannot_be_edited_for_long_keeps_no_order_from_being_answered(world: World) -> None:
    async with bot_wing(world) as wing:
        job = await queued(wing)
        await anyio.sleep(10)
        wing.gateway.script.fail("edit", FloodWait(900))
        for number, command in enumerate(("cancel", "retry", "cancel")):
            wing.telegram.deliver(update(50 + number, text=f"/{command} {job.job_id[:8]}"))
            await anyio.sleep(60)
        first, *answers = wing.said()
        assert ["taken out of the queue" in answer for answer in answers] == [True, False, True]
        assert "🚫" not in first
        await anyio.sleep(900)
        assert wing.said()[0].startswith("🚫 Cancelled: taken out of the queue"), "the last word, when it may be said"
        rows = world.facts("SELECT command, accepted FROM commands WHERE kind = 'command' ORDER BY id")
        assert [tuple(row) for row in rows] == [("cancel", 1), ("retry", 1), ("cancel", 1)]
        assert world.facts("SELECT 1 FROM inbox WHERE done_at IS NULL") == []


async def test_a_stop_while_the_line_cannot_be_edited_leaves_the_order_to_the_next_process(world: World) -> None:
    async with bot_wing(world) as wing:
        job = await queued(wing)
        await anyio.sleep(10)
        wing.gateway.script.break_down("edit", TelegramUnavailable("away"))
        wing.telegram.deliver(update(50, text=f"/cancel {job.job_id}"))
        await until(lambda: world.facts("SELECT 1 FROM commands WHERE command = 'cancel'"))
    assert world.facts("SELECT 1 FROM inbox WHERE done_at IS NULL") != []
    async with bot_wing(world) as wing:
        await until(lambda: wing.said()[0].startswith("🚫 Cancelled"))


async def test_every_order_is_in_the_audit_trail(world: World) -> None:
    async with bot_wing(world) as wing:
        job = await queued(wing)
        await orders(wing).cancel(job.job_id, 42)
        await orders(wing).retry(job.job_id, 43)
        await orders(wing).retry(job.job_id, 44)
        rows = world.facts("SELECT user_id, command, accepted FROM commands WHERE kind = 'command' ORDER BY rowid")
        assert [tuple(row) for row in rows] == [(42, "cancel", 1), (43, "retry", 1), (44, "retry", 0)]


async def test_an_album_stays_true_while_one_of_its_files_is_cancelled(world: World) -> None:
    async with bot_wing(world) as wing:
        telegram = world.telegram
        await wing.receives(
            update(11, sent(telegram, "photo", 1), group="g"),
            update(12, sent(telegram, "video", 2, size=300 * KIB), group="g"),
            update(13, sent(telegram, "video", 3, size=300 * KIB), group="g"),
        )
        await wing.queue.settle(JOBS, 2)
        first, second = await wing.queue.jobs()
        await orders(wing).cancel(first.job_id, ANNA)
        wing.store.objects[second.target.key] = BODY
        await tells(wing, started(second), completed(second))
        statuses = [item["status"] for item in world.artifact()["telegram"]["items"]]
        assert statuses == ["stored", "skipped", "stored"]
        assert_true(world)
