"""`teltubby doctor --round-trip`: a file of 25 MiB goes every way there is, and nothing of it is left."""

from __future__ import annotations

from pathlib import Path

from teltubby.doctor.troubles import Trouble
from tests.acceptance.accounts import person, relay_channel
from tests.acceptance.backends import ON_ASYNCIO, ON_TRIO
from tests.acceptance.examinations import examine, must_say, sign_in
from tests.acceptance.household import Household


def test_by_both_accounts_through_the_relay_into_a_bucket(wings: Household) -> None:
    worker = person(wings)
    wings.settings["MTPROTO_SESSION_PATH"] = str(wings.home / "user.session")
    chat = relay_channel(wings, worker.user)
    sign_in(wings, worker)
    found = examine(wings, "--round-trip")
    assert found.code == 0, found.printed
    fetched = found.found("fetch")
    assert "by the bot session" in fetched and "by the user session" in fetched and fetched.count("MB/s") == 2
    for leg in ("send", "store", "read back"):
        assert "MB/s" in found.found(leg), found.printed
    assert wings.archive.stored() == wings.archive.unfinished() == []
    assert wings.in_world(lambda: list(chat.mailbox.messages)) == []
    assert wings.spooled() == []


@ON_ASYNCIO
def test_from_the_bots_own_mailbox_into_a_folder(box: Household) -> None:
    """Without a relay the first on the whitelist is sent the file, silently; a folder is left as it was."""
    sign_in(box)
    box.ada.send_text("/start")
    found = examine(box, "--round-trip")
    assert found.code == 0, found.printed
    assert f"chat {box.ada.user.id}" in found.found("send") and "the SHA-256 is right" in found.found("fetch")
    assert [line for line in box.ada.conversation() if line.from_bot] == []
    assert list(Path(box.settings["STORAGE_FOLDER"]).iterdir()) == []
    assert not Path(box.settings["SPOOL_DIR"]).exists()


@ON_TRIO
def test_what_goes_wrong_on_the_way(box: Household) -> None:
    """The file cannot be sent; other bytes come back, which no hash of Telegram's would have told."""
    sign_in(box)
    found = examine(box, "--round-trip")
    must_say(found, Trouble.ROUND_TRIP_FAILED, "chat not found")
    box.ada.send_text("/start")
    box.in_world(lambda: box.telegram.world.faults.add("upload.getFile", corrupt=True))
    found = examine(box, "--round-trip", MTPROTO_VERIFY_HASHES="off")
    must_say(found, Trouble.ROUND_TRIP_ALTERED, "by the bot session")
    assert [line for line in box.ada.conversation() if line.from_bot] == []
    assert not Path(box.settings["SPOOL_DIR"]).exists() and box.archive.stored() == []


@ON_ASYNCIO
def test_without_any_session(box: Household) -> None:
    """It signs nobody in: that is for the worker, or for `teltubby login`. So nothing is sent either."""
    box.ada.send_text("/start")
    found = examine(box, "--round-trip")
    assert found.code == 0 and "nobody is signed in" in found.found("bot session"), found.printed
    assert found.found("send") == "" and not (box.home / "bot.session").exists()
    assert [line for line in box.ada.conversation() if line.from_bot] == []
