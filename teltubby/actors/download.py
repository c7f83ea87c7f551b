"""The two DownloadActors: small files from the Bot API, large ones over MTProto."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial

import anyio

from teltubby.adapters.base import BotGateway
from teltubby.adapters.metrics import Metrics
from teltubby.adapters.watched_parts import WatchedParts
from teltubby.errors import FloodWait, NotAnswered, RouteClosed
from teltubby.messages.routes import AccountKind
from teltubby.messages.stages import Stage
from teltubby.messages.transfer import Dial, FetchLarge, FetchSmall, PartConnection
from teltubby.supervision import ActorCrashed, ActorStopped, Context, MailboxFull, Pool, Ref
from teltubby.transfer.engine import Engine
from teltubby.transfer.lines import Dial as DialFunction

_LOG = logging.getLogger(__name__)

DIAL_SECONDS = 120.0
"""Longer than the session's own limits."""


class BotDownloadActor(Pool[FetchSmall]):
    """Fetches files that the Bot API serves, over a connection of its own; `width` at a time."""

    def __init__(self, gateway: BotGateway, *, width: int, metrics: Metrics | None = None) -> None:
        self.width = width
        self._metrics = metrics or Metrics()
        self._gateway = gateway

    async def setup(self) -> None:
        await self._gateway.open()

    async def teardown(self) -> None:
        await self._gateway.aclose()

    async def handle(self, message: FetchSmall, /) -> int:
        with self._metrics.timed(Stage.FETCH_SMALL):
            return await self._gateway.download(message.file_id, message.into)


class DownloadActor(Pool[FetchLarge]):
    """Fills spools over MTProto; owns an engine per account with its connections, which the account's session dials."""

    def __init__(
        self,
        sessions: Mapping[AccountKind, Ref[Dial]],
        *,
        width: int,
        engine: Callable[[DialFunction], Engine],
        metrics: Metrics | None = None,
    ) -> None:
        self.width = width
        self._metrics = metrics or Metrics()
        self._engines = {
            account: engine(partial(self._dial_watched, account, session)) for account, session in sessions.items()
        }

    async def run(self, context: Context[FetchLarge]) -> None:
        context.started()
        await context.serve(self.handle, partial(self._serve_parts, context), width=self.width)

    async def handle(self, message: FetchLarge, /) -> None:
        engine = self._engines.get(message.account)
        if engine is None:
            raise RouteClosed(f"the {message.account} account is not configured")
        began = anyio.current_time()
        with self._metrics.timed(Stage.FETCH_LARGE):
            await engine.fetch(message, flooded=partial(self._metrics.took, Stage.FLOOD))
        took = anyio.current_time() - began
        _LOG.info(
            "a document came over %d connections of the %s account in %.1f s", engine.connections, message.account, took
        )

    async def _dial_watched(self, account: AccountKind, session: Ref[Dial], data_centre: int) -> PartConnection:
        source = f"mtproto_{account}"
        try:
            return WatchedParts(await _dial(session, data_centre), self._metrics, source=source)
        except FloodWait as error:
            self._metrics.asked_to_wait(source, error.seconds)
            raise

    async def _serve_parts(self, context: Context[FetchLarge]) -> None:
        with context.interruptible():
            async with anyio.create_task_group() as engines:
                for engine in self._engines.values():
                    engines.start_soon(engine.run)


async def _dial(session: Ref[Dial], data_centre: int) -> PartConnection:
    waiting = [True]
    request = Dial(data_centre=data_centre, is_wanted=lambda: bool(waiting))
    try:
        return await session.ask(request, within=DIAL_SECONDS)
    except (ActorStopped, ActorCrashed, MailboxFull, TimeoutError) as error:
        raise NotAnswered(f"the session did not open a connection: {error}") from error
    finally:
        waiting.clear()
