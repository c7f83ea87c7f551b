"""The simulated Bot API: revoked tokens, the server's clock, what is known of the webhook, edited pictures, uploads."""

from __future__ import annotations

import hashlib
import urllib.error
import urllib.request
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any

import anyio
import pytest
from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import TelegramUnauthorizedError
from aiogram.types import BufferedInputFile, InputMediaPhoto

from teltubby.simulator.curator import Curator
from teltubby.simulator.files import FileKind
from teltubby.simulator.people import User
from teltubby.simulator.server import SimulatedTelegram
from tests.simulator.answers import description, get, result

Api = Callable[..., tuple[int, Any]]
PNG = b"\x89PNG\r\n\x1a\n"
MIB = 1 << 20


@pytest.fixture
def chat_id(curator: Curator) -> int:
    """A chat that was started."""
    curator.send_text("/start")
    return curator.user.id


def client(telegram: SimulatedTelegram, bot: User) -> Bot:
    session = AiohttpSession(api=TelegramAPIServer.from_base(telegram.bot_api_url))
    return Bot(bot.token or "", session=session)


def test_a_revoked_token_is_refused_and_the_new_one_is_good(telegram: SimulatedTelegram, bot: User, api: Api) -> None:
    old = bot.token
    assert result(api("getMe"))["id"] == bot.id
    new = telegram.call(telegram.world.revoke_token, bot)
    assert new != old and new.startswith(f"{bot.id}:")
    assert get(f"{telegram.bot_api_url}/bot{old}/getMe") == 401
    assert get(f"{telegram.bot_api_url}/file/bot{old}/documents/file_0") == 401
    assert result(api("getMe"))["id"] == bot.id


@pytest.mark.anyio
async def test_who_polls_learns_at_once_that_the_token_was_revoked(telegram: SimulatedTelegram, bot: User) -> None:
    async with client(telegram, bot) as poller, anyio.create_task_group() as tasks:

        async def revoke() -> None:
            while not telegram.bot_api.requests.get("getUpdates"):
                await anyio.sleep(0.01)
            telegram.call(telegram.world.revoke_token, bot)

        tasks.start_soon(revoke)
        with anyio.fail_after(20), pytest.raises(TelegramUnauthorizedError):
            await poller.get_updates(timeout=50)


def test_answers_carry_the_time_of_the_world(telegram: SimulatedTelegram, bot: User) -> None:
    for offset, path in ((0, f"/bot{bot.token}/getMe"), (3600, f"/bot{bot.token}/getMe")):
        telegram.call(telegram.world.advance, offset)
        before = telegram.call(telegram.world.now)
        with urllib.request.urlopen(telegram.bot_api_url + path, timeout=10) as answer:
            date = parsedate_to_datetime(answer.headers["Date"]).timestamp()
        assert before <= date <= telegram.call(telegram.world.now)


def test_what_is_told_of_a_webhook(api: Api, curator: Curator) -> None:
    assert result(api("getWebhookInfo")) == {"url": "", "has_custom_certificate": False, "pending_update_count": 0}
    url = "http://127.0.0.1:9/hook"
    result(api("setWebhook", url=url, max_connections=3, allowed_updates=["message", "callback_query"]))
    curator.send_text("one")
    curator.wait_for(lambda lines: lines, 10)
    info = result(api("getWebhookInfo"))
    assert (info["url"], info["has_custom_certificate"], info["ip_address"]) == (url, False, "127.0.0.1")
    assert (info["max_connections"], info["pending_update_count"]) == (3, 1)
    assert info["allowed_updates"] == ["callback_query", "message"]
    result(api("deleteWebhook"))
    info = result(api("getWebhookInfo"))
    assert info["url"] == "" and info["pending_update_count"] == 1
    assert "max_connections" not in info and "ip_address" not in info


# -- pictures


@pytest.mark.anyio
async def test_a_picture_is_replaced_with_its_caption(
    telegram: SimulatedTelegram, bot: User, curator: Curator, chat_id: int
) -> None:
    async with client(telegram, bot) as sender:
        sent = await sender.send_photo(chat_id, BufferedInputFile(PNG + b"one", "qr.png"), caption="first")
        picture = InputMediaPhoto(
            media=BufferedInputFile(PNG + b"two", "qr.png"), caption="<b>second</b>", parse_mode="HTML"
        )
        await sender.edit_message_media(picture, chat_id=chat_id, message_id=sent.message_id)
        text = await sender.send_message(chat_id, "a text")
        await sender.edit_message_media(picture, chat_id=chat_id, message_id=text.message_id)
    lines = [line for line in curator.conversation() if line.from_bot]
    assert [(line.text, line.media, line.edits) for line in lines] == [("second", FileKind.PHOTO, 1)] * 2
    for line in lines:
        assert line.file is not None and line.file.read(0, 100) == PNG + b"two"


def test_media_that_cannot_be_put_there(api: Api, curator: Curator, chat_id: int) -> None:
    sent = result(api("sendMessage", chat_id=chat_id, text="x"))["message_id"]

    def edit(media: object, message_id: int = sent) -> str:
        return str(description(api("editMessageMedia", chat_id=chat_id, message_id=message_id, media=media)))

    good = {"type": "photo", "media": "attach://nothing"}
    assert edit(good) == "Bad Request: there is no photo in the request"
    assert edit(good, 1) == "Bad Request: message can't be edited", "it is the curator's"
    assert edit(good, 99) == "Bad Request: message to edit not found"
    assert "type" in edit({"type": "voice", "media": "attach://x"})
    assert edit(good | {"caption": "x" * 1025}) == "Bad Request: message caption is too long"
    wrongs: tuple[object, ...] = ("x", [], {}, {"type": "photo"}, {"type": {}, "media": []})
    for wrong in wrongs:
        assert edit(wrong) == "Bad Request: can't parse input media JSON object"


# -- uploads


@pytest.mark.anyio
async def test_a_large_upload_is_a_document_like_any_other(
    telegram: SimulatedTelegram, bot: User, curator: Curator, chat_id: int
) -> None:
    """The Bot API itself serves only 20 MiB of what it takes."""
    body = hashlib.shake_256(b"25 MiB").digest(25 * MIB)
    async with client(telegram, bot) as sender:
        sent = await sender.send_document(chat_id, BufferedInputFile(body, "probe.bin"), caption="probe")
    assert sent.document is not None and sent.document.file_size == len(body)
    (line,) = [line for line in curator.conversation() if line.from_bot]
    assert line.file is not None and line.file.unique_id == sent.document.file_unique_id
    assert line.file.sha256() == hashlib.sha256(body).hexdigest() and line.file.dc == bot.home_dc


def test_more_than_50_mb_are_not_taken(api: Api, telegram: SimulatedTelegram, bot: User, chat_id: int) -> None:
    boundary = "b"
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="document"; filename="x"\r\n\r\n'.encode()
    body = head + bytes(50 * 1000 * 1000 + 1) + f"\r\n--{boundary}--\r\n".encode()
    request = urllib.request.Request(
        f"{telegram.bot_api_url}/bot{bot.token}/sendDocument?chat_id={chat_id}",
        body,
        {"Content-Type": f"multipart/form-data; boundary={boundary}"},
    )
    with pytest.raises(urllib.error.HTTPError) as caught, urllib.request.urlopen(request, timeout=30):
        pass
    with caught.value as error:
        assert error.code == 413
