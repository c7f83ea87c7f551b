"""Signing in through the bot, losing the login, getting it back: real processes, a phone, a curator who reads."""

from __future__ import annotations

import pytest

from teltubby.simulator.files import FileKind
from tests.acceptance.accounts import (
    PASSWORD,
    PHONE_NUMBER,
    SIGNED_IN,
    await_empty,
    person,
    pictures,
    relay_channel,
    said,
    scan_shown_code,
    sign_in_by_qr,
    start_unsigned,
)
from tests.acceptance.archives import sha256
from tests.acceptance.backends import ON_ASYNCIO, ON_TRIO
from tests.acceptance.household import Household
from tests.acceptance.polling import eventually
from tests.acceptance.queues import Queues

MIB = 1 << 20


@pytest.fixture
def house(wings: Household) -> Household:
    """Two processes of which the worker depends on a person's account."""
    wings.settings["MTPROTO_ROUTES"] = "relay"
    return wings


def test_a_session_that_is_revoked_in_the_middle_of_a_transfer(house: Household, queues: Queues) -> None:
    """The job pauses, an admin signs in by QR, and the same transfer goes on: no part on disk is fetched again."""
    someone = person(house)
    relay = relay_channel(house, someone.user)
    house.settings["S3_MULTIPART_PART_SIZE_MB"] = "8"
    start_unsigned(house, "bot", "worker")
    worker = house.processes[-1]
    sign_in_by_qr(house, someone)
    house.in_world(lambda: setattr(house.telegram.world.faults, "shared_bandwidth", 40 * MIB))
    file = house.ada.new_file(FileKind.VIDEO, 300 * MIB, name="long.mp4")
    message = house.ada.send_video(file)
    served = house.telegram.mtproto_server.served
    eventually(lambda: served.bytes(file.id) > 120 * MIB, within=60, what="a good part of the transfer")
    house.in_world(lambda: house.telegram.mtproto_server.sign_out(someone.user))
    said(house.ada, "revoked")
    eventually(lambda: worker.get("/readyz")[0] == 503, what="the worker to tell")
    assert worker.get("/healthz")[0] == 200, "no restart would bring the login back"
    so_far = served.bytes(file.id)
    eventually(lambda: queues.depths().get("teltubby.large_files") == 1, what="the delivery to be given back")
    assert house.rows("SELECT count(*) FROM jobs WHERE state IN ('FAILED', 'RETRYING')") == [(0,)]
    assert pictures(house.ada) == [], "the picture of the first sign-in is gone"
    house.ada.send_text("/mtlogin")
    scan_shown_code(house, someone.phone)
    house.in_world(lambda: setattr(house.telegram.world.faults, "shared_bandwidth", None))
    assert file.sha256() in house.answer(message, "Large file archived successfully", within=180)
    [item] = house.settled(message, "stored")
    assert sha256(house.archive, item["s3_key"]) == file.sha256()
    assert served.repeated(file.id) <= 16 * MIB, "at most what was in flight when the session ended"
    assert so_far > 120 * MIB
    eventually(lambda: worker.get("/readyz")[0] == 200, what="the worker to be ready again")
    lines = [line.text for line in house.ada.conversation() if line.from_bot]
    assert sum("revoked" in line for line in lines) == 1, "the trouble is told once"
    assert sum("is ready (worker" in line for line in lines) == 2, (
        "and its end, as that of the beginning without a login"
    )
    assert house.rows("SELECT json_extract(payload_json, '$.job_metadata.retry_count') FROM jobs") == [(0,)]
    await_empty(house, relay)
    house.stop()
    assert house.spooled() == [] and house.archive.unfinished() == []


def test_code_and_password_through_the_bot(house: Household) -> None:
    """A bare code is refused with the reason, an obfuscated one works; the password is deleted at once."""
    someone = person(house, password=PASSWORD)
    relay = relay_channel(house, someone.user)
    house.settings["MTPROTO_PHONE_NUMBER"] = PHONE_NUMBER
    start_unsigned(house, "bot", "worker")
    house.ada.send_text("/mtlogin code")
    said(house.ada, "/mtcode")
    code = someone.phone.wait_for_code(30)
    bare = house.ada.send_text(f"/mtcode {code}")
    house.answer(bare, "This cannot work: Telegram makes a login code invalid")
    spaced = house.ada.send_text(f"/mtcode {' '.join(code)}")
    said(house.ada, "/mtpass")
    wrong = house.ada.send_text("/mtpass hunter22")
    said(house.ada, "wrong")
    right = house.ada.send_text(f"/mtpass {PASSWORD}")
    said(house.ada, SIGNED_IN)
    left = {line.message_id for line in house.ada.conversation()}
    assert not {spaced, wrong, right} & left, "no secret stays in the chat"
    file = house.ada.new_file(FileKind.VIDEO, 22 * MIB, name="film.mp4")
    message = house.ada.send_video(file)
    assert file.sha256() in house.answer(message, "Large file archived successfully")
    told = house.answer(house.ada.send_text("/mtstatus"), "ready")
    assert PHONE_NUMBER not in told and "relay" in told
    await_empty(house, relay)


@ON_TRIO
def test_another_account_than_the_configured_one(house: Household) -> None:
    """It is signed out again at once, nothing is stored, and the chat says why."""
    someone = person(house, phone_number="+491519999999")
    relay_channel(house, someone.user)
    house.settings["MTPROTO_PHONE_NUMBER"] = PHONE_NUMBER
    start_unsigned(house, "bot", "worker")
    house.ada.send_text("/mtlogin")
    scan_shown_code(house, someone.phone)
    told = said(house.ada, "another account")
    assert PHONE_NUMBER not in told
    eventually(lambda: pictures(house.ada) == [], what="the picture to go")
    assert not (house.home / "user.session").exists()


def test_a_suspended_person_leaves_the_bots_session_working(wings: Household) -> None:
    """Told once, also across restarts; the bot's session goes on; the reverse is the next test."""
    someone = person(wings)
    relay_channel(wings, someone.user)
    wings.start("bot", "worker")
    sign_in_by_qr(wings, someone)
    wings.in_world(lambda: setattr(someone.user, "deactivated", True))
    first, second = (wings.ada.new_file(FileKind.VIDEO, 22 * MIB + extra, name="film.mp4") for extra in (0, 1))
    message = wings.ada.send_video(first)
    assert first.sha256() in wings.answer(message, "Large file archived successfully")
    assert wings.settled(message, "stored")[0]["via"] == "bot"
    said(wings.ada, "suspended")
    worker = wings.processes[-1]
    worker.stop()
    worker = wings.launch("worker")  # not well: somebody has to look after the account
    worker.wait_logged("the bot session is ready")
    worker.wait_logged("the user session is suspended")
    message = wings.ada.send_video(second)
    assert second.sha256() in wings.answer(message, "Large file archived successfully")
    assert len([line for line in wings.ada.conversation() if "suspended" in line.text.lower()]) == 1, "said once"


@ON_ASYNCIO
def test_a_bots_session_that_is_refused_leaves_the_persons_working(wings: Household) -> None:
    """Telegram refuses the bot's MTProto sign-in: the relay serves, with the person's account."""
    someone = person(wings)
    relay_channel(wings, someone.user)
    wings.in_world(
        lambda: wings.telegram.world.faults.add(
            "auth.importBotAuthorization", times=1000, error=400, message="ACCESS_TOKEN_EXPIRED"
        )
    )
    wings.launch("bot").wait_ready()
    wings.launch("worker")
    sign_in_by_qr(wings, someone)
    file = wings.ada.new_file(FileKind.VIDEO, 22 * MIB, name="film.mp4")
    message = wings.ada.send_video(file)
    assert file.sha256() in wings.answer(message, "Large file archived successfully")
    assert wings.settled(message, "stored")[0]["via"] == "relay"
    assert wings.processes[-1].get("/readyz")[0] == 503, "somebody has to look after the bot's session"


@ON_ASYNCIO
def test_the_login_survives_a_restart_and_a_session_file_is_nobody_elses(house: Household) -> None:
    """The file is encrypted; a second worker on it refuses with a clear error and leaves the first alone."""
    someone = person(house)
    relay_channel(house, someone.user)
    start_unsigned(house, "bot", "worker")
    sign_in_by_qr(house, someone)
    house.processes[-1].stop()
    stored = (house.home / "user.session").read_bytes()
    assert b"teltubby" in stored[:32] and PHONE_NUMBER.encode() not in stored
    house.start("worker")
    other = house.launch("worker", SPOOL_DIR=str(house.home / "other-spool"))
    other.wait_logged("another process uses the session file")
    file = house.ada.new_file(FileKind.VIDEO, 22 * MIB, name="film.mp4")
    message = house.ada.send_video(file)
    assert file.sha256() in house.answer(message, "Large file archived successfully")
