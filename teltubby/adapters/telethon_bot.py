"""The MTProto session that is signed in with the bot token.

The same account as the Bot API's, so the same mailbox: message ids are valid, and there is no 20 MiB limit
(telegram.md, "How the worker can reach a file at all").
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from telethon import TelegramClient, errors, functions, types

from teltubby.adapters.base import Account, SentLine
from teltubby.adapters.mtproto_proxy import Proxy
from teltubby.adapters.session_vault import SessionVault
from teltubby.adapters.telethon_client import DataCentre, telegram_hosted, who_is_signed_in
from teltubby.adapters.telethon_errors import DEAD_KEYS, FOREIGN, translate
from teltubby.adapters.telethon_session import OPEN_REQUESTS, TelethonSession
from teltubby.errors import AccountSuspended, TelegramUnavailable

SIGN_IN_REQUESTS = OPEN_REQUESTS + 2


class BotSession(TelethonSession):
    """`MtprotoGateway` and `SentLines` of the bot: it signs itself in, and anew when its session has died."""

    def __init__(
        self,
        *,
        api_id: int,
        api_hash: str,
        bot_token: str,
        vault: SessionVault,
        timeout: float,
        data_centre: DataCentre | None = None,
        public_key: str | None = None,
        proxy: Proxy | None = None,
    ) -> None:
        super().__init__(
            api_id=api_id,
            api_hash=api_hash,
            vault=vault,
            timeout=timeout,
            data_centre=data_centre,
            public_key=public_key,
            proxy=proxy,
        )
        self._bot_token = bot_token
        self._bot_id = int(bot_token.partition(":")[0])
        self._key_is_dead = False

    @telegram_hosted
    async def open(self) -> Account:
        """See MtprotoGateway; Unauthorised when the token or the api id is refused."""
        saved = await self._load()
        if self._key_is_dead:
            saved = None
        try:
            async with asyncio.timeout(self._timeout * SIGN_IN_REQUESTS):
                client = await self._connect(self._application.session("" if saved is None else saved.session))
                me = await self._signed_in_bot(client)
        except DEAD_KEYS as error:
            self._key_is_dead = True
            raise TelegramUnavailable(
                f"Telegram no longer knows the session's key, a new one is made: {error}"
            ) from error
        except FOREIGN as error:
            raise translate(error) from error
        self._key_is_dead = me.id != self._bot_id
        if self._key_is_dead:
            raise TelegramUnavailable("the session file belongs to another account than the bot token; it is replaced")
        are_ours = saved is not None and saved.account_id in (me.id, None)
        return await self._begin(me, saved.centres if saved is not None and are_ours else {})

    async def _signed_in_bot(self, client: TelegramClient) -> types.User:
        try:
            return await who_is_signed_in(client)
        except DEAD_KEYS:
            raise
        except errors.UnauthorizedError as error:
            if isinstance(meaning := translate(error), AccountSuspended):
                raise meaning from error
        request = functions.auth.ImportBotAuthorizationRequest(
            flags=0,
            api_id=self._application.api_id,
            api_hash=self._application.api_hash,
            bot_auth_token=self._bot_token,
        )
        await client(request)
        return await who_is_signed_in(client)

    async def sent(self, first: int, last: int) -> tuple[Sequence[SentLine], int | None]:
        """See SentLines."""
        found = await self._messages(first, last)
        lines = [line for message in found if (line := _said_by_us(message)) is not None]
        return lines, max((message.id for message in found), default=None)

    @telegram_hosted
    async def _messages(self, first: int, last: int) -> list[types.Message]:
        return await self._signed_in().mailbox(range(first, last + 1))


def _said_by_us(message: types.Message) -> SentLine | None:
    if not message.out or not isinstance(message.peer_id, types.PeerUser):
        return None
    return SentLine(
        chat_id=message.peer_id.user_id,
        message_id=message.id,
        reply_to=getattr(message.reply_to, "reply_to_msg_id", None),
        text=message.message,
    )
