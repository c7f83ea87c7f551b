"""Every name of Telethon's that its documentation does not promise, in one place, and a probe of them.

The engine's own connections need four: the key exchange, the TL reader, the layer, and the table of errors. pyproject
pins Telethon's minor version; should a name be gone or behave otherwise all the same, `private_names` says so, and
parts are fetched over Telethon's public methods (`telethon_stock`), slower.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from telethon import TelegramClient, __version__, errors, functions, types
from telethon.password import compute_check

SUPPORTED = "1.45."

UNREADABLE = (struct.error, BufferError, RuntimeError, ValueError, errors.TypeNotFoundError)
"""What the TL reader raises for bytes that are no object."""


def password_check(asked: types.account.Password, password: str) -> Any:
    """The proof of a password (core.telegram.org/api/srp), for auth.checkPassword; takes a tenth of a second.

    Raises ValueError for an algorithm that Telethon does not know, or one that cannot be trusted.
    """
    return compute_check(asked, password)


def ask_for_no_state(client: TelegramClient) -> None:
    """Keep a client that wants no updates from asking for them all the same.

    Telethon asks for the state of updates whenever somebody is signed in, and from then on for what it missed in each
    quarter of an hour without any: all that a busy account was sent. Where the name is gone it does so again.
    """
    client._on_login = _as_it_is


async def _as_it_is(user: types.User) -> types.User:
    return user


def take_updates(client: TelegramClient, take: Callable[[Any], None], ended: Callable[[], None]) -> None:
    """Have `take` called with what Telegram pushes (objects of the type `Updates`), and `ended` when no more can come.

    In place of Telethon's own loop, which asks Telegram for what it believes was missed, and loses some of it: the
    client then asks for nothing by itself. `client` is not connected yet. Raises TelethonChanged.
    """
    queue = getattr(client, "_updates_queue", None)
    loop, floods = getattr(client, "_update_loop", None), getattr(client, "_flood_waited_requests", None)
    if not (isinstance(queue, asyncio.Queue) and inspect.iscoroutinefunction(loop) and isinstance(floods, dict)):
        raise TelethonChanged(f"Telethon {__version__} keeps the updates it gets in another way than expected")
    ask_for_no_state(client)

    async def drain() -> None:
        lost = client.disconnected
        lost.add_done_callback(lambda done: queue.put_nowait(None))
        try:
            while (pushed := await queue.get()) is not None:
                take(pushed)
        finally:
            ended()
            if lost.done() and not lost.cancelled():
                lost.exception()  # looked at, or asyncio complains of it

    client._update_loop = drain
    client._flood_waited_requests = _Forgetful()


class _Forgetful(dict[int, float]):
    """Until when Telegram wants no request of a kind: the house has a policy of its own (telegram.md, Telethon).

    Of a client without updates Telethon notes only the kind of the wrapping that says so.
    """

    def __setitem__(self, kind: int, until: float) -> None:
        del kind, until


class PlainSender(Protocol):
    """What the key exchange speaks through: one request, one answer, not encrypted."""

    async def send(self, request: Any) -> Any: ...


class TelethonChanged(Exception):
    """The installed Telethon is not the one that the private names were written for."""


@dataclass(frozen=True, slots=True)
class PrivateNames:
    """`make_key` gives the new key (256 bytes) and the seconds that the server's clock is ahead."""

    layer: int
    read: Callable[[memoryview | bytes], Any]
    make_key: Callable[[PlainSender], Awaitable[tuple[bytes, int]]]
    to_error: Callable[[int, str], Exception]


def private_names() -> PrivateNames:
    """The names, tried out. Raises TelethonChanged."""
    if not __version__.startswith(SUPPORTED):
        raise TelethonChanged(f"Telethon {__version__} is installed, {SUPPORTED}x was expected")
    try:
        reader = importlib.import_module("telethon.extensions").BinaryReader
        authenticate = importlib.import_module("telethon.network.authenticator").do_authentication
        layer = importlib.import_module("telethon.tl.alltlobjects").LAYER
        to_error = importlib.import_module("telethon.errors").rpc_message_to_error
        _try_out(reader, authenticate, layer, to_error)
    except (ImportError, AttributeError, TypeError, LookupError, AssertionError, *UNREADABLE) as error:
        raise TelethonChanged(f"a private name of Telethon {__version__} has changed: {error!r}") from error

    async def make_key(sender: PlainSender) -> tuple[bytes, int]:
        key, offset = await authenticate(sender)
        return bytes(key.key), int(offset)

    return PrivateNames(
        layer=int(layer),
        read=lambda data: reader(data).tgread_object(),
        make_key=make_key,
        to_error=lambda code, message: to_error(types.RpcError(code, message), functions.help.GetConfigRequest()),
    )


def _try_out(reader: Any, authenticate: Any, layer: Any, to_error: Any) -> None:
    pong = reader(memoryview(bytes(types.Pong(1, 2)))).tgread_object()
    if (pong.msg_id, pong.ping_id) != (1, 2):
        raise ValueError("BinaryReader reads something else")
    flood = to_error(types.RpcError(420, "FLOOD_WAIT_3"), functions.help.GetConfigRequest())
    if flood.seconds != 3:
        raise ValueError("rpc_message_to_error reads something else")
    if not inspect.iscoroutinefunction(authenticate) or len(inspect.signature(authenticate).parameters) != 1:
        raise ValueError("do_authentication takes other arguments")
    if not isinstance(layer, int):
        raise ValueError("LAYER is no number")
