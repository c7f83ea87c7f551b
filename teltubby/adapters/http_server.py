"""A small HTTP server for health, metrics and status, which no stranger can hurt: see bounded_http."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import web

from teltubby.adapters.bounded_http import BoundedHttp
from teltubby.errors import ConfigurationError
from teltubby.flavour import asyncio_hosted

_LOG = logging.getLogger(__name__)

MAX_CONNECTIONS = 64
CONNECTION_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """An answer to GET."""

    body: bytes
    content_type: str
    status: int = 200


Handler = Callable[[], Awaitable[Page]]


class HttpServer:
    """Serves GET of a few fixed paths; handlers run in the asyncio flavour. Port 0 takes a free one."""

    def __init__(
        self, *, host: str, port: int, pages: Mapping[str, Handler], connection_seconds: float = CONNECTION_SECONDS
    ) -> None:
        self._host = host
        self._port = port
        self._pages = pages
        self._http = BoundedHttp(self._answer, max_connections=MAX_CONNECTIONS, seconds=connection_seconds)

    @asyncio_hosted
    async def open(self) -> int:
        """Listen, and return the port. Raises ConfigurationError when the port is taken."""
        try:
            return await self._http.open(self._host, self._port)
        except OSError as error:
            raise ConfigurationError(
                (
                    f"HEALTH_PORT: {self._host}:{self._port} cannot be listened on: {error.strerror}. "
                    "Set it to a free port, or stop what listens there.",
                )
            ) from error

    @asyncio_hosted
    async def aclose(self) -> None:
        """Stop listening; safe to call twice."""
        await self._http.aclose()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        handler = self._pages.get(request.path)
        if handler is None:
            return web.Response(status=HTTPStatus.NOT_FOUND)
        if request.method not in ("GET", "HEAD"):
            return web.Response(status=HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": "GET, HEAD"})
        try:
            page = await handler()
        except Exception:  # noqa: BLE001 - a bug in one page is no reason not to serve the others
            _LOG.exception("%s could not be made", request.path)
            return web.Response(status=HTTPStatus.INTERNAL_SERVER_ERROR)
        return web.Response(
            body=page.body,
            status=page.status,
            headers={"Content-Type": page.content_type, "Cache-Control": "no-store"},
        )
