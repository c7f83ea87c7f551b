"""The process dies at any moment, and another one takes over: every file is stored once, and the archive is true."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

import anyio
import pytest

from teltubby.actors.media_reading import MediaReading
from teltubby.adapters.base import Destination
from teltubby.adapters.media_details import JPEG, MediaDetails
from teltubby.archive.keys import preview_key
from teltubby.errors import DatabaseUnavailable, FloodWait
from teltubby.messages.details import Preview
from teltubby.messages.jobs import JobCompleted, JobStarted
from teltubby.messages.media import RawUpdate, Route
from tests.actors.bot_wing import ALBUM_SECONDS, KIB, bot_wing
from tests.actors.stage import noise, sha256
from tests.actors.updates import sent, update
from tests.actors.world import World, assert_true
from tests.virtual_time import BEGINNING, until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

BODY = noise(1000, seed=9)
PHOTO, DOCUMENT = JPEG + noise(300, seed=1), noise(20 * KIB, seed=2)
PREVIEW = JPEG + PHOTO[-20:]

IDLE = (
    *("updates", "OpenGroups", "PendingOutbox", "consume", "questions", "open", "set_commands", "show_typing"),
    *("list", "ReadUsage", "SetUsage", "CountUsage", "ReadQuotaAlert"),
)
"""What a process does all the time, and what changes nothing."""


@pytest.fixture
def moments(anyio_backend: tuple[str, object]) -> Iterator[int]:
    """Every second moment from the start of a life; together, both backends see all."""
    return count(1 if anyio_backend[0] == "asyncio" else 2, 2)


@dataclass
class Fuse:
    """Counts the moments of a life, and ends it at one of them: from then on nothing outside answers any more."""

    left: int
    seen: list[str] = field(default_factory=list)
    burnt: anyio.Event = field(default_factory=anyio.Event)

    async def watch(self, moment: str) -> None:
        if self.burnt.is_set():
            await anyio.sleep_forever()
        if moment.split()[0] in IDLE:
            return
        self.seen.append(moment)
        self.left -= 1
        if self.left == 0:
            self.burnt.set()
            await anyio.sleep_forever()


async def read(path: Path, *, preview: bool) -> MediaDetails | None:
    """Stands for the process that reads files."""
    await anyio.lowlevel.checkpoint()
    return MediaDetails(preview=JPEG + path.read_bytes()[-20:]) if preview else None


async def live(world: World, fuse: Fuse, at_rest: tuple[str, str] | None = None) -> bool:
    """One life of the process; answers whether it came to its rest before the fuse was burnt."""
    rested = False
    media = MediaReading(read, previews=True)
    async with bot_wing(world, watch=fuse.watch, width=1, media=media) as wing, anyio.create_task_group() as tasks:

        async def rest() -> None:
            nonlocal rested
            await wing.rests()
            if at_rest is not None:
                await until(lambda: not world.facts(*at_rest), within=20_000, every=0.2)
            await anyio.sleep(10)  # what is shown and not yet said
            rested = True
            tasks.cancel_scope.cancel()

        tasks.start_soon(rest)
        await fuse.burnt.wait()
        wing.context.cancel()
        tasks.cancel_scope.cancel()
    return rested


def handed_in(world: World) -> list[RawUpdate]:
    """A photo; an album with a document, the photo's bytes again, a large file and one that is too large."""
    telegram = world.telegram
    return [
        update(10, sent(telegram, "photo", 1, body=PHOTO)),
        update(11, sent(telegram, "document", 2, body=DOCUMENT), group="g"),
        update(12, sent(telegram, "photo", 3, body=PHOTO), group="g"),
        update(13, sent(telegram, "video", 4, size=300 * KIB), group="g"),
        update(14, sent(telegram, "video", 5, size=1 << 31), group="g"),
    ]


def recorded(world: World) -> set[int]:
    """The messages to the curator that the ledger knows of."""
    rows = world.facts("SELECT ack_message_id AS id FROM messages UNION SELECT notice_message_id FROM jobs")
    return {row["id"] for row in rows}


async def test_a_submission_survives_a_crash_at_any_moment(tmp_path: Path, moments: Iterator[int]) -> None:
    for moment in moments:
        world = World(folder=tmp_path / str(moment))
        world.folder.mkdir()
        world.telegram.deliver(*handed_in(world))
        fuse = Fuse(left=moment)
        if await live(world, fuse):
            break
        where = f"cut off at moment {moment}: {fuse.seen[-1]}"
        unrecorded = [bubble for bubble in world.telegram.bubbles if bubble.message_id not in recorded(world)]
        assert len(unrecorded) <= 1, f"{where}: what was said is recorded before the next is said"
        assert await live(world, Fuse(left=-1)), where
        assert sorted(map(len, world.files())) == sorted([len(PHOTO), len(DOCUMENT), len(PREVIEW)]), where
        assert_true(world)
        assert len(world.telegram.bubbles) == 3, f"{where}: everything is said exactly once"
        album = next(made for made in world.artifacts().values() if made["telegram"]["media_group_id"] == "g")
        items = album["telegram"]["items"]
        assert [item["status"] for item in items] == ["stored", "duplicate", "queued", "skipped"], where
        jobs = {json.loads(row["body"])["job_id"] for row in world.facts("SELECT body FROM queue_messages", "queue.db")}
        assert jobs == {items[2]["job_id"]} == {row["job_id"] for row in world.facts("SELECT job_id FROM jobs")}, where
    assert moment > 60, "the life was watched"


async def test_a_worker_s_report_survives_a_crash_at_any_moment(tmp_path: Path, moments: Iterator[int]) -> None:
    """Of two jobs with the same bytes: the second turns out to be a duplicate, and its object is dropped."""
    for moment in moments:
        world = World(folder=tmp_path / str(moment))
        world.folder.mkdir()
        await with_two_reports(world)
        fuse = Fuse(left=moment)
        question = ("SELECT 1 FROM queue_messages WHERE queue = 'events'", "queue.db")
        if await live(world, fuse, question):
            break
        where = f"cut off at moment {moment}: {fuse.seen[-1]}"
        for artifact in world.artifacts().values():
            for item in artifact["telegram"]["items"]:
                assert item["status"] == "queued" or item["s3_key"] in world.objects, f"{where}: points to nothing"
                assert item.get("preview_key", item["s3_key"]) in world.objects, f"{where}: a preview that is gone"
        assert await live(world, Fuse(left=-1), question), where
        assert world.files() == [BODY, PREVIEW], where
        assert_true(world)
        assert [bubble.text[:1] for bubble in world.telegram.bubbles] == ["✅", "♻"], where
    assert moment > 20, "the life was watched"


async def with_two_reports(world: World) -> None:
    """Two large files were handed in, and the worker has stored both."""
    async with bot_wing(world) as wing:
        for number in (1, 2):
            await wing.receives(update(10 + number, sent(world.telegram, "video", number, size=300 * KIB)))
        await wing.queue.settle(Destination.JOBS, 2)
        for job in await wing.queue.jobs():
            world.objects |= {job.target.key: BODY, str(preview_key(job.target.key)): PREVIEW}
            await wing.queue.put_event(JobStarted(job_id=job.job_id, worker="w", attempt=1, at=BEGINNING))
        await until(lambda: not world.facts("SELECT 1 FROM queue_messages WHERE queue = 'events'", "queue.db"))
        jobs = [*world.facts("SELECT job_id, payload_json FROM jobs ORDER BY rowid")]
    async with bot_wing(world) as wing:
        wing.ledger_script.hold("ApplyEvent")
        for row in jobs:
            target = json.loads(row["payload_json"])["target"]["key"]
            preview = Preview(key=str(preview_key(target)), size_bytes=len(PREVIEW))
            await wing.queue.put_event(replace(report(row["job_id"], target), preview=preview))


def report(job_id: str, key: str) -> JobCompleted:
    return JobCompleted(
        job_id=job_id,
        worker="w",
        attempt=1,
        at=BEGINNING,
        key=key,
        size_bytes=len(BODY),
        sha256=sha256(BODY),
        route=Route.MTPROTO_BOT,
        seconds=1.0,
    )


async def test_a_conclusion_that_waits_for_a_flood_to_end_survives_a_restart(tmp_path: Path) -> None:
    world = World(folder=tmp_path)
    async with bot_wing(world) as wing:
        await wing.receives(update(11, sent(world.telegram, "video", 1, size=300 * KIB)))
        await wing.queue.settle(Destination.JOBS, 1)
        (job,) = await wing.queue.jobs()
        world.objects[job.target.key] = BODY
        wing.gateway.script.fail("edit", FloodWait(1800))
        await wing.queue.put_event(report(job.job_id, job.target.key))
        await until(lambda: wing.gateway.script.count("edit") == 1)
        await anyio.sleep(60)
    async with bot_wing(world):
        await anyio.sleep(2000)
    assert world.telegram.bubbles[0].text.startswith("✅")


@pytest.mark.parametrize("delay", [-0.03, -0.01, 0.0, 0.01, 0.02, 0.03])
async def test_the_artifact_in_the_store_is_the_newest_when_two_go_on_at_once(tmp_path: Path, delay: float) -> None:
    """After a restart: an album whose artifact is not known to be stored, and the report of its job."""
    world = World(folder=tmp_path)
    photos = [sent(world.telegram, "photo", number) for number in (1, 2, 3)]
    film = sent(world.telegram, "video", 4, size=300 * KIB)
    async with bot_wing(world) as wing:
        wing.ledger_script.break_down("ArtifactStored", DatabaseUnavailable("locked"))
        world.telegram.deliver(*[update(11 + n, file, group="g") for n, file in enumerate([*photos, film])])
        await wing.queue.settle(Destination.JOBS, 1)
        (job,) = await wing.queue.jobs()
    world.objects[job.target.key] = BODY
    async with bot_wing(world) as wing:
        for name in ("FindSubmission", "SaveArtifact", "ApplyEvent", "SettleFile", "ArtifactStored"):
            wing.ledger_script.slow(name, 0.01)
        wing.store.script.slow("put", 1.0)
        await anyio.sleep(ALBUM_SECONDS + delay)
        await wing.queue.put_event(report(job.job_id, job.target.key))
        await until(lambda: wing.store.script.count("put") == 1)
        wing.store.script.slow("put", 0.02)  # requests side by side end in any order
        await wing.rests()
        await until(lambda: any(bubble.text.startswith("✅ Large") for bubble in world.telegram.bubbles))
        await anyio.sleep(100)
    assert [item["status"] for item in world.artifact()["telegram"]["items"]] == ["stored"] * 4
    assert_true(world)
