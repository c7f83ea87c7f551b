"""A person's account beside the bot's: their phone's camera, the relay channel, and what each route needs."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass

import zxingcpp
from PIL import Image

from teltubby.simulator.curator import ChatLine, Curator
from teltubby.simulator.files import File, FileKind
from teltubby.simulator.people import Chat, ChatKind, User
from teltubby.simulator.phone import Phone
from tests.acceptance.household import Household
from tests.acceptance.polling import eventually

SIGN_IN_WITHIN = 60.0
PHONE_NUMBER = "+491511234567"
PASSWORD = "correct  horse, battery staple"
SIGNED_IN = "Signed in"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody whose account the worker may use, and the phone in their hand."""

    user: User
    phone: Phone


def person(house: Household, *, password: str | None = None, phone_number: str = PHONE_NUMBER) -> Person:
    """An account of its own, which talks to nobody."""
    user = house.in_world(
        lambda: house.telegram.world.add_user("Worker", username="workhorse", phone=phone_number, password=password)
    )
    return Person(user, Phone(house.telegram, user))


def relay_channel(house: Household, member: User | None) -> Chat:
    """A private channel in which the bot may post and that person reads; the product is told of it."""
    members = () if member is None else (member,)
    chat: Chat = house.in_world(
        lambda: house.telegram.world.add_chat(ChatKind.CHANNEL, "relay", members=members, admins=(house.bot,))
    )
    house.settings["MTPROTO_RELAY_CHAT_ID"] = str(chat.bot_api_id)
    return chat


def seen_by_camera(file: File) -> str:
    """What a phone reads in a picture of a QR code."""
    found = zxingcpp.read_barcodes(Image.open(io.BytesIO(file.content.read(0, file.content.size))))
    assert len(found) == 1, f"{len(found)} codes in the picture"
    return str(found[0].text)


def start_unsigned(house: Household, *roles: str) -> None:
    """Start processes whose worker needs somebody to sign in, and return when the admin was told so."""
    house.ada.send_text("/start")
    for role in roles:
        house.launch(role)
    said(house.ada, "nobody is signed in")


def pictures(curator: Curator) -> list[ChatLine]:
    """The pictures that the bot shows now."""
    return [line for line in curator.conversation() if line.from_bot and line.media is FileKind.PHOTO]


def scan_shown_code(house: Household, phone: Phone, *, curator: Curator | None = None) -> None:
    """Wait for a QR code in the chat, and scan it."""
    admin = curator or house.ada
    admin.wait_for(lambda _: pictures(admin), SIGN_IN_WITHIN)
    scan_newest(admin, phone)


def scan_newest(admin: Curator, phone: Phone) -> None:
    """Scan what is shown now. Raises LookupError for nothing, RpcError for what is too old."""
    file = pictures(admin)[-1].file
    assert file is not None
    phone.scan(seen_by_camera(file))


def sign_in_by_qr(house: Household, someone: Person, *, password: str | None = None) -> None:
    """As an admin does it in the chat: /mtlogin, the camera, and the password if there is one."""
    asked = house.ada.send_text("/mtlogin")
    scan_shown_code(house, someone.phone)
    if password is not None:
        said(house.ada, "/mtpass")
        house.ada.send_text(f"/mtpass {password}")
    house.ada.wait_for(lambda lines: any(SIGNED_IN in line.text for line in lines), SIGN_IN_WITHIN)
    assert asked


def said(curator: Curator, text: str, *, within: float = SIGN_IN_WITHIN) -> str:
    """The first line of the bot with that text, once there is one."""

    def found() -> list[str]:
        return [line.text for line in curator.conversation() if line.from_bot and text in line.text]

    curator.wait_for(lambda _: found(), within)
    return found()[0]


def ways(house: Household, message: int) -> str:
    """What `/jobs <id>` says of the job of this message."""
    found = re.search(r"\bjob ([0-9a-f]{8})\b", "\n".join(line.text for line in house.answers(message)))
    assert found is not None
    asked = house.ada.send_text(f"/jobs {found.group(1)}")
    return house.answer(asked, found.group(1))


def await_empty(house: Household, chat: Chat) -> None:
    """Return when no copy is left in the relay."""
    eventually(lambda: house.in_world(lambda: list(chat.mailbox.messages)) == [], what="an empty relay channel")
