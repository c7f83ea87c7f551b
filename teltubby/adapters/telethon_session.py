"""One MTProto session signed in with the bot token, through Telethon.

The same account as the Bot API's, so the same mailbox: message ids are valid, and there is no 20 MiB limit
(telegram.md, "How the worker can reach a file at all"). Telethon is stopped from retrying and reconnecting by itself:
the SessionActor is the layer that does.
"""

from __future__ import annotations

import asyncio
import logging
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

from rsa import PublicKey
from telethon import TelegramClient, errors, functions, types
from telethon.crypto import rsa as keys
from telethon.sessions import StringSession

from teltubby import __version__
from teltubby.adapters.base import Account, SentLine
from teltubby.adapters.telethon_centres import Centres
from teltubby.adapters.telethon_errors import FOREIGN, translate
from teltubby.adapters.telethon_files import load_session, lock, store
from teltubby.adapters.telethon_private import PrivateNames, TelethonChanged, private_names
from teltubby.adapters.telethon_stock import StockParts
from teltubby.errors import FileGone, SessionNotReady, TelegramUnavailable, Unauthorised
from teltubby.flavour import ForeignCancelled, asyncio_hosted
from teltubby.messages.transfer import FileLocation, PartConnection

_LOG = logging.getLogger(__name__)

DEVICE_MODEL = "teltubby"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataCentre:
    """Address of a Telegram data centre, as `MTPROTO_DC=2@127.0.0.1:4430` gives it."""

    id: int
    host: str
    port: int


class TelethonSession:
    """`MtprotoGateway` of the bot's own account; the session file holds its key and belongs to one process at a time.

    `timeout` in seconds bounds connecting and each request. `public_key` is the server's RSA key (PKCS#1 PEM) where it
    is not Telegram's own.
    """

    def __init__(
        self,
        *,
        api_id: int,
        api_hash: str,
        bot_token: str,
        session_path: Path,
        timeout: float,
        data_centre: DataCentre | None = None,
        public_key: str | None = None,
    ) -> None:
        self._api_id = api_id
        self._api_hash = api_hash
        self._bot_token = bot_token
        self._bot_id = int(bot_token.partition(":")[0])
        self._path = session_path
        self._timeout = timeout
        self._data_centre = data_centre
        self._public_key = public_key
        self._client: TelegramClient | None = None
        self._lock: IO[str] | None = None
        self._centres: Centres | None = None
        self._key_is_dead = False

    async def open(self) -> Account:
        try:
            return await self._open()
        except ForeignCancelled as error:
            raise TelegramUnavailable("Telethon gave the connection up") from error

    @asyncio_hosted
    async def _open(self) -> Account:
        if self._lock is None:
            self._lock = await asyncio.to_thread(lock, self._path)
        session = StringSession() if self._key_is_dead else await asyncio.to_thread(load_session, self._path)
        if self._data_centre is not None and session.dc_id in (0, self._data_centre.id):  # else the account moved
            session.set_dc(self._data_centre.id, self._data_centre.host, self._data_centre.port)
        if self._public_key is not None:
            _trust(self._public_key)
        client = TelegramClient(
            session,
            self._api_id,
            self._api_hash,
            timeout=self._timeout,
            request_retries=1,
            connection_retries=1,
            retry_delay=0,
            auto_reconnect=False,
            flood_sleep_threshold=0,
            receive_updates=False,
            device_model=DEVICE_MODEL,
        )
        self._client = client
        try:
            async with asyncio.timeout(self._timeout * 3):
                await client.connect()
                me = await client.get_me()
                if me is None:
                    await client(
                        functions.auth.ImportBotAuthorizationRequest(
                            flags=0, api_id=self._api_id, api_hash=self._api_hash, bot_auth_token=self._bot_token
                        )
                    )
                    me = await client.get_me()
        except (errors.AuthKeyNotFound, errors.AuthKeyDuplicatedError) as error:
            self._key_is_dead = True
            raise TelegramUnavailable(
                f"Telegram no longer knows the session's key, a new one is made: {error}"
            ) from error
        except FOREIGN as error:
            raise translate(error) from error
        self._key_is_dead = False
        if me is not None and me.id != self._bot_id:
            self._key_is_dead = True
            raise TelegramUnavailable("the session file belongs to another account than the bot token; it is replaced")
        if me is None:
            raise SessionNotReady("Telegram accepted the sign-in but knows nobody on this session")
        try:
            await asyncio.to_thread(store, self._path, session.save())
        except OSError as error:
            # Signed in all the same; giving up now would only mean to sign in again, which is flood-limited.
            _LOG.error("the session file %s cannot be written: %s", self._path, error.strerror)
        self._centres = self._centres_of(client, me.id)
        return Account(id=me.id, username=me.username, is_bot=bool(me.bot))

    @asyncio_hosted
    async def aclose(self) -> None:
        client, self._client, self._centres = self._client, None, None
        if client is not None:
            await client.disconnect()
            lost = client.disconnected
            if lost.done() and not lost.cancelled():
                lost.exception()  # looked at, or asyncio complains of it when the client is collected
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.close()

    async def wait_lost(self) -> None:
        try:
            await self._wait_lost()
        except ForeignCancelled:
            return  # Telethon cancels its own future when it gives a connection up

    @asyncio_hosted
    async def _wait_lost(self) -> None:
        if self._client is None:
            return
        try:
            await asyncio.shield(self._client.disconnected)
        except FOREIGN:
            return  # why the connection ended does not matter here: the next open() tells

    async def locate(self, chat_id: int, message_id: int) -> FileLocation:
        try:
            return await self._locate(chat_id, message_id)
        except ForeignCancelled as error:
            raise TelegramUnavailable("the connection went away") from error

    async def sent(self, first: int, last: int) -> tuple[Sequence[SentLine], int | None]:
        """See SentLines."""
        try:
            found = await self._messages(range(first, last + 1))
        except ForeignCancelled as error:
            raise TelegramUnavailable("the connection went away") from error
        lines = [line for message in found if (line := _said_by_us(message)) is not None]
        return lines, max((message.id for message in found), default=None)

    async def dial(self, data_centre: int) -> PartConnection:
        try:
            return await self._dial(data_centre)
        except ForeignCancelled as error:
            raise TelegramUnavailable("the connection went away") from error

    @asyncio_hosted
    async def _messages(self, ids: Iterable[int]) -> list[types.Message]:
        """Those of the account's own mailbox that are there (messages.getMessages, at most 100 ids)."""
        client = self._connected()
        request = functions.messages.GetMessagesRequest([types.InputMessageID(number) for number in ids])
        try:
            async with asyncio.timeout(self._timeout):
                found = await client(request)
        except FOREIGN as error:
            raise translate(error) from error
        return [message for message in getattr(found, "messages", ()) if isinstance(message, types.Message)]

    @asyncio_hosted
    async def _locate(self, chat_id: int, message_id: int) -> FileLocation:
        message = next(iter(await self._messages([message_id])), None)
        if message is None:
            raise FileGone(f"message {message_id} no longer exists in the bot's mailbox")
        if not isinstance(message.peer_id, types.PeerUser) or message.peer_id.user_id != chat_id:
            raise FileGone(f"message {message_id} of the bot's mailbox is not in chat {chat_id}")
        document = getattr(message.media, "document", None)
        if not isinstance(document, types.Document):
            raise FileGone(f"message {message_id} carries no document")
        return FileLocation(
            document_id=document.id,
            access_hash=document.access_hash,
            file_reference=bytes(document.file_reference),
            data_centre=document.dc_id,
            size=document.size,
        )

    @asyncio_hosted
    async def _dial(self, data_centre: int) -> PartConnection:
        client = self._connected()
        if self._centres is None:
            return StockParts(client, data_centre, self._timeout)
        return await self._centres.dial(data_centre)

    def _centres_of(self, client: TelegramClient, account_id: int) -> Centres | None:
        """Connections of our own for parts, or None where the installed Telethon does not allow them."""
        try:
            names = private_names()
        except TelethonChanged as error:
            _LOG.warning("parts are fetched over Telethon's one connection, slowly: %s", error)
            return None
        return Centres(
            client,
            names,
            account_id=account_id,
            introduction=partial(_introduced, names, self._api_id),
            session_path=self._path,
            timeout=self._timeout,
        )

    def _connected(self) -> TelegramClient:
        if self._client is None or not self._client.is_connected():
            raise TelegramUnavailable("the MTProto session is not connected")
        return self._client


def _said_by_us(message: types.Message) -> SentLine | None:
    if not message.out or not isinstance(message.peer_id, types.PeerUser):
        return None
    return SentLine(
        chat_id=message.peer_id.user_id,
        message_id=message.id,
        reply_to=getattr(message.reply_to, "reply_to_msg_id", None),
        text=message.message,
    )


def _trust(public_key: str) -> None:
    """Make the server's key known to Telethon, which reads PKCS#1 only; `BEGIN PUBLIC KEY` is what OpenSSL writes."""
    try:
        if "BEGIN PUBLIC KEY" in public_key:
            public_key = PublicKey.load_pkcs1_openssl_pem(public_key.encode()).save_pkcs1().decode()
        keys.add_key(public_key, old=False)
    except ValueError as error:
        raise Unauthorised(f"MTPROTO_PUBLIC_KEY is no RSA public key: {error}") from error


def _introduced(names: PrivateNames, api_id: int, query: Any) -> Any:
    """The first request of a connection: it tells who we are, and that it wants no updates."""
    return functions.InvokeWithLayerRequest(
        names.layer,
        functions.InitConnectionRequest(
            api_id=api_id,
            device_model=DEVICE_MODEL,
            system_version=platform.release(),
            app_version=__version__,
            system_lang_code="en",
            lang_pack="",
            lang_code="en",
            query=functions.InvokeWithoutUpdatesRequest(query),
        ),
    )
