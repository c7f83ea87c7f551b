"""No secret stays anywhere: everything that the product writes is searched for what it was told in confidence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from teltubby.simulator.files import FileKind
from tests.acceptance.accounts import PHONE_NUMBER, SIGNED_IN, Person, person, relay_channel, said, start_unsigned
from tests.acceptance.household import Household
from tests.acceptance.polling import eventually
from tests.servers.rabbitmq import RabbitNode

MIB = 1 << 20
CANARY = "kanarienvogel 7Qx!  Öl&<b>"
WRONG = "wrong-kanarienvogel-9"


def spellings(secret: str) -> Iterator[bytes]:
    """The secret as files may hold it."""
    yield secret.encode()
    yield secret.encode("utf-16-le")
    yield secret.encode("unicode_escape")
    yield secret.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").encode()


def files_below(folder: Path) -> Iterator[Path]:
    """Every file there, of whatever program."""
    return (path for path in folder.rglob("*") if path.is_file())


def found_in(secret: str, *folders: Path) -> list[str]:
    """Where it stands."""
    return [
        str(path)
        for folder in folders
        for path in files_below(folder)
        for spelling in spellings(secret)
        if spelling in path.read_bytes()
    ]


def sign_in_by_code(house: Household, someone: Person, codes: list[str], *, command: str) -> None:
    """By code and password, the password after `command`, in whichever process runs now; the code is noted."""
    signed_in = count(house, SIGNED_IN)
    asked_for = {text: count(house, text) for text in ("/mtcode", "/mtpass")}
    house.ada.send_text("/mtlogin code")
    codes.append(someone.phone.wait_for_code(30, seen=len(codes)))
    eventually(lambda: count(house, "/mtcode") > asked_for["/mtcode"], what="the question for the code")
    house.ada.send_text(f"/mtcode {'-'.join(codes[-1])}")
    eventually(lambda: count(house, "/mtpass") > asked_for["/mtpass"], what="the question for the password")
    house.ada.send_text(f"/mtpass {WRONG}")
    eventually(lambda: count(house, "wrong") > 0, what="the refusal")
    house.ada.send_text(f"{command}{CANARY}")
    eventually(lambda: count(house, SIGNED_IN) > signed_in, what="the sign-in")


def count(house: Household, text: str) -> int:
    """How many lines of the bot have it."""
    return sum(text in line.text for line in house.ada.conversation() if line.from_bot)


def test_no_sink_holds_a_password_or_a_code(wings: Household, rabbit_node: RabbitNode) -> None:
    """Logs, database, queues, spool, session files, archive and the chat: neither the password nor the code is there.

    Both processes are killed when they have just used both, so that what a crash leaves is searched too.
    """
    someone = person(wings, password=CANARY)
    relay_channel(wings, someone.user)
    wings.settings |= {"MTPROTO_ROUTES": "relay", "MTPROTO_PHONE_NUMBER": PHONE_NUMBER, "LOG_LEVEL": "DEBUG"}
    codes: list[str] = []
    start_unsigned(wings, "bot", "worker")
    sign_in_by_code(wings, someone, codes, command="/mtpass ")
    for product in wings.processes:
        product.kill()
    look_everywhere(wings, rabbit_node, codes)
    wings.in_world(lambda: wings.telegram.mtproto_server.sign_out(someone.user))
    wings.launch("bot")
    wings.launch("worker")
    said(wings.ada, "revoked")
    sign_in_by_code(wings, someone, codes, command=f"/MtPass@{wings.bot.username}\n")
    file = wings.ada.new_file(FileKind.VIDEO, 22 * MIB, name="film.mp4")
    assert file.sha256() in wings.answer(wings.ada.send_video(file), "Large file archived successfully")
    look_everywhere(wings, rabbit_node, codes)
    wings.stop()
    look_everywhere(wings, rabbit_node, codes)


def look_everywhere(house: Household, node: RabbitNode, codes: list[str]) -> None:
    """Search what is on disk, in the archive, in the chat and on the pages of the processes."""
    key_of_the_bot = house.settings["TELEGRAM_BOT_TOKEN"].partition(":")[2]
    for secret in (CANARY, WRONG, quote(CANARY), key_of_the_bot, house.settings["MTPROTO_API_HASH"]):
        assert found_in(secret, house.home, node.directory) == []
        assert not any(secret in line.text for line in house.ada.conversation())
    assert PHONE_NUMBER.encode() not in (house.home / "user.session").read_bytes()
    database = b"".join(path.read_bytes() for path in files_below(house.home) if path.name.startswith("teltubby.db"))
    assert b"/mtpass" in database.lower(), "the search would find what is there"
    for code in codes:
        assert code.encode() not in database
        for spelled in (" ".join(code), "-".join(code)):
            assert found_in(spelled, house.home, node.directory) == []
    for key in house.archive.stored():
        if key.endswith(".json"):
            assert CANARY.encode() not in b"".join(house.archive.chunks(key))
    for product in house.processes:
        if product.running:
            for page in ("/status", "/metrics", "/healthz", "/readyz"):
                said = product.get(page)[1]
                assert CANARY not in said and key_of_the_bot not in said and PHONE_NUMBER.strip("+") not in said
