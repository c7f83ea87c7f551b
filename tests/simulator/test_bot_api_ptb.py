"""Stock python-telegram-bot, a second client of other origin, against the simulated Bot API."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup, InputFile, Message
from telegram.error import BadRequest, Conflict, Forbidden, InvalidToken, RetryAfter

from teltubby.simulator.curator import Curator
from teltubby.simulator.files import FileKind
from teltubby.simulator.people import User
from teltubby.simulator.server import SimulatedTelegram

pytestmark = pytest.mark.anyio


@pytest.fixture
async def client(telegram: SimulatedTelegram, bot: User) -> AsyncIterator[Bot]:
    url = telegram.bot_api_url
    async with Bot(bot.token or "", base_url=f"{url}/bot", base_file_url=f"{url}/file/bot") as client:
        yield client


async def test_it_knows_who_it_is(client: Bot, bot: User) -> None:
    assert (client.id, client.username) == (bot.id, bot.username)


async def test_every_kind_of_message_is_understood(client: Bot, everything: int) -> None:
    updates = await client.get_updates(timeout=0)
    assert len(updates) == everything
    messages = [update.effective_message for update in updates]
    for kind in FileKind:
        assert any(getattr(message, kind.value) for message in messages), kind
    for name in ("location", "venue", "contact", "poll", "reply_to_message", "media_group_id", "has_protected_content"):
        assert any(getattr(message, name) for message in messages), name
    origins = {message.forward_origin.type for message in messages if message and message.forward_origin}
    assert origins == {"user", "hidden_user", "chat", "channel"}
    animation = next(message for message in messages if message and message.animation)
    assert animation.document is not None and animation.animation is not None
    assert animation.document.file_unique_id == animation.animation.file_unique_id


async def test_poll_download_send_and_edit(client: Bot, curator: Curator) -> None:
    file = curator.new_file(FileKind.DOCUMENT, 3_000_000, name="данные.bin")
    curator.send_document(file, caption="hello")
    (update,) = await client.get_updates(timeout=5)
    assert update.message is not None and update.message.document is not None
    assert update.message.document.file_name == "данные.bin"
    remote = await update.message.document.get_file()
    assert bytes(await remote.download_as_bytearray()) == file.read(0, file.size)

    keyboard = InlineKeyboardMarkup([[InlineKeyboardButton("Go", callback_data="go")]])
    sent = await client.send_message(
        curator.user.id,
        "<code>x</code>",
        parse_mode="HTML",
        reply_markup=keyboard,
        reply_to_message_id=update.message.message_id,
    )
    assert sent.reply_to_message is not None and sent.reply_to_message.message_id == update.message.message_id
    edited = await sent.edit_text("<i>y</i>", parse_mode="HTML")
    assert isinstance(edited, Message) and edited.text == "y"
    document = await client.send_document(curator.user.id, InputFile(b"abc", "a.txt"))
    assert document.document is not None and document.document.file_size == 3
    assert await client.get_updates(offset=update.update_id + 1, timeout=0) == ()


async def test_errors_become_its_exceptions(
    telegram: SimulatedTelegram, client: Bot, curator: Curator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PTB_TIMEDELTA", "true")
    with pytest.raises(BadRequest, match="Chat not found"):
        await client.send_message(1, "hello")
    curator.send_document(curator.new_file(FileKind.DOCUMENT, 25 << 20))
    (update,) = await client.get_updates(timeout=0)
    assert update.message is not None and update.message.document is not None
    with pytest.raises(BadRequest, match="File is too big"):
        await update.message.document.get_file()
    curator.block_bot()
    with pytest.raises(Forbidden, match="blocked"):
        await client.send_message(curator.user.id, "hello")
    telegram.call(lambda: telegram.world.faults.add("sendMessage", error=429, retry_after=3))
    with pytest.raises(RetryAfter, match="0:00:03"):
        await client.send_message(curator.user.id, "hello")
    await client.set_webhook("http://127.0.0.1:9/hook")
    with pytest.raises(Conflict, match="webhook is active"):
        await client.get_updates(timeout=0)
    assert await client.delete_webhook()
    url = telegram.bot_api_url
    with pytest.raises(InvalidToken):
        async with Bot("123:wrong", base_url=f"{url}/bot"):
            pass
