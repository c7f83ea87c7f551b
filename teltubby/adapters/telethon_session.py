"""What the MTProto sessions of the bot and of a person share: one connection, its file, and what is read over it.

Telethon is stopped from retrying and reconnecting by itself: the SessionActor is the layer that does.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from telethon import TelegramClient, functions, types
from telethon.sessions import StringSession

from teltubby.adapters.base import Account
from teltubby.adapters.mtproto_proxy import Proxy
from teltubby.adapters.session_vault import SavedSession, SessionVault
from teltubby.adapters.telethon_centres import Centres
from teltubby.adapters.telethon_client import (
    Application,
    DataCentre,
    account_of,
    disconnect,
    telegram_hosted,
    until_lost,
)
from teltubby.adapters.telethon_errors import FOREIGN, translate
from teltubby.adapters.telethon_places import Places
from teltubby.adapters.telethon_private import TelethonChanged, private_names
from teltubby.adapters.telethon_silence import Silence
from teltubby.adapters.telethon_stock import StockParts
from teltubby.errors import SessionFileDamaged, SessionFileUnusable, SessionNotReady, TelegramUnavailable
from teltubby.flavour import ForeignCancelled, asyncio_hosted
from teltubby.messages.transfer import FileLocation, PartConnection, Place

__all__ = ["DataCentre", "TelethonSession"]

_LOG = logging.getLogger(__name__)

OPEN_REQUESTS = 3
"""Connecting may take so many times as long as one request."""


class TelethonSession:
    """`MtprotoGateway` but for `open`, which is another matter for a bot than for a person.

    `timeout` in seconds bounds each request. `public_key` is the server's RSA key (PEM) where it is not Telegram's own.
    """

    def __init__(
        self,
        *,
        api_id: int,
        api_hash: str,
        vault: SessionVault,
        timeout: float,
        data_centre: DataCentre | None = None,
        public_key: str | None = None,
        proxy: Proxy | None = None,
    ) -> None:
        self._application = Application(
            api_id=api_id,
            api_hash=api_hash,
            timeout=timeout,
            data_centre=data_centre,
            public_key=public_key,
            proxy=proxy,
        )
        self._vault = vault
        self._timeout = timeout
        self._client: TelegramClient | None = None
        self._silence: Silence | None = None
        self._centres: Centres | None = None
        self._places: Places | None = None
        self._saved: SavedSession | None = None
        self._storing = asyncio.Lock()

    @property
    def data_centre(self) -> int | None:
        """See MtprotoGateway."""
        client = self._client
        return client.session.dc_id if client is not None and client.is_connected() else None

    @property
    def connections(self) -> int:
        """See MtprotoGateway."""
        own = self._client is not None and bool(self._client.is_connected())
        return own + (0 if self._centres is None else self._centres.connections)

    @asyncio_hosted
    async def aclose(self) -> None:
        """See MtprotoGateway."""
        await self._disconnect()
        self._vault.unlock()

    async def wait_lost(self) -> None:
        """See MtprotoGateway."""
        try:
            await self._wait_lost()
        except ForeignCancelled:
            return  # Telethon cancels its own future when it gives a connection up

    @asyncio_hosted
    async def _wait_lost(self) -> None:
        if self._client is not None:
            await until_lost(self._client)

    @telegram_hosted
    async def check(self) -> None:
        """See MtprotoGateway."""
        await self._ask(functions.users.GetUsersRequest([types.InputUserSelf()]))

    @telegram_hosted
    async def locate(self, place: Place) -> FileLocation:
        """See MtprotoGateway."""
        return await self._signed_in().locate(place)

    @telegram_hosted
    async def dial(self, data_centre: int) -> PartConnection:
        """See MtprotoGateway."""
        client = self._connected()
        if self._centres is None:
            return StockParts(client, data_centre, silence=self._watched())
        return await self._centres.dial(data_centre)

    @telegram_hosted
    async def sign_out(self) -> None:
        """auth.logOut, and the session file is removed; connects by itself where it is not.

        A session that Telegram no longer knows, and a file that is not there, are fine. Whatever else it raises, the
        file stays.
        """
        try:
            await self._sign_out(await self._load())
            await asyncio.to_thread(self._vault.remove)
        finally:
            await self._disconnect()
            self._vault.unlock()

    async def _sign_out(self, saved: SavedSession | None) -> None:
        if saved is None:
            return
        try:
            async with asyncio.timeout(self._timeout * OPEN_REQUESTS):
                if self._client is None or not self._client.is_connected():
                    await self._connect(self._application.session(saved.session))
                await self._connected()(functions.auth.LogOutRequest())
        except FOREIGN as error:
            meaning = translate(error)
            if not isinstance(meaning, SessionNotReady):
                raise meaning from error

    # -- for the subclasses; asyncio-flavoured

    async def _load(self) -> SavedSession | None:
        """The session file's content. Raises SessionFileUnusable, SessionFileDamaged."""
        await self._lock()
        return await asyncio.to_thread(self._vault.load)

    async def _lock(self) -> None:
        """Have the session file; cancelled meanwhile, it is let go of again. Raises SessionFileUnusable."""
        locking = asyncio.ensure_future(asyncio.to_thread(self._vault.lock))
        try:
            await asyncio.shield(locking)
        except asyncio.CancelledError:  # the thread goes on, and would hold it for nobody
            while not locking.done():
                with suppress(asyncio.CancelledError):  # anyio cancels again and again
                    await asyncio.wait([locking])
            if locking.exception() is None:
                self._vault.unlock()
            raise

    async def _connect(self, session: StringSession) -> TelegramClient:
        """Connect with this login, in place of a client that is there. Raises what FOREIGN names, Unauthorised."""
        await self._disconnect()
        self._client = self._new_client(session)
        self._silence = Silence(self._client, self._timeout)
        try:
            await self._client.connect()
        except ConnectionError as error:  # all that it says is how often it tried
            if self._application.proxy is None:
                raise
            raise ConnectionError("Telegram cannot be reached by the proxy of TELEGRAM_PROXY") from error
        return self._client

    def _new_client(self, session: StringSession) -> TelegramClient:
        return self._application.client(session)

    async def _disconnect(self) -> None:
        client, self._client, self._centres, self._places = self._client, None, None, None
        silence, self._silence = self._silence, None
        if silence is not None:
            silence.end()
        await disconnect(client)

    async def _begin(self, me: types.User, keys: Mapping[int, bytes]) -> Account:
        """`me` is signed in: keep the session, and be ready. `keys` are those of foreign data centres that we have."""
        client = self._connected()
        self._saved = SavedSession(
            api_id=self._application.api_id, account_id=me.id, session=client.session.save(), centres=dict(keys)
        )
        try:
            await asyncio.to_thread(self._vault.store, self._saved)
        except (SessionFileUnusable, SessionFileDamaged) as error:
            # Signed in all the same; giving up now would only mean to sign in again, which is flood-limited.
            _LOG.error("the session is not kept: %s", error)
        self._places = Places(self._ask, is_bot=bool(me.bot))
        self._centres = self._centres_of(client, keys)
        return account_of(me)

    async def _ask(self, request: Any) -> Any:
        """The answer to a request of the account that is signed in."""
        client, silence = self._connected(), self._watched()
        try:
            with silence.asking():
                async with asyncio.timeout(self._timeout):
                    return await client(request)
        except TimeoutError as error:
            await silence.end_if_dead()
            raise translate(error) from error
        except FOREIGN as error:
            raise translate(error) from error

    def _signed_in(self) -> Places:
        self._connected()
        if self._places is None:
            raise TelegramUnavailable("the MTProto session is not signed in yet")
        return self._places

    def _connected(self) -> TelegramClient:
        if self._client is None or not self._client.is_connected():
            raise TelegramUnavailable("the MTProto session is not connected")
        return self._client

    def _watched(self) -> Silence:
        assert self._silence is not None, "it comes and goes with the client"
        return self._silence

    def _centres_of(self, client: TelegramClient, keys: Mapping[int, bytes]) -> Centres | None:
        """Connections of our own for parts, or None where the installed Telethon does not allow them."""
        try:
            names = private_names()
        except TelethonChanged as error:
            _LOG.warning("parts are fetched over Telethon's one connection, slowly: %s", error)
            return None
        return Centres(
            client,
            names,
            ask=self._ask,
            stock=partial(StockParts, client, silence=self._watched()),
            introduction=partial(self._application.introduced, names),
            keys=keys,
            keep=self._keep_keys,
            timeout=self._timeout,
            proxy=self._application.proxy,
        )

    async def _keep_keys(self, keys: Mapping[int, bytes]) -> None:
        async with self._storing:
            if self._saved is None:
                return
            self._saved = replace(self._saved, centres=dict(keys))
            await asyncio.to_thread(self._vault.store, self._saved)
