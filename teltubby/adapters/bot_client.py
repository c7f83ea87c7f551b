"""One aiogram `Bot`, called from both backends, whose failures are ours."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable
from pathlib import Path
from typing import Protocol, TypeVar

import aiohttp
from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import PRODUCTION, TelegramAPIServer
from aiogram.exceptions import AiogramError

from teltubby.adapters.bot_errors import translate
from teltubby.adapters.tls import Tls, tls_fault
from teltubby.adapters.watched_bot import BotApiWatch
from teltubby.errors import TelegramUnavailable, TeltubbyError
from teltubby.flavour import ForeignCancelled, asyncio_hosted

R_co = TypeVar("R_co", covariant=True)
R = TypeVar("R")


class Exchange(Protocol[R_co]):
    """One exchange with the Bot API, run in the asyncio flavour."""

    def __call__(self, bot: Bot, /) -> Awaitable[R_co]: ...


class BotClient:
    """What the adapters of the Bot API have in common; `timeout` in seconds bounds every request but the long ones.

    `watch` hears how each of them ends. With `ca_file` only a server that this authority signed for is trusted.
    """

    def __init__(
        self,
        *,
        token: str,
        api_url: str | None,
        local: bool,
        timeout: float,
        ca_file: Path | None = None,
        watch: BotApiWatch | None = None,
    ) -> None:
        self._token = token
        self._server = TelegramAPIServer.from_base(api_url, is_local=local) if api_url else PRODUCTION
        self._timeout = timeout
        self._tls = None if ca_file is None else Tls(ca_file=ca_file)
        self._watch = watch
        self._bot: Bot | None = None

    @asyncio_hosted
    async def open(self) -> None:
        """Make the client; no network. Raises TelegramUnavailable where the authority's file cannot be read."""
        session = _Session(api=self._server, timeout=self._timeout)
        if self._tls is not None:
            try:
                session.trust(await asyncio.to_thread(self._tls.context))
            except OSError as error:
                raise TelegramUnavailable(f"TELEGRAM_BOT_API_CA_FILE cannot be used: {error}") from error
        self._bot = Bot(self._token, session=session)

    @asyncio_hosted
    async def aclose(self) -> None:
        """Close its connections; safe to call twice."""
        bot, self._bot = self._bot, None
        if bot is not None:
            await bot.session.close()

    async def call(self, exchange: Exchange[R]) -> R:
        """What came of the exchange. Raises errors of the house only."""
        try:
            answer = await self._told(exchange)
        except TeltubbyError as error:
            if self._watch is not None and self._bot is not None:
                self._watch.failed(error)
            raise
        if self._watch is not None:
            self._watch.answered()
        return answer

    async def _told(self, exchange: Exchange[R]) -> R:
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
            if (fault := tls_fault(error)) is not None:
                raise TelegramUnavailable(f"the Bot API server cannot be trusted: {fault}") from error
            raise translate(error) from error


class _Session(AiohttpSession):
    """aiogram's, which trusts the authorities of certifi unless it is told otherwise."""

    def trust(self, context: ssl.SSLContext) -> None:
        self._connector_init["ssl"] = context
