"""The main job, end to end: what a curator hands in is archived, whole, once, and is told about."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from teltubby.simulator.files import File, FileKind
from tests.acceptance.archives import sha256
from tests.acceptance.household import Household
from tests.acceptance.nursery import Nursery, run_command
from tests.acceptance.polling import eventually
from tests.acceptance.product import Begin
from tests.acceptance.queues import Queues
from tests.acceptance.scrapes import look_at_scrape, value_in

MIB = 1 << 20
TOP = [
    "schema_version", "archive_timestamp_utc", "message_timestamp_utc", "bucket", "base_path", "files_count",
    "total_bytes_uploaded", "keys", "duplicate_of", "dedup_reason", "notes", "telegram",
]  # fmt: skip
TELEGRAM = [
    "message_id", "media_group_id", "chat_id", "chat_title", "chat_username", "sender_id", "sender_username",
    "forward_origin", "caption_plain", "caption_entities", "entities", "bot_api_max_file_size_bytes", "items",
]  # fmt: skip
ITEM = [
    "ordinal", "type", "mime_type", "size_bytes", "width", "height", "duration", "file_id", "file_unique_id",
    "original_filename", "sha256", "s3_key", "status", "reason", "duplicate_of", "dedup_reason", "job_id", "route",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedIn:
    """The messages of the set, by the curator's ids."""

    photo: int
    document: int
    album: tuple[int, ...]
    again: int
    large: int
    over_policy: int
    files: dict[str, File]


def hand_in(house: Household) -> HandedIn:
    """The demonstration's set; the album waits for its window while the rest is already under way."""
    ada = house.ada
    photo = ada.new_file(FileKind.PHOTO, 200_000)
    document = ada.new_file(FileKind.DOCUMENT, 1_000_000, name="Отчёт за год.PDF", mime_type="application/pdf")
    album = [ada.new_file(FileKind.PHOTO, 100_000), ada.new_file(FileKind.VIDEO, 300_000, name="клип.MOV"),
             ada.new_file(FileKind.PHOTO, 100_001)]  # fmt: skip
    large = ada.new_file(FileKind.VIDEO, 30 * MIB, name="large.mp4", width=640, height=480, duration=12)
    over = ada.new_file(FileKind.VIDEO, 50_000_001, name="over policy.mkv", mime_type="video/x-matroska")
    first = ada.send_photo(photo, caption="Hello, world! this is a long caption")
    house.answer(first, "Archived")
    return HandedIn(
        photo=first,
        document=ada.send_document(document, caption="Привет Мир!"),
        album=ada.send_album([(album[0], "one"), album[1], (album[2], "three")]),
        again=ada.send_photo(photo),
        large=ada.send_video(large),
        over_policy=ada.send_video(over, caption="x"),
        files={"photo": photo, "document": document, "large": large, "over": over,
               "first": album[0], "clip": album[1], "last": album[2]},
    )  # fmt: skip


def look_at_conversation(house: Household, done: HandedIn) -> None:
    """What the curator was told."""
    place, files = house.archive.location, done.files
    photo = house.answer(done.photo, "Archived 1 file (photo), 200.0 KB")
    assert place(house.folder(done.photo)).rstrip("/") in photo
    document = house.answer(done.document, "Archived 1 file (document), 1.0 MB")
    assert place(house.folder(done.document)).rstrip("/") in document
    album = house.answer(done.album[0], "Archived 3 files (2 × photo, video), 500.0 KB")
    assert place(house.folder(done.album[0])).rstrip("/") in album
    again = house.answer(done.again, "Item 1 (photo) is archived already")
    assert house.items(done.photo)[0]["s3_key"] in again
    for message, name, size in ((done.large, "large", "31.5 MB"), (done.over_policy, "over", "50.0 MB")):
        told = house.answer(message, "Large file archived successfully", within=90)
        key = house.items(message)[0]["s3_key"]
        assert size in told and place(key) in told and files[name].sha256() in told
        assert house.items(message)[0]["job_id"][:8] in told
    for message in (done.photo, done.document, *done.album[:1], done.again, done.large, done.over_policy):
        assert len(house.answers(message)) == 1, "one message is answered once"
    assert not house.answers(done.album[1]) and not house.answers(done.album[2])


def look_at_archive(house: Household, done: HandedIn) -> None:
    """What is stored: every object is the file that was handed in, at its place, and nothing else is there."""
    files = done.files
    album = house.artifact(done.album[0])
    group = album["telegram"]["media_group_id"]
    expected = {
        one(house, done.photo, "hello-world-this-is-a-long", "jpg"): files["photo"],
        one(house, done.document, "privet-mir", "pdf"): files["document"],
        one(house, done.album[0], "one", "jpg", group=group, ordinal=1, of=done.album[0]): files["first"],
        one(house, done.album[1], "", "mov", group=group, ordinal=2, of=done.album[0]): files["clip"],
        one(house, done.album[2], "three", "jpg", group=group, ordinal=3, of=done.album[0]): files["last"],
        one(house, done.large, "", "mp4"): files["large"],
        one(house, done.over_policy, "x", "mkv"): files["over"],
    }
    heads = (done.photo, done.document, done.album[0], done.again, done.large, done.over_policy)
    artifacts = [house.folder(message) + "message.json" for message in heads]
    assert house.archive.stored() == sorted([*expected, *artifacts])
    assert {key: sha256(house.archive, key) for key in expected} == {key: f.sha256() for key, f in expected.items()}
    look_at_artifact(house, done.photo, "stored", "bot_api", [files["photo"]])
    look_at_artifact(house, done.document, "stored", "bot_api", [files["document"]])
    look_at_artifact(house, done.album[0], "stored", "bot_api", [files["first"], files["clip"], files["last"]])
    look_at_artifact(house, done.large, "stored", "mtproto_bot", [files["large"]])
    look_at_artifact(house, done.over_policy, "stored", "mtproto_bot", [files["over"]])
    again = look_at_artifact(house, done.again, "duplicate", None, [files["photo"]])  # nothing was fetched
    original = house.items(done.photo)[0]["s3_key"]
    assert again["duplicate_of"] == original and again["dedup_reason"] == "file_unique_id"
    assert again["telegram"]["items"][0]["duplicate_of"] == original


def look_at_artifact(
    house: Household, message: int, status: str, route: str | None, files: list[File]
) -> dict[str, Any]:
    """The artifact in full: its fields in order, and what they say."""
    artifact = house.artifact(message)
    described, items = artifact["telegram"], artifact["telegram"]["items"]
    assert list(artifact)[: len(TOP)] == TOP and list(described)[: len(TELEGRAM)] == TELEGRAM
    assert [list(item)[: len(ITEM)] for item in items] == [ITEM] * len(files)
    assert artifact["schema_version"] == "1.0" and artifact["base_path"] == house.folder(message)
    assert artifact["bucket"] == house.archive.name and artifact["files_count"] == len(files)
    for stamp in ("archive_timestamp_utc", "message_timestamp_utc"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", artifact[stamp])
    assert artifact["total_bytes_uploaded"] == (sum(file.size for file in files) if status == "stored" else 0)
    assert artifact["keys"] == [item["s3_key"] for item in items]
    assert described["message_id"] == str(house.number(message))
    assert described["chat_id"] == described["sender_id"] == str(house.ada.user.id)
    assert described["sender_username"] == described["chat_username"] == "ada"
    assert described["bot_api_max_file_size_bytes"] == 50_000_000
    for ordinal, (item, file) in enumerate(zip(items, files, strict=True), start=1):
        assert (item["ordinal"], item["type"], item["status"]) == (ordinal, file.kind.value, status)
        assert (item["size_bytes"], item["sha256"]) == (file.size, file.sha256())
        assert (item["original_filename"], item["file_unique_id"]) == (file.name, file.unique_id)
        assert (item["reason"], item["route"]) == (None, route)
        assert (item["job_id"] is not None) == (route == "mtproto_bot")
    return artifact


def one(
    house: Household,
    message: int,
    caption: str,
    extension: str,
    *,
    group: str = "",
    ordinal: int = 1,
    of: int | None = None,
) -> str:
    """The key of a file by compatibility.md, put together here without the product's code."""
    sent = house.telegram.call(lambda: house.telegram.world.message(house.ada.user, house.bot, message))
    assert sent is not None
    moment = datetime.fromtimestamp(sent.post.date, UTC)
    name = f"{moment:%Y%m%d-%H%M%S}_ada_ada_m{house.number(message)}{f'-g{group}' if group else ''}_{ordinal:03d}"
    return f"{house.folder(of or message)}{name}{f'_{caption}' if caption else ''}.{extension}"


@pytest.fixture
def begin(request: pytest.FixtureRequest, backend: str) -> Begin:
    """On trio the command line itself, as people use it."""
    if backend == "trio":
        return run_command
    nursery: Nursery = request.getfixturevalue("nursery")
    return nursery.fork


def look_at_traces(house: Household) -> None:
    """Every stage of a job is in the log of the process where it was, with the job's id, whichever actor worked."""
    stages = {
        "bot": ["is handed in by user", "is in the queue", "asked by", "JobStarted of", "JobCompleted of"],
        "worker": [
            "is taken up by", "is found by way of", "a document came over", "is stored as", "is done in",
        ],
    }  # fmt: skip
    jobs = [job_id for (job_id,) in house.rows("SELECT job_id FROM jobs")]
    assert len(jobs) == 2
    for product in house.processes:
        for job_id in jobs:
            traced = [str(line["message"]) for line in product.logged() if line.get("job_id") == job_id]
            missing = [stage for stage in stages[product.role] if not any(stage in text for text in traced)]
            assert not missing, (product.role, job_id, missing, traced)
            assert all(other not in text for other in jobs if other != job_id for text in traced)


def look_at_scrapes(house: Household, done: HandedIn, folder: Path) -> None:
    """Each process serves all of it, and what its wing did is counted there, to the byte."""
    bot, worker = house.processes
    of_bot = look_at_scrape(bot, folder / "scrape", without={"teltubby_session_state"})
    of_worker = look_at_scrape(worker, folder / "scrape")
    large = [done.files["large"].size, done.files["over"].size]
    small = sum(file.size for file in done.files.values()) - sum(large)
    assert value_in(of_bot, 'teltubby_downloaded_bytes_total{source="bot_api"}') == small
    assert value_in(of_worker, 'teltubby_downloaded_bytes_total{source="mtproto_bot"}') == sum(large)
    assert value_in(of_worker, "teltubby_uploaded_bytes_total") == sum(large)
    assert value_in(of_bot, "teltubby_uploaded_bytes_total") > small, "artifacts, too"
    assert value_in(of_bot, "teltubby_job_bytes_sum") == sum(large)
    assert value_in(of_bot, "teltubby_job_seconds_count") == value_in(of_bot, "teltubby_job_bytes_count") == 2
    assert value_in(of_bot, "teltubby_processing_seconds_count") == 6
    assert value_in(of_worker, 'teltubby_session_state{account="bot",state="ready"}') == 1
    assert value_in(of_bot, 'teltubby_messages_published_total{queue="jobs"}') == 2
    assert value_in(of_worker, 'teltubby_messages_published_total{queue="events"}') >= 4
    for scrape in (of_bot, of_worker):
        assert value_in(scrape, 'teltubby_store_requests_total{outcome="ok"}') > 0
        assert value_in(scrape, 'teltubby_dependency_state{dependency="broker",state="ok"}') == 1
        for nothing in ("jobs_failed_total", "jobs_retried_total", "jobs_cancelled_total", "skipped_items_total"):
            assert value_in(scrape, f"teltubby_{nothing}") == 0
        assert 'store_requests_total{outcome="failed"} 0.0' in scrape


def test_bot_and_worker_on_rabbitmq_and_s3(wings: Household, queues: Queues, tmp_path: Path) -> None:
    """The main job over two processes."""
    bot = wings.start("bot", "worker")
    done = hand_in(wings)
    look_at_conversation(wings, done)
    look_at_archive(wings, done)
    assert bot.metric("teltubby_ingested_messages_total") == 6
    assert bot.metric("teltubby_jobs_created_total") == bot.metric("teltubby_jobs_completed_total") == 2
    assert bot.metric("teltubby_dedup_hits_total") == 1
    assert bot.metric("teltubby_ingested_bytes_total") == sum(file.size for file in done.files.values())
    look_at_scrapes(wings, done, tmp_path)
    look_at_traces(wings)
    wings.stop()
    assert wings.archive.unfinished() == [] and wings.spooled() == []
    eventually(lambda: queues.depths() == {}, what="empty queues")


def test_single_box(box: Household) -> None:
    """The main job in one process, with the embedded queue and a folder."""
    box.start("run")
    done = hand_in(box)
    look_at_conversation(box, done)
    look_at_archive(box, done)
    box.stop()
    assert box.archive.unfinished() == [] and box.spooled() == []
    assert box.rows("SELECT count(*) FROM inbox WHERE done_at IS NULL") == [(0,)]
