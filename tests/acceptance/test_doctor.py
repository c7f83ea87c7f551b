"""`teltubby doctor` beside a simulated Telegram: each mistake has its line with its remedy, and nothing is changed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from teltubby.doctor.troubles import Trouble
from teltubby.simulator.people import AdminRights, Chat
from tests.acceptance.accounts import PHONE_NUMBER, Person, person, relay_channel
from tests.acceptance.backends import ON_ASYNCIO, ON_TRIO
from tests.acceptance.examinations import examine, must_say, run_doctor, sign_in
from tests.acceptance.household import Household

OTHER_TOKEN = "5000000002:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsawX"


@pytest.fixture
def members(box: Household) -> tuple[Household, Person, Chat]:
    """A box with a relay, whose bot and person have signed in."""
    worker = person(box)
    box.settings["MTPROTO_SESSION_PATH"] = str(box.home / "user.session")
    chat = relay_channel(box, worker.user)
    box.in_world(lambda: chat.rights.update({box.bot.id: AdminRights(can_post=True, can_delete=False)}))
    sign_in(box, worker)
    return box, worker, chat


Members = tuple[Household, Person, Chat]


def files(house: Household) -> dict[str, bytes]:
    """Everything that lies in the installation, but what the test itself writes."""
    found = (path for path in house.home.rglob("*") if path.name != "doctor.log")
    return {str(path): path.read_bytes() if path.is_file() else b"(folder)" for path in found}


def test_a_single_box_is_well_and_stays_as_it_was(members: Members) -> None:
    """As text, too; what a first start will make is not made by doctor."""
    box, _, chat = members
    before = files(box)
    printed, code = run_doctor(box)
    assert code == 0 and "✗" not in printed and "\n  ! " not in printed, printed
    for line in ("✓ token", "✓ relay", "✓ bot session", "✓ user session", "✓ user in relay", "✓ delete"):
        assert line in printed
    after = files(box)
    assert after.keys() == before.keys()
    changed = {Path(name).name for name in before if before[name] != after[name]}
    assert changed <= {"bot.session", "user.session"}  # stored again, under a fresh nonce
    assert box.in_world(lambda: list(chat.mailbox.messages)) == []


def test_wrong_settings_end_with_78_and_all_mistakes(box: Household) -> None:
    printed, code = run_doctor(box, CONCURRENCY="0", LOG_LEVEL="LOUD")
    assert code == 78
    assert "CONCURRENCY" in printed and "LOG_LEVEL" in printed and "✓" not in printed


@ON_ASYNCIO
def test_a_token_that_was_revoked(box: Household) -> None:
    box.in_world(lambda: box.telegram.world.revoke_token(box.bot))
    found = examine(box)
    assert found.code == 1
    must_say(found, Trouble.TOKEN_REFUSED, "Unauthorized")
    assert found.state("cipher") == "well"


@ON_TRIO
def test_a_token_of_another_bot(members: Members) -> None:
    """The session is the old bot's: the worker replaces it, doctor does not, and Telegram is not away for that."""
    box, *_ = members
    before = (box.home / "bot.session").read_bytes()
    found = examine(box, TELEGRAM_BOT_TOKEN=box.in_world(box.telegram.add_bot).token)
    must_say(found, Trouble.BOT_SESSION_DEAD, f"the bot {box.bot.id}'s")
    assert Trouble.TELEGRAM_AWAY.title not in found.troubles
    assert (box.home / "bot.session").read_bytes() == before


@ON_TRIO
def test_an_api_id_that_telegram_does_not_know(members: Members) -> None:
    box, *_ = members
    box.in_world(lambda: setattr(box.telegram.mtproto_server._state, "api_ids", {54321}))
    must_say(examine(box), Trouble.API_ID_REFUSED, "api_id")


@ON_ASYNCIO
def test_a_relay_that_does_not_serve(members: Members) -> None:
    box, _, chat = members
    world = box.telegram.world
    must_say(examine(box, MTPROTO_RELAY_CHAT_ID="-1001999999999"), Trouble.RELAY_GONE, "-1001999999999")
    box.in_world(lambda: setattr(chat, "username", "our_relay"))
    box.in_world(lambda: setattr(chat, "protected", True))
    seen = examine(box)
    must_say(seen, Trouble.RELAY_PUBLIC, "'relay'")
    must_say(seen, Trouble.RELAY_PROTECTED)
    box.in_world(lambda: chat.rights.update({box.bot.id: AdminRights(can_post=False, can_delete=False)}))
    must_say(examine(box), Trouble.BOT_MAY_NOT_POST, "administrator")
    box.in_world(lambda: world.leave(chat, box.bot))
    must_say(examine(box), Trouble.BOT_NOT_IN_RELAY)
    box.in_world(lambda: world.join(chat, box.bot, rights=AdminRights()))
    box.in_world(lambda: world.delete_chat(chat))
    must_say(examine(box), Trouble.BOT_NOT_IN_RELAY, "kicked")


@ON_TRIO
def test_an_account_that_is_no_member_and_a_bot_with_too_many_rights(members: Members) -> None:
    """Also while a worker has the session: then the bot knows who is a member."""
    box, worker, chat = members
    world = box.telegram.world
    box.in_world(lambda: world.leave(chat, worker.user))
    box.in_world(chat.rights.clear)
    found = examine(box)
    must_say(found, Trouble.USER_NOT_IN_RELAY)
    must_say(found, Trouble.BOT_MAY_DELETE)
    box.start("run")
    beside = examine(box)
    assert "in use" in beside.found("user session") and "/mtstatus" in beside.found("bot session")
    assert beside.state("bot session") == "well"
    must_say(beside, Trouble.USER_NOT_IN_RELAY)


@ON_ASYNCIO
def test_session_files_that_cannot_be_used(members: Members) -> None:
    """One is corrupt, the other was made with another key; then of another api id, with a key that others may read."""
    box, *_ = members
    bot, user, key = (box.home / name for name in ("bot.session", "user.session", "teltubby.key"))
    whole = bot.read_bytes()
    bot.write_bytes(whole[:-20] + b"A" * 19 + b"\n")
    must_say(examine(box), Trouble.SESSION_DAMAGED, str(bot))
    bot.write_bytes(whole)
    must_say(examine(box, MTPROTO_API_ID="54321"), Trouble.SESSION_OTHER_API_ID, "12345", "54321")
    must_say(examine(box, TELTUBBY_SECRET_KEY="x" * 32), Trouble.SESSION_OTHER_KEY, "TELTUBBY_SECRET_KEY")
    key.chmod(0o640)
    must_say(examine(box), Trouble.KEY_FILE_OPEN, "0640")
    key.chmod(0o600)
    key.write_text("no key\n")
    must_say(examine(box), Trouble.KEY_FILE_UNUSABLE)
    assert user.exists()


@ON_TRIO
def test_accounts_that_are_not_as_configured(members: Members) -> None:
    """Another one than the number names; signed out at Telegram; closed by Telegram; nobody at all."""
    box, worker, _ = members
    must_say(examine(box, MTPROTO_PHONE_NUMBER="+499999999999"), Trouble.WRONG_ACCOUNT)
    assert examine(box, MTPROTO_PHONE_NUMBER=PHONE_NUMBER).state("user session") == "well"
    box.in_world(lambda: setattr(worker.user, "frozen", True))
    must_say(examine(box), Trouble.ACCOUNT_SUSPENDED, "frozen")
    box.in_world(lambda: setattr(worker.user, "frozen", False))
    worker.phone.end_other_sessions()
    must_say(examine(box), Trouble.SESSION_REVOKED)
    (box.home / "user.session").unlink()
    assert examine(box).state("user session") == "skipped"
    must_say(examine(box, MTPROTO_ROUTES="relay"), Trouble.NOT_SIGNED_IN)


@ON_ASYNCIO
def test_a_clock_that_is_off_by_an_hour(box: Household) -> None:
    box.in_world(lambda: box.telegram.world.advance(3600))
    must_say(examine(box), Trouble.CLOCK_OFF, "clock is 3,", "s behind")  # told by a header of whole seconds


@ON_ASYNCIO
def test_updates_that_go_elsewhere(box: Household) -> None:
    """To a webhook that somebody set, and to somebody who polls with the same token."""
    house = shutil.copytree(box.home, box.home.parent / "another")
    rival = box.launch("run", SQLITE_PATH=str(house / "db"), EMBEDDED_QUEUE_PATH=str(house / "queue.db"))
    rival.alarms_expected = True
    rival.wait_ready()
    must_say(examine(box, listens=True), Trouble.SOMEBODY_POLLS, "getUpdates")
    rival.stop()
    secret = "https://example.invalid/a-secret-path"
    box.in_world(lambda: _set_webhook(box, secret))
    found = examine(box, listens=True)
    must_say(found, Trouble.WEBHOOK_IN_THE_WAY, "example.invalid")
    must_say(examine(box), Trouble.WEBHOOK_ELSEWHERE, "example.invalid")
    assert "a-secret-path" not in found.printed


def _set_webhook(box: Household, url: str) -> None:
    from teltubby.simulator.bot_updates import WebhookState

    box.telegram.bot_api.account(box.bot.token or "").updates.webhook = WebhookState(url=url, secret=None)


@ON_TRIO
def test_no_secret_is_printed(members: Members) -> None:
    """Neither when all is well nor when everything is refused; not the session, not its key, not the number."""
    box, *_ = members
    secrets = [box.bot.token or "", box.settings["MTPROTO_API_HASH"], PHONE_NUMBER, OTHER_TOKEN, "canary-secret-of-s3"]
    secrets += [(box.home / "teltubby.key").read_text().strip()]
    broken = {
        "TELEGRAM_BOT_TOKEN": OTHER_TOKEN,
        "MTPROTO_PHONE_NUMBER": PHONE_NUMBER,
        "S3_BUCKET": "bucket",
        "S3_ENDPOINT": "http://127.0.0.1:9",
        "S3_ACCESS_KEY_ID": "canary-key-of-s3",
        "S3_SECRET_ACCESS_KEY": "canary-secret-of-s3",
    }
    del box.settings["STORAGE_FOLDER"]
    printed = [run_doctor(box, "--json", **broken)[0], run_doctor(box, **broken)[0]]
    for text in printed:
        assert Trouble.TOKEN_REFUSED.title in text and Trouble.STORE_AWAY.title in text
        assert [secret for secret in secrets if secret in text] == []
    json.loads(printed[0])
