"""An HTTP listener that gives strangers little: one request per connection, so many connections, so many seconds each.

aiohttp itself waits for ever for the end of a request's head, and takes any number of connections.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

CLOSE_SECONDS = 2.0
"""What is under way at the end may take that long."""
LINGER_SECONDS = 1.0
"""How long what nobody wants is still taken off the wire, so that the answer is not lost with it."""

Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class BoundedHttp:
    """Lives in the asyncio flavour. A connection is cut after `seconds`, and one too many is cut at once."""

    def __init__(self, answer: Answer, *, max_connections: int, seconds: float) -> None:
        self._answer = answer
        self._max_connections = max_connections
        self._seconds = seconds
        self._open: dict[asyncio.Protocol, asyncio.TimerHandle] = {}
        self._http: web.Server | None = None
        self._listener: asyncio.Server | None = None

    async def open(self, host: str, port: int) -> int:
        """Listen, and return the port; 0 takes a free one. Raises OSError."""
        http = _Server(self._one, self._gone)
        self._listener = await asyncio.get_running_loop().create_server(lambda: self._connection(http), host, port)
        self._http = http
        taken: int = self._listener.sockets[0].getsockname()[1]
        return taken

    async def aclose(self) -> None:
        """Stop listening and end all connections; safe to call twice."""
        listener, self._listener = self._listener, None
        http, self._http = self._http, None
        if listener is not None:
            listener.close()
        if http is not None:
            http.pre_shutdown()
            await http.shutdown(CLOSE_SECONDS)
        for deadline in self._open.values():
            deadline.cancel()
        self._open.clear()

    async def _one(self, request: web.BaseRequest) -> web.StreamResponse:
        response = await self._answer(request)
        response.force_close()
        return response

    def _connection(self, http: web.Server) -> asyncio.Protocol:
        if len(self._open) >= self._max_connections:  # http.connections knows those of a burst too late
            return _NoRoom()
        connection = http()
        self._open[connection] = asyncio.get_running_loop().call_later(self._seconds, self._cut, connection)
        return connection

    def _cut(self, connection: web.RequestHandler) -> None:
        del self._open[connection]
        connection.force_close()

    def _gone(self, connection: web.RequestHandler) -> None:
        if (deadline := self._open.pop(connection, None)) is not None:
            deadline.cancel()


class _Server(web.Server):
    """Tells when a connection is gone."""

    def __init__(self, answer: Answer, gone: Callable[[web.RequestHandler], None]) -> None:
        super().__init__(answer, access_log=None, auto_decompress=False, lingering_time=LINGER_SECONDS)
        self._gone = gone

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        super().connection_lost(handler, exc)
        self._gone(handler)


class _NoRoom(asyncio.Protocol):
    """A connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.abort()
