"""One MTProto session signed in with the bot token, through Telethon.

The same account as the Bot API's, so the same mailbox: message ids are valid, and there is no 20 MiB limit
(telegram.md, "How the worker can reach a file at all"). Telethon is stopped from retrying and reconnecting by itself:
the SessionActor is the layer that does.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from rsa import PublicKey
from telethon import TelegramClient, errors, functions, types
from telethon.crypto import rsa as keys
from telethon.sessions import StringSession

from teltubby.adapters.base import Account
from teltubby.adapters.telethon_errors import FOREIGN, translate
from teltubby.errors import FileGone, SessionFileUnusable, SessionNotReady, TelegramUnavailable, Unauthorised
from teltubby.flavour import ForeignCancelled, asyncio_hosted
from teltubby.messages.transfer import RemoteFile

_LOG = logging.getLogger(__name__)

REQUEST_BYTES = 512 * 1024
"""The largest part that Telethon's own iterator asks for."""


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
        self._key_is_dead = False

    async def open(self) -> Account:
        try:
            return await self._open()
        except ForeignCancelled as error:
            raise TelegramUnavailable("Telethon gave the connection up") from error

    @asyncio_hosted
    async def _open(self) -> Account:
        if self._lock is None:
            self._lock = await asyncio.to_thread(_lock, self._path.with_name(self._path.name + ".lock"))
        session = StringSession() if self._key_is_dead else await asyncio.to_thread(_load, self._path)
        if self._data_centre is not None:
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
            device_model="teltubby",
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
            await asyncio.to_thread(_store, self._path, session.save())
        except OSError as error:
            # Signed in all the same; giving up now would only mean to sign in again, which is flood-limited.
            _LOG.error("the session file %s cannot be written: %s", self._path, error.strerror)
        return Account(id=me.id, username=me.username, is_bot=bool(me.bot))

    @asyncio_hosted
    async def aclose(self) -> None:
        client, self._client = self._client, None
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

    async def locate(self, chat_id: int, message_id: int) -> RemoteFile:
        try:
            return await self._locate(chat_id, message_id)
        except ForeignCancelled as error:
            raise TelegramUnavailable("the connection went away") from error

    @asyncio_hosted
    async def _locate(self, chat_id: int, message_id: int) -> RemoteFile:
        client = self._connected()
        try:
            async with asyncio.timeout(self._timeout):
                found = await client(functions.messages.GetMessagesRequest([types.InputMessageID(message_id)]))
        except FOREIGN as error:
            raise translate(error) from error
        message = next(iter(getattr(found, "messages", ())), None)
        if not isinstance(message, types.Message):
            raise FileGone(f"message {message_id} no longer exists in the bot's mailbox")
        if not isinstance(message.peer_id, types.PeerUser) or message.peer_id.user_id != chat_id:
            raise FileGone(f"message {message_id} of the bot's mailbox is not in chat {chat_id}")
        document = getattr(message.media, "document", None)
        if not isinstance(document, types.Document):
            raise FileGone(f"message {message_id} carries no document")
        return _TelethonDocument(client, document, self._timeout)

    def _connected(self) -> TelegramClient:
        if self._client is None or not self._client.is_connected():
            raise TelegramUnavailable("the MTProto session is not connected")
        return self._client


class _TelethonDocument:
    """`RemoteFile` over one client."""

    def __init__(self, client: TelegramClient, document: types.Document, timeout: float) -> None:
        self._client = client
        self._document = document
        self._timeout = timeout

    @property
    def document_id(self) -> int:
        return int(self._document.id)

    @property
    def size(self) -> int:
        return int(self._document.size)

    async def read(self, offset: int, length: int) -> bytes:
        try:
            return await self._read(offset, length)
        except ForeignCancelled as error:
            raise TelegramUnavailable("the connection went away") from error

    @asyncio_hosted
    async def _read(self, offset: int, length: int) -> bytes:
        location = types.InputDocumentFileLocation(
            id=self._document.id,
            access_hash=self._document.access_hash,
            file_reference=self._document.file_reference,
            thumb_size="",
        )
        request = _request_size(offset, length)
        chunks = self._client.iter_download(
            location,
            offset=offset,
            limit=length // request,
            chunk_size=request,
            request_size=request,
            file_size=self._document.size,
            dc_id=self._document.dc_id,
        )
        received = bytearray()
        try:
            async with asyncio.timeout(self._timeout):
                async for chunk in chunks:
                    received += chunk
        except FOREIGN as error:
            raise translate(error) from error
        return bytes(received)


def _request_size(offset: int, length: int) -> int:
    """The largest power of two that both are multiples of: then 1 MiB is divisible by it, as the protocol demands."""
    together = offset | length
    return min(together & -together, REQUEST_BYTES)


def _lock(path: Path) -> IO[str]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = path.open("w")
    except OSError as error:
        raise SessionFileUnusable(f"the session's lock file {path} cannot be written: {error.strerror}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        handle.close()
        raise SessionFileUnusable(f"another process uses the session file {path.with_suffix('')}") from error
    return handle


def _trust(public_key: str) -> None:
    """Make the server's key known to Telethon, which reads PKCS#1 only; `BEGIN PUBLIC KEY` is what OpenSSL writes."""
    try:
        if "BEGIN PUBLIC KEY" in public_key:
            public_key = PublicKey.load_pkcs1_openssl_pem(public_key.encode()).save_pkcs1().decode()
        keys.add_key(public_key, old=False)
    except ValueError as error:
        raise Unauthorised(f"MTPROTO_PUBLIC_KEY is no RSA public key: {error}") from error


def _load(path: Path) -> StringSession:
    try:
        return StringSession(path.read_text().strip() if path.exists() else "")
    except OSError as error:
        raise SessionFileUnusable(f"the session file {path} cannot be read: {error.strerror}") from error
    except (ValueError, struct.error) as error:
        raise Unauthorised(f"the session file {path} is damaged; remove it to sign in anew") from error


def _store(path: Path, session: str) -> None:
    """Replace the session file in one step; it is a key to the account, so only its owner may read it."""
    draft = path.with_name(path.name + ".new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as handle:
        handle.write(session)
        handle.flush()
        os.fsync(handle.fileno())
    draft.replace(path)
