"""Commands, texts, and those who get no answer at all."""

from __future__ import annotations

from functools import partial

from teltubby.simulator.curator import Curator
from teltubby.simulator.files import FileKind
from teltubby.simulator.messages import Contact, Location
from teltubby.simulator.people import ChatKind
from tests.acceptance.accounts import said
from tests.acceptance.backends import ON_ASYNCIO, ON_TRIO
from tests.acceptance.household import Household, texts
from tests.acceptance.polling import always, eventually

KNOWN = {
    "/start": "Forward or send me anything",
    "/help": "/status",
    "/status": "1 worker; bot account ready",
    "/quota": "No quota is set",
    "/mode": "TELEGRAM_MODE is polling",
    "/queue": "No large file is waiting",
    "/jobs": "You handed in no large file yet.",
    "/jobs 12345678": "There is no job 12345678",
    "/jobs <b>&": "There is no job <b>&",
    "/jobs a b": "/jobs <id> tells everything about one",
    "/mtstatus": "bot account",
    "/channels": "No collector answers",
    "/track": "/track @name collects a channel",
    "/track Not,A Name": "name one channel at a time",
    "/untrack": "/untrack @name collects a channel no longer",
    "/report @name soon": "/report @name, or /report @name 90",
    "/db_maint": "The database is sound.",
    "/retry": "/retry <id> fetches",
    "/cancel 12345678": "There is no job 12345678",
    "/priority 12345678 soon": "/priority <id> normal|high|urgent",
    "/find": "/find words",
    "/find nothing like this": "Nothing was found for “nothing like this”.",
    "/stats 1000": "/stats, or /stats 30",
    "/purge": "/purge confirm deletes the whole archive",
    "/purge confirm": "The archive is empty",
    "/purge 0badcafe": "This confirmation is not (or no longer) good.",
    "/STATUS@teltubby_bot": "Archive: 0 files",
    "/help me please": "Commands",
}
SECRET = {"/mtcode 1 2 3 4 5": "No sign-in is under way", "/mtpass secret": "No sign-in is under way"}
UNKNOWN = ("/nope", "/", "//", "/ status", "/statuses", "/ПРИВЕТ", "/<b>", "/a\x00b", "/" + "x" * 200)


def test_every_message_of_a_curator_is_answered(box: Household) -> None:
    """Known commands, unknown ones, texts, and messages with something in them that is no file."""
    box.start("run").wait_logged("the bot session is ready")
    ada = box.ada
    box.without_flood_control()
    expected = {ada.send_text(command): answer for command, answer in KNOWN.items()}
    expected |= {ada.send_text(command): "I do not know this command" for command in UNKNOWN}
    nothing = "nothing to archive (no_media)"
    for command, answer in SECRET.items():  # deleted at once: there is nothing left to reply to
        message = ada.send_text(command)
        said(ada, answer)
        eventually(partial(gone, ada, message), what="it to be gone")
    expected |= {ada.send_text(text): nothing for text in ("hello", "<b>", "🎉" * 50, "status", " /status")}
    point = Location(latitude=52.5, longitude=13.4)
    expected[ada.send_media(point)] = nothing
    expected[ada.send_media(Contact(phone_number="+49123", first_name="Bob"))] = nothing
    for message, answer in expected.items():
        box.answer(message, answer)
    assert all(len(box.answers(message)) == 1 for message in expected), "one message, one answer"
    assert box.archive.stored() == []


def gone(curator: Curator, message: int) -> bool:
    """Whether the message was deleted."""
    return message not in [line.message_id for line in curator.conversation()]


@ON_ASYNCIO
def test_a_password_is_deleted_at_once_and_kept_nowhere(box: Household) -> None:
    """Neither in the chat nor in a log; the answer cannot reply to what is gone."""
    product = box.start("run")
    message = box.ada.send_text("/mtpass hunter2")
    box.ada.wait_for(lambda lines: any("I deleted your message" in line.text for line in lines), 60)
    assert message not in [line.message_id for line in box.ada.conversation()]
    assert "hunter2" not in product.log


def test_statistics_are_a_picture(box: Household) -> None:
    """Painted by a process of its own, with the words under it."""
    box.start("run")
    box.answer(box.ada.send_photo(box.ada.new_file(FileKind.PHOTO, 10_000)), "Archived 1 file")
    message = box.ada.send_text("/stats")
    box.answer(message, "The last 14 days (UTC): 1 file, 10.0 KB archived")
    (line,) = box.answers(message)
    assert line.media is not None


def test_strangers_and_groups_get_silence(box: Household) -> None:
    """Not a single call that others could see; refusals are counted and logged, and intake goes on."""
    telegram, ada = box.telegram, box.ada
    eve = telegram.add_curator(box.bot, "Eve", username="eve")

    def gather() -> None:
        world = telegram.world
        for kind in (ChatKind.GROUP, ChatKind.SUPERGROUP):
            group = world.add_chat(kind, "Gossip", members=(ada.user, box.bot, eve.user))
            world.send(ada.user, group, "/status")
            world.send(ada.user, group, media=world.add_file(FileKind.PHOTO, 10_000))
            world.send(eve.user, group, "/start@teltubby_bot")

    product = box.start("run")
    telegram.call(gather)
    eve.send_text("/start")
    eve.send_text("/help")
    eve.send_photo(eve.new_file(FileKind.PHOTO, 10_000), caption="let me in")
    eve.send_document(eve.new_file(FileKind.DOCUMENT, 30 << 20, name="large.bin"))
    eve.send_album([eve.new_file(FileKind.PHOTO, 10_000) for _ in range(3)])
    eventually(lambda: product.metric("teltubby_refused_updates_total") >= 11, what="eleven refusals")
    always(lambda: box.silent_towards(eve), seconds=0.5)
    assert product.metric("teltubby_refused_updates_total") == 11  # the album is one
    loud = ("sendMessage", "editMessageText", "sendChatAction", "getFile", "leaveChat", "setMessageReaction")
    assert {method: box.calls(method) for method in loud} == dict.fromkeys(loud, 0)
    refusals = [line["message"] for line in product.logged() if "refused" in str(line["message"])]
    assert len(refusals) == 11 and any(str(eve.user.id) in str(line) for line in refusals)
    assert "let me in" not in product.log, "what strangers write is nobody's business"
    box.answer(ada.send_text("/mode"), "polling")
    assert box.archive.stored() == [] and box.rows("SELECT count(*) FROM jobs") == [(0,)]


@ON_TRIO
def test_who_blocks_the_bot_still_has_their_files_archived(box: Household) -> None:
    """The answer is lost, the file is not."""
    box.start("run")
    ada = box.ada
    ada.send_text("/start")
    file = ada.new_file(FileKind.PHOTO, 50_000)
    fault = box.in_world(lambda: box.telegram.world.faults.add("getFile", delay=0.7))
    message = ada.send_photo(file)
    eventually(lambda: fault.used, what="the download to begin")
    ada.block_bot()
    assert box.settled(message, "stored")[0]["sha256"] == file.sha256()
    eventually(lambda: box.rows("SELECT count(*) FROM inbox WHERE done_at IS NULL") == [(0,)])
    ada.unblock_bot()
    box.answer(ada.send_text("/mode"), "polling")


@ON_ASYNCIO
def test_long_lists_come_in_several_messages(box: Household) -> None:
    """An album of ten that are all skipped says a line for each, and Telegram takes every message."""
    box.start("run", MAX_FILE_GB="0.00001")
    ada = box.ada
    files = [ada.new_file(FileKind.DOCUMENT, 20_000, name=f"{'<' * 50}{number}.bin") for number in range(10)]
    album = ada.send_album(files)
    told = box.answer(album[0], "was not archived (exceeds_cfg_limit)")
    assert "Item 10 " in "\n".join(texts(box.answers(album[0]))), told
    assert {item["status"] for item in box.settled(album[0], *["skipped"] * 10)} == {"skipped"}
