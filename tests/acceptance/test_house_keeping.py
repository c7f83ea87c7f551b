"""What a curator sees of the whole house: albums that come late, edits, searches, pictures, a full archive, a purge."""

from __future__ import annotations

import re

from teltubby.simulator.files import FileKind
from tests.acceptance.archives import sha256
from tests.acceptance.backends import ON_ASYNCIO
from tests.acceptance.household import Household
from tests.acceptance.polling import always, eventually
from tests.servers.ports import free_port

MIB = 1 << 20
NOTICE_WITHIN = 20.0
PNG = b"\x89PNG\r\n"


def files(house: Household) -> list[str]:
    """Keys of what is no artifact."""
    return [key for key in house.archive.stored() if not key.endswith("/message.json")]


def test_items_of_an_album_that_come_late_join_it(box: Household) -> None:
    """One after it was acknowledged, one large, one after a restart: one artifact, complete in the end."""
    product, ada = box.start("run"), box.ada
    group = ada.new_album()
    photos = [ada.new_file(FileKind.PHOTO, 50_000 + number) for number in range(3)]
    film = ada.new_file(FileKind.VIDEO, 21 * MIB, name="film.mp4")
    first = ada.send_media(photos[0], grouped_id=group, caption="the <b>first</b> & best")
    box.answer(first, "Archived 1 file (photo)")
    late = ada.send_media(photos[1], grouped_id=group)
    box.answer(late, "Item 2 joined the album")
    box.answer(ada.send_media(film, grouped_id=group), "Item 3 joined the album")
    eventually(lambda: box.rows("SELECT state FROM jobs") == [("COMPLETED",)], within=60, what="the film")
    product.stop()
    box.start("run")
    last = ada.send_media(photos[2], grouped_id=group)
    assert "4 items, 4 archived" in box.answer(last, "Item 4 joined the album")
    items = box.settled(first, "stored", "stored", "stored", "stored")
    assert [item["ordinal"] for item in items] == [1, 2, 3, 4]
    assert [item["sha256"] for item in items] == [file.sha256() for file in (*photos[:2], film, photos[2])]
    assert all(item["s3_key"].startswith(box.folder(first)) for item in items)
    assert sorted(sha256(box.archive, key) for key in files(box)) == sorted(item["sha256"] for item in items)
    assert [key for key in box.archive.stored() if key.endswith(".json")] == [box.folder(first) + "message.json"]


def test_an_edit_is_recorded_and_nothing_is_archived_anew(box: Household) -> None:
    box.start("run")
    ada = box.ada
    message = ada.send_photo(ada.new_file(FileKind.PHOTO, 50_000), caption="before")
    box.answer(message, "Archived 1 file")
    answers = len(box.answers(message))
    for caption in ("after", "after <all> that & more"):
        ada.edit_caption(message, caption)

    def recorded() -> list[str]:
        return [edit["caption_plain"] for edit in box.artifact(message)["telegram"].get("edits", ())]

    eventually(lambda: recorded() == ["after", "after <all> that & more"], what="both edits in the artifact")
    assert box.artifact(message)["telegram"]["caption_plain"] == "before"
    assert len(files(box)) == 1 and len(box.answers(message)) == answers
    box.answer(ada.send_text("/find all that"), box.items(message)[0]["s3_key"])


def test_searching_and_looking_at_it(box: Household) -> None:
    """/find answers with keys, /stats with a picture, /queue and /jobs page by page."""
    box.start("run")
    box.without_flood_control()
    ada = box.ada
    message = ada.send_document(
        ada.new_file(FileKind.DOCUMENT, 9_000, name="Квартальный отчёт.pdf"), caption="Q3 & <Q4>"
    )
    box.answer(message, "Archived 1 file")
    key = box.items(message)[0]["s3_key"]
    for words in ("отчёт", "q3 Q4", "квартальный q4"):
        assert key in box.answer(ada.send_text(f"/find {words}"), "Found for")
    box.answer(ada.send_text('/find "NEAR(* AND" nothing'), "Nothing was found")
    asked = ada.send_text("/stats")
    box.answer(asked, "1 file")
    [picture] = [line for line in box.answers(asked) if line.media is FileKind.PHOTO]
    assert picture.file is not None and picture.file.content.read(0, 6) == PNG
    large = [ada.send_video(ada.new_file(FileKind.VIDEO, 21 * MIB + n, name=f"{n}.mp4")) for n in range(3)]
    for sent in large:
        box.answer(sent, "Large file archived successfully")
    listed = box.answer(ada.send_text("/jobs"), "Your large files")
    assert all(f"{number}.mp4" in listed for number in range(3))
    box.answer(ada.send_text("/db_maint"), "The database is sound")
    box.answer(ada.send_text("/status"), "Nothing needs attention")


def test_a_full_archive_keeps_what_arrives_and_goes_on_after_a_purge(box: Household) -> None:
    """The admin is warned, then told that it is full; what comes then waits, and is archived once there is room."""
    box.start("run", S3_BUCKET_QUOTA_BYTES="300000", QUOTA_ALERT_THRESHOLD_PCT="50")
    box.without_flood_control()
    ada = box.ada
    for size in (200_000, 120_000):
        message = ada.send_photo(ada.new_file(FileKind.PHOTO, size))
        box.answer(message, "Archived 1 file")
    ada.wait_for(lambda lines: any("The archive is full" in line.text for line in lines if line.from_bot), 60)
    waiting = ada.new_file(FileKind.PHOTO, 50_000)
    kept = ada.send_photo(waiting)
    box.answer(kept, "Received and kept: the archive is full")
    always(lambda: len(files(box)) == 2, seconds=1)
    box.answer(ada.send_text("/quota"), "The archive is full")
    question = ada.send_text("/purge confirm")
    assert "4 objects" in box.answer(question, "the whole archive")
    [line] = [line for line in box.answers(question) if line.buttons]
    ada.press(line.message_id, text="🗑 Yes, delete everything")
    ada.wait_for(lambda lines: any("Deleted 4 objects" in line.text for line in lines), 60)
    box.answer(kept, "Archived 1 file")
    [key] = files(box)
    assert sha256(box.archive, key) == waiting.sha256()


@ON_ASYNCIO
def test_the_same_file_is_archived_again_after_a_purge_and_other_objects_stay(box: Household) -> None:
    """Nothing counts as archived any more, and what does not lie under our prefix is none of our business."""
    box.start("run")
    ada = box.ada
    foreign = box.home / "archive" / "holiday.jpg"
    foreign.write_bytes(b"not ours")
    file = ada.new_file(FileKind.PHOTO, 50_000)
    box.answer(ada.send_photo(file), "Archived 1 file")
    asked = box.answer(ada.send_text("/purge confirm"), "the whole archive")
    found = re.search(r"/purge ([0-9a-f]{8})", asked)
    assert found is not None
    box.answer(ada.send_text(f"/purge {found.group(1)}"), "Deleted 2 objects")
    assert box.archive.stored() == ["holiday.jpg"]
    box.answer(ada.send_photo(file), "Archived 1 file")
    assert len(files(box)) == 2


def test_updates_by_webhook(box: Household) -> None:
    """The same house, only that Telegram brings the updates; back to polling the webhook is taken away by itself."""
    port = free_port()
    hook = {
        "TELEGRAM_MODE": "webhook",
        "WEBHOOK_URL": f"http://127.0.0.1:{port}/hook",
        "WEBHOOK_SECRET": "s3cret_s3cret",
        "WEBHOOK_LISTEN_PORT": str(port),
    }
    product, ada = box.start("run", **hook), box.ada
    file = ada.new_file(FileKind.PHOTO, 50_000)
    box.answer(ada.send_photo(file), "Archived 1 file")
    box.answer(ada.send_text("/mode"), "webhook")
    assert box.calls("getUpdates") == 0
    product.stop()
    missed = ada.send_photo(ada.new_file(FileKind.PHOTO, 60_000))
    product = box.start("run", **hook)
    box.answer(missed, "Archived 1 file")
    product.stop()
    box.start("run")
    box.answer(ada.send_text("/mode"), "polling")


@ON_ASYNCIO
def test_a_password_is_deleted_and_written_nowhere(box: Household) -> None:
    """Not in the inbox, not in a log: the message is gone, and with it the secret."""
    product, ada = box.start("run"), box.ada
    sent = ada.send_text("/mtpass hunter2 and more")
    ada.wait_for(lambda lines: any("deleted your message" in line.text for line in lines), 60)
    assert sent not in [line.message_id for line in ada.conversation()]
    product.stop()
    for path in box.home.rglob("*"):
        assert not path.is_file() or b"hunter2" not in path.read_bytes(), path
