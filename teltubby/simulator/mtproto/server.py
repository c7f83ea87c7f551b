"""The MTProto side of the simulated Telegram: data centres listening on loopback."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from typing import Any

from teltubby.simulator.messages import Event
from teltubby.simulator.mtproto.auth import void_sent_codes
from teltubby.simulator.mtproto.connection import Connection
from teltubby.simulator.mtproto.rsa_key import RsaKey
from teltubby.simulator.mtproto.served import Served
from teltubby.simulator.mtproto.state import Address, Call, LoginCodes, State
from teltubby.simulator.mtproto.updates import push
from teltubby.simulator.people import HOME_DC, User
from teltubby.simulator.world import World


class MTProtoServer:
    """Serves one world to MTProto clients, one port per data centre; runs on the asyncio loop that starts it.

    `api_ids` are the applications it takes (None: any positive one). With `media_only` each data centre listens on a
    second port for files, which help.getConfig flags so. `strict_duplicates` ends the session of a key that two
    connections use at once, beyond `tmp_sessions` if that is given (see parallel.py). Tests read `login_codes` (by
    phone number), `calls`, `served` (the parts of documents), `failures` (errors of the server itself; should be empty)
    and `violations` (why it hung up on clients, or ended a session).

    `world.faults` bends it: `latency` and lines for all, and programmed faults by method name ("upload.getFile").
    """

    def __init__(
        self,
        world: World,
        rsa_key: RsaKey,
        *,
        dcs: Sequence[int] = (HOME_DC,),
        media_only: bool = False,
        api_ids: Collection[int] | None = None,
        strict_duplicates: bool = True,
        tmp_sessions: int | None = None,
    ) -> None:
        self._addresses = [Address(dc, media) for dc in dcs for media in ((False, True) if media_only else (False,))]
        self._state = State(
            world=world,
            rsa_key=rsa_key,
            api_ids=api_ids,
            strict_duplicates=strict_duplicates,
            tmp_sessions=tmp_sessions,
        )
        self._servers: list[asyncio.Server] = []
        self._connections: set[asyncio.Task[None]] = set()
        self._queries: set[asyncio.Task[None]] = set()
        self._unsubscribe = world.subscribe(self._hear)

    @property
    def public_key_pem(self) -> str:
        """What a client must trust: the RSA key as PKCS#1 PEM."""
        return self._state.rsa_key.public_key_pem

    @property
    def ports(self) -> Mapping[int, int]:
        """Where each data centre listens; empty unless started."""
        return self._state.ports

    @property
    def media_ports(self) -> Mapping[int, int]:
        """Where each data centre listens for clients that want files; empty unless started with `media_only`."""
        return self._state.media_ports

    @property
    def login_codes(self) -> LoginCodes:
        """The codes sent to phones that are not used up."""
        return self._state.codes

    @property
    def calls(self) -> deque[Call]:
        """The latest RPC calls, oldest first."""
        return self._state.calls

    @property
    def served(self) -> Served:
        """Which parts of which documents were sent."""
        return self._state.served

    @property
    def export_limit(self) -> int:
        """How often an account may export its login per hour before it gets FLOOD_WAIT."""
        return self._state.exports.limit

    @export_limit.setter
    def export_limit(self, limit: int) -> None:
        self._state.exports.limit = limit

    @property
    def failures(self) -> list[tuple[str, Exception]]:
        """Exceptions of handlers, with the method."""
        return self._state.failures

    @property
    def violations(self) -> deque[str]:
        """Why connections were closed on clients that broke the protocol."""
        return self._state.violations

    async def start(self, host: str = "127.0.0.1", *, ports: Mapping[int, int] | None = None) -> dict[int, int]:
        """Listen on `ports` by data centre (any free one unless given) and return them; keys outlive a restart."""
        self._state.host = host
        for address in self._addresses:
            port = 0 if address.media_only else (ports or {}).get(address.dc, 0)
            server = await asyncio.start_server(self._serve(address), host, port)
            self._servers.append(server)
            listening = self._state.media_ports if address.media_only else self._state.ports
            listening[address.dc] = server.sockets[0].getsockname()[1]
        return dict(self._state.ports)

    async def stop(self) -> None:
        """Close every connection and stop listening."""
        for server in self._servers:
            server.close()
        tasks = self._connections | self._queries
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for server in self._servers:
            await server.wait_closed()
        self._servers.clear()
        self._state.ports.clear()
        self._state.media_ports.clear()

    def revoke_salts(self) -> None:
        """Make every salt that clients hold invalid, as time does."""
        for key in self._state.keys.values():
            key.salts.revoke(int(time.time()))

    def sign_out(self, account: User, *, dc: int | None = None) -> None:
        """End every login of an account, as terminating its sessions in an official client does, or those at `dc`."""
        for (where, _), key in self._state.keys.items():
            if key.account_id == account.id and dc in (None, where):
                key.account_id = None

    def forget_keys(self, *, dc: int | None = None) -> None:
        """Lose every authorization key, or those of `dc`; clients that use one get -404."""
        for where, key_id in list(self._state.keys):
            if dc in (None, where):
                del self._state.keys[where, key_id]

    def _hear(self, event: Event) -> None:
        void_sent_codes(self._state, event)
        push(self._state, event)

    def _serve(self, address: Address) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]:
        # Not a coroutine function: asyncio would make the task itself, and log an error whenever `stop` cancels it.
        def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(Connection(self._state, address, reader, writer, self._spawn).run())
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)

        return serve

    def _spawn(self, query: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(query)
        self._queries.add(task)
        task.add_done_callback(self._queries.discard)
