"""Previews of large pictures: made and stored by the worker, named by the artifact, gone with a copy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from teltubby.actors.media_reading import MediaReading
from teltubby.actors.reconciler import ReconcilerRules
from teltubby.adapters.base import Destination
from teltubby.archive.keys import preview_key
from teltubby.errors import StoreUnavailable
from teltubby.messages.details import Preview
from teltubby.messages.jobs import Job, JobCompleted
from teltubby.messages.media import MediaKind, Route
from tests.actors.bot_wing import ALBUM_SECONDS, KIB, BotWing, bot_wing
from tests.actors.stage import MIB, large_job, noise, sha256
from tests.actors.test_previews import FACTS, PICTURE, Reader, is_counted, item, preview_of
from tests.actors.updates import sent, update
from tests.actors.worker_wing import worker_wing
from tests.actors.world import World, assert_true
from tests.twins import MemoryStore
from tests.virtual_time import until, wall_clock

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(folder=tmp_path)


async def test_a_large_picture_gets_one_from_its_worker(tmp_path: Path) -> None:
    body = noise(2 * MIB + 5)
    job = _picture(body)
    async with worker_wing(tmp_path / "spool", media=MediaReading(Reader(), previews=True)) as wing:
        await wing.ready()
        wing.hand_in(job, body)
        completed = await wing.run.perform(job, 1, _nobody)
        key = preview_key(job.target.key)
        assert completed.preview is not None and completed.details == FACTS
        assert completed.preview == Preview(key=str(key), size_bytes=len(preview_of(body)))
        assert wing.store.objects == {job.target.key: body, key: preview_of(body)}
        again = await wing.run.perform(job, 2, _nobody)  # its report was lost
        assert again.preview == completed.preview and len(wing.store.objects) == 2


async def test_a_large_duplicate_has_none(tmp_path: Path) -> None:
    body = noise(2 * MIB + 5)
    job, reader = _picture(body), Reader()

    async def known(digest: str) -> str | None:
        return "teltubby/first.png" if digest == sha256(body) else None

    async with worker_wing(tmp_path / "spool", first_copy=known, media=MediaReading(reader, previews=True)) as wing:
        await wing.ready()
        wing.hand_in(job, body)
        completed = await wing.run.perform(job, 1, _nobody)
        assert completed.duplicate_of == "teltubby/first.png" and completed.preview is None
        assert wing.store.objects == {} and reader.seen == [False]


async def test_a_store_that_takes_no_preview_fails_no_job(tmp_path: Path) -> None:
    body, store = noise(2 * MIB + 5), MemoryStore(part_size=MIB)
    job = _picture(body)
    store.script.break_down("put", StoreUnavailable("away"))
    async with worker_wing(tmp_path / "spool", store=store, media=MediaReading(Reader(), previews=True)) as wing:
        await wing.ready()
        wing.hand_in(job, body)
        completed = await wing.run.perform(job, 1, _nobody)
        assert completed.preview is None and completed.details == FACTS
        assert store.objects == {job.target.key: body}


async def test_the_report_brings_it_into_the_artifact_and_a_mended_one_has_it_again(world: World) -> None:
    async with bot_wing(world) as wing:
        (completed,) = await _reported(wing, 1)
        assert completed.preview is not None and item(world)["preview_key"] == completed.preview.key
        assert_true(world)
        await is_counted(wing)
        await wing.queue.put_event(replace(completed, attempt=2, preview=None))  # from a worker without the extra
        await wing.reads_events()
        assert item(world)["preview_key"] == completed.preview.key
        artifact = dict(world.artifact())
    text = world.facts("SELECT artifact_json FROM messages")[0]["artifact_json"]
    start = text.index(',\n        "preview_key"')
    lost = text[:start] + text[text.index("\n", start + 2) :]
    world.write("UPDATE messages SET artifact_json = ?", lost.replace('"status": "stored"', '"status": "queued"'))
    (key,) = world.artifacts()
    del world.objects[key]
    async with bot_wing(world, reconciler=ReconcilerRules(silent_seconds=90, retention_days=30)):
        await until(lambda: key in world.objects, within=50_000)
        assert world.artifact() == artifact


async def test_an_album_keeps_its_previews_while_it_changes(world: World) -> None:
    """Its large file is stored, and another photo joins it late."""
    photos = [sent(world.telegram, "photo", number, body=PICTURE + bytes([number])) for number in (1, 2)]
    film = sent(world.telegram, "video", 3, size=300 * KIB)
    async with bot_wing(world, media=MediaReading(Reader(), previews=True)) as wing:
        await wing.receives(update(11, photos[0], group="g"), update(12, film, group="g"))
        await wing.queue.settle(Destination.JOBS, 1)
        await _reports(wing)
        await anyio.sleep(10 * ALBUM_SECONDS)
        await wing.receives(update(13, photos[1], group="g"))
        await until(lambda: len(world.artifact()["telegram"]["items"]) == 3)
        items = world.artifact()["telegram"]["items"]
        assert [found["status"] for found in items] == ["stored"] * 3
        assert [found["preview_key"] for found in items] == [preview_key(found["s3_key"]) for found in items]
        assert_true(world)


async def test_a_large_copy_s_preview_goes_with_it(world: World) -> None:
    async with bot_wing(world) as wing:
        first, second = await _reported(wing, 2)
        assert first.preview is not None and second.preview is not None
        assert first.preview.key in world.objects and second.preview.key not in world.objects
        assert_true(world)
        assert len(world.files()) == 2


def _picture(body: bytes) -> Job:
    job = large_job(size=len(body))
    info = replace(job.file_info, file_type=MediaKind.DOCUMENT, mime_type="image/png", file_name="scan.png")
    return replace(job, file_info=info)


async def _reported(wing: BotWing, count: int) -> list[JobCompleted]:
    """Large files are handed in, and workers report that each is stored; they have the same content."""
    for number in range(1, count + 1):
        await wing.receives(update(10 + number, sent(wing.telegram, "video", number, size=300 * KIB)))
        await wing.queue.settle(Destination.JOBS, number)
    return await _reports(wing)


async def _reports(wing: BotWing) -> list[JobCompleted]:
    """Workers report of every job that its file is stored, and a preview."""
    reports: list[JobCompleted] = []
    for job in await wing.queue.jobs():
        body, key = noise(1024), preview_key(job.target.key)
        assert key is not None
        wing.store.objects |= {job.target.key: body, key: preview_of(body)}
        reports.append(
            JobCompleted(
                job_id=job.job_id,
                worker="w",
                attempt=1,
                at=wall_clock(),
                key=job.target.key,
                size_bytes=len(body),
                sha256=sha256(body),
                route=Route.MTPROTO_BOT,
                seconds=12.0,
                preview=Preview(key=key, size_bytes=len(preview_of(body))),
            )
        )
        await wing.queue.put_event(reports[-1])
        await wing.reads_events()
    return reports


async def _nobody(event: object) -> None:
    del event
    await anyio.lowlevel.checkpoint()
