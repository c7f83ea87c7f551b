"""The two DownloadActors: small files from the Bot API, large ones over MTProto."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from teltubby.adapters.base import BotGateway
from teltubby.errors import NotAnswered
from teltubby.messages.transfer import Dial, FetchLarge, FetchSmall, PartConnection
from teltubby.supervision import ActorCrashed, ActorStopped, Context, MailboxFull, Pool, Ref
from teltubby.transfer.engine import Engine
from teltubby.transfer.lines import Dial as DialFunction

DIAL_SECONDS = 120.0
"""Longer than the session's own limits."""


class BotDownloadActor(Pool[FetchSmall]):
    """Fetches files that the Bot API serves, over a connection of its own; `width` at a time."""

    def __init__(self, gateway: BotGateway, *, width: int) -> None:
        self.width = width
        self._gateway = gateway

    async def setup(self) -> None:
        await self._gateway.open()

    async def teardown(self) -> None:
        await self._gateway.aclose()

    async def handle(self, message: FetchSmall, /) -> int:
        return await self._gateway.download(message.file_id, message.into)


class DownloadActor(Pool[FetchLarge]):
    """Fills spools over MTProto; owns the engine with its connections, which the session dials."""

    def __init__(self, session: Ref[Dial], *, width: int, engine: Callable[[DialFunction], Engine]) -> None:
        self.width = width
        self._session = session
        self._engine = engine(self._dial)

    async def run(self, context: Context[FetchLarge]) -> None:
        context.started()
        await context.serve(self.handle, partial(self._serve_parts, context), width=self.width)

    async def handle(self, message: FetchLarge, /) -> None:
        await self._engine.fetch(message)

    async def _serve_parts(self, context: Context[FetchLarge]) -> None:
        with context.interruptible():
            await self._engine.run()

    async def _dial(self, data_centre: int) -> PartConnection:
        waiting = [True]
        request = Dial(data_centre=data_centre, is_wanted=lambda: bool(waiting))
        try:
            return await self._session.ask(request, within=DIAL_SECONDS)
        except (ActorStopped, ActorCrashed, MailboxFull, TimeoutError) as error:
            raise NotAnswered(f"the session did not open a connection: {error}") from error
        finally:
            waiting.clear()
