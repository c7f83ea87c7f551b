"""Telethon's client as the house uses it: stopped from retrying, reconnecting and waiting by itself.

Whoever owns a session is the layer that tries again; the engine has a flood policy of its own (telegram.md).
"""

from __future__ import annotations

import asyncio
import functools
import logging
import platform
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, ParamSpec, TypeVar

from rsa import PublicKey
from telethon import TelegramClient, types
from telethon import functions as requests
from telethon.crypto import rsa as keys
from telethon.sessions import StringSession

from teltubby import __version__
from teltubby.adapters.base import Account
from teltubby.adapters.mtproto_proxy import Proxy
from teltubby.adapters.telethon_errors import FOREIGN
from teltubby.adapters.telethon_private import PrivateNames, TelethonChanged, ask_for_no_state, take_updates
from teltubby.errors import TelegramUnavailable, Unauthorised
from teltubby.flavour import ForeignCancelled, asyncio_hosted

P = ParamSpec("P")
R = TypeVar("R")

_LOG = logging.getLogger(__name__)

DEVICE_MODEL = "teltubby"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataCentre:
    """Address of a Telegram data centre, as `MTPROTO_DC=2@127.0.0.1:4430` gives it."""

    id: int
    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """As what application we connect, and where. `timeout` in seconds bounds connecting and each request.

    `public_key` is the server's RSA key in PEM where it is not Telegram's own. Every connection goes by the `proxy`.
    """

    api_id: int
    api_hash: str = field(repr=False)
    timeout: float
    data_centre: DataCentre | None = None
    public_key: str | None = None
    proxy: Proxy | None = None

    def session(self, text: str = "") -> StringSession:
        """A login as Telethon keeps it, or none yet."""
        session = StringSession(text)
        session.process_entities = _keep_nothing
        if self.data_centre is not None and session.dc_id in (0, self.data_centre.id):  # else the account moved
            session.set_dc(self.data_centre.id, self.data_centre.host, self.data_centre.port)
        return session

    def client(self, session: StringSession, *, receive_updates: bool = False) -> TelegramClient:
        """A client that is not connected. Raises Unauthorised where the server's key is none."""
        if self.public_key is not None:
            _trust(self.public_key)
        client = TelegramClient(
            session,
            self.api_id,
            self.api_hash,
            timeout=self.timeout,
            request_retries=1,  # the second try, at the data centre that a …_MIGRATE_X named
            connection_retries=1,
            retry_delay=0,
            auto_reconnect=False,
            flood_sleep_threshold=0,
            raise_last_call_error=True,
            receive_updates=receive_updates,
            proxy=None if self.proxy is None else self.proxy.for_telethon(),
            device_model=DEVICE_MODEL,
        )
        if not receive_updates:
            ask_for_no_state(client)
        return client

    def follower(
        self, session: StringSession, take: Callable[[Any], None], ended: Callable[[], None]
    ) -> TelegramClient:
        """A client that is pushed updates, as `take_updates` says; where Telethon has changed, one that is not."""
        client = self.client(session, receive_updates=True)
        try:
            take_updates(client, take, ended)
        except TelethonChanged as error:
            _LOG.warning("updates of channels are not pushed, only asked for now and then: %s", error)
            return self.client(session)
        return client

    def introduced(self, names: PrivateNames, query: Any) -> Any:
        """The first request of a connection: it tells who we are, and that it wants no updates."""
        return requests.InvokeWithLayerRequest(
            names.layer,
            requests.InitConnectionRequest(
                api_id=self.api_id,
                device_model=DEVICE_MODEL,
                system_version=platform.release(),
                app_version=__version__,
                system_lang_code="en",
                lang_pack="",
                lang_code="en",
                query=requests.InvokeWithoutUpdatesRequest(query),
            ),
        )


def telegram_hosted(function: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, Coroutine[Any, Any, R]]:
    """`asyncio_hosted`, and TelegramUnavailable where Telethon cancels a call as it gives the connection up."""
    hosted = asyncio_hosted(function)

    @functools.wraps(function)
    async def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return await hosted(*args, **kwargs)
        except ForeignCancelled as error:
            raise TelegramUnavailable("the connection went away") from error

    return call


async def disconnect(client: TelegramClient | None) -> None:
    """Close its connection; None, and one that is closed already, are fine."""
    if client is None:
        return
    await client.disconnect()
    lost = client.disconnected
    if lost.done():
        _look_at(lost)


async def until_lost(client: TelegramClient) -> None:
    """Return when its connection has ended, however it did: the next request tells why."""
    lost = client.disconnected
    lost.add_done_callback(_look_at)  # who waits may be cancelled before, and then nobody asks for its error
    try:
        await asyncio.shield(lost)
    except FOREIGN:
        return


def _look_at(lost: asyncio.Future[None]) -> None:
    """Or asyncio complains of its error when it is collected."""
    if not lost.cancelled():
        lost.exception()


async def who_is_signed_in(client: TelegramClient) -> types.User:
    """users.getUsers of ourselves: unlike Telethon's own get_me it does not hide why nobody is. Raises RPCError."""
    (me,) = await client(requests.users.GetUsersRequest([types.InputUserSelf()]))
    return me


def account_of(user: types.User) -> Account:
    """The account that a `user` describes."""
    return Account(id=user.id, username=user.username, is_bot=bool(user.bot), phone=user.phone)


def _keep_nothing(answer: Any) -> None:
    """Of every answer Telethon's session would note all people and chats in it, for ever, and nobody asks for them."""
    del answer


def _trust(public_key: str) -> None:
    """Make the server's key known to Telethon, which reads PKCS#1 only; `BEGIN PUBLIC KEY` is what OpenSSL writes."""
    try:
        if "BEGIN PUBLIC KEY" in public_key:
            public_key = PublicKey.load_pkcs1_openssl_pem(public_key.encode()).save_pkcs1().decode()
        keys.add_key(public_key, old=False)
    except ValueError as error:
        raise Unauthorised(f"MTPROTO_PUBLIC_KEY is no RSA public key: {error}") from error
