"""An HTTP listener that gives strangers little: one request per connection, so many connections, so many seconds each.

aiohttp itself waits for ever for the end of a request's head, takes any number of connections, and logs a traceback of
whatever is no request.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

_LOG = logging.getLogger(__name__)

CLOSE_SECONDS = 2.0
"""What is under way at the end may take that long."""
LINGER_SECONDS = 1.0
"""How long what nobody wants is still taken off the wire, so that the answer is not lost with it."""
AT_A_TIME = 8
"""Connections taken in one turn of the loop: those before them have been heard when the next ones come."""
WAITING = 1024
"""Connections that the kernel keeps until their turn comes."""

Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class BoundedHttp:
    """Lives in the asyncio flavour. A connection is cut after `seconds`.

    Where one comes too many, the oldest is cut that has not said yet what it wants, or has its answer: whoever only
    holds connections shuts nobody out. If all wait for answers, the new one is cut.
    """

    def __init__(self, answer: Answer, *, max_connections: int, seconds: float) -> None:
        self._answer = answer
        self._max_connections = max_connections
        self._seconds = seconds
        self._open: dict[web.RequestHandler, asyncio.TimerHandle] = {}
        self._heard: set[web.RequestHandler] = set()
        """They said what they want, and have no answer yet."""
        self._http: web.Server | None = None
        self._listener: asyncio.Server | None = None

    async def open(self, host: str, port: int) -> int:
        """Listen, and return the port; 0 takes a free one. Raises OSError."""
        http = _Server(self._one, self._gone)
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(lambda: self._connection(http), host, port, backlog=AT_A_TIME)
        self._http = http
        for listening in self._listener.sockets:  # asyncio means both by `backlog`: how many wait, and come at a time
            with socket.socket(fileno=os.dup(listening.fileno())) as same:
                same.listen(WAITING)
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
        self._heard.clear()

    async def _one(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        self._heard.add(connection)
        try:
            response = await self._answer(request)
            response.force_close()
            with suppress(ConnectionError):  # aiohttp finds the same, and ends it
                await response.prepare(request)
                await response.write_eof()
        finally:
            self._heard.discard(connection)  # what else it sends is nobody's
        return response

    def _connection(self, http: web.Server) -> asyncio.Protocol:
        if len(self._open) >= self._max_connections:  # http.connections knows those of a burst too late
            idle = next((connection for connection in self._open if connection not in self._heard), None)
            if idle is None:
                return _NoRoom()
            self._open[idle].cancel()
            self._cut(idle)
        connection = http()
        self._open[connection] = asyncio.get_running_loop().call_later(self._seconds, self._cut, connection)
        return connection

    def _cut(self, connection: web.RequestHandler) -> None:
        del self._open[connection]
        self._heard.discard(connection)
        if connection.transport is not None:
            connection.transport.abort()  # closing waits for one who does not read
        connection.force_close()

    def _gone(self, connection: web.RequestHandler) -> None:
        self._heard.discard(connection)
        if (deadline := self._open.pop(connection, None)) is not None:
            deadline.cancel()


class _Server(web.Server):
    """Tells when a connection is gone."""

    def __init__(self, answer: Answer, gone: Callable[[web.RequestHandler], None]) -> None:
        super().__init__(
            answer,
            access_log=None,
            auto_decompress=False,
            lingering_time=LINGER_SECONDS,
            logger=_QUIET,
        )
        self._gone = gone

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        super().connection_lost(handler, exc)
        self._gone(handler)


def _is_ours(record: logging.LogRecord) -> bool:
    """Whether it tells of a bug here; of what is no request one line is enough, however many of them come."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, HttpProcessingError):
        _LOG.info("not a request: %s", type(error).__name__)
        return False
    return True


_QUIET = logging.getLogger(f"{__name__}.requests")
_QUIET.addFilter(_is_ours)


class _NoRoom(asyncio.Protocol):
    """A connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.abort()
