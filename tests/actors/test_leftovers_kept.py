"""What may be wanted stays, and is told once: nothing is deleted because a ledger, or a worker, knows too little."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from teltubby.archive.keys import preview_key
from teltubby.errors import FileGone, StoreUnavailable
from teltubby.messages.details import Preview
from teltubby.messages.jobs import Job, JobState
from tests.actors.bot_wing import BotWing, bot_wing
from tests.actors.stage import ANNA, noise, sha256
from tests.actors.test_leftovers import BODY, LATE, PHOTO, RULES, cancelled_job, completed, doubts, told
from tests.actors.test_news import SIZE, failed, queued, started, tells, view
from tests.actors.updates import edited, sent, update
from tests.actors.world import World, assert_true
from tests.virtual_time import until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(folder=tmp_path)


def stays(world: World) -> str:
    """Why it does, as the audit trail tells it, once."""
    ((kind, detail),) = told(world)
    assert kind == "decision" and " stays, and the ledger does not name it: " in detail
    return detail


def item(world: World) -> dict[str, Any]:
    (only,) = world.artifact()["telegram"]["items"]
    return dict(only)


# -- jobs that failed


async def test_what_another_run_of_a_failed_job_stored_stays_and_its_report_wins(world: World) -> None:
    """Worker A stored it and cannot tell; B, which got the message, finds that its sender deleted it at Telegram."""
    async with bot_wing(world, reconciler=RULES) as wing:
        job = await queued(wing)
        await tells(wing, replace(started(job), worker="a"))
        world.objects[job.target.key] = BODY
        await tells(wing, replace(started(job), worker="b"), replace(failed(job), worker="b"))
        await anyio.sleep(4000)
        assert job.target.key in stays(world) and "failed for good" in stays(world)
        assert doubts(world) == 0 and world.files() == [BODY]
        await tells(wing, replace(completed(job), worker="a"))
        assert (await view(wing, job)).state is JobState.COMPLETED
        assert_true(world)


async def test_what_stood_in_the_way_of_a_job_is_not_deleted_when_that_is_cancelled(world: World) -> None:
    """It is not ours: an attempt failed because the key is taken."""
    async with bot_wing(world, reconciler=RULES) as wing:
        job = await queued(wing)
        world.objects[job.target.key] = LATE
        await tells(wing, started(job), failed(job))
        (orders,) = wing.orders
        assert (await orders.retry(job.job_id, ANNA)).accepted
        assert (await orders.cancel(job.job_id, ANNA)).accepted
        await anyio.sleep(4000)
        assert world.files() == [LATE] and "failed for good" in stays(world)


async def test_what_has_another_size_than_the_jobs_file_stays(world: World) -> None:
    async with bot_wing(world, reconciler=RULES) as wing:
        job = await cancelled_job(wing)
        world.objects[job.target.key] = PHOTO
        await anyio.sleep(4000)
        assert world.files() == [PHOTO] and f"{len(PHOTO)} bytes" in stays(world)


@pytest.mark.parametrize("trouble", ["gone", "taken"])
async def test_what_lies_where_a_small_file_could_not_be_archived_stays(world: World, trouble: str) -> None:
    """A run that was cut off may have stored it before its sender deleted it; or it is not ours."""
    async with bot_wing(world, reconciler=RULES) as wing:
        await wing.receives(update(10, sent(world.telegram, "photo", 1, body=PHOTO)))
        (first,) = [key for key in world.objects if not key.endswith(".json")]
        second = first.replace("/10/", "/20/").replace("_m10_", "_m20_")
        world.objects[second] = LATE
        photo = sent(world.telegram, "photo", 2, body=noise(800, seed=5))
        if trouble == "gone":
            wing.downloads.script.fail("fetch", FileGone("it is deleted"))
        await wing.receives(update(20, photo))
        assert doubts(world) == 1
        await anyio.sleep(4000)
        assert world.objects[second] == LATE and "was not archived" in stays(world)


async def test_what_is_not_the_copy_stays_where_a_duplicate_belonged(world: World) -> None:
    async with bot_wing(world, reconciler=RULES) as wing:
        photo = sent(world.telegram, "photo", 1, body=PHOTO)
        await wing.receives(update(10, photo))
        (first,) = [key for key in world.objects if not key.endswith(".json")]
        second = first.replace("/10/", "/20/").replace("_m10_", "_m20_")
        world.objects[second] = LATE
        await wing.receives(update(20, photo))
        assert world.objects[second] == LATE


# -- ledgers that were restored


async def restored(world: World) -> str:
    """A job was cancelled, backed up, retried and archived, and the backup comes back. The key."""
    async with bot_wing(world) as wing:
        job = await cancelled_job(wing)
    backup = (world.folder / "ledger.db").read_bytes()
    async with bot_wing(world) as wing:
        (orders,) = wing.orders
        await orders.retry(job.job_id, ANNA)
        world.objects[job.target.key] = BODY
        await tells(wing, started(job, 2), completed(job, attempt=2))
    assert_true(world)
    (world.folder / "ledger.db").write_bytes(backup)
    return job.target.key


async def test_what_a_restored_ledger_does_not_know_stays(world: World) -> None:
    """The artifact beside the object is newer than the ledger, which says that the job is cancelled."""
    await restored(world)
    async with bot_wing(world, reconciler=RULES):
        await anyio.sleep(130)
        assert "the artifact beside it" in stays(world) and doubts(world) == 0
        await anyio.sleep(4000)
    assert_true(world)
    assert world.files() == [BODY]


async def test_an_artifact_that_a_restored_ledger_writes_anew_goes_on_naming_what_is_there(world: World) -> None:
    """Before anybody looks: else nothing would name it then."""
    key = await restored(world)
    async with bot_wing(world, reconciler=RULES) as wing:
        await wing.receives(edited(50, 11, sent(world.telegram, "video", 1, size=SIZE), caption="new"))
        assert '"new"' in json.dumps(world.artifact())
        assert (item(world)["status"], item(world)["s3_key"]) == ("stored", key)
        assert world.artifact()["keys"] == [key]
        await anyio.sleep(4000)
    assert item(world)["status"] == "stored" and world.files() == [BODY]


async def test_what_was_deleted_meanwhile_is_not_named_again(world: World) -> None:
    key = await restored(world)
    del world.objects[key]
    async with bot_wing(world) as wing:
        await wing.receives(edited(50, 11, sent(world.telegram, "video", 1, size=SIZE), caption="new"))
    assert item(world)["status"] == "skipped"
    assert_true(world)


@pytest.mark.parametrize("order", ["none", "retry", "fails"])
async def test_what_reindex_brought_is_not_taken_back_by_an_old_job(
    world: World, order: str, caplog: pytest.LogCaptureFixture
) -> None:
    """As docs/recovery.md says: restore, reindex, run."""
    key = await restored(world)
    (text,) = (body.decode() for name, body in world.objects.items() if name.endswith("/message.json"))
    world.write("UPDATE messages SET artifact_json = ?, artifact_stored = 1 WHERE artifact_json IS NOT NULL", text)
    world.write(
        "INSERT INTO files (sha256, s3_key, size_bytes, mime, created_at) VALUES (?, ?, ?, 'video/mp4',"
        " '2026-11-20T12:00:00+00:00')",
        *(sha256(BODY), key, len(BODY)),
    )
    async with bot_wing(world, reconciler=RULES) as wing:
        await anyio.sleep(130)
        assert (item(world)["status"], item(world)["s3_key"]) == ("stored", key)
        (job_id,) = [row["job_id"] for row in world.facts("SELECT job_id FROM jobs")]
        (orders,) = wing.orders
        if order != "none":
            answer = await orders.retry(job_id, ANNA)
            assert answer.accepted and answer.view is not None
            if order == "fails":  # its sender deleted it at Telegram, and the worker has not looked into the store
                await tells(wing, started(answer.view.job, 2), failed(answer.view.job, 2))
            else:
                await tells(wing, started(answer.view.job, 2), completed(answer.view.job, attempt=2))
        await anyio.sleep(4000)
        assert (item(world)["status"], item(world)["s3_key"]) == ("stored", key)
    ((known,),) = world.facts("SELECT artifact_json FROM messages WHERE artifact_json IS NOT NULL")
    assert json.loads(known) == world.artifact(), "the ledger says so, too"
    assert not [line for line in caplog.messages if "its artifact said" in line]
    assert world.files() == [BODY]


# -- reports and artifacts that come late


async def test_a_late_report_of_a_key_that_was_deleted_leaves_the_artifact_as_it_is(world: World) -> None:
    """The job is done under another key since."""
    async with bot_wing(world, reconciler=RULES) as wing:
        job = await cancelled_job(wing)
        world.objects[job.target.key] = BODY  # by worker A, which is cut off from the broker
        await anyio.sleep(130)
        assert job.target.key not in world.objects
        again = await retried(wing, job)
        small = str(preview_key(again.target.key))
        world.objects |= {again.target.key: BODY, small: PHOTO}
        preview = Preview(key=small, size_bytes=len(PHOTO))
        await tells(wing, started(again, 2), replace(completed(again, attempt=2), preview=preview))
        assert_true(world)
        said = wing.said()[-1]
        await tells(wing, replace(completed(job), worker="a"))
        assert (item(world)["status"], item(world)["duplicate_of"]) == ("stored", None)
        assert wing.said()[-1] == said
        await anyio.sleep(4000)
        assert_true(world)


async def retried(wing: BotWing, job: Job) -> Job:
    (orders,) = wing.orders
    assert (await orders.retry(job.job_id, ANNA)).accepted
    return replace(job, target=(await view(wing, job)).job.target)


async def test_a_doubt_outlasts_an_artifact_that_cannot_be_written_for_hours(world: World) -> None:
    """The store has no room to write: its artifact says still that the file is queued."""
    async with bot_wing(world, reconciler=RULES) as wing:
        job = await queued(wing)
        await tells(wing, started(job))
        world.objects[job.target.key] = LATE
        wing.store.script.break_down("put", StoreUnavailable("no room left"))
        (orders,) = wing.orders
        with suppress(StoreUnavailable):
            await orders.cancel(job.job_id, ANNA)
        await anyio.sleep(7200)
        assert world.files() == [LATE] and doubts(world) == 1 and told(world) == []
        wing.store.script.repair("put")
        await anyio.sleep(1000)
        assert job.target.key not in world.objects
        assert_true(world)


async def test_without_dedup_no_copy_is_doubtful(world: World) -> None:
    async with bot_wing(world, dedup=False, reconciler=RULES) as wing:
        for job in [await queued(wing, 1), await queued(wing, 2)]:
            world.objects[job.target.key] = BODY
            await tells(wing, started(job), completed(job))
        assert doubts(world) == 0
        await until(lambda: wing.ledger_script.count("DueDoubts") > 1, within=200)
        assert world.files() == [BODY, BODY]
