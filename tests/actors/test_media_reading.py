"""The details of media: read once from the whole file, brought into its item, and never in the way of archiving."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import anyio
import pytest

from teltubby.actors.media_reading import MediaRead, MediaReading
from teltubby.actors.reconciler import ReconcilerRules
from teltubby.adapters.base import Destination
from teltubby.adapters.media_details import READ_SECONDS, MediaDetails
from teltubby.errors import FileGone, StoreUnavailable
from teltubby.messages.details import FileDetails
from teltubby.messages.jobs import JobCompleted, JobState
from teltubby.messages.ledger_jobs import FindJob
from teltubby.messages.media import MediaKind, Route
from teltubby.messages.transfer import UploadMessage
from teltubby.supervision import Mailbox
from tests.actors.bot_wing import BotWing, bot_wing
from tests.actors.stage import MIB, large_job, noise, sha256
from tests.actors.updates import sent, update
from tests.actors.worker_wing import worker_wing
from tests.actors.world import World, assert_true, spooled
from tests.virtual_time import until, wall_clock

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

SEEN = MediaDetails(duration=9.25, width=640, height=360, codec="avc1", audio_codec="mp4a", preview=b"a picture")
FACTS = FileDetails(duration=9.25, width=640, height=360, codec="avc1", audio_codec="mp4a")
NEW = {"codec": "avc1", "audio_codec": "mp4a"}
"""What the Bot API does not say of a video."""
BODY = noise(2 * MIB + 5)
NO_STORE = Mailbox[UploadMessage]("upload").ref
"""Nobody answers there."""


@dataclass
class Reader:
    """Stands for the process that reads files: takes `seconds`, and notes what it was given."""

    seconds: float = 0.5
    seen: list[bytes] = field(default_factory=list)
    busy: int = 0
    busiest: int = 0

    async def __call__(self, path: Path, *, preview: bool) -> MediaDetails | None:
        assert not preview, "nobody wants one"
        self.busy += 1
        self.busiest = max(self.busiest, self.busy)
        try:
            self.seen.append(path.read_bytes())
            await anyio.sleep(self.seconds)
        finally:
            self.busy -= 1
        return SEEN


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(folder=tmp_path)


# -- small files


async def test_a_small_film_is_read_while_it_is_in_the_spool(world: World) -> None:
    reader, file = Reader(), sent(world.telegram, "video", 1)
    async with bot_wing(world, media=MediaReading(reader)) as wing:
        await wing.receives(update(10, file))
        (item,) = world.artifact()["telegram"]["items"]
        assert item["details"] == NEW and (item["width"], item["height"], item["duration"]) == (640, 360, 9)
        assert reader.seen == [file.body]
        assert_true(world)
        await wing.receives(update(11, file))  # known by its id: there is nothing to read
        assert len(reader.seen) == 1


async def test_without_the_extra_no_item_has_more_keys(world: World) -> None:
    async with bot_wing(world) as wing:
        await wing.receives(update(10, sent(world.telegram, "video", 1)))
        (item,) = world.artifact()["telegram"]["items"]
        assert item["status"] == "stored" and "details" not in item


@pytest.mark.parametrize("kind", ["photo", "document"])
async def test_photos_and_documents_that_are_no_media_are_not_read(world: World, kind: str) -> None:
    reader = Reader()
    async with bot_wing(world, media=MediaReading(reader)) as wing:
        await wing.receives(update(10, sent(world.telegram, kind, 1)))
        (item,) = world.artifact()["telegram"]["items"]
        assert item["status"] == "stored" and "details" not in item and reader.seen == []


async def test_a_reader_that_takes_too_long_costs_the_details_alone(world: World) -> None:
    async with bot_wing(world, media=MediaReading(Reader(seconds=10_000))) as wing:
        began = anyio.current_time()
        await wing.receives(update(10, sent(world.telegram, "video", 1)))
        assert READ_SECONDS <= anyio.current_time() - began < READ_SECONDS + 20
        (item,) = world.artifact()["telegram"]["items"]
        assert item["status"] == "stored" and "details" not in item
        assert_true(world)


async def test_what_the_store_does_not_take_is_not_read_again_and_again(world: World) -> None:
    reader = Reader()
    async with bot_wing(world, media=MediaReading(reader)) as wing:
        wing.store.script.fail("put", *[StoreUnavailable("away")] * 3)
        await wing.receives(update(10, sent(world.telegram, "video", 1)))
        (item,) = world.artifact()["telegram"]["items"]
        assert item["details"] == NEW and len(reader.seen) == 1
        assert len([call for call in wing.store.script.calls if call.method == "put"]) > 3


async def test_a_few_are_read_at_once_and_nobody_waits_longer_than_for_one(tmp_path: Path) -> None:
    reader = Reader(seconds=READ_SECONDS - 1)
    reading, found = MediaReading(reader, at_once=2), list[FileDetails | None]()
    (tmp_path / "film").write_bytes(b"film")

    async def read() -> None:
        read = await reading.read(tmp_path / "film", MediaKind.VIDEO, "video/mp4", key=None, upload=NO_STORE)
        found.append(read.details)

    began = anyio.current_time()
    async with anyio.create_task_group() as tasks:
        for _ in range(6):
            tasks.start_soon(read)
    assert anyio.current_time() - began <= READ_SECONDS + 1
    assert reader.busiest == 2 and sorted(map(repr, found)) == sorted(map(repr, [FACTS, FACTS, None, None, None, None]))


@pytest.mark.parametrize(
    ("kind", "content_type", "is_read"),
    [
        (MediaKind.DOCUMENT, "image/jpeg", True),
        (MediaKind.DOCUMENT, "Video/MP4", True),
        (MediaKind.DOCUMENT, "audio/flac", True),
        (MediaKind.DOCUMENT, "application/pdf", False),
        (MediaKind.VOICE, "application/octet-stream", True),
        (MediaKind.VIDEO_NOTE, "application/octet-stream", True),
        (MediaKind.PHOTO, "image/jpeg", False),
        (MediaKind.STICKER, "image/webp", False),
    ],
)
async def test_which_files_are_read(tmp_path: Path, kind: MediaKind, content_type: str, is_read: bool) -> None:
    (tmp_path / "file").touch()
    found = await MediaReading(Reader()).read(
        tmp_path / "file", kind, content_type, key="teltubby/a/b.jpg", upload=NO_STORE
    )
    assert found == MediaRead(details=FACTS if is_read else None)


# -- large files: the worker's side


async def test_a_large_film_is_read_when_it_is_whole_and_stored(tmp_path: Path) -> None:
    job, reader = large_job(size=len(BODY)), Reader()
    async with worker_wing(tmp_path / "spool", media=MediaReading(reader)) as wing:
        await wing.ready()
        wing.hand_in(job, BODY)
        completed = await wing.run.perform(job, 1, _nobody)
        assert completed.details == FACTS and completed.sha256 == sha256(BODY)
        assert reader.seen == [BODY] and wing.spooled() == []


async def test_a_large_file_whose_reading_never_ends_is_stored_all_the_same(tmp_path: Path) -> None:
    job = large_job(size=len(BODY))
    async with worker_wing(tmp_path / "spool", media=MediaReading(Reader(seconds=10_000))) as wing:
        await wing.ready()
        wing.hand_in(job, BODY)
        completed = await wing.run.perform(job, 1, _nobody)
        assert completed.details is None and wing.store.objects == {job.target.key: BODY}
        assert READ_SECONDS <= completed.seconds < READ_SECONDS + 20 and wing.spooled() == []


async def test_an_attempt_that_fails_reads_nothing(tmp_path: Path) -> None:
    job, reader = large_job(size=len(BODY)), Reader()
    async with worker_wing(tmp_path / "spool", media=MediaReading(reader)) as wing:
        await wing.ready()
        with pytest.raises(FileGone):
            await wing.run.perform(job, 1, _nobody)
        wing.hand_in(job, BODY)
        assert (await wing.run.perform(job, 2, _nobody)).details == FACTS
        assert len(reader.seen) == 1


# -- large files: the ledger and the artifact


async def test_the_report_brings_them_into_the_artifact(world: World) -> None:
    async with bot_wing(world) as wing:
        completed = await _reported(wing)
        assert completed.details is not None
        (item,) = world.artifact()["telegram"]["items"]
        assert item["details"] == NEW and (item["width"], item["duration"]) == (640, 9)
        assert [row["details_json"] for row in world.facts("SELECT details_json FROM job_attempts")] != [None]
        await wing.queue.put_event(replace(completed, attempt=2, details=None))  # from a worker without the extra
        await wing.reads_events()
        (item,) = world.artifact()["telegram"]["items"]
        assert item["details"] == NEW


async def test_an_artifact_that_is_mended_has_them_again(world: World) -> None:
    async with bot_wing(world) as wing:
        await _reported(wing)
        artifact = dict(world.artifact())
    (item,) = artifact["telegram"]["items"]
    text = world.facts("SELECT artifact_json FROM messages")[0]["artifact_json"]
    lost = text.replace('"status": "stored"', '"status": "queued"')
    start, end = lost.index(',\n        "details"'), lost.index("}", lost.index('"details"')) + 1
    world.write("UPDATE messages SET artifact_json = ?", lost[:start] + lost[end:])
    rules = ReconcilerRules(silent_seconds=90, retention_days=30)
    key = item["s3_key"].rsplit("/", 1)[0] + "/message.json"
    del world.objects[key]
    async with bot_wing(world, reconciler=rules):
        await until(lambda: key in world.objects, within=50_000)
        assert world.artifact() == artifact
        assert spooled(world) == []


async def _reported(wing: BotWing) -> JobCompleted:
    """A large film is handed in, and a worker reports that it is stored."""
    await wing.receives(update(10, sent(wing.telegram, "video", 1, size=300 * 1024)))
    await wing.queue.settle(Destination.JOBS, 1)
    (job,) = await wing.queue.jobs()
    body = noise(1024)
    wing.store.objects[job.target.key] = body
    completed = JobCompleted(
        job_id=job.job_id,
        worker="w",
        attempt=1,
        at=wall_clock(),
        key=job.target.key,
        size_bytes=len(body),
        sha256=sha256(body),
        route=Route.MTPROTO_BOT,
        seconds=12.0,
        details=FACTS,
    )
    await wing.queue.put_event(completed)
    await wing.reads_events()
    view = await wing.ledger.ask(FindJob(job_id=job.job_id), within=100)
    assert view is not None and view.state is JobState.COMPLETED
    return completed


async def _nobody(event: object) -> None:
    del event
    await anyio.lowlevel.checkpoint()
