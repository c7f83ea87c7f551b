"""News: what a worker reports reaches the ledger, the artifact and the curator, once or ten times alike."""

from __future__ import annotations

import math
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teltubby.adapters.base import Destination
from teltubby.errors import DatabaseUnavailable, FloodWait, StoreUnavailable
from teltubby.messages.jobs import (
    Job,
    JobCompleted,
    JobEvent,
    JobFailed,
    JobProgress,
    JobRetrying,
    JobStarted,
    JobState,
)
from teltubby.messages.ledger_jobs import FindJob, JobView
from teltubby.messages.media import Route
from teltubby.messages.queue import JobNews
from teltubby.messages.routes import FileRoute, RouteTry
from teltubby.messages.wire import decode_job
from tests.actors.bot_wing import KIB, BotWing, bot_wing
from tests.actors.stage import ANNA, noise, restarts, sha256
from tests.actors.updates import sent, update
from tests.actors.world import World
from tests.virtual_time import BEGINNING, backend_in_virtual_time, until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

JOBS, EVENTS, DEAD = Destination.JOBS, Destination.EVENTS, Destination.DEAD
BODY = noise(1000, seed=9)
SIZE = 300 * KIB


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(folder=tmp_path)


async def queued(wing: BotWing, number: int = 1) -> Job:
    """A large file that was handed in, and its job."""
    await wing.receives(update(10 + number, sent(wing.telegram, "video", number, size=SIZE)))
    await wing.queue.settle(JOBS, 1)
    (job,) = await wing.queue.jobs()
    return job


def started(job: Job, attempt: int = 1) -> JobStarted:
    return JobStarted(job_id=job.job_id, worker="w", attempt=attempt, at=BEGINNING)


def progress(job: Job, downloaded: int = SIZE // 2, attempt: int = 1) -> JobProgress:
    return JobProgress(
        job_id=job.job_id,
        worker="w",
        attempt=attempt,
        at=BEGINNING,
        downloaded_bytes=downloaded,
        uploaded_bytes=0,
        total_bytes=SIZE,
        bytes_per_second=1000.0,
    )


def retrying(job: Job, attempt: int = 1) -> JobRetrying:
    return JobRetrying(job_id=job.job_id, worker="w", attempt=attempt, at=BEGINNING, reason="cut", delay_seconds=60.0)


def failed(job: Job, attempt: int = 1) -> JobFailed:
    return JobFailed(job_id=job.job_id, worker="w", attempt=attempt, at=BEGINNING, reason="the message is gone")


def completed(job: Job, *, attempt: int = 1, duplicate_of: str | None = None, body: bytes = BODY) -> JobCompleted:
    return JobCompleted(
        job_id=job.job_id,
        worker="w",
        attempt=attempt,
        at=BEGINNING,
        key=job.target.key,
        size_bytes=len(body),
        sha256=sha256(body),
        route=Route.MTPROTO_BOT,
        seconds=12.0,
        duplicate_of=duplicate_of,
        via=FileRoute.BOT,
        routes=(RouteTry(route=FileRoute.RELAY, reason="no member"), RouteTry(route=FileRoute.BOT)),
    )


async def tells(wing: BotWing, *events: JobEvent) -> None:
    """The worker reports, and everything has been read."""
    for event in events:
        await wing.queue.put_event(event)
    await read(wing)


async def read(wing: BotWing) -> None:
    """Every report is handled, and every edit made."""
    question = "SELECT 1 FROM queue_messages WHERE queue = 'events'"
    await until(lambda: not wing.world.facts(question, "queue.db"), within=50_000)
    await anyio.sleep(10)


async def view(wing: BotWing, job: Job) -> JobView:
    found = await wing.ledger.ask(FindJob(job_id=job.job_id), within=100)
    assert found is not None
    return found


def item_of(world: World, job: Job) -> Any:
    (item,) = (
        item
        for artifact in world.artifacts().values()
        for item in artifact["telegram"]["items"]
        if item["job_id"] == job.job_id
    )
    return item


def line(wing: BotWing) -> str:
    """How the job's line reads."""
    return next(text for text in reversed(wing.said()) if "job <code>" in text)


# -- the good way


async def test_the_line_grows_with_the_job(world: World) -> None:
    async with bot_wing(world) as wing:
        job = await queued(wing)
        wing.store.objects[job.target.key] = BODY
        for event in (started(job), progress(job, SIZE // 4), progress(job, SIZE // 2), completed(job)):
            await tells(wing, event)
        (bubble,) = wing.telegram.bubbles
        headlines = [text.split("\n")[0] for _, text in bubble.texts]
        assert headlines == [
            "⏳ File queued for processing (large file)",
            "▶️ Large file processing started",
            "⬇️ Downloading file (25% complete)",
            "⬇️ Downloading file (50% complete)",
            "✅ Large file archived successfully: 1.0 KB in 12 s",
        ]
        assert sha256(BODY) in bubble.text and "memory://" + job.target.key in bubble.text
        assert (await view(wing, job)).state is JobState.COMPLETED


async def test_a_completed_job_settles_the_artifact(world: World) -> None:
    async with bot_wing(world) as wing:
        job = await queued(wing)
        wing.store.objects[job.target.key] = BODY
        await tells(wing, started(job), completed(job))
        item = item_of(world, job)
        assert (item["status"], item["sha256"], item["size_bytes"]) == ("stored", sha256(BODY), len(BODY))
        assert (item["s3_key"], item["route"], item["via"]) == (job.target.key, "mtproto_bot", "bot")
        artifact = world.artifact()
        assert (artifact["keys"], artifact["files_count"]) == ([job.target.key], 1)
        assert artifact["total_bytes_uploaded"] == len(BODY)
        assert wing.counted("jobs_completed") == 1 and wing.counted("ingested_bytes") == len(BODY)


async def test_the_same_file_again_is_then_recognised(world: World) -> None:
    async with bot_wing(world) as wing:
        job = await queued(wing)
        wing.store.objects[job.target.key] = BODY
        await tells(wing, started(job), completed(job))
        await wing.receives(update(50, sent(wing.telegram, "video", 1, size=SIZE)))
        assert "archived already" in wing.said()[-1]
        assert await wing.queue.depth(JOBS) == 0


# -- duplicates


async def test_a_duplicate_points_to_the_first_copy_before_its_own_object_goes(world: World) -> None:
    async with bot_wing(world) as wing:
        first, second = await queued(wing, 1), await queued(wing, 2)
        for job in (first, second):
            wing.store.objects[job.target.key] = BODY
        await tells(wing, started(first), completed(first))
        pointed_there: list[bool] = []

        async def watch(moment: str) -> None:
            if moment == "delete before":
                pointed_there.append(item_of(world, second)["s3_key"] == first.target.key)

        wing.store.script.watch = watch
        await tells(wing, started(second), completed(second))
        assert pointed_there == [True]
        assert second.target.key not in world.objects and world.objects[first.target.key] == BODY
        item = item_of(world, second)
        assert (item["status"], item["duplicate_of"], item["dedup_reason"]) == (
            "duplicate",
            first.target.key,
            "sha256",
        )
        assert line(wing).startswith("♻️ This large file is archived already")
        assert wing.counted("dedup_hits") == 1


async def test_a_duplicate_that_the_worker_recognised_drops_nothing(world: World) -> None:
    async with bot_wing(world) as wing:
        first, second = await queued(wing, 1), await queued(wing, 2)
        wing.store.objects[first.target.key] = BODY
        await tells(wing, started(first), completed(first), started(second))
        await tells(wing, completed(second, duplicate_of=first.target.key))
        assert wing.store.script.count("delete") == 0
        assert item_of(world, second)["status"] == "duplicate"
        assert world.objects[first.target.key] == BODY


async def test_without_dedup_both_are_kept(world: World) -> None:
    async with bot_wing(world, dedup=False) as wing:
        jobs = [await queued(wing, 1), await queued(wing, 2)]
        for job in jobs:
            wing.store.objects[job.target.key] = BODY
            await tells(wing, started(job), completed(job))
        assert [item_of(world, job)["status"] for job in jobs] == ["stored", "stored"]
        assert all(world.objects[job.target.key] == BODY for job in jobs)


# -- the other ways


async def test_a_failed_job_says_why(world: World) -> None:
    async with bot_wing(world) as wing:
        job = await queued(wing)
        await tells(wing, started(job), failed(job))
        assert (item_of(world, job)["status"], item_of(world, job)["reason"]) == ("failed", "the message is gone")
        assert line(wing).startswith("❌ Processing failed - check /status for details\nReason: the message is gone")
        assert wing.counted("jobs_failed") == 1


async def test_a_retry_is_shown_and_the_next_attempt_too(world: World) -> None:
    async with bot_wing(world) as wing:
        job = await queued(wing)
        await tells(wing, started(job), retrying(job))
        assert line(wing).startswith("🔁 That did not work yet; next attempt in ") and "cut" in line(wing)
        await tells(wing, started(job, 2))
        assert "attempt 2" in line(wing)
        await tells(wing, progress(job, attempt=2))
        assert "50% complete" in line(wing)
        assert wing.counted("jobs_retried") == 1


async def test_reports_of_an_unknown_job_are_ignored(world: World) -> None:
    async with bot_wing(world) as wing:
        job = await queued(wing)
        stranger = job.__class__(**{n: getattr(job, n) for n in job.__slots__} | {"job_id": "0" * 8 + job.job_id[8:]})
        await tells(wing, started(stranger), completed(stranger), failed(stranger))
        assert line(wing).startswith("⏳")
        assert restarts(wing.tree) == {}


# -- late and repeated


@pytest.mark.parametrize("late", [started, progress, retrying, failed], ids=lambda f: f.__name__)
async def test_what_comes_after_the_completion_changes_nothing(world: World, late: Any) -> None:
    async with bot_wing(world) as wing:
        job = await queued(wing)
        wing.store.objects[job.target.key] = BODY
        await tells(wing, started(job), completed(job))
        before = (line(wing), item_of(world, job))
        await tells(wing, late(job))
        await tells(wing, late(job, attempt=2))
        assert (line(wing), item_of(world, job)) == before
        assert (await view(wing, job)).state is JobState.COMPLETED
        assert world.objects[job.target.key] == BODY


@pytest.mark.parametrize("late", [started, progress, retrying], ids=lambda f: f.__name__)
async def test_what_comes_late_after_a_failure_changes_nothing(world: World, late: Any) -> None:
    async with bot_wing(world) as wing:
        job = await queued(wing)
        await tells(wing, started(job), failed(job))
        before = line(wing)
        await tells(wing, late(job))
        assert line(wing) == before


async def test_every_report_may_come_twice(world: World) -> None:
    async with bot_wing(world) as wing:
        first, second = await queued(wing, 1), await queued(wing, 2)
        for job in (first, second):
            wing.store.objects[job.target.key] = BODY
        for job in (first, second):
            for event in (started(job), retrying(job), started(job, 2), completed(job, attempt=2)):
                await tells(wing, event, event)
            await tells(wing, completed(job, attempt=2))
        assert [item_of(world, job)["status"] for job in (first, second)] == ["stored", "duplicate"]
        assert set(world.files()) == {BODY} and len(world.files()) == 1
        assert wing.counted("jobs_completed") == 2 and wing.counted("jobs_retried") == 2
        assert len(wing.telegram.bubbles) == 2


async def test_a_completion_counts_even_after_a_failure(world: World) -> None:
    async with bot_wing(world) as wing:
        job = await queued(wing)
        wing.store.objects[job.target.key] = BODY
        await tells(wing, started(job), failed(job), completed(job))
        assert item_of(world, job)["status"] == "stored"
        assert line(wing).startswith("✅")


@settings(max_examples=25)
@given(order=st.lists(st.integers(0, 5), min_size=1, max_size=12))
def test_in_any_order_a_completed_job_ends_archived(tmp_path_factory: pytest.TempPathFactory, order: list[int]) -> None:
    """Whatever comes twice, late or out of turn before and after it: a completion is the truth."""
    backend, options = backend_in_virtual_time("asyncio")
    world = World(folder=tmp_path_factory.mktemp("world"))
    anyio.run(shuffled, world, order, backend=backend, backend_options=options)


async def shuffled(world: World, order: list[int]) -> None:
    async with bot_wing(world) as wing:
        job = await queued(wing)
        wing.store.objects[job.target.key] = BODY
        kinds: list[JobEvent] = [
            started(job),
            progress(job),
            retrying(job),
            failed(job),
            started(job, 2),
            retrying(job, 2),
        ]
        half = math.ceil(len(order) / 2)
        await tells(wing, *[kinds[number] for number in order[:half]])
        await tells(wing, completed(job, attempt=2), *[kinds[number] for number in order[half:]])
        assert item_of(world, job)["status"] == "stored"
        assert line(wing).startswith("✅")
        assert world.files() == [BODY]
        assert restarts(wing.tree) == {}


# -- trouble


@pytest.mark.parametrize(
    "request_name", ["ApplyEvent", "SettleFile", "FindSubmission", "SaveArtifact", "ArtifactStored"]
)
async def test_a_locked_database_delays_the_news(world: World, request_name: str) -> None:
    async with bot_wing(world) as wing:
        job = await queued(wing)
        wing.store.objects[job.target.key] = BODY
        wing.ledger_script.fail(request_name, *[DatabaseUnavailable("locked")] * 3)
        await tells(wing, completed(job))
        assert item_of(world, job)["status"] == "stored"
        assert line(wing).startswith("✅")
        assert wing.counted("jobs_completed") == 1
        assert restarts(wing.tree) == {}


@pytest.mark.parametrize("method", ["put", "delete"])
async def test_a_store_that_is_away_delays_the_news(world: World, method: str) -> None:
    async with bot_wing(world) as wing:
        first, second = await queued(wing, 1), await queued(wing, 2)
        for job in (first, second):
            wing.store.objects[job.target.key] = BODY
        await tells(wing, completed(first))
        wing.store.script.fail(method, *[StoreUnavailable("away")] * 3)
        await tells(wing, completed(second))
        assert item_of(world, second)["status"] == "duplicate"
        assert world.files() == [BODY]
        assert wing.counted("dedup_hits") == 1
        assert restarts(wing.tree) == {}


@pytest.mark.parametrize("method", ["put", "delete"])
async def test_a_store_that_hangs_delays_the_news_and_crashes_nobody(world: World, method: str) -> None:
    async with bot_wing(world) as wing:
        first, second = await queued(wing, 1), await queued(wing, 2)
        for job in (first, second):
            wing.store.objects[job.target.key] = BODY
        await tells(wing, completed(first))
        gate = wing.store.script.hold(method)
        await wing.queue.put_event(completed(second))
        await anyio.sleep(600)
        assert restarts(wing.tree) == {}
        await wing.receives(update(50, text="/help"))
        gate.set()
        await read(wing)
        assert item_of(world, second)["status"] == "duplicate"
        assert world.files() == [BODY]


async def test_a_report_that_meets_a_bug_every_time_does_not_take_the_bot_down(world: World) -> None:
    """One poisonous message in a durable queue must not end the process again and again."""
    async with bot_wing(world) as wing:
        poisoned, healthy = await queued(wing, 1), await queued(wing, 2)
        wing.store.objects[healthy.target.key] = BODY
        for row in world.facts("SELECT message_id FROM messages ORDER BY message_id LIMIT 1"):
            spoil(world, row["message_id"])
        await tells(wing, started(poisoned))
        await wing.queue.put_event(completed(poisoned, body=b"other"))
        await wing.queue.put_event(completed(healthy))
        await until(lambda: line(wing).startswith("✅"), within=50_000)
        await anyio.sleep(600)
        assert "bot" not in restarts(wing.tree) and "queue" not in restarts(wing.tree)


def spoil(world: World, message_id: int) -> None:
    """The artifact of this message has no item of its job, as no program of ours would write it."""
    with closing(sqlite3.connect(world.folder / "ledger.db")) as database, database:
        database.execute(
            "UPDATE messages SET artifact_json = ? WHERE message_id = ?", ('{"telegram": {"items": []}}', message_id)
        )


async def test_a_conclusion_comes_through_a_flood_wait(world: World) -> None:
    async with bot_wing(world) as wing:
        job = await queued(wing)
        wing.store.objects[job.target.key] = BODY
        wing.gateway.script.fail("edit", FloodWait(120))
        await tells(wing, started(job), progress(job), completed(job))
        await anyio.sleep(200)
        assert line(wing).startswith("✅")


async def test_a_flood_wait_holds_up_the_lines_and_not_the_archive(world: World) -> None:
    async with bot_wing(world) as wing:
        jobs = [await queued(wing, number) for number in (1, 2, 3)]
        wing.gateway.script.fail("edit", FloodWait(900))
        for number, job in enumerate(jobs):
            body = noise(100, seed=number)
            wing.store.objects[job.target.key] = body
            await wing.queue.put_event(completed(job, body=body))
        await anyio.sleep(120)
        assert [item_of(world, job)["status"] for job in jobs] == ["stored"] * 3
        await read(wing)
        await anyio.sleep(1000)
        assert [text[:1] for text in wing.said()] == ["✅"] * 3
        assert wing.counted("jobs_completed") == 3
        assert restarts(wing.tree) == {}


async def test_the_announcement_comes_before_the_news(world: World) -> None:
    """The worker may be done before the curator was told that the file is queued."""
    async with bot_wing(world) as wing:
        gate = wing.gateway.script.hold("send")
        wing.telegram.deliver(update(11, sent(wing.telegram, "video", 1, size=SIZE)))
        await until(lambda: wing.gateway.script.count("send") == 1)
        (row,) = world.facts("SELECT job_id, payload_json FROM jobs")
        job = decode_job(row["payload_json"].encode())
        wing.store.objects[job.target.key] = BODY
        await wing.queue.put_event(started(job))
        await wing.queue.put_event(completed(job))
        await anyio.sleep(30)
        gate.set()
        await wing.rests()
        await read(wing)
        (bubble,) = wing.telegram.bubbles
        assert bubble.texts[0][1].startswith("⏳")
        assert bubble.text.startswith("✅")


async def test_a_job_whose_announcement_nobody_got_is_concluded_all_the_same(world: World) -> None:
    async with bot_wing(world) as wing:
        wing.telegram.blocked.add(ANNA)
        job = await queued(wing)
        wing.store.objects[job.target.key] = BODY
        wing.telegram.blocked.clear()
        await tells(wing, started(job), completed(job), completed(job))
        assert [text[:1] for text in wing.said()] == ["✅"]


async def test_a_report_is_answered_when_it_is_recorded(world: World) -> None:
    async with bot_wing(world) as wing:
        job = await queued(wing)
        await wing.news.ask(JobNews(event=started(job)), within=10)
        assert (await view(wing, job)).state is JobState.PROCESSING
