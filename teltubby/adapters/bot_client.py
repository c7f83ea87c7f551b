"""One aiogram `Bot`, called from both backends, whose failures are ours."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol, TypeVar

import aiohttp
from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import PRODUCTION, TelegramAPIServer
from aiogram.exceptions import AiogramError

from teltubby.adapters.bot_errors import translate
from teltubby.errors import TelegramUnavailable
from teltubby.flavour import ForeignCancelled, asyncio_hosted

R_co = TypeVar("R_co", covariant=True)
R = TypeVar("R")


class Exchange(Protocol[R_co]):
    """One exchange with the Bot API, run in the asyncio flavour."""

    def __call__(self, bot: Bot, /) -> Awaitable[R_co]: ...


class BotClient:
    """What the adapters of the Bot API have in common; `timeout` in seconds bounds every request but the long ones."""

    def __init__(self, *, token: str, api_url: str | None, local: bool, timeout: float) -> None:
        self._token = token
        self._server = TelegramAPIServer.from_base(api_url, is_local=local) if api_url else PRODUCTION
        self._timeout = timeout
        self._bot: Bot | None = None

    @asyncio_hosted
    async def open(self) -> None:
        """Make the client; no network."""
        self._bot = Bot(self._token, session=AiohttpSession(api=self._server, timeout=self._timeout))

    @asyncio_hosted
    async def aclose(self) -> None:
        """Close its connections; safe to call twice."""
        bot, self._bot = self._bot, None
        if bot is not None:
            await bot.session.close()

    async def call(self, exchange: Exchange[R]) -> R:
        """What came of the exchange. Raises errors of the house only."""
        try:
            return await self._hosted(exchange)
        except ForeignCancelled as error:
            raise TelegramUnavailable("the HTTP client gave the request up") from error

    @asyncio_hosted
    async def _hosted(self, exchange: Exchange[R]) -> R:
        if self._bot is None:
            raise TelegramUnavailable("the Bot API client is closed")
        try:
            return await exchange(self._bot)
        except (AiogramError, aiohttp.ClientError, TimeoutError, OSError) as error:
            raise translate(error) from error
