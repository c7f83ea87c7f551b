"""Items and Archiving: every file takes its way, is stored once, and the artifact says what is true."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import anyio
import pytest

from teltubby.actors import phrases
from teltubby.actors.items import QUICK_TRIES, ROUNDS
from teltubby.adapters.base import Destination
from teltubby.errors import (
    ContentMismatch,
    FileGone,
    FloodWait,
    SpoolFull,
    StoreUnavailable,
    TelegramUnavailable,
    TeltubbyError,
)
from teltubby.messages.jobs import JobCompleted, JobStarted
from teltubby.messages.media import Route, SkipReason
from tests.actors.bot_wing import BORIS, KIB, bot_wing
from tests.actors.stage import ANNA, noise, restarts
from tests.actors.updates import Sent, sent, update
from tests.actors.world import World, assert_true
from tests.virtual_time import until, wall_clock

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

JOBS = Destination.JOBS
HUGE = 1 << 31


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(folder=tmp_path)


def statuses(world: World) -> list[str]:
    return [item["status"] for item in world.artifact()["telegram"]["items"]]


# -- the ways of a file


@pytest.mark.parametrize("kind", ["photo", "video", "document", "audio", "voice", "video_note", "animation", "sticker"])
async def test_every_kind_is_archived(world: World, kind: str) -> None:
    file = sent(world.telegram, kind, 1)
    payload = update(10, file)
    body = json.loads(payload.payload)
    more = {
        "voice": {"duration": 3},
        "audio": {"duration": 3},
        "video_note": {"duration": 3, "length": 240},
        "animation": {"duration": 3, "width": 10, "height": 10},
        "sticker": {"width": 10, "height": 10, "type": "regular", "is_animated": False, "is_video": False},
    }
    if kind in more:
        body["message"][kind] |= more[kind]
    if kind == "animation":
        body["message"]["document"] = {**body["message"]["animation"]}
    async with bot_wing(world) as wing:
        await wing.receives(replace(payload, payload=json.dumps(body)))
        assert world.files() == [file.body]
        (item,) = world.artifact()["telegram"]["items"]
        assert item["type"] == kind and item["route"] == "bot_api"
        assert_true(world)


@pytest.mark.parametrize("size", [0, 1, 16 * KIB - 1, 16 * KIB, 32 * KIB])
async def test_any_size_that_the_server_serves(world: World, size: int) -> None:
    file = sent(world.telegram, "document", 1, body=noise(size))
    async with bot_wing(world) as wing:
        await wing.receives(update(10, file))
        assert world.files() == [file.body]
        assert_true(world)


async def test_a_file_over_the_policy_becomes_a_job(world: World) -> None:
    file = sent(world.telegram, "video", 1, size=300 * KIB, name="Видео.mp4")
    async with bot_wing(world) as wing:
        await wing.receives(update(10, file, caption="A film"))
        await wing.queue.settle(JOBS, 1)
        (job,) = await wing.queue.jobs()
        assert statuses(world) == ["queued"]
        (item,) = world.artifact()["telegram"]["items"]
        assert (job.job_id, job.target.key) == (item["job_id"], item["s3_key"])
        assert job.file_info.file_unique_id == file.unique_id and job.file_info.file_size == 300 * KIB
        assert (job.chat_id, job.message_id, job.user_id) == (ANNA, 10, ANNA)
        assert world.artifact()["keys"] == [] and world.artifact()["files_count"] == 0
        (line,) = wing.said()
        assert line.startswith("⏳ File queued for processing (large file)")
        assert wing.downloads.script.count("download") == 0


async def test_a_job_says_how_long_it_will_take_once_others_went_through(world: World) -> None:
    """At the rate of the last one, and behind what waits: the second film is as long again as the first."""
    films = [sent(world.telegram, "video", number, size=300 * KIB) for number in (1, 2, 3)]
    async with bot_wing(world) as wing:
        await wing.receives(update(10, films[0]))
        await wing.queue.settle(JOBS, 1)
        (first,) = await wing.queue.jobs()
        assert first.job_metadata.estimated_duration is None
        await wing.queue.put_event(JobStarted(job_id=first.job_id, worker="w", attempt=1, at=wall_clock()))
        await anyio.sleep(10)
        await wing.queue.put_event(
            JobCompleted(
                job_id=first.job_id,
                worker="w",
                attempt=1,
                at=wall_clock(),
                key=first.target.key,
                size_bytes=300 * KIB,
                sha256="ab" * 32,
                route=Route.MTPROTO_BOT,
                seconds=10.0,
            )
        )
        await until(lambda: any(text.startswith("✅ Large") for text in wing.said()))
        await wing.receives(update(11, films[1], group="g"), update(12, films[2], group="g"))
        await wing.queue.settle(JOBS, 2)
        estimates = [job.job_metadata.estimated_duration for job in await wing.queue.jobs()]
        assert estimates == [pytest.approx(10, rel=0.2), pytest.approx(20, rel=0.2)]
        assert sum("🕒 about" in text for text in wing.said()) == 2


async def test_what_the_server_refuses_as_too_big_becomes_a_job(world: World) -> None:
    file = sent(world.telegram, "video", 1, body=noise(33 * KIB), size=30 * KIB)
    async with bot_wing(world) as wing:
        await wing.receives(update(10, file))
        await wing.queue.settle(JOBS, 1)
        assert statuses(world) == ["queued"]


async def test_a_photo_that_the_server_refuses_has_no_other_way(world: World) -> None:
    file = sent(world.telegram, "photo", 1, body=noise(33 * KIB), size=30 * KIB)
    async with bot_wing(world) as wing:
        await wing.receives(update(10, file))
        (item,) = world.artifact()["telegram"]["items"]
        assert (item["status"], item["reason"]) == ("skipped", SkipReason.EXCEEDS_BOT_LIMIT)
        assert "exceeds_bot_limit" in wing.said()[0]
        assert await wing.queue.depth(JOBS) == 0


async def test_an_unknown_size_goes_to_the_queue(world: World) -> None:
    async with bot_wing(world) as wing:
        await wing.receives(update(10, sent(world.telegram, "video", 1, size_known=False)))
        await wing.queue.settle(JOBS, 1)
        (job,) = await wing.queue.jobs()
        assert job.file_info.file_size is None


async def test_over_the_limit_is_skipped_with_the_reason(world: World) -> None:
    async with bot_wing(world) as wing:
        await wing.receives(update(10, sent(world.telegram, "video", 1, size=HUGE)))
        (item,) = world.artifact()["telegram"]["items"]
        assert (item["status"], item["reason"]) == ("skipped", SkipReason.EXCEEDS_CFG_LIMIT)
        assert "MAX_FILE_GB" in wing.said()[0]
        assert wing.counted("skipped_items") == 1


async def test_protected_content_is_skipped_with_the_reason(world: World) -> None:
    file = sent(world.telegram, "video", 1)
    async with bot_wing(world) as wing:
        await wing.receives(update(10, file, has_protected_content=True))
        (item,) = world.artifact()["telegram"]["items"]
        assert (item["status"], item["reason"]) == ("skipped", SkipReason.PROTECTED_CONTENT)
        assert world.files() == []


async def test_an_album_of_all_sorts(world: World) -> None:
    """Stored, duplicate within the album, queued, skipped: one artifact, one answer, one line for the job."""
    body = noise(500, seed=5)
    files = [
        sent(world.telegram, "photo", 1, body=body),
        sent(world.telegram, "photo", 2, body=body),
        sent(world.telegram, "video", 3, size=300 * KIB),
        sent(world.telegram, "video", 4, size=HUGE),
    ]
    async with bot_wing(world) as wing:
        await wing.receives(*[update(10 + n, file, group="g") for n, file in enumerate(files)])
        await wing.queue.settle(JOBS, 1)
        assert statuses(world) == ["stored", "duplicate", "queued", "skipped"]
        assert [item["ordinal"] for item in world.artifact()["telegram"]["items"]] == [1, 2, 3, 4]
        assert_true(world)
        answer, line = wing.said()
        assert "Archived 1 file (photo)" in answer and "Item 3 queued" in answer
        assert "Item 2 (photo) is archived already" in answer and "Item 4 (video, " in answer
        assert line.startswith("⏳ File queued")
        counts = {n: wing.counted(n) for n in ("ingested_messages", "dedup_hits", "jobs_created", "skipped_items")}
        assert counts == {"ingested_messages": 1, "dedup_hits": 1, "jobs_created": 1, "skipped_items": 1}


# -- duplicates


async def test_the_same_file_again_is_recognised_without_a_download(world: World) -> None:
    file = sent(world.telegram, "photo", 1)
    async with bot_wing(world) as wing:
        await wing.receives(update(10, file))
        await wing.receives(update(11, file, user=BORIS))
        assert world.files() == [file.body]
        assert wing.downloads.script.count("download") == 1
        assert "archived already" in wing.said(BORIS)[0]
        duplicate = next(made for made in world.artifacts().values() if made["duplicate_of"])
        assert duplicate["dedup_reason"] == "file_unique_id"
        assert_true(world)


async def test_the_same_bytes_under_another_id_are_recognised_by_content(world: World) -> None:
    body = noise(20 * KIB)
    files = [sent(world.telegram, "document", number, body=body) for number in (1, 2)]
    async with bot_wing(world) as wing:
        await wing.receives(update(10, files[0]))
        await wing.receives(update(11, files[1]))
        assert world.files() == [body]
        assert next(m for m in world.artifacts().values() if m["duplicate_of"])["dedup_reason"] == "sha256"
        assert_true(world)


async def test_the_same_bytes_at_the_same_time_are_kept_once(world: World) -> None:
    body = noise(20 * KIB)
    files = [sent(world.telegram, "document", number, body=body) for number in range(4)]
    async with bot_wing(world) as wing:
        wing.store.script.slow("put_part", 1)
        await wing.receives(*[update(10 + n, file) for n, file in enumerate(files)])
        assert world.files() == [body]
        assert_true(world)


@pytest.mark.parametrize("number", [1, 2], ids=["by its id", "by its content"])
async def test_what_a_run_stored_that_was_cut_off_goes_when_the_file_turns_out_a_duplicate(
    world: World, number: int
) -> None:
    photo, again = sent(world.telegram, "photo", 1), sent(world.telegram, "photo", number, body=noise(101, seed=1))
    async with bot_wing(world) as wing:
        await wing.receives(update(10, photo))
        (key,) = (key for key in world.objects if key.endswith(".jpg"))
        left = key.replace("/10/", "/11/").replace("_m10_", "_m11_")
        world.objects[left] = photo.body
        await wing.receives(update(11, again))
        assert left not in world.objects and world.files() == [photo.body]
        assert len(wing.said()) == 2
        assert_true(world)


async def test_without_dedup_every_copy_is_stored(world: World) -> None:
    file = sent(world.telegram, "photo", 1)
    async with bot_wing(world, dedup=False) as wing:
        await wing.receives(update(10, file))
        await wing.receives(update(11, file))
        assert world.files() == [file.body, file.body]
        assert [made["telegram"]["items"][0]["status"] for made in world.artifacts().values()] == ["stored"] * 2
        assert_true(world)


# -- trouble on the way


@pytest.mark.parametrize(
    "error", [TelegramUnavailable("cut"), ContentMismatch("half of it"), FloodWait(5)], ids=lambda e: type(e).__name__
)
async def test_a_download_is_repeated(world: World, error: TeltubbyError) -> None:
    file = sent(world.telegram, "photo", 1)
    async with bot_wing(world) as wing:
        wing.downloads.script.fail("download", error, error)
        await wing.receives(update(10, file))
        assert world.files() == [file.body]
        assert len(wing.said()) == 1
        assert restarts(wing.tree) == {}


async def test_many_flood_waits_are_honoured_and_lose_no_file(world: World) -> None:
    file = sent(world.telegram, "photo", 1)
    async with bot_wing(world) as wing:
        wing.downloads.script.fail("download", *[FloodWait(30)] * (2 * QUICK_TRIES))
        await wing.receives(update(10, file))
        assert statuses(world) == ["stored"]
        times = wing.downloads.script.times("download")
        assert min(after - before for before, after in pairwise(times)) >= 30 - 1e-6, "but for rounding"


async def test_a_file_that_telegram_never_hands_out_is_marked_failed_after_hours(world: World) -> None:
    good = sent(world.telegram, "photo", 2)
    async with bot_wing(world) as wing:
        wing.downloads.script.fail("download", *[TelegramUnavailable("502")] * (QUICK_TRIES * ROUNDS))
        await wing.receives(
            update(10, sent(world.telegram, "photo", 1), group="g"), update(11, good, group="g"), within=24 * 3600
        )
        assert statuses(world) == ["failed", "stored"]
        kept, answer = wing.said()
        assert kept == phrases.WAITING_FOR_STORAGE and "download_failed" in answer
        assert_true(world)


async def test_while_telegram_itself_is_away_no_file_is_given_up(world: World) -> None:
    file = sent(world.telegram, "photo", 1)
    async with bot_wing(world) as wing:
        wing.downloads.script.break_down("download", TelegramUnavailable("away"))
        wing.gateway.script.break_down("identify", TelegramUnavailable("away"))
        wing.telegram.deliver(update(10, file))
        await anyio.sleep(3600)
        assert world.artifacts() == {}
        wing.downloads.script.repair("download")
        wing.gateway.script.repair("identify")
        await wing.rests()
        assert statuses(world) == ["stored"]


async def test_a_file_that_is_gone_is_marked_failed_at_once(world: World) -> None:
    async with bot_wing(world) as wing:
        wing.downloads.script.fail("download", FileGone("wrong file_id"))
        await wing.receives(update(10, sent(world.telegram, "photo", 1)))
        assert statuses(world) == ["failed"]
        assert wing.downloads.script.count("download") == 1


@pytest.mark.parametrize("method", ["put", "begin", "put_part", "complete"])
async def test_trouble_with_the_store_is_waited_out(world: World, method: str) -> None:
    file = sent(world.telegram, "document", 1, body=noise(20 * KIB))
    async with bot_wing(world) as wing:
        wing.store.script.fail(method, *[StoreUnavailable("away")] * 3)
        await wing.receives(update(10, file))
        assert world.files() == [file.body]
        assert wing.store.uploads == {}
        assert_true(world)
        assert next(text for text in wing.said() if text != phrases.WAITING_FOR_STORAGE).startswith("✅")


async def test_a_full_spool_is_waited_out(world: World) -> None:
    file = sent(world.telegram, "photo", 1)
    async with bot_wing(world) as wing:
        wing.downloads.script.fail("download", *[SpoolFull("full")] * 3)
        await wing.receives(update(10, file))
        assert statuses(world) == ["stored"]


async def test_another_object_under_the_key_is_never_replaced(world: World) -> None:
    """Somebody else's object lies where the file belongs: the curator hears of it, and the rest goes on."""
    files = [sent(world.telegram, "photo", number) for number in (1, 2)]
    async with bot_wing(world) as wing:
        await wing.receives(update(10, files[0]))
        (key,) = (key for key in world.objects if not key.endswith("message.json"))
    other = World(folder=world.folder / "other", telegram=world.telegram, objects={key: b"somebody else's"})
    other.folder.mkdir()
    async with bot_wing(other) as wing:
        await wing.receives(update(10, files[0]), update(11, files[1]))
        assert other.objects[key] == b"somebody else's"
        assert files[1].body in other.files()
        first = next(made for made in other.artifacts().values() if made["telegram"]["message_id"] == "10")
        assert first["telegram"]["items"][0]["status"] == "failed"


async def test_the_artifact_is_stored_before_the_answer(world: World) -> None:
    file = sent(world.telegram, "photo", 1)
    async with bot_wing(world) as wing:
        gate = wing.gateway.script.hold("send")
        wing.telegram.deliver(update(10, file))
        await until(lambda: wing.gateway.script.count("send") == 1)
        assert statuses(world) == ["stored"]
        gate.set()
        await wing.rests()


async def test_names_that_attack_paths(world: World) -> None:
    names = ["../../etc/passwd", "a/b\\c.txt", "nul\0.bin", "\u202egpj.exe", "𝕏😀.zip", "x" * 300, ".", ".."]
    files: list[Sent] = [sent(world.telegram, "document", n, name=name) for n, name in enumerate(names)]
    async with bot_wing(world) as wing:
        await wing.receives(*[update(10 + n, file, caption="я" * 1024) for n, file in enumerate(files)])
        assert len(world.files()) == len(names)
        assert all(key.startswith("teltubby/") and ".." not in key.split("/") for key in world.objects)
        assert_true(world)
