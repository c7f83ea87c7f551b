"""The Bot API over HTTP: /bot<token>/<method> and /file/bot<token>/<path>, as api.telegram.org serves them."""

from __future__ import annotations

import asyncio
import re
from email.utils import formatdate

from aiohttp import web

from teltubby.simulator.bot_account import BotAccount
from teltubby.simulator.bot_errors import STANDARD, ApiError, too_many_requests
from teltubby.simulator.bot_methods import CANONICAL, METHODS
from teltubby.simulator.bot_parameters import MAX_UPLOAD, read_parameters
from teltubby.simulator.faults import Fault
from teltubby.simulator.listener import Listener
from teltubby.simulator.messages import Event
from teltubby.simulator.people import User
from teltubby.simulator.world import World

CHUNK = 256 * 1024
TOKEN = re.compile(r"[1-9][0-9]*:[^/]+")
MAX_TOKEN = 80
FILE_METHOD = "file"


class BotApi:
    """Serves all bots of a world. `requests` counts the calls per method, for tests."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._accounts: dict[int, BotAccount] = {}
        self._runner: web.AppRunner | None = None
        self._listener: Listener | None = None
        self.requests: dict[str, int] = {}
        world.subscribe(self._see)

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listen, and return the base URL."""
        app = web.Application(client_max_size=MAX_UPLOAD + (1 << 20))
        app.on_response_prepare.append(self._date)
        app.router.add_route("*", "/file/bot{token:[^/]+}/{path:.+}", self._download)
        app.router.add_route("*", "/bot{token:[^/]+}/{method:[^/]+}", self._call)
        app.router.add_route("*", "/{rest:.*}", self._nothing)
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        assert self._runner.server is not None, "it was just set up"
        self._listener = Listener(self._runner.server, host, port)
        return f"http://{host}:{self._listener.port}"

    async def stop(self) -> None:
        """End all connections and deliveries."""
        for account in self._accounts.values():
            account.stop()
        if self._listener is not None:
            await self._listener.aclose()
            self._listener = None
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def account(self, token: str) -> BotAccount:
        """The bot of a token. Raises ApiError 401."""
        if len(token) > MAX_TOKEN or not TOKEN.fullmatch(token):
            raise ApiError(401, "Unauthorized: invalid token specified")
        bot = self._world.bot_by_token(token)
        if bot is None:
            raise ApiError(401, "Unauthorized")
        return self._account(bot)

    # -- inner workings

    def _account(self, bot: User) -> BotAccount:
        if bot.id not in self._accounts:
            self._accounts[bot.id] = BotAccount(self._world, bot)
        return self._accounts[bot.id]

    def _see(self, event: Event) -> None:
        for bot in self._world.bots():
            self._account(bot).see(event)

    async def _call(self, request: web.Request) -> web.StreamResponse:
        try:
            account = self.account(request.match_info["token"])
            method = CANONICAL.get(request.match_info["method"].lower())
            if method is None:
                raise ApiError(404, "Not Found: method not found")
            parameters = await read_parameters(request)
            self.requests[method] = self.requests.get(method, 0) + 1
            fault = self._world.faults.take(method, account.bot.id, parameters.values)
            await self._suffer(request, fault)
            result = await METHODS[method](account, parameters)
            if fault is not None and isinstance(result, list) and method == "getUpdates":
                result = account.updates.disordered(result, fault.effects)
        except ApiError as exc:
            return web.json_response(exc.body(), status=exc.code)
        return web.json_response({"ok": True, "result": result})

    async def _download(self, request: web.Request) -> web.StreamResponse:
        try:
            account = self.account(request.match_info["token"])
            content = account.files.content_at(request.match_info["path"])
            fault = self._world.faults.take(FILE_METHOD, account.bot.id, {"path": request.match_info["path"]})
            await self._suffer(request, fault)
        except ApiError as exc:
            return web.json_response(exc.body(), status=exc.code)
        response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
        response.content_length = content.size
        await response.prepare(request)
        line, ready = self._world.faults.line(), asyncio.get_running_loop().time()
        end = content.size if fault is None or fault.truncate is None else min(fault.truncate, content.size)
        offset = 0
        while offset < end:
            chunk = content.read(offset, min(line.piece or CHUNK, end - offset))
            if fault is not None and fault.corrupt and offset == 0:
                chunk = bytes((chunk[0] ^ 1,)) + chunk[1:]
            await line.carry(len(chunk), ready)
            await response.write(chunk)
            offset += len(chunk)
        if end < content.size:
            _cut(request)
        return response

    async def _suffer(self, request: web.Request, fault: Fault | None) -> None:
        delay = self._world.faults.latency + (fault.delay if fault else 0)
        if delay > 0:
            await asyncio.sleep(delay)
        if fault is None:
            return
        if fault.cut:
            _cut(request)
            raise ConnectionResetError("cut by a fault")
        if fault.error == 429:
            raise too_many_requests(fault.retry_after or 1)
        if fault.error is not None:
            raise ApiError(fault.error, fault.text() or STANDARD.get(fault.error, "Error"))

    async def _date(self, request: web.Request, response: web.StreamResponse) -> None:
        """The server's clock is the world's."""
        response.headers["Date"] = formatdate(self._world.now(), usegmt=True)

    async def _nothing(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(ApiError(404, "Not Found").body(), status=404)


def _cut(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
