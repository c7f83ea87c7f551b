"""The MTProto side of the simulated Telegram: data centres listening on loopback."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any

from teltubby.simulator.listener import Listener
from teltubby.simulator.messages import Event, TokenRevoked
from teltubby.simulator.mtproto.auth import void_sent_codes
from teltubby.simulator.mtproto.connection import Connection
from teltubby.simulator.mtproto.keys import NOBODY, AuthKey
from teltubby.simulator.mtproto.limits import LoginLimits
from teltubby.simulator.mtproto.pushing import push, push_too_long
from teltubby.simulator.mtproto.qr import accept
from teltubby.simulator.mtproto.rpc import RpcError, require_usable
from teltubby.simulator.mtproto.rsa_key import RsaKey
from teltubby.simulator.mtproto.served import Served
from teltubby.simulator.mtproto.state import Address, Call, LoginCodes, State
from teltubby.simulator.people import HOME_DC, Chat, User
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
        self._listeners: list[Listener] = []
        self._connections: dict[asyncio.Task[None], Connection] = {}
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
    def login_limits(self) -> LoginLimits:
        """How many codes and wrong passwords it takes until Telegram asks to wait; they may be changed."""
        return self._state.login_limits

    @property
    def clock_skew(self) -> float:
        """By how many seconds the servers' clock is ahead of this machine's; when it is set, all salts are new."""
        return self._state.clock_skew

    @clock_skew.setter
    def clock_skew(self, seconds: float) -> None:
        self._state.clock_skew = seconds
        self.revoke_salts()

    @property
    def served(self) -> Served:
        """Which parts of which documents were sent."""
        return self._state.served

    @property
    def export_limit(self) -> int:
        """How often an account may export its login per hour before it gets FLOOD_WAIT."""
        return self._state.exports.limit.count

    @export_limit.setter
    def export_limit(self, limit: int) -> None:
        self._state.exports.limit.count = limit

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
            listener = Listener(partial(self._protocol, address), host, port)
            self._listeners.append(listener)
            listening = self._state.media_ports if address.media_only else self._state.ports
            listening[address.dc] = listener.port
        return dict(self._state.ports)

    async def stop(self) -> None:
        """Close every connection and stop listening."""
        for listener in self._listeners:
            await listener.aclose()
        for connection in self._connections.values():
            connection.abort()  # a task that is cancelled before its first step closes nothing
        tasks = self._connections.keys() | self._queries
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._listeners.clear()
        self._state.ports.clear()
        self._state.media_ports.clear()

    def advertise(self, data_centre: int, port: int, *, media_only: bool = False) -> None:
        """Name that port to clients in the place of the data centre's own: of a proxy that stands before it."""
        (self._state.media_ports if media_only else self._state.ports)[data_centre] = port

    def revoke_salts(self) -> None:
        """Make every salt that clients hold invalid, as time does."""
        for key in self._state.keys.values():
            key.salts.revoke(int(self._state.time()))

    def sign_out(self, account: User, *, dc: int | None = None, refusal: str = NOBODY, cut: bool = False) -> None:
        """End every login of an account, as terminating its sessions in an official client does, or those at `dc`.

        From then on requests hear 401 with `refusal`, such as SESSION_REVOKED; with `cut` the connections go down too.
        """
        for (where, _), key in list(self._state.keys.items()):
            if key.account_id == account.id and dc in (None, where):
                key.sign_out(refusal)
                self._state.login_tokens.forget(key)
                if cut:
                    self._cut(key)

    def cut(self, account: User) -> None:
        """Cut every connection on which an account is signed in, as a network failure would."""
        for key in self._state.keys.values():
            if key.account_id == account.id:
                self._cut(key)

    def push_too_long(self, account: User, channel: Chat | None = None) -> None:
        """Tell an account that there is too much to be pushed (updatesTooLong), or that of one channel it is so."""
        push_too_long(self._state, account, channel)

    def accept_login_token(self, account: User, token: bytes) -> None:
        """What auth.acceptLoginToken does when a session of that person calls it; raises RpcError as it does."""
        require_usable(account)
        if account.frozen:
            raise RpcError(420, "FROZEN_METHOD_INVALID")
        accept(self._state, account, token)

    def forget_keys(self, *, dc: int | None = None) -> None:
        """Lose every authorization key, or those of `dc`; clients that use one get -404."""
        for where, key_id in list(self._state.keys):
            if dc in (None, where):
                del self._state.keys[where, key_id]

    def _cut(self, key: AuthKey) -> None:
        for connection in self._connections.values():
            if connection.carries(key):
                connection.abort()

    def _hear(self, event: Event) -> None:
        void_sent_codes(self._state, event)
        push(self._state, event)
        if isinstance(event, TokenRevoked):
            self.sign_out(event.bot, refusal="SESSION_REVOKED")

    def _protocol(self, address: Address) -> asyncio.StreamReaderProtocol:
        return asyncio.StreamReaderProtocol(asyncio.StreamReader(), self._serve(address))

    def _serve(self, address: Address) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]:
        # Not a coroutine function: asyncio would make the task itself, and log an error whenever `stop` cancels it.
        def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connection = Connection(self._state, address, reader, writer, self._spawn)
            task = asyncio.create_task(connection.run())
            self._connections[task] = connection
            task.add_done_callback(self._connections.pop)

        return serve

    def _spawn(self, query: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(query)
        self._queries.add(task)
        task.add_done_callback(self._queries.discard)
