"""Previews of pictures: stored once, named by artifacts only when they are there, and never in the way of archiving."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from teltubby.actors.media_reading import NOTHING, MediaRead, MediaReading
from teltubby.actors.quota import WRITE_SECONDS, QuotaRules
from teltubby.adapters.media_details import JPEG, READ_SECONDS, MediaDetails
from teltubby.archive.keys import preview_key
from teltubby.errors import ObjectExists, StoreRefused, StoreUnavailable
from teltubby.messages.details import FileDetails, Preview
from teltubby.messages.ledger_archive import ReadUsage
from teltubby.messages.media import MediaKind
from teltubby.messages.transfer import FindObject, StorePreview
from tests.actors.bot_wing import BotWing, bot_wing
from tests.actors.counter import says
from tests.actors.stage import noise
from tests.actors.updates import sent, update
from tests.actors.uploads import KEY, uploads
from tests.actors.world import World, assert_true
from tests.virtual_time import until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

PICTURE = JPEG + noise(500)
FACTS = FileDetails(width=640, height=360, codec="PNG")
PREVIEW_KEY = "teltubby/a/previews/b.jpg"


def preview_of(body: bytes) -> bytes:
    return JPEG + hashlib.sha256(body).digest()


@dataclass
class Reader:
    """Stands for the process that reads files: each has a preview of its own."""

    seconds: float = 0.5
    seen: list[bool] = field(default_factory=list)

    async def __call__(self, path: Path, *, preview: bool) -> MediaDetails | None:
        self.seen.append(preview)
        await anyio.sleep(self.seconds)
        made = preview_of(path.read_bytes()) if preview else None
        return MediaDetails(width=640, height=360, codec="PNG", preview=made)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(folder=tmp_path)


def item(world: World) -> dict[str, Any]:
    """The only one of the only artifact."""
    (found,) = world.artifact()["telegram"]["items"]
    return dict(found)


async def is_counted(wing: BotWing) -> None:
    """What was archived is counted, to the byte."""
    await anyio.sleep(2 * WRITE_SECONDS)
    usage = await wing.ledger.ask(ReadUsage(), within=100)
    bodies = wing.world.objects.values()
    assert (usage.used_bytes, usage.objects) == (sum(map(len, bodies)), len(bodies))


# -- the store


async def test_a_preview_is_stored_once_and_never_over_anything_else() -> None:
    async with uploads() as up:
        assert await up.ref.ask(FindObject(key=KEY), within=10) is None
        for _ in range(2):
            await up.ref.ask(StorePreview(key=KEY, body=PICTURE), within=10)
        for other in (b"short", PICTURE[:-1] + b"?"):
            with pytest.raises(ObjectExists):
                await up.ref.ask(StorePreview(key=KEY, body=other), within=10)
        assert up.store.objects == {KEY: PICTURE} and up.store.content_types == {KEY: "image/jpeg"}
        assert await up.ref.ask(FindObject(key=KEY), within=10) == len(PICTURE)


@pytest.mark.parametrize(
    ("kind", "content_type", "details", "has_preview"),
    [
        (MediaKind.PHOTO, "application/octet-stream", None, True),
        (MediaKind.DOCUMENT, "Image/PNG", FACTS, True),
        (MediaKind.DOCUMENT, "video/mp4", FACTS, False),
        (MediaKind.DOCUMENT, "application/pdf", None, False),
        (MediaKind.VIDEO, "image/jpeg", FACTS, False),
        (MediaKind.ANIMATION, "image/gif", FACTS, False),
        (MediaKind.STICKER, "image/webp", None, False),
    ],
)
async def test_which_files_get_one(
    tmp_path: Path, kind: MediaKind, content_type: str, details: FileDetails | None, has_preview: bool
) -> None:
    path, reader = tmp_path / "file", Reader()
    path.write_bytes(PICTURE)
    preview = Preview(key=PREVIEW_KEY, size_bytes=len(preview_of(PICTURE)))
    async with uploads() as up:
        reading = MediaReading(reader, previews=True)
        found = await reading.read(path, kind, content_type, key="teltubby/a/b.png", upload=up.ref)
        assert found == MediaRead(details=details, preview=preview if has_preview else None)
        assert up.store.objects == ({PREVIEW_KEY: preview_of(PICTURE)} if has_preview else {})
        assert reader.seen == ([has_preview] if details or has_preview else [])
        known = await reading.stored_before("teltubby/a/b.png", kind, content_type, upload=up.ref)
        assert known == found.preview
        of_a_copy = await reading.read(path, kind, content_type, key=None, upload=up.ref)
        assert of_a_copy == MediaRead(details=details)
        for off in (MediaReading(reader), MediaReading(previews=True)):
            assert await off.stored_before("teltubby/a/b.png", kind, content_type, upload=up.ref) is None


async def test_a_photo_that_is_no_picture_is_not_read(tmp_path: Path) -> None:
    reader = Reader()
    async with uploads() as up:
        for body in (b"", JPEG[:2], noise(100)):
            (tmp_path / "file").write_bytes(body)
            reading = MediaReading(reader, previews=True)
            found = await reading.read(tmp_path / "file", MediaKind.PHOTO, "", key="teltubby/a/b.jpg", upload=up.ref)
            assert found == NOTHING and reader.seen == []


async def test_a_store_that_never_answers_costs_no_more_than_a_reader_that_does_not(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(PICTURE)
    async with uploads() as up:
        up.store.script.slow("put", 10_000)
        began = anyio.current_time()
        found = await MediaReading(Reader(seconds=20), previews=True).read(
            tmp_path / "file", MediaKind.DOCUMENT, "image/png", key="teltubby/a/b.png", upload=up.ref
        )
        assert found == MediaRead(details=FACTS) and anyio.current_time() - began <= READ_SECONDS + 1


async def test_whether_there_is_one_is_not_known_while_the_store_is_away() -> None:
    async with uploads() as up:
        up.store.objects[PREVIEW_KEY] = PICTURE
        reading = MediaReading(Reader(), previews=True)
        up.store.script.fail("head", StoreUnavailable("away"))
        sought = ("teltubby/a/b.jpg", MediaKind.PHOTO, "")
        assert await reading.stored_before(*sought, upload=up.ref) is None
        assert await reading.stored_before(*sought, upload=up.ref) == Preview(key=PREVIEW_KEY, size_bytes=len(PICTURE))


# -- small files


async def test_a_photo_gets_a_preview_and_no_details(world: World) -> None:
    async with bot_wing(world, media=MediaReading(Reader(), previews=True)) as wing:
        photo = sent(world.telegram, "photo", 1, body=PICTURE)
        await wing.receives(update(10, photo))
        found = item(world)
        assert "details" not in found and found["preview_key"] == preview_key(found["s3_key"])
        assert world.objects[found["preview_key"]] == preview_of(PICTURE)
        assert wing.store.content_types[found["preview_key"]] == "image/jpeg"
        artifact = world.artifact()
        assert (artifact["files_count"], artifact["total_bytes_uploaded"]) == (1, len(PICTURE))
        assert artifact["keys"] == [found["s3_key"]]
        assert_true(world)
        await is_counted(wing)
        assert "3 objects" in await says(wing, "/purge confirm")


async def test_duplicates_have_none(world: World) -> None:
    reader = Reader()
    async with bot_wing(world, media=MediaReading(reader, previews=True)) as wing:
        first = sent(world.telegram, "photo", 1, body=PICTURE)
        again = sent(world.telegram, "photo", 2, body=PICTURE)
        await wing.receives(update(10, first, group="g"), update(11, again, group="g"), update(12, first, group="g"))
        items = world.artifact()["telegram"]["items"]
        assert [found["dedup_reason"] for found in items] == [None, "sha256", "file_unique_id"]
        assert [found.get("preview_key") for found in items] == [preview_key(items[0]["s3_key"]), None, None]
        assert reader.seen == [True]
        assert_true(world)


async def test_of_two_copies_that_went_up_side_by_side_one_preview_remains(world: World) -> None:
    async with bot_wing(world, media=MediaReading(Reader(), previews=True)) as wing:
        wing.ledger_script.slow("FindContent", 5)  # both are told that nobody knows them
        await wing.receives(*[update(10 + n, sent(world.telegram, "photo", n, body=PICTURE)) for n in (1, 2)])
        assert sorted(made["telegram"]["items"][0]["status"] for made in world.artifacts().values()) == [
            "duplicate",
            "stored",
        ]
        assert wing.store.script.count("delete") == 2 and len(world.files()) == 2
        assert_true(world)
        await is_counted(wing)


@pytest.mark.parametrize("trouble", [StoreUnavailable("away"), StoreRefused("the disk is full")])
async def test_a_preview_that_the_store_does_not_take_is_left_out(
    world: World, trouble: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async with bot_wing(world, media=MediaReading(Reader(), previews=True)) as wing:
        wing.store.script.slow("put", 1)
        wing.telegram.deliver(update(10, sent(world.telegram, "photo", 1, body=PICTURE)))
        await until(lambda: len(world.objects) == 1, every=0.05)
        wing.store.script.fail("put", trouble)
        await wing.rests()
        assert "preview_key" not in item(world) and item(world)["status"] == "stored"
        assert "is left out: " + str(trouble) in caplog.text
        assert_true(world)


async def test_what_lies_under_the_key_is_not_overwritten(world: World) -> None:
    async with bot_wing(world, media=MediaReading(Reader(), previews=True)) as wing:
        wing.telegram.deliver(update(10, sent(world.telegram, "photo", 1, body=PICTURE)))
        await until(lambda: len(world.objects) == 1, every=0.05)
        (key,) = world.objects
        taken = preview_key(key)
        assert taken is not None
        world.objects[taken] = b"somebody's"
        await wing.rests()
        assert "preview_key" not in item(world) and world.objects[taken] == b"somebody's"


async def test_an_archive_that_is_full_has_no_room_for_previews(world: World) -> None:
    rules = QuotaRules(quota_bytes=len(PICTURE), threshold_pct=80, cooldown=timedelta(hours=24))
    reader = Reader()
    async with bot_wing(world, quota_rules=rules, media=MediaReading(reader, previews=True), width=1) as wing:
        photos = [
            update(10 + n, sent(world.telegram, "photo", n, body=PICTURE + bytes([n])), group="g") for n in (1, 2)
        ]
        await wing.receives(*photos)
        items = world.artifact()["telegram"]["items"]
        assert ["preview_key" in found for found in items] == [True, False] and reader.seen == [True]
        assert_true(world)
