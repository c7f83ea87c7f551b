"""A house with a wire to the simulated MTProto server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from anyio import to_thread
from telethon.errors import InvalidBufferError

from teltubby.adapters.mtproto_proxy import Proxy
from teltubby.adapters.session_key import SessionKey
from teltubby.adapters.session_vault import SavedSession, SessionVault
from teltubby.adapters.telethon_bot import BotSession
from teltubby.adapters.telethon_client import DataCentre
from teltubby.adapters.telethon_person import PersonSession
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
    persons: list[PersonSession] = field(default_factory=list)

    async def aclose(self) -> None:
        """Close the sessions of persons."""
        for session in self.persons:
            await session.aclose()

    def session(
        self, *, token: str | None = None, timeout: float = 5.0, path: Path | None = None, public_key: str = ""
    ) -> BotSession:
        return BotSession(
            api_id=1,
            api_hash="hash",
            bot_token=token or self.bot.token or "",
            vault=vault(path or self.path),
            timeout=timeout,
            data_centre=self.data_centre,
            public_key=public_key or self.telegram.public_key_pem,
        )

    def person(
        self,
        *,
        phone: str | None = None,
        timeout: float = 5.0,
        path: Path | None = None,
        follows: bool = False,
        proxy: Proxy | None = None,
    ) -> PersonSession:
        """The session of a person, in a file of its own; it is closed in the end."""
        session = PersonSession(
            api_id=1,
            api_hash="hash",
            phone=phone,
            vault=vault(path or self.persons_path),
            timeout=timeout,
            data_centre=self.data_centre,
            public_key=self.telegram.public_key_pem,
            follows=follows,
            proxy=proxy,
        )
        self.persons.append(session)
        return session

    @property
    def data_centre(self) -> DataCentre:
        """What is at the other end of the wire."""
        return DataCentre(id=2, host="127.0.0.1", port=self.wire.port)

    @property
    def persons_path(self) -> Path:
        return self.path.with_name("person.session")

    async def saved(self, path: Path | None = None) -> SavedSession | None:
        """What the session file holds; the session may be in use."""
        return await to_thread.run_sync(_saved, vault(path or self.path))

    async def save(self, saved: SavedSession, path: Path | None = None) -> None:
        """Put this into the session file, which is not in use."""
        await to_thread.run_sync(_save, vault(path or self.path), saved)

    @asynccontextmanager
    async def opened(self, **options: Any) -> AsyncIterator[BotSession]:
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


def vault(path: Path) -> SessionVault:
    """A session file under the tests' key."""
    return SessionVault(path, key=partial(SessionKey.load, "the secret of the house", path), api_id=1)


def _saved(of: SessionVault) -> SavedSession | None:
    content = of.sealed()
    return None if content is None else of.unseal(content)


def _save(into: SessionVault, saved: SavedSession) -> None:
    into.lock()
    try:
        into.store(saved)
    finally:
        into.unlock()


async def _open(session: BotSession) -> None:
    """Open it, as the SessionActor does: Telethon factors a challenge wrongly now and then, and the server hangs up."""
    try:
        await session.open()
    except TelegramUnavailable as error:
        if not isinstance(error.__cause__, InvalidBufferError):
            raise
        await session.open()
