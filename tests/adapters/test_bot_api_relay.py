"""AiogramGateway against the simulated Bot API: copies into a channel, deletions there, replaced pictures."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from teltubby.adapters.base import BotGateway
from teltubby.adapters.bot_api import AiogramGateway
from teltubby.errors import BadRequest, ChatUnavailable, FileGone, FloodWait, TelegramUnavailable, TeltubbyError
from teltubby.simulator.curator import Curator
from teltubby.simulator.files import FileKind
from teltubby.simulator.people import AdminRights, Chat, ChatKind, User
from teltubby.simulator.server import SimulatedTelegram
from tests.adapters.conftest import opened

pytestmark = pytest.mark.anyio

MTPROTO = False
PNG = b"\x89PNG\r\n\x1a\n"
START = 1
"""The bot's id of what the curator said first."""


@pytest.fixture
async def gateway(telegram: SimulatedTelegram, bot: User, curator: Curator) -> AsyncIterator[BotGateway]:
    made = AiogramGateway(token=bot.token or "", api_url=telegram.bot_api_url, local=False, timeout=5.0)
    async with opened(made) as gateway:
        yield gateway


@pytest.fixture
def channel(telegram: SimulatedTelegram, bot: User, curator: Curator) -> Chat:
    """The bot may post there, and nothing else; message 1 is the curator's."""

    def make() -> Chat:
        chat = telegram.world.add_chat(ChatKind.CHANNEL, "Relay", admins=(bot, curator.user))
        chat.rights[bot.id] = AdminRights(can_delete=False)
        telegram.world.send(curator.user, chat, "theirs")
        return chat

    return telegram.call(make)


def posts(telegram: SimulatedTelegram, channel: Chat) -> list[int]:
    return telegram.call(lambda: sorted(channel.mailbox.messages))


async def test_a_file_of_any_size_is_copied_without_its_caption(
    gateway: BotGateway, telegram: SimulatedTelegram, bot: User, curator: Curator, channel: Chat
) -> None:
    film = curator.new_file(FileKind.VIDEO, 3 << 30, name="film.mp4")
    curator.send_video(film, caption="a secret caption")
    source = telegram.call(lambda: max(bot.mailbox.messages))
    copy = await gateway.copy(channel.bot_api_id, curator.user.id, source)
    post = telegram.call(lambda: channel.mailbox.messages[copy].post)
    assert (post.media, post.text, post.entities) == (film, "", ())


@pytest.mark.parametrize(
    ("trouble", "kind", "words"),
    [
        ("protected", BadRequest, "can't be copied"),
        ("gone", FileGone, "message to copy not found"),
        ("no right", ChatUnavailable, "need administrator rights"),
        ("kicked", ChatUnavailable, "kicked from the channel"),
        ("unknown", ChatUnavailable, "chat not found"),
        ("flood", FloodWait, "wait 7 s"),
        ("cut", TelegramUnavailable, "ServerDisconnected"),
    ],
)
async def test_why_something_is_not_copied(
    gateway: BotGateway,
    telegram: SimulatedTelegram,
    bot: User,
    curator: Curator,
    channel: Chat,
    trouble: str,
    kind: type[TeltubbyError],
    words: str,
) -> None:
    source = START
    match trouble:
        case "protected":
            curator.send_text("secret", protected=True)
            source = telegram.call(lambda: max(bot.mailbox.messages))
        case "gone":
            source = 99
        case "no right":
            telegram.call(channel.rights.__setitem__, bot.id, AdminRights(can_post=False))
        case "kicked":
            telegram.call(channel.members.discard, bot.id)
            telegram.call(channel.kicked.add, bot.id)
        case "unknown":
            telegram.call(channel.members.discard, bot.id)
        case "flood":
            telegram.call(lambda: telegram.world.faults.add("copyMessage", error=429, retry_after=7))
        case _:
            telegram.call(lambda: telegram.world.faults.add("copyMessage", cut=True))
    with pytest.raises(kind, match=words):
        await gateway.copy(channel.bot_api_id, curator.user.id, source)
    assert posts(telegram, channel) == [1]


async def test_what_is_ours_is_deleted_among_what_is_not(
    gateway: BotGateway, telegram: SimulatedTelegram, channel: Chat, curator: Curator
) -> None:
    relay = channel.bot_api_id
    own = [await gateway.copy(relay, curator.user.id, START) for _ in range(3)]
    await gateway.delete_all(relay, own[:1])
    assert posts(telegram, channel) == [1, *own[1:]]
    await gateway.delete_all(relay, [1, *own, 50])
    assert posts(telegram, channel) == [1]
    await gateway.delete_all(relay, own)
    with pytest.raises(BadRequest, match="can't be deleted"):
        await gateway.delete(relay, 1)
    await gateway.delete(relay, 50)


async def test_what_is_too_old_is_skipped(
    gateway: BotGateway, telegram: SimulatedTelegram, channel: Chat, curator: Curator
) -> None:
    old = await gateway.copy(channel.bot_api_id, curator.user.id, START)
    telegram.call(telegram.world.advance, 48 * 3600)
    new = await gateway.copy(channel.bot_api_id, curator.user.id, START)
    await gateway.delete_all(channel.bot_api_id, [old, new])
    assert posts(telegram, channel) == [1, old]


async def test_who_is_not_in_the_channel_deletes_nothing(
    gateway: BotGateway, telegram: SimulatedTelegram, bot: User, channel: Chat
) -> None:
    telegram.call(channel.admins.discard, bot.id)
    with pytest.raises(ChatUnavailable):
        await gateway.delete_all(channel.bot_api_id, [1])
    telegram.call(channel.members.discard, bot.id)
    with pytest.raises(ChatUnavailable):
        await gateway.delete_all(channel.bot_api_id, [1])
    with pytest.raises(ChatUnavailable):
        await gateway.delete(channel.bot_api_id, 1)


async def test_a_picture_is_replaced_in_its_place(gateway: BotGateway, curator: Curator) -> None:
    """As a QR code is when it is renewed; the same one again is fine."""
    sent = await gateway.send_photo(curator.user.id, PNG + b"one", html="<b>first</b>")
    for _ in range(2):
        await gateway.replace_photo(curator.user.id, sent, PNG + b"two", html="<i>second</i> &amp; last")
    (line,) = [line for line in curator.conversation() if line.from_bot]
    assert (line.text, line.media) == ("second & last", FileKind.PHOTO)
    assert line.file is not None and line.file.read(0, 100) == PNG + b"two"


async def test_a_picture_that_cannot_be_replaced(gateway: BotGateway, curator: Curator) -> None:
    sent = await gateway.send_photo(curator.user.id, PNG, html="x")
    with pytest.raises(BadRequest, match="caption is too long"):
        await gateway.replace_photo(curator.user.id, sent, PNG, html="x" * 1025)
    with pytest.raises(BadRequest):
        await gateway.replace_photo(curator.user.id, sent, b"no picture", html="x")
    await gateway.delete(curator.user.id, sent)
    with pytest.raises(BadRequest, match="message to edit not found"):
        await gateway.replace_photo(curator.user.id, sent, PNG, html="x")
    curator.block_bot()
    with pytest.raises(ChatUnavailable):
        await gateway.send_photo(curator.user.id, PNG, html="x")
