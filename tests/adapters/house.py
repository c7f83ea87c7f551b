"""A house with a wire to the simulated MTProto server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from telethon.errors import InvalidBufferError

from teltubby.adapters.telethon_session import DataCentre, TelethonSession
from teltubby.errors import TelegramUnavailable
from teltubby.simulator.people import User
from teltubby.simulator.server import SimulatedTelegram
from tests.servers.tcp_proxy import TcpProxy


@dataclass
class House:
    """The server, and sessions to it through a wire that can be cut."""

    telegram: SimulatedTelegram
    bot: User
    wire: TcpProxy
    path: Path

    def session(
        self, *, token: str | None = None, timeout: float = 5.0, path: Path | None = None, public_key: str = ""
    ) -> TelethonSession:
        return TelethonSession(
            api_id=1,
            api_hash="hash",
            bot_token=token or self.bot.token or "",
            session_path=path or self.path,
            timeout=timeout,
            data_centre=DataCentre(id=2, host="127.0.0.1", port=self.wire.port),
            public_key=public_key or self.telegram.public_key_pem,
        )

    @asynccontextmanager
    async def opened(self, **options: Any) -> AsyncIterator[TelethonSession]:
        session = self.session(**options)
        try:
            await _open(session)
            yield session
        finally:
            await session.aclose()

    def calls(self, method: str) -> int:
        """How often the server answered or refused this."""
        return self.telegram.call(lambda: sum(call.method == method for call in self.telegram.mtproto_server.calls))

    def fault(self, method: str, **fault: Any) -> None:
        """What the next call of this method meets."""
        self.telegram.call(lambda: self.telegram.world.faults.add(method, **fault))

    def on_server(self, work: Callable[..., None], *args: Any) -> None:
        self.telegram.call(work, *args)


async def _open(session: TelethonSession) -> None:
    """Open it, as the SessionActor does: Telethon factors a challenge wrongly now and then, and the server hangs up."""
    try:
        await session.open()
    except TelegramUnavailable as error:
        if not isinstance(error.__cause__, InvalidBufferError):
            raise
        await session.open()
