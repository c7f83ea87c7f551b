"""A small HTTP server for health, metrics and status, through aiohttp."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from aiohttp import web

from teltubby.errors import ConfigurationError
from teltubby.flavour import asyncio_hosted


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """An answer to GET."""

    body: bytes
    content_type: str
    status: int = 200


Handler = Callable[[], Awaitable[Page]]


class HttpServer:
    """Serves GET of a few fixed paths; handlers run in the asyncio flavour. Port 0 takes a free one."""

    def __init__(self, *, host: str, port: int, pages: Mapping[str, Handler]) -> None:
        self._host = host
        self._port = port
        self._pages = pages
        self._runner: web.AppRunner | None = None

    @asyncio_hosted
    async def open(self) -> int:
        """Listen, and return the port. Raises ConfigurationError when the port is taken."""
        app = web.Application()
        for path, handler in self._pages.items():
            app.router.add_get(path, _adapt(handler))
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError as error:
            await self._runner.cleanup()
            raise ConfigurationError(
                (f"HEALTH_PORT: {self._host}:{self._port} cannot be listened on: {error.strerror}",)
            ) from error
        port: int = self._runner.addresses[0][1]
        return port

    @asyncio_hosted
    async def aclose(self) -> None:
        """Stop listening; safe to call twice."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()


def _adapt(handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def respond(_: web.Request) -> web.StreamResponse:
        page = await handler()
        return web.Response(
            body=page.body,
            status=page.status,
            headers={"Content-Type": page.content_type, "Cache-Control": "no-store"},
        )

    return respond
