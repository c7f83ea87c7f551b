"""The Bot API through aiogram, for `teltubby doctor`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.enums import ParseMode
from aiogram.methods import TelegramMethod
from aiogram.types import FSInputFile

from teltubby.adapters.bot_api import AiogramGateway
from teltubby.adapters.inspection import ChatFacts, MemberFacts, WebhookFacts
from teltubby.errors import BadRequest, TelegramUnavailable

UPLOAD_SECONDS = 600
"""A document (at most 50 MB to the cloud) that takes longer is given up."""

_NOBODY = ("user not found", "member not found", "PARTICIPANT_ID_INVALID")
"""How Telegram says that an account never was in a chat, or that the bot never met it."""
_WRITERS = frozenset(("creator", "administrator", "member"))


class _GetChatMember(TelegramMethod[dict[str, Any]]):
    """getChatMember unparsed: which rights it names depends on the chat, and aiogram wants all of them."""

    __returning__ = dict[str, Any]
    __api_method__ = "getChatMember"

    chat_id: int
    user_id: int


class AiogramInspector(AiogramGateway):
    """`BotInspector` over one aiogram `Bot`."""

    async def chat(self, chat_id: int) -> ChatFacts:
        chat = await self.call(lambda bot: bot.get_chat(chat_id))
        return ChatFacts(
            id=chat.id,
            kind=str(chat.type),
            title=chat.title or chat.full_name,
            is_protected=bool(chat.has_protected_content),
            is_public=bool(chat.username or chat.active_usernames),
        )

    async def member(self, chat_id: int, user_id: int) -> MemberFacts:
        chat = await self.chat(chat_id)
        try:
            member = await self.call(lambda bot: bot(_GetChatMember(chat_id=chat_id, user_id=user_id)))
        except BadRequest as error:
            if not error.says(*_NOBODY):
                raise
            member = {"status": "left"}
        return _member_facts(member, in_channel=chat.kind == "channel")

    async def webhook(self) -> WebhookFacts:
        info = await self.call(lambda bot: bot.get_webhook_info())
        return WebhookFacts(url=info.url, pending=info.pending_update_count, last_error=info.last_error_message)

    async def server_time(self) -> datetime | None:
        date = await self.call(self._date)
        if date is None:
            return None
        try:
            return parsedate_to_datetime(date).astimezone(UTC)
        except ValueError as error:
            raise TelegramUnavailable(f"what answered is no HTTP server: its date is {date!r}") from error

    async def send_file(self, chat_id: int, path: Path, *, html: str) -> int:
        sent = await self.call(
            lambda bot: bot.send_document(
                chat_id,
                FSInputFile(path),
                caption=html,
                parse_mode=ParseMode.HTML,
                disable_notification=True,
                request_timeout=UPLOAD_SECONDS,
            )
        )
        message_id: int = sent.message_id
        return message_id

    async def _date(self, bot: Bot) -> str | None:
        """The header of whatever the server answers at its root, which needs no token."""
        address = urlsplit(self._server.base)
        if not isinstance(bot.session, AiohttpSession):
            raise AssertionError("BotClient makes its sessions itself")
        session = await bot.session.create_session()
        root, timeout = f"{address.scheme}://{address.netloc}/", aiohttp.ClientTimeout(total=self._timeout)
        async with session.get(root, allow_redirects=False, timeout=timeout) as answer:
            return answer.headers.get("Date")


def _member_facts(member: Mapping[str, Any], *, in_channel: bool) -> MemberFacts:
    """A creator may do everything; in a channel an administrator may do what Telegram names, and a member nothing."""
    status = str(member.get("status"))
    owns = status == "creator"
    restricted = status == "restricted" and member.get("can_send_documents") is True and member.get("is_member") is True
    can_post = member.get("can_post_messages") is True if in_channel else status in _WRITERS or restricted
    return MemberFacts(
        status=status, can_post=owns or can_post, can_delete=owns or member.get("can_delete_messages") is True
    )
