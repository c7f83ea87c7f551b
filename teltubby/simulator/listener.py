"""A listening port that loses no connection when it is closed."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress


class Listener:
    """Hands every connection to a protocol of `factory`, on the running loop, from the moment it is made.

    asyncio's own server, closed while it takes a connection, forgets that one's open socket (CPython issue 109564).
    `port` 0 takes any free one. Raises OSError where the port is taken.
    """

    def __init__(self, factory: Callable[[], asyncio.BaseProtocol], host: str, port: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._factory = factory
        self._taken: set[asyncio.Task[object]] = set()
        self._socket = socket.create_server((host, port))
        self._socket.setblocking(False)
        self._loop.add_reader(self._socket, self._take)

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._socket.getsockname()[1]
        return port

    async def aclose(self) -> None:
        """Listen no more, and wait until all that were taken have their protocol; safe to call twice."""
        if self._socket.fileno() != -1:
            self._loop.remove_reader(self._socket)
            self._socket.close()
        while self._taken:
            await asyncio.wait(self._taken)

    def _take(self) -> None:
        with suppress(OSError):  # the client thought better of it
            connection, _ = self._socket.accept()
            connection.setblocking(False)
            # asyncio's own server does so for sockets that it made itself.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            handing = self._loop.connect_accepted_socket(self._factory, connection)
            task: asyncio.Task[object] = self._loop.create_task(handing)
            self._taken.add(task)
            task.add_done_callback(self._taken.discard)
