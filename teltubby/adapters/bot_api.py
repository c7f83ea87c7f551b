"""The Bot API through aiogram: updates, answers with buttons, small downloads, copies."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aiogram import Bot
from aiogram.enums import ChatAction, ParseMode
from aiogram.methods import TelegramMethod
from aiogram.types import (
    BotCommand,
    BufferedInputFile,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputMediaPhoto,
    ReplyParameters,
)
from aiohttp import ClientTimeout

from teltubby.adapters.base import Account
from teltubby.adapters.bot_client import BotClient
from teltubby.adapters.bot_fields import KINDS
from teltubby.adapters.bot_updates import raw_update
from teltubby.errors import BadRequest, ContentMismatch, FileGone, MalformedMessage, TelegramUnavailable
from teltubby.messages.chat import Keyboard
from teltubby.messages.media import RawUpdate

DOWNLOAD_SECONDS = 600
"""A small file (at most 20 MiB from the cloud) that takes longer is given up and tried again."""

POLL_GRACE_SECONDS = 15.0
"""How much longer than a long poll its HTTP request may take before the connection counts as dead."""

NO_CAPTION = " "
"""aiogram leaves an empty caption out, and a caption left out is copied; Telegram makes this one empty."""


class _GetRawUpdates(TelegramMethod[list[dict[str, Any]]]):
    """getUpdates unparsed: the inbox keeps what Telegram sent, and an update of a new kind cannot stop intake."""

    __returning__ = list[dict[str, Any]]
    __api_method__ = "getUpdates"

    offset: int
    timeout: int
    allowed_updates: list[str]


class AiogramGateway(BotClient):
    """`BotGateway` over one aiogram `Bot`."""

    async def identify(self) -> Account:
        me = await self.call(lambda bot: bot.me())
        return Account(id=me.id, username=me.username, is_bot=me.is_bot)

    async def updates(self, *, offset: int, wait: float) -> Sequence[RawUpdate]:
        method = _GetRawUpdates(offset=offset, timeout=int(wait), allowed_updates=list(KINDS))
        raw = await self.call(lambda bot: bot(method, request_timeout=int(wait + POLL_GRACE_SECONDS)))
        try:
            return tuple(raw_update(update) for update in raw)
        except MalformedMessage as error:
            raise TelegramUnavailable(f"what answered is no Bot API server: {error}") from error

    async def set_webhook(self, url: str, *, secret: str) -> None:
        await self.call(lambda bot: bot.set_webhook(url, secret_token=secret, allowed_updates=list(KINDS)))

    async def delete_webhook(self) -> None:
        await self.call(lambda bot: bot.delete_webhook(drop_pending_updates=False))

    async def send(self, chat_id: int, html: str, *, reply_to: int | None = None, keyboard: Keyboard = ()) -> int:
        reply, markup = _reply(reply_to), _markup(keyboard)
        sent = await self.call(
            lambda bot: bot.send_message(
                chat_id, html, parse_mode=ParseMode.HTML, reply_parameters=reply, reply_markup=markup
            )
        )
        message_id: int = sent.message_id
        return message_id

    async def edit(self, chat_id: int, message_id: int, html: str, *, keyboard: Keyboard = ()) -> None:
        markup = _markup(keyboard)
        try:
            await self.call(
                lambda bot: bot.edit_message_text(
                    html, chat_id=chat_id, message_id=message_id, parse_mode=ParseMode.HTML, reply_markup=markup
                )
            )
        except BadRequest as error:
            if not error.says("message is not modified"):
                raise

    async def send_photo(self, chat_id: int, png: bytes, *, html: str, reply_to: int | None = None) -> int:
        reply, picture = _reply(reply_to), BufferedInputFile(png, "picture.png")
        sent = await self.call(
            lambda bot: bot.send_photo(
                chat_id, picture, caption=html, parse_mode=ParseMode.HTML, reply_parameters=reply
            )
        )
        message_id: int = sent.message_id
        return message_id

    async def send_document(
        self, chat_id: int, name: str, body: bytes, *, html: str = "", reply_to: int | None = None
    ) -> int:
        reply, file = _reply(reply_to), BufferedInputFile(body, name)
        sent = await self.call(
            lambda bot: bot.send_document(
                chat_id,
                file,
                caption=html,
                parse_mode=ParseMode.HTML,
                disable_content_type_detection=True,
                reply_parameters=reply,
            )
        )
        message_id: int = sent.message_id
        return message_id

    async def delete(self, chat_id: int, message_id: int) -> None:
        try:
            await self.call(lambda bot: bot.delete_message(chat_id, message_id))
        except BadRequest as error:
            if not error.says("message to delete not found"):
                raise

    async def delete_all(self, chat_id: int, message_ids: Sequence[int]) -> None:
        try:
            await self.call(lambda bot: bot.delete_messages(chat_id, list(message_ids)))
        except BadRequest as error:
            if not _is_refused(error):
                raise
            for message_id in message_ids:  # one that may not be deleted keeps Telegram from deleting the others
                await self._delete_if_ours(chat_id, message_id)

    async def _delete_if_ours(self, chat_id: int, message_id: int) -> None:
        try:
            await self.delete(chat_id, message_id)
        except BadRequest as error:
            if not _is_refused(error):
                raise

    async def copy(self, chat_id: int, from_chat_id: int, message_id: int) -> int:
        copy = await self.call(
            lambda bot: bot.copy_message(
                chat_id, from_chat_id, message_id, caption=NO_CAPTION, disable_notification=True
            )
        )
        copy_id: int = copy.message_id
        return copy_id

    async def replace_photo(self, chat_id: int, message_id: int, png: bytes, *, html: str) -> None:
        picture = InputMediaPhoto(media=BufferedInputFile(png, "picture.png"), caption=html, parse_mode=ParseMode.HTML)
        await self.call(lambda bot: bot.edit_message_media(picture, chat_id=chat_id, message_id=message_id))

    async def answer_press(self, press_id: str, text: str, *, alert: bool = False) -> None:
        await self.call(lambda bot: bot.answer_callback_query(press_id, text=text, show_alert=alert))

    async def show_typing(self, chat_id: int) -> None:
        await self.call(lambda bot: bot.send_chat_action(chat_id, ChatAction.TYPING))

    async def download(self, file_id: str, into: Path) -> int:
        size: int = await self.call(lambda bot: _download(bot, file_id, into))
        if self._watch is not None:
            self._watch.downloaded(size)
        return size

    async def set_commands(self, commands: Mapping[str, str]) -> None:
        menu = [BotCommand(command=name, description=text) for name, text in commands.items()]
        await self.call(lambda bot: bot.set_my_commands(menu))


async def _download(bot: Bot, file_id: str, into: Path) -> int:
    await asyncio.to_thread(into.parent.mkdir, parents=True, exist_ok=True)
    file = await bot.get_file(file_id)
    if file.file_path is None:
        raise FileGone("Telegram has no path for this file")
    silence = bot.session.timeout  # a server that is gone without a word is noticed as soon as in any other request
    timeout = ClientTimeout(total=DOWNLOAD_SECONDS, sock_connect=silence, sock_read=silence)
    await bot.download_file(file.file_path, into, timeout=timeout, chunk_size=1 << 18)  # type: ignore[arg-type]
    received = (await asyncio.to_thread(into.stat)).st_size
    if file.file_size is not None and received != file.file_size:
        raise ContentMismatch(f"Telegram announced {file.file_size} bytes and sent {received}")
    return received


def _is_refused(error: BadRequest) -> bool:
    """Whether Telegram says that this message is not ours to delete, or too old."""
    return error.says("message can't be deleted")


def _reply(message_id: int | None) -> ReplyParameters | None:
    return None if message_id is None else ReplyParameters(message_id=message_id, allow_sending_without_reply=True)


def _markup(keyboard: Keyboard) -> InlineKeyboardMarkup | None:
    rows = [[InlineKeyboardButton(text=button.text, callback_data=button.data) for button in row] for row in keyboard]
    return InlineKeyboardMarkup(inline_keyboard=rows) if rows else None
