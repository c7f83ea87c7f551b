"""The Bot API through aiogram: updates, answers with buttons, small downloads."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol, TypeVar

import aiohttp
from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import PRODUCTION, TelegramAPIServer
from aiogram.enums import ChatAction, ParseMode
from aiogram.exceptions import (
    AiogramError,
    ClientDecodeError,
    TelegramAPIError,
    TelegramBadRequest,
    TelegramConflictError,
    TelegramEntityTooLarge,
    TelegramForbiddenError,
    TelegramNetworkError,
    TelegramNotFound,
    TelegramRetryAfter,
    TelegramServerError,
    TelegramUnauthorizedError,
)
from aiogram.methods import TelegramMethod
from aiogram.types import (
    BotCommand,
    BufferedInputFile,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    ReplyParameters,
)

from teltubby.adapters.base import Account
from teltubby.adapters.bot_updates import KINDS, raw_update
from teltubby.errors import (
    BadRequest,
    ChatUnavailable,
    ContentMismatch,
    FileGone,
    FileTooBig,
    FloodWait,
    MalformedMessage,
    PollConflict,
    SpoolFull,
    TelegramUnavailable,
    TeltubbyError,
    Unauthorised,
    WebhookActive,
)
from teltubby.flavour import ForeignCancelled, asyncio_hosted
from teltubby.messages.chat import Keyboard
from teltubby.messages.media import RawUpdate

R_co = TypeVar("R_co", covariant=True)
R = TypeVar("R")

DOWNLOAD_SECONDS = 600
"""A small file (at most 20 MiB from the cloud) that takes longer is given up and tried again."""

DEFAULT_RETRY_AFTER = 5.0

POLL_GRACE_SECONDS = 15.0
"""How much longer than a long poll its HTTP request may take before the connection counts as dead."""


class _Request(Protocol[R_co]):
    """One exchange with the Bot API, run in the asyncio flavour."""

    def __call__(self, bot: Bot, /) -> Awaitable[R_co]: ...


class _GetRawUpdates(TelegramMethod[list[dict[str, Any]]]):
    """getUpdates unparsed: the inbox keeps what Telegram sent, and an update of a new kind cannot stop intake."""

    __returning__ = list[dict[str, Any]]
    __api_method__ = "getUpdates"

    offset: int
    timeout: int
    allowed_updates: list[str]


class AiogramGateway:
    """`BotGateway` over one aiogram `Bot`; `timeout` in seconds bounds every request but the long poll."""

    def __init__(self, *, token: str, api_url: str | None, local: bool, timeout: float) -> None:
        self._token = token
        self._server = TelegramAPIServer.from_base(api_url, is_local=local) if api_url else PRODUCTION
        self._timeout = timeout
        self._bot: Bot | None = None

    @asyncio_hosted
    async def open(self) -> None:
        self._bot = Bot(self._token, session=AiohttpSession(api=self._server, timeout=self._timeout))

    @asyncio_hosted
    async def aclose(self) -> None:
        bot, self._bot = self._bot, None
        if bot is not None:
            await bot.session.close()

    async def identify(self) -> Account:
        me = await self._call(lambda bot: bot.me())
        return Account(id=me.id, username=me.username, is_bot=me.is_bot)

    async def updates(self, *, offset: int, wait: float) -> Sequence[RawUpdate]:
        method = _GetRawUpdates(offset=offset, timeout=int(wait), allowed_updates=list(KINDS))
        raw = await self._call(lambda bot: bot(method, request_timeout=int(wait + POLL_GRACE_SECONDS)))
        try:
            return tuple(raw_update(update) for update in raw)
        except MalformedMessage as error:
            raise TelegramUnavailable(f"what answered is no Bot API server: {error}") from error

    async def set_webhook(self, url: str, *, secret: str) -> None:
        await self._call(lambda bot: bot.set_webhook(url, secret_token=secret, allowed_updates=list(KINDS)))

    async def delete_webhook(self) -> None:
        await self._call(lambda bot: bot.delete_webhook(drop_pending_updates=False))

    async def send(self, chat_id: int, html: str, *, reply_to: int | None = None, keyboard: Keyboard = ()) -> int:
        reply, markup = _reply(reply_to), _markup(keyboard)
        sent = await self._call(
            lambda bot: bot.send_message(
                chat_id, html, parse_mode=ParseMode.HTML, reply_parameters=reply, reply_markup=markup
            )
        )
        message_id: int = sent.message_id
        return message_id

    async def edit(self, chat_id: int, message_id: int, html: str, *, keyboard: Keyboard = ()) -> None:
        markup = _markup(keyboard)
        try:
            await self._call(
                lambda bot: bot.edit_message_text(
                    html, chat_id=chat_id, message_id=message_id, parse_mode=ParseMode.HTML, reply_markup=markup
                )
            )
        except BadRequest as error:
            if "message is not modified" not in str(error):
                raise

    async def send_photo(self, chat_id: int, png: bytes, *, html: str, reply_to: int | None = None) -> int:
        reply, picture = _reply(reply_to), BufferedInputFile(png, "picture.png")
        sent = await self._call(
            lambda bot: bot.send_photo(
                chat_id, picture, caption=html, parse_mode=ParseMode.HTML, reply_parameters=reply
            )
        )
        message_id: int = sent.message_id
        return message_id

    async def delete(self, chat_id: int, message_id: int) -> None:
        try:
            await self._call(lambda bot: bot.delete_message(chat_id, message_id))
        except BadRequest as error:
            if "message to delete not found" not in str(error):
                raise

    async def answer_press(self, press_id: str, text: str, *, alert: bool = False) -> None:
        await self._call(lambda bot: bot.answer_callback_query(press_id, text=text, show_alert=alert))

    async def show_typing(self, chat_id: int) -> None:
        await self._call(lambda bot: bot.send_chat_action(chat_id, ChatAction.TYPING))

    async def download(self, file_id: str, into: Path) -> int:
        size: int = await self._call(lambda bot: _download(bot, file_id, into))
        return size

    async def set_commands(self, commands: Mapping[str, str]) -> None:
        menu = [BotCommand(command=name, description=text) for name, text in commands.items()]
        await self._call(lambda bot: bot.set_my_commands(menu))

    async def _call(self, request: _Request[R]) -> R:
        try:
            return await self._hosted(request)
        except ForeignCancelled as error:
            raise TelegramUnavailable("the HTTP client gave the request up") from error

    @asyncio_hosted
    async def _hosted(self, request: _Request[R]) -> R:
        if self._bot is None:
            raise TelegramUnavailable("the Bot API client is closed")
        try:
            return await request(self._bot)
        except (AiogramError, aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _translate(error) from error


async def _download(bot: Bot, file_id: str, into: Path) -> int:
    await asyncio.to_thread(into.parent.mkdir, parents=True, exist_ok=True)
    file = await bot.get_file(file_id)
    if file.file_path is None:
        raise FileGone("Telegram has no path for this file")
    await bot.download_file(file.file_path, into, timeout=DOWNLOAD_SECONDS, chunk_size=1 << 18)
    received = (await asyncio.to_thread(into.stat)).st_size
    if file.file_size is not None and received != file.file_size:
        raise ContentMismatch(f"Telegram announced {file.file_size} bytes and sent {received}")
    return received


def _reply(message_id: int | None) -> ReplyParameters | None:
    return None if message_id is None else ReplyParameters(message_id=message_id, allow_sending_without_reply=True)


def _markup(keyboard: Keyboard) -> InlineKeyboardMarkup | None:
    rows = [[InlineKeyboardButton(text=button.text, callback_data=button.data) for button in row] for row in keyboard]
    return InlineKeyboardMarkup(inline_keyboard=rows) if rows else None


_BY_DESCRIPTION: tuple[tuple[str, type[TeltubbyError]], ...] = (
    ("file is too big", FileTooBig),
    ("wrong file_id", FileGone),
    ("wrong remote file identifier", FileGone),
    ("invalid file_id", FileGone),
    ("file is temporarily unavailable", TelegramUnavailable),
    ("chat not found", ChatUnavailable),
    ("while webhook is active", WebhookActive),
)

_BY_CLASS: tuple[tuple[type[Exception], type[TeltubbyError]], ...] = (
    (TelegramUnauthorizedError, Unauthorised),
    (TelegramNotFound, Unauthorised),  # the Bot API answers 404 to a token of the wrong shape
    (TelegramConflictError, PollConflict),
    (TelegramForbiddenError, ChatUnavailable),
    (TelegramEntityTooLarge, FileTooBig),
    (TelegramServerError, TelegramUnavailable),
    (TelegramNetworkError, TelegramUnavailable),
    (ClientDecodeError, TelegramUnavailable),
    (TelegramBadRequest, BadRequest),
    (TelegramAPIError, BadRequest),
    (AiogramError, TelegramUnavailable),
    (aiohttp.ClientError, TelegramUnavailable),
    (TimeoutError, TelegramUnavailable),
)


def _retry_after(error: aiohttp.ClientResponseError) -> float:
    """Seconds that the file server asks for; a few where it does not say."""
    wanted = "" if error.headers is None else error.headers.get("Retry-After", "")
    return float(wanted) if wanted.isdecimal() else DEFAULT_RETRY_AFTER


def _translate(error: Exception) -> TeltubbyError:
    """What a failure of aiogram, aiohttp or the disk means to the house."""
    if isinstance(error, TelegramRetryAfter):
        return FloodWait(error.retry_after)
    if isinstance(error, aiohttp.ClientResponseError) and error.status == HTTPStatus.TOO_MANY_REQUESTS:
        return FloodWait(_retry_after(error))
    if isinstance(error, aiohttp.ClientResponseError):
        kind = FileGone if error.status in (403, 404) else TelegramUnavailable
        return kind(f"the file server answered {error.status}")
    if isinstance(error, OSError) and not isinstance(error, aiohttp.ClientError | ConnectionError | TimeoutError):
        return SpoolFull(f"the download cannot be written: {error.strerror}")
    text = str(getattr(error, "message", error)) or type(error).__name__
    if isinstance(error, TelegramBadRequest | TelegramConflictError):
        for phrase, meaning in _BY_DESCRIPTION:
            if phrase in text.lower():
                return meaning(text)
    for kind_of_error, meaning in _BY_CLASS:
        if isinstance(error, kind_of_error):
            return meaning(text)
    return TelegramUnavailable(text)
