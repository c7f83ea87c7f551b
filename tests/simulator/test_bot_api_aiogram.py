"""Stock aiogram against the simulated Bot API."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest
from aiogram import Bot
from aiogram.client.default import DefaultBotProperties
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.enums import ParseMode
from aiogram.exceptions import (
    TelegramBadRequest,
    TelegramConflictError,
    TelegramEntityTooLarge,
    TelegramForbiddenError,
    TelegramNetworkError,
    TelegramRetryAfter,
    TelegramServerError,
    TelegramUnauthorizedError,
)
from aiogram.types import (
    BotCommand,
    BufferedInputFile,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    ReplyParameters,
    Update,
)

from teltubby.simulator.curator import Curator
from teltubby.simulator.files import FileKind
from teltubby.simulator.people import ChatKind, User
from teltubby.simulator.server import SimulatedTelegram

pytestmark = pytest.mark.anyio

Api = Callable[..., tuple[int, Any]]

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


@pytest.fixture
async def client(telegram: SimulatedTelegram, bot: User) -> AsyncIterator[Bot]:
    session = AiohttpSession(api=TelegramAPIServer.from_base(telegram.bot_api_url))
    async with Bot(bot.token or "", session=session, default=DefaultBotProperties(parse_mode=ParseMode.HTML)) as client:
        yield client


async def test_every_update_survives_aiogram_unchanged(client: Bot, api: Api, everything: int) -> None:
    _, body = await asyncio.to_thread(api, "getUpdates")
    sent = body["result"]
    updates = await client.get_updates()
    assert len(updates) == len(sent) == everything
    for update, original in zip(updates, sent, strict=True):
        assert update.model_dump(mode="json", by_alias=True, exclude_unset=True) == original
        again = Update.model_validate(original, context={"bot": client})
        assert again.model_dump(mode="json", by_alias=True, exclude_unset=True) == original


async def test_long_poll_wakes_up_and_offset_confirms(client: Bot, curator: Curator) -> None:
    poll = asyncio.create_task(client.get_updates(timeout=20))
    await asyncio.to_thread(curator.send_text, "one")
    (first,) = await poll
    assert first.message is not None and first.message.text == "one"
    curator.send_text("two")
    assert [update.update_id for update in await client.get_updates()] == [first.update_id, first.update_id + 1]
    (second,) = await client.get_updates(offset=first.update_id + 1)
    assert second.message is not None and second.message.text == "two"
    assert await client.get_updates(offset=second.update_id + 1) == []


async def test_files_are_downloaded_whole(client: Bot, curator: Curator) -> None:
    file = curator.new_file(FileKind.VIDEO, 5_000_000)
    curator.send_video(file)
    (update,) = await client.get_updates()
    assert update.message is not None and update.message.video is not None
    received = io.BytesIO()
    await client.download(update.message.video, destination=received)
    assert received.getvalue() == file.read(0, file.size)


async def test_files_over_20_mib_are_refused(client: Bot, curator: Curator) -> None:
    limit = 20 * 1024 * 1024
    curator.send_document(curator.new_file(FileKind.DOCUMENT, limit))
    curator.send_document(curator.new_file(FileKind.DOCUMENT, limit + 1))
    allowed, refused = (
        update.message.document for update in await client.get_updates() if update.message and update.message.document
    )
    assert (await client.get_file(allowed.file_id)).file_size == limit
    with pytest.raises(TelegramBadRequest, match="file is too big"):
        await client.get_file(refused.file_id)


async def test_the_bot_writes_edits_answers_and_deletes(client: Bot, curator: Curator) -> None:
    greeting = curator.send_text("/start")
    (update,) = await client.get_updates()
    assert update.message is not None and update.message.message_id != greeting
    keyboard = InlineKeyboardMarkup(inline_keyboard=[[InlineKeyboardButton(text="Yes", callback_data="yes")]])
    message = await client.send_message(
        curator.user.id,
        "<b>bold</b> &amp; 😀<i>italic</i>",
        reply_markup=keyboard,
        reply_parameters=ReplyParameters(message_id=update.message.message_id),
    )
    assert message.text == "bold & 😀italic"
    assert [(e.type, e.offset, e.length) for e in message.entities or ()] == [("bold", 0, 4), ("italic", 9, 6)]
    shown = curator.conversation()[-1]
    assert (shown.text, shown.reply_to, shown.buttons) == ("bold & 😀italic", greeting, ((("Yes", "yes"),),))

    curator.press(shown.message_id, "yes")
    (pressed,) = await client.get_updates(offset=update.update_id + 1)
    assert pressed.callback_query is not None and pressed.callback_query.data == "yes"
    assert await pressed.callback_query.as_(client).answer("fine")

    await client.edit_message_text("done", chat_id=curator.user.id, message_id=message.message_id)
    shown = curator.conversation()[-1]
    assert (shown.text, shown.edits, shown.buttons) == ("done", 1, ())
    with pytest.raises(TelegramBadRequest, match="message is not modified"):
        await client.edit_message_text("done", chat_id=curator.user.id, message_id=message.message_id)
    await client.delete_message(curator.user.id, message.message_id)
    assert [line.text for line in curator.conversation()] == ["/start"]


async def test_uploads_arrive_as_they_were(client: Bot, curator: Curator) -> None:
    curator.send_text("/start")
    document = await client.send_document(
        curator.user.id, BufferedInputFile(b"content", "отчёт.txt"), caption="<b>see</b>"
    )
    photo = await client.send_photo(curator.user.id, BufferedInputFile(PNG, "qr.png"))
    again = await client.send_photo(curator.user.id, (photo.photo or [])[-1].file_id)
    assert document.document is not None and document.document.file_name == "отчёт.txt"
    line = curator.conversation()[-3]
    assert line.file is not None and line.file.read(0, 100) == b"content" and line.text == "see"
    assert (again.photo or [])[-1].file_unique_id == (photo.photo or [])[-1].file_unique_id


async def test_uploads_that_are_refused(client: Bot, curator: Curator) -> None:
    curator.send_text("/start")
    with pytest.raises(TelegramBadRequest, match="file must be non-empty"):
        await client.send_document(curator.user.id, BufferedInputFile(b"", "empty.txt"))
    with pytest.raises(TelegramBadRequest, match="IMAGE_PROCESS_FAILED"):
        await client.send_photo(curator.user.id, BufferedInputFile(b"no picture", "qr.png"))
    with pytest.raises(TelegramEntityTooLarge):
        await client.send_document(curator.user.id, BufferedInputFile(bytes(50_000_001), "big.bin"))
    assert len(curator.conversation()) == 1


async def test_copies_of_any_size_lose_their_origin_and_keep_the_file(
    telegram: SimulatedTelegram, bot: User, client: Bot, curator: Curator
) -> None:
    channel = telegram.call(lambda: telegram.world.add_chat(ChatKind.CHANNEL, "Relay", admins=(bot,)))
    file = curator.new_file(FileKind.VIDEO, 4 << 30, name="huge.mp4")
    origin = telegram.call(lambda: telegram.world.origin_of(telegram.world.send(bot, channel, "post")))
    curator.send_video(file, caption="see", forward_origin=origin)
    (update,) = await client.get_updates()
    assert update.message is not None and update.message.forward_origin is not None
    copied = await client.copy_message(channel.bot_api_id, curator.user.id, update.message.message_id)
    copy = telegram.call(lambda: channel.mailbox.messages[copied.message_id])
    assert (copy.post.media, copy.post.origin, copy.post.text) == (file, None, "see")

    curator.send_text("secret", protected=True)
    *_, secret = await client.get_updates()
    assert secret.message is not None and secret.message.has_protected_content
    with pytest.raises(TelegramBadRequest, match="the message can't be copied"):
        await client.copy_message(channel.bot_api_id, curator.user.id, secret.message.message_id)


async def test_chats_and_commands(telegram: SimulatedTelegram, bot: User, client: Bot, curator: Curator) -> None:
    curator.send_text("/start")
    channel = telegram.call(lambda: telegram.world.add_chat(ChatKind.CHANNEL, "Relay", admins=(bot,)))
    assert (await client.get_chat(curator.user.id)).username == "ada"
    assert (await client.get_chat_member(channel.bot_api_id, bot.id)).status == "administrator"
    assert (await client.get_chat_member(channel.bot_api_id, curator.user.id)).status == "left"
    await client.set_my_commands([BotCommand(command="status", description="How it is")])
    assert [command.command for command in await client.get_my_commands()] == ["status"]
    assert await client.send_chat_action(curator.user.id, "typing")


async def test_errors_become_aiograms_exceptions(telegram: SimulatedTelegram, client: Bot, curator: Curator) -> None:
    with pytest.raises(TelegramBadRequest, match="chat not found"):
        await client.send_message(12345, "hello")
    curator.send_text("/start")
    curator.block_bot()
    with pytest.raises(TelegramForbiddenError, match="bot was blocked by the user"):
        await client.send_message(curator.user.id, "hello")
    faults = telegram.world.faults
    telegram.call(lambda: faults.add("sendMessage", error=429, retry_after=7))
    with pytest.raises(TelegramRetryAfter) as caught:
        await client.send_message(curator.user.id, "hello")
    assert caught.value.retry_after == 7
    telegram.call(lambda: faults.add("getMe", error=502))
    with pytest.raises(TelegramServerError):
        await client.get_me()
    telegram.call(lambda: faults.add("getMe", cut=True))
    with pytest.raises(TelegramNetworkError):
        await client.get_me()
    async with Bot(f"{client.id}:wrong", session=AiohttpSession(api=client.session.api)) as stranger:
        with pytest.raises(TelegramUnauthorizedError):
            await stranger.get_me()


async def test_too_many_messages_are_refused_until_some_time_has_passed(client: Bot, curator: Curator) -> None:
    curator.send_text("/start")
    for number in range(20):
        await client.send_message(curator.user.id, str(number))
    with pytest.raises(TelegramRetryAfter) as caught:
        await client.send_message(curator.user.id, "one too many")
    assert caught.value.retry_after == 1


async def test_a_second_poller_ends_the_first(telegram: SimulatedTelegram, client: Bot, curator: Curator) -> None:
    arrived = threading.Event()

    def notice(call: Mapping[str, object]) -> bool:
        arrived.set()
        return False

    telegram.call(lambda: telegram.world.faults.add("getUpdates", matches=notice))
    older = asyncio.create_task(client.get_updates(timeout=30))
    assert await asyncio.to_thread(arrived.wait, 10)
    newer = asyncio.create_task(client.get_updates(timeout=30))
    with pytest.raises(TelegramConflictError, match="terminated by other getUpdates request"):
        await older
    await asyncio.to_thread(curator.send_text, "hello")
    assert len(await newer) == 1
