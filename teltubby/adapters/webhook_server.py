"""The HTTP endpoint to which Telegram brings updates, through aiohttp.

Whoever knows the address can talk to it, so it gives nobody much: one request per connection, CONNECTION_SECONDS for
all of it, MAX_CONNECTIONS at a time, and not a byte of a body is read before the secret was shown.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from urllib.parse import unquote

from aiohttp import web

from teltubby.adapters.bot_updates import raw_update
from teltubby.errors import ConfigurationError, MalformedMessage
from teltubby.flavour import asyncio_hosted
from teltubby.messages.media import RawUpdate

_LOG = logging.getLogger(__name__)

SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"
"""core.telegram.org/bots/api#setwebhook, secret_token."""
MAX_BODY = 1 << 20
"""Bytes; updates have some ten thousand at most."""
MAX_CONNECTIONS = 200
"""Telegram opens 100 at most (Bot API, max_connections)."""
CONNECTION_SECONDS = 30.0
CLOSE_SECONDS = 2.0
"""What is under way at the end may take that long; Telegram repeats what got no answer."""
LINGER_SECONDS = 1.0
"""How long what nobody wants is still taken off the wire, so that the answer is not lost with it."""
RETRY_SECONDS = 5

Accept = Callable[[RawUpdate], Awaitable[bool]]
"""Makes an update durable, and says whether it is; called in the asyncio flavour."""


class WebhookServer:
    """Takes updates on one path and answers 200 only when `accept` has made them durable. Port 0 takes a free one."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        path: str,
        secret: str,
        accept: Accept,
        connection_seconds: float = CONNECTION_SECONDS,
    ) -> None:
        self._host = host
        self._port = port
        self._path = unquote(path)
        self._secret = secret.encode()
        self._accept = accept
        self._connection_seconds = connection_seconds
        self._deadlines: dict[asyncio.Protocol, asyncio.TimerHandle] = {}
        self._http: web.Server | None = None
        self._listener: asyncio.Server | None = None

    @asyncio_hosted
    async def open(self) -> int:
        """Listen, and return the port. Raises ConfigurationError when the port is taken."""
        http = web.Server(self._answer, access_log=None, auto_decompress=False, lingering_time=LINGER_SECONDS)
        try:
            self._listener = await asyncio.get_running_loop().create_server(
                lambda: self._connection(http), self._host, self._port
            )
        except OSError as error:
            raise ConfigurationError(
                (f"WEBHOOK_LISTEN_PORT: {self._host}:{self._port} cannot be listened on: {error.strerror}",)
            ) from error
        self._http = http
        port: int = self._listener.sockets[0].getsockname()[1]
        return port

    @asyncio_hosted
    async def aclose(self) -> None:
        """Stop listening and end all connections; safe to call twice."""
        listener, self._listener = self._listener, None
        http, self._http = self._http, None
        if listener is not None:
            listener.close()
        if http is not None:
            http.pre_shutdown()
            await http.shutdown(CLOSE_SECONDS)
        for deadline in self._deadlines.values():
            deadline.cancel()
        self._deadlines.clear()

    def _connection(self, http: web.Server) -> asyncio.Protocol:
        if len(http.connections) >= MAX_CONNECTIONS:
            return _NoRoom()
        connection = http()
        # aiohttp itself waits for ever for the end of a request's head.
        self._deadlines[connection] = asyncio.get_running_loop().call_later(
            self._connection_seconds, self._cut, connection
        )
        return connection

    def _cut(self, connection: web.RequestHandler) -> None:
        del self._deadlines[connection]
        connection.force_close()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        status = await self._judge(request)
        headers = {"Retry-After": str(RETRY_SECONDS)} if status is HTTPStatus.SERVICE_UNAVAILABLE else None
        response = web.Response(status=status, headers=headers)
        response.force_close()
        return response

    async def _judge(self, request: web.BaseRequest) -> HTTPStatus:
        if request.path != self._path:
            return HTTPStatus.NOT_FOUND
        if request.method != "POST":
            return HTTPStatus.METHOD_NOT_ALLOWED
        shown = request.headers.get(SECRET_HEADER)
        if shown is None or not hmac.compare_digest(shown.encode(errors="surrogateescape"), self._secret):
            _LOG.warning(
                "refused: a request from %s with %s secret", request.remote, "no" if shown is None else "a wrong"
            )
            return HTTPStatus.UNAUTHORIZED if shown is None else HTTPStatus.FORBIDDEN
        try:
            body = await _body(request)
        except (ConnectionError, web.RequestPayloadError) as error:
            _LOG.info("an update did not come whole: %r", error)
            return HTTPStatus.BAD_REQUEST
        if body is None:
            _LOG.warning("refused: a body of more than %d bytes", MAX_BODY)
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        try:
            update = raw_update(json.loads(body))
        except (ValueError, RecursionError, MalformedMessage) as error:
            _LOG.error("what Telegram brought is no update: %s", error)
            return HTTPStatus.BAD_REQUEST
        return HTTPStatus.OK if await self._accept(update) else HTTPStatus.SERVICE_UNAVAILABLE


class _NoRoom(asyncio.Protocol):
    """A connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.abort()


async def _body(request: web.BaseRequest) -> bytes | None:
    """The whole body, or None as soon as it is known to be too long."""
    if (request.content_length or 0) > MAX_BODY:
        return None
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > MAX_BODY:
            return None
    return bytes(body)
