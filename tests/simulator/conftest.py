"""What the tests of the Bot API share: a running server, one message of every kind, and HTTP calls without a client."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from teltubby.simulator.curator import Curator
from teltubby.simulator.files import FileKind
from teltubby.simulator.messages import (
    Contact,
    Location,
    Origin,
    OriginChannel,
    OriginChat,
    OriginHiddenUser,
    OriginUser,
    Poll,
    Venue,
)
from teltubby.simulator.people import ChatKind, User
from teltubby.simulator.server import SimulatedTelegram

Json = dict[str, object]
Api = Callable[..., tuple[int, Any]]


def origins(telegram: SimulatedTelegram) -> list[Origin]:
    """One forward origin of each of the four types."""

    def make() -> list[Origin]:
        world = telegram.world
        author = world.add_user("Grace", last_name="Hopper", username="grace")
        group = world.add_chat(ChatKind.SUPERGROUP, "A group")
        channel = world.add_chat(ChatKind.CHANNEL, "Канал", username="a_channel")
        date = world.now() - 1000
        return [
            OriginUser(user=author, date=date),
            OriginHiddenUser(name="Somebody Hidden", date=date),
            OriginChat(chat=group, date=date, author_signature="admin"),
            OriginChannel(chat=channel, message_id=77, date=date, author_signature="editor"),
        ]

    return telegram.call(make)


@pytest.fixture
def anyio_backend() -> str:
    """The clients here are asyncio's; the server has a thread of its own."""
    return "asyncio"


@pytest.fixture
def telegram() -> Iterator[SimulatedTelegram]:
    """A running Bot API without MTProto."""
    with SimulatedTelegram(mtproto=False) as telegram:
        yield telegram


@pytest.fixture
def bot(telegram: SimulatedTelegram) -> User:
    """A bot."""
    return telegram.add_bot()


@pytest.fixture
def curator(telegram: SimulatedTelegram, bot: User) -> Curator:
    """A person who has not written to the bot yet."""
    return telegram.add_curator(bot, "Ada", last_name="Lovelace", username="ada")


@pytest.fixture
def api(telegram: SimulatedTelegram, bot: User) -> Api:
    """Calls methods with JSON bodies and no client library; returns (HTTP status, body)."""

    def call(method: str, **parameters: object) -> tuple[int, Json]:
        return post(f"{telegram.bot_api_url}/bot{bot.token}/{method}", parameters)

    return call


@pytest.fixture
def everything(telegram: SimulatedTelegram, curator: Curator) -> int:
    """The curator has sent one message of every kind; how many updates that made."""
    for kind in FileKind:
        media = curator.new_file(kind, 30_000, name=f"{kind} один.bin", width=640, height=360, duration=12)
        curator.send_media(media, caption="" if kind in (FileKind.STICKER, FileKind.VIDEO_NOTE) else "see #tag 😀")
    curator.send_media(curator.new_file(FileKind.VIDEO, 30_000, size_known=False))
    for name in ("a/b\\c.txt", "../../etc/passwd", "nul\0.bin", "\u202egpj.exe", "𝕏😀.zip", "x" * 300, ""):
        curator.send_media(curator.new_file(FileKind.DOCUMENT, 10, name=name))
    album = [curator.new_file(FileKind.PHOTO, 50_000 + n) for n in range(3)]
    curator.send_album([(album[0], "an album"), *album[1:]])
    here = Location(latitude=59.93, longitude=30.31)
    curator.send_media(here)
    curator.send_media(Venue(location=here, title="Hermitage", address="Palace Square"))
    curator.send_media(Contact(phone_number="+79990000000", first_name="Ivan", last_name="I.", user_id=1))
    curator.send_media(Poll(id=5, question="Really?", options=("yes", "no")))
    first = curator.send_text("/start https://example.org @somebody me@example.org")
    curator.send_text("a reply", reply_to=first)
    curator.send_text("secret", protected=True)
    for origin in origins(telegram):
        curator.send_text("forwarded", forward_origin=origin)
        curator.send_media(curator.new_file(FileKind.DOCUMENT, 10, name="f.pdf"), forward_origin=origin)
    curator.edit(first, "edited")
    return len(FileKind) + 1 + 7 + 3 + 4 + 3 + 8 + 1


def post(url: str, body: Mapping[str, object]) -> tuple[int, Json]:
    """POST JSON and read the JSON that comes back, whatever the status."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)
