"""The simulator's listening port: whoever it took hears from it, also when it closes in that moment."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

from teltubby.simulator.listener import Listener


class Goodbye(asyncio.Protocol):
    """Hangs up at once; `present` are those that have not yet."""

    def __init__(self, present: set[Goodbye]) -> None:
        self._present = present
        present.add(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._present.discard(self)


def test_no_client_is_forgotten_when_it_closes() -> None:
    loop = asyncio.SelectorEventLoop()
    for turn in range(40):
        clients = [socket.socket() for _ in range(4)]
        loop.run_until_complete(_take_and_close(clients, turns=turn % 8))
        for client in clients:
            client.settimeout(20)
            with client, suppress(ConnectionError):
                assert client.recv(1) == b"", "one that was forgotten would wait for ever"
    loop.close()


async def _take_and_close(clients: list[socket.socket], turns: int) -> None:
    present: set[Goodbye] = set()
    listener = Listener(lambda: Goodbye(present), "127.0.0.1", 0)
    for client in clients:
        client.setblocking(False)
        client.connect_ex(("127.0.0.1", listener.port))
    for _ in range(turns):
        await asyncio.sleep(0)
    await listener.aclose()
    await listener.aclose()
    while present:
        await asyncio.sleep(0)
