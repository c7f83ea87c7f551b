"""The same content again, in every way in which it can come again: stored once, and said so."""

from __future__ import annotations

from functools import partial

from teltubby.simulator.files import File, FileKind
from tests.acceptance.archives import sha256
from tests.acceptance.backends import ON_ASYNCIO, ON_TRIO
from tests.acceptance.household import Household
from tests.acceptance.polling import eventually

MIB = 1 << 20


def anew(house: Household, file: File) -> File:
    """The same bytes, sent anew: Telegram gives them another id."""
    return house.ada.new_file(file.kind, file.size, seed=seed_of(file), name=file.name)


def seed_of(file: File) -> int:
    return int(getattr(file.content, "seed"))  # noqa: B009 - contents that are made from a seed have one


def objects(house: Household) -> list[str]:
    """Keys of files."""
    return [key for key in house.archive.stored() if not key.endswith("/message.json")]


def test_small_files_again(box: Household) -> None:
    """By Telegram's id without a download, by their bytes under a new one, twice in one album, after a restart."""
    product, ada = box.start("run"), box.ada
    file = ada.new_file(FileKind.DOCUMENT, 100_000, seed=1, name="a.txt")
    first = ada.send_document(file)
    box.answer(first, "Archived")
    [original] = box.settled(first, "stored")
    downloads = box.calls("getFile")
    again = ada.send_document(file)
    told = box.answer(again, "is archived already")
    assert original["s3_key"] in told and box.calls("getFile") == downloads
    [item] = box.settled(again, "duplicate")
    assert (item["duplicate_of"], item["dedup_reason"]) == (original["s3_key"], "file_unique_id")
    renamed = ada.send_document(anew(box, file))
    box.answer(renamed, "is archived already")
    [item] = box.settled(renamed, "duplicate")
    assert (item["duplicate_of"], item["dedup_reason"]) == (original["s3_key"], "sha256")
    assert box.artifact(renamed)["duplicate_of"] == original["s3_key"]
    photo = ada.new_file(FileKind.PHOTO, 50_000)
    album = ada.send_album([photo, photo, anew(box, photo)])
    told = box.answer(album[0], "Archived 1 file")
    assert "Item 2" in told and "Item 3" in told
    items = box.settled(album[0], "stored", "duplicate", "duplicate")
    assert [item["dedup_reason"] for item in items] == [None, "file_unique_id", "sha256"]
    assert box.artifact(album[0])["duplicate_of"] is None, "not all of it is a duplicate"
    assert product.metric("teltubby_dedup_hits_total") == 4
    product.stop()
    box.start("run")
    later = ada.send_document(file)
    box.answer(later, "is archived already")
    assert len(objects(box)) == 2


def test_large_files_again(box: Household) -> None:
    """While the first job runs, after it, and under a new id."""
    box.start("run")
    ada = box.ada
    file = ada.new_file(FileKind.VIDEO, 22 * MIB, seed=2)
    messages = [ada.send_video(file), ada.send_video(file), ada.send_video(anew(box, file))]
    box.answer(messages[0], "rchived")
    for message in messages:
        eventually(partial(items_over, box, message), within=60, what="the job's end")
    statuses = sorted(box.items(message)[0]["status"] for message in messages)
    assert statuses == ["duplicate", "duplicate", "stored"] and len(objects(box)) == 1
    late = ada.send_video(file)
    box.answer(late, "is archived already")
    [item] = box.settled(late, "duplicate")
    assert item["dedup_reason"] == "file_unique_id" and item["job_id"] is None
    [key] = objects(box)
    assert {box.items(message)[0]["s3_key"] for message in (*messages, late)} == {key}
    assert sha256(box.archive, key) == file.sha256()
    for message in messages:
        box.answer(message, "archived")
        assert len(box.answers(message)) == 1


def items_over(house: Household, message: int) -> bool:
    """Whether the message's files are settled."""
    key = house.folder(message) + "message.json"
    return key in set(house.archive.stored()) and all(item["status"] != "queued" for item in house.items(message))


@ON_TRIO
def test_two_workers_with_the_same_bytes(wings: Household) -> None:
    """Both upload; the ledger settles it: one object stays, and both artifacts point to it."""
    bot = wings.start("bot", "worker")
    wings.start("worker", MTPROTO_BOT_SESSION_PATH=str(wings.home / "second.session"))
    file = wings.ada.new_file(FileKind.VIDEO, 22 * MIB, seed=3)
    messages = [wings.ada.send_video(file), wings.ada.send_video(anew(wings, file))]
    for message in messages:
        eventually(partial(items_over, wings, message), within=60, what="the job's end")
        wings.answer(message, "archived")
    assert sorted(wings.items(message)[0]["status"] for message in messages) == ["duplicate", "stored"]
    eventually(lambda: len(objects(wings)) == 1, what="the second copy to go")
    [key] = objects(wings)
    assert {wings.items(message)[0]["s3_key"] for message in messages} == {key}
    assert sha256(wings.archive, key) == file.sha256()
    assert bot.metric("teltubby_jobs_completed_total") == 2 and bot.metric("teltubby_dedup_hits_total") == 1
    assert bot.metric("teltubby_ingested_bytes_total") == file.size, "what is stored, not what was fetched"


def test_two_curators_at_once(box: Household) -> None:
    """The same bytes from two people, side by side, many times: one object each, nothing missing."""
    grace = box.welcome("Grace", username="grace")
    box.without_flood_control()
    box.start("run")
    pairs = []
    for number in range(6):
        content = box.ada.new_file(FileKind.DOCUMENT, 300_000 + number, seed=10 + number, name="x.bin")
        pairs.append((content, box.ada.send_document(content), grace.send_document(anew(box, content))))
    for file, mine, hers in pairs:
        box.answer(mine, "rchived")
        box.answer(hers, "rchived", curator=grace)
        [one], [other] = box.items(mine), box.items(hers, chat="grace", curator=grace)
        assert {one["status"], other["status"]} == {"stored", "duplicate"}
        assert one["s3_key"] == other["s3_key"] and sha256(box.archive, one["s3_key"]) == file.sha256()
    assert len(objects(box)) == len(pairs)


@ON_ASYNCIO
def test_without_recognition(box: Household) -> None:
    """DEDUP_ENABLE=false keeps every copy."""
    box.start("run", DEDUP_ENABLE="false")
    ada = box.ada
    small, large = ada.new_file(FileKind.PHOTO, 50_000), ada.new_file(FileKind.VIDEO, 21 * MIB)
    messages = [ada.send_media(file) for file in (small, small, large, large)]
    album = ada.send_album([small, small])
    keys = [box.settled(message, "stored")[0]["s3_key"] for message in messages]
    keys += [item["s3_key"] for item in box.settled(album[0], "stored", "stored")]
    assert len(set(keys)) == 6 and sorted(keys) == objects(box)
