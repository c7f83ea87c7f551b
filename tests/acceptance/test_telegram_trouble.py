"""Telegram in trouble, on either side: refusals, waits, cut connections, lost logins. Nothing is lost or told twice."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from teltubby.simulator.files import File, FileKind
from tests.acceptance.archives import sha256
from tests.acceptance.backends import ON_ASYNCIO, ON_TRIO
from tests.acceptance.household import Household
from tests.acceptance.polling import eventually

MIB = 1 << 20


def trouble(house: Household, method: str, **effects: Any) -> None:
    """Program a fault."""
    house.in_world(lambda: house.telegram.world.faults.add(method, **effects))


@ON_TRIO
def test_bot_api_in_trouble(box: Household) -> None:
    """Every method fails in every way before it works."""
    box.start("run", IO_TIMEOUT_SECONDS="2")
    ada = box.ada
    ways: list[dict[str, Any]] = [
        {"error": 502, "message": "Bad Gateway"},
        {"error": 429, "retry_after": 1},
        {"cut": True},
        {"delay": 3.0, "error": 504, "message": "Gateway Timeout"},
    ]
    for method in ("getUpdates", "getFile", "sendMessage", "file"):
        for effects in ways:
            trouble(box, method, **effects)
    for effects in ways[:2]:
        trouble(box, "editMessageText", **effects)
    trouble(box, "getUpdates", error=409, message="Conflict: terminated by other getUpdates request")
    trouble(box, "file", truncate=20_000)
    files = [ada.new_file(FileKind.PHOTO, 70_000), ada.new_file(FileKind.DOCUMENT, 5 * MIB, name="a.pdf"),
             ada.new_file(FileKind.VIDEO, 21 * MIB, name="v.mp4")]  # fmt: skip
    messages = [ada.send_photo(files[0]), ada.send_document(files[1]), ada.send_video(files[2])]
    command = ada.send_text("/mode")
    for message, file in zip(messages, files, strict=True):
        box.answer(message, "rchived ", within=100)
        assert [item["sha256"] for item in box.settled(message, "stored")] == [file.sha256()]
    box.answer(command, "polling")
    assert [len(box.answers(message)) for message in (*messages, command)] == [1, 1, 1, 1]
    eventually(lambda: not box.telegram.world.faults.programmed, what="every fault to have struck")


@ON_TRIO
def test_a_file_that_telegram_never_hands_out(box: Household) -> None:
    """It fails with the reason; the rest of its album is archived."""
    box.start("run")
    ada = box.ada
    files = [ada.new_file(FileKind.PHOTO, 40_000 + number) for number in range(3)]
    trouble(
        box, "getFile", skip=1, error=400, message="Bad Request: wrong file_id or the file is temporarily unavailable"
    )
    album = ada.send_album(files)
    told = box.answer(album[0], "Archived 2 files")
    items = box.settled(album[0], "stored", "failed", "stored")
    assert "Item 2 (photo) was not archived (download_failed)" in told
    assert items[1]["reason"] == "download_failed" and items[1]["s3_key"] is items[1]["sha256"] is None
    assert box.artifact(album[0])["files_count"] == 2


@ON_TRIO
def test_progress_never_hides_the_end(box: Household) -> None:
    """A progress edit that is slower than the last word must not come after it."""
    box.start("run")
    ada = box.ada
    slow_down(box, 12 * MIB)
    video = ada.new_file(FileKind.VIDEO, 48 * MIB, name="large.mp4")

    def is_progress(call: Any) -> bool:
        return "Downloading" in str(call.get("text")) or "Uploading" in str(call.get("text"))

    fault = box.in_world(lambda: box.telegram.world.faults.add("editMessageText", delay=4.0, matches=is_progress))
    message = ada.send_video(video)
    eventually(lambda: fault.used, what="a progress edit")
    slow_down(box, None)
    box.settled(message, "stored")
    box.answer(message, "archived successfully")
    eventually(lambda: edits_are_over(box), what="all edits to be through")
    assert "archived successfully" in box.answers(message)[-1].text


def edits_are_over(house: Household) -> bool:
    """Whether no edit was asked for within the time that a slow one and the bot's own pace leave."""
    seen = house.calls("editMessageText")
    try:
        eventually(lambda: house.calls("editMessageText") != seen, within=5.0)
    except TimeoutError:
        return True
    return False


@ON_ASYNCIO
def test_a_menu_that_cannot_be_set_costs_nothing_else(box: Household) -> None:
    """Progress is shown although Telegram refuses setMyCommands for ever."""
    box.start("run")
    trouble(box, "setMyCommands", error=400, message="Bad Request: BOT_COMMAND_INVALID", times=10_000)
    box.stop()
    box.start("run")
    slow_down(box, 6 * MIB)
    message = box.ada.send_video(box.ada.new_file(FileKind.VIDEO, 24 * MIB))
    box.answer(message, "Downloading file")
    slow_down(box, None)
    box.answer(message, "archived successfully")


def large(house: Household, number: int = 0) -> tuple[int, File]:
    """Hand in a file that comes over MTProto."""
    file = house.ada.new_file(FileKind.DOCUMENT, 21 * MIB + 77 + number, name=f"large-{number}.bin")
    return house.ada.send_document(file), file


def slow_down(house: Household, bytes_per_second: float | None) -> None:
    """Let all lines to Telegram together carry so much."""
    house.in_world(lambda: setattr(house.telegram.world.faults, "shared_bandwidth", bytes_per_second))


def assert_archived(house: Household, message: int, file: File) -> None:
    """The file is in the archive, true to the byte, and its one line in the conversation says so."""
    assert file.sha256() in house.answer(message, "archived successfully", within=90)
    assert sha256(house.archive, house.settled(message, "stored")[0]["s3_key"]) == file.sha256()
    assert len(house.answers(message)) == 1


def test_parts_in_trouble(box: Household) -> None:
    """Four files at once, and whatever can happen to a part happens to some of theirs; and it is counted as it was."""
    product = box.start("run", IO_TIMEOUT_SECONDS="3", WORKER_CONCURRENCY="4", WORKER_MAX_RETRIES="10")
    slow_down(box, 40 * MIB)
    trouble(box, "messages.getMessages", error=500, message="NEED_MEMBER_INVALID")
    trouble(box, "upload.getFile", skip=5, error=420, message="FLOOD_WAIT_2")
    trouble(box, "upload.getFile", skip=15, error=500, message="INTERDC_2_CALL_ERROR")
    trouble(box, "upload.getFile", skip=25, truncate=1000)
    trouble(box, "upload.getFile", skip=30, error=400, message="FILE_REFERENCE_EXPIRED")
    trouble(box, "upload.getFile", skip=40, error=400, message="LOCATION_NOT_AVAILABLE")
    sent = [large(box, number) for number in range(4)]
    box.answer(sent[0][0], "processing started")
    box.in_world(box.telegram.world.expire_references)
    slow_down(box, None)
    for message, file in sent:
        assert_archived(box, message, file)
    assert not box.telegram.world.faults.programmed, "some fault did not strike"
    jobs = {each: product.metric(f"teltubby_jobs_{each}_total") for each in ("created", "completed", "failed")}
    assert jobs == {"created": 4, "completed": 4, "failed": 0}
    again = box.rows("SELECT count(*) FROM transitions WHERE to_state = 'RETRYING'")
    assert again == [(product.metric("teltubby_jobs_retried_total"),)]
    assert product.metric('teltubby_flood_waits_total{source="mtproto_bot"}') == 1
    assert product.metric('teltubby_flood_wait_seconds_total{source="mtproto_bot"}') == 2
    assert product.metric('teltubby_parts_failed_total{source="mtproto_bot"}') >= 1
    size = sum(file.size for _, file in sent)
    assert product.metric("teltubby_ingested_bytes_total") == product.metric("teltubby_job_bytes_sum") == size
    fetched = product.metric('teltubby_downloaded_bytes_total{source="mtproto_bot"}')
    assert size <= fetched <= size + 10 * MIB, "what came in vain is counted as well, and is little"
    box.stop()
    assert box.spooled() == [] and box.archive.unfinished() == []


def cut(house: Household) -> None:
    """The connection breaks, and again while it signs in."""
    trouble(house, "upload.getFile", cut=True)
    trouble(house, "users.getUsers", cut=True)


def silence(house: Household) -> None:
    """A part never comes."""
    trouble(house, "upload.getFile", delay=8.0)


def signed_out(house: Household) -> None:
    """Somebody ended the session."""
    server = house.telegram.mtproto_server
    house.in_world(lambda: server.sign_out(house.bot))
    trouble(house, "upload.getFile", error=401, message="SESSION_REVOKED")


def keys_lost(house: Household) -> None:
    """Telegram no longer knows the session's key."""
    house.in_world(house.telegram.mtproto_server.forget_keys)


def salts_lost(house: Household) -> None:
    """Every salt is out of date."""
    house.in_world(house.telegram.mtproto_server.revoke_salts)


def fetched(house: Household) -> bool:
    """Whether some parts have been asked for."""
    server = house.telegram.mtproto_server
    return bool(house.in_world(lambda: sum(call.method == "upload.getFile" for call in server.calls) > 3))


@pytest.mark.parametrize(
    "strike", [cut, silence, signed_out, keys_lost, salts_lost], ids=lambda strike: strike.__name__
)
def test_session_in_trouble(box: Household, strike: Callable[[Household], None]) -> None:
    """The session breaks in the middle of a file: it comes back by itself, and the file is archived."""
    box.start("run", IO_TIMEOUT_SECONDS="3")
    slow_down(box, 12 * MIB)
    message, file = large(box)
    eventually(partial(fetched, box), what="a download")
    strike(box)
    slow_down(box, None)
    assert_archived(box, message, file)
    box.stop()
    assert box.spooled() == [] and box.archive.unfinished() == []
