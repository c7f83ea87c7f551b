"""The HTTP endpoint to which Telegram brings updates, through aiohttp.

Whoever knows the address can talk to it, so it gives nobody much: one request per connection, CONNECTION_SECONDS for
all of it, MAX_CONNECTIONS at a time (see bounded_http), and not a byte of a body is read before the secret was shown.
"""

from __future__ import annotations

import hmac
import json
import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from urllib.parse import unquote

from aiohttp import web

from teltubby.adapters.bot_updates import raw_update
from teltubby.adapters.bounded_http import BoundedHttp
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
        self._http = BoundedHttp(self._answer, max_connections=MAX_CONNECTIONS, seconds=connection_seconds)

    @asyncio_hosted
    async def open(self) -> int:
        """Listen, and return the port. Raises ConfigurationError when the port is taken."""
        try:
            return await self._http.open(self._host, self._port)
        except OSError as error:
            raise ConfigurationError(
                (
                    f"WEBHOOK_LISTEN_PORT: {self._host}:{self._port} cannot be listened on: {error.strerror}. "
                    "Set it to a free port, or stop what listens there.",
                )
            ) from error

    @asyncio_hosted
    async def aclose(self) -> None:
        """Stop listening and end all connections; safe to call twice."""
        await self._http.aclose()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        status = await self._judge(request)
        headers = {"Retry-After": str(RETRY_SECONDS)} if status is HTTPStatus.SERVICE_UNAVAILABLE else None
        return web.Response(status=status, headers=headers)

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
