"""The two DownloadActors: small files from the Bot API, large ones over MTProto."""

from __future__ import annotations

from teltubby.adapters.base import BotGateway
from teltubby.messages.transfer import FetchLarge, FetchSmall
from teltubby.supervision import Pool
from teltubby.transfer.engine import fetch


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
    """Fills spools over MTProto; `width` files at a time."""

    def __init__(self, *, width: int) -> None:
        self.width = width

    async def handle(self, message: FetchLarge, /) -> None:
        await fetch(message.document, message.spool)
