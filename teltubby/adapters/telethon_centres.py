"""Connections for parts to every data centre, signed in as the session's account.

What may be opened beside the session's own connection (`AUTH_KEY_DUPLICATED`): under the session's key only
addresses that the home data centre flags `media_only`; at a foreign one, any, under an authorisation exported to it
once, whose key is kept.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from telethon import TelegramClient, errors, functions

from teltubby.adapters.mtproto_envelope import Envelope
from teltubby.adapters.mtproto_link import Link, open_link
from teltubby.adapters.mtproto_plain import PlainLink
from teltubby.adapters.mtproto_proxy import Proxy
from teltubby.adapters.mtproto_rpc import RpcConnection, RpcFault
from teltubby.adapters.telethon_errors import translate
from teltubby.adapters.telethon_parts import TelethonParts
from teltubby.adapters.telethon_private import UNREADABLE, PrivateNames
from teltubby.errors import (
    ConnectionLost,
    Permanent,
    SessionFileDamaged,
    SessionFileUnusable,
    TelegramUnavailable,
)
from teltubby.messages.transfer import PartConnection

_LOG = logging.getLogger(__name__)

CONNECT_SECONDS = 10.0
DIAL_SECONDS = 90.0
"""How long one address may take, and all of a dial."""

STALL_SECONDS = 15.0
"""A connection on which nothing comes for so long, while something is due, is given up."""

HANDSHAKES = 5
"""One in 256 fails: Telethon drops leading zeros of the shared secret."""


class Centres:
    """Dials for one signed-in client. asyncio-flavoured: call it from hosted bodies.

    `ask` has a request answered on its own connection, and raises our errors; `stock` makes parts come over that one.
    `keys` are those of foreign data centres that an earlier session agreed upon; `keep` stores what they are now.
    """

    def __init__(
        self,
        client: TelegramClient,
        names: PrivateNames,
        *,
        ask: Callable[[Any], Awaitable[Any]],
        stock: Callable[[int], PartConnection],
        introduction: Callable[[Any], Any],
        keys: Mapping[int, bytes],
        keep: Callable[[Mapping[int, bytes]], Awaitable[None]],
        timeout: float,
        proxy: Proxy | None = None,
    ) -> None:
        self._client = client
        self._names = names
        self._ask = ask
        self._stock = stock
        self._timeout = timeout
        self._proxy = proxy
        self._prefix = bytes(introduction(functions.help.GetConfigRequest()))[:-4]
        self._keys = dict(keys)
        self._keep = keep
        self._open: set[TelethonParts] = set()
        self._options: list[Any] | None = None
        self._refused_for_media = False
        self._authorising: dict[int, asyncio.Lock] = {}

    @property
    def connections(self) -> int:
        """How many connections of our own are open."""
        self._open = {each for each in self._open if each.is_open}
        return len(self._open)

    async def dial(self, data_centre: int) -> PartConnection:
        """Raises TelegramUnavailable, FloodWait, SessionNotReady, Unauthorised."""
        try:
            async with asyncio.timeout(DIAL_SECONDS):
                if data_centre == self._client.session.dc_id:
                    return await self._dial_home(data_centre)
                return await self._dial_abroad(data_centre)
        except TimeoutError as error:
            raise ConnectionLost(f"data centre {data_centre} did not answer in {DIAL_SECONDS:.0f} s") from error
        except Permanent as error:  # of the dial; it says nothing about any file
            raise TelegramUnavailable(f"data centre {data_centre} cannot be used: {error}") from error

    async def _dial_home(self, data_centre: int) -> PartConnection:
        try:
            if not self._refused_for_media and (addresses := await self._addresses(data_centre, media_only=True)):
                return await self._connect(addresses, data_centre, self._client.session.auth_key.key)
        except ConnectionLost as error:
            _LOG.warning("parts are fetched over Telethon's one connection, slowly: %s", error)
        return self._stock(data_centre)

    async def _dial_abroad(self, data_centre: int) -> PartConnection:
        addresses = await self._addresses(data_centre, media_only=False)
        async with self._authorising.setdefault(data_centre, asyncio.Lock()):
            if data_centre not in self._keys:
                await self._authorise(addresses, data_centre)
            key = self._keys[data_centre]
        return await self._connect(addresses, data_centre, key)

    # -- where

    async def _addresses(self, data_centre: int, *, media_only: bool) -> list[tuple[str, int]]:
        """Host and port of a data centre; those for media first, or nothing but those."""
        if self._options is None:
            self._options = list((await self._ask(functions.help.GetConfigRequest())).dc_options)
        fitting = [
            option
            for option in self._options
            if option.id == data_centre and not (option.cdn or option.ipv6 or option.tcpo_only or option.secret)
        ]
        for_media = [option for option in fitting if option.media_only]
        if not fitting:
            self._options = None
            raise TelegramUnavailable(f"Telegram lists no address of data centre {data_centre}")
        chosen = for_media if media_only else for_media + [option for option in fitting if not option.media_only]
        return [(option.ip_address, option.port) for option in chosen]

    async def _open_link(self, addresses: list[tuple[str, int]]) -> Link:
        problem: Exception | None = None
        for host, port in addresses:
            try:
                async with asyncio.timeout(min(self._timeout, CONNECT_SECONDS)):
                    return await open_link(host, port, self._proxy)
            except (OSError, TimeoutError) as error:
                problem = error
        self._options = None  # they may have moved
        raise ConnectionLost(f"no address of the data centre answers: {problem}") from problem

    # -- under which key

    async def _connect(self, addresses: list[tuple[str, int]], data_centre: int, key: bytes) -> TelethonParts:
        link = await self._open_link(addresses)
        rpc = self._rpc(link, Envelope(key))
        parts = TelethonParts(rpc, self._names, key_died=partial(self._lose_key, data_centre, key))
        self._open = {parts, *(each for each in self._open if each.is_open)}
        return parts

    def _rpc(self, link: Link, envelope: Envelope) -> RpcConnection:
        return RpcConnection(
            link, envelope, introduce=self._prefix.__add__, stall_seconds=min(self._timeout, STALL_SECONDS)
        )

    def _lose_key(self, data_centre: int, key: bytes) -> None:
        """A foreign key is made anew; of the session's own, its own connection says what is true, and is used then."""
        if self._keys.get(data_centre) == key:
            _LOG.warning("data centre %d no longer accepts our key, a new one is made", data_centre)
            del self._keys[data_centre]
        elif key == self._client.session.auth_key.key and not self._refused_for_media:
            _LOG.warning(
                "parts are fetched over Telethon's one connection, slowly: the session's key is refused for media"
            )
            self._refused_for_media = True

    async def _authorise(self, addresses: list[tuple[str, int]], data_centre: int) -> None:
        """Make a key with a foreign data centre and sign it in; exporting is flood-limited, so this happens once."""
        link = await self._open_link(addresses)
        rpc: RpcConnection | None = None
        try:
            async with asyncio.timeout(self._timeout * 3):
                key, offset = await self._new_key(link)
                rpc = self._rpc(link, Envelope(key, time_offset=offset))
                exported = await self._ask(functions.auth.ExportAuthorizationRequest(data_centre))
                await rpc.invoke(bytes(functions.auth.ImportAuthorizationRequest(id=exported.id, bytes=exported.bytes)))
        except RpcFault as fault:
            raise translate(self._names.to_error(fault.code, fault.message)) from fault
        except (ConnectionError, TimeoutError) as error:
            raise ConnectionLost(f"data centre {data_centre} did not sign us in: {error}") from error
        finally:
            link.abort(ConnectionError("signed in"))
            if rpc is not None:
                await rpc.aclose()
        self._keys[data_centre] = key
        try:
            await self._keep(self._keys)
        except (SessionFileUnusable, SessionFileDamaged) as error:
            _LOG.error("the keys of foreign data centres cannot be kept: %s", error)

    async def _new_key(self, link: Link) -> tuple[bytes, int]:
        """The key exchange, again where it fails by its own arithmetic."""
        problem: Exception | None = None
        for _ in range(HANDSHAKES):
            try:
                return await self._names.make_key(PlainLink(link, self._names.read))
            except (errors.SecurityError, AssertionError, *UNREADABLE) as error:
                problem = error
        raise ConnectionLost(f"no key could be agreed upon: {problem!r}") from problem
