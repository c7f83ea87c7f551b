"""A film on its way through the engine, over real connections to the simulated Telegram."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import anyio
from anyio import to_thread

from teltubby.adapters.telethon_bot import BotSession
from teltubby.messages.routes import AccountKind
from teltubby.messages.transfer import FetchLarge, VerifyHashes
from teltubby.simulator.curator import Curator
from teltubby.transfer.engine import Engine
from teltubby.transfer.pacing import Limits
from teltubby.transfer.spool_folder import SpoolFolder
from tests.adapters.abroad import HOME, MIB, Film, Wires, handed_in, violations
from tests.adapters.house import House

WITHIN = 60.0
SIZE = 12 * MIB + 12_345
IN_FLIGHT = 8
SHORT_PATIENCE = 1.0
LIMITS = Limits(connections=3, window=3, parts_in_flight=IN_FLIGHT, park_seconds=10)


@dataclass
class Transfer:
    """A film on its way, with everything that it meets."""

    house: House
    wires: Wires
    session: BotSession
    film: Film
    engine: Engine
    folder: SpoolFolder

    async def attempt(self) -> bool:
        """One attempt, from what the last left; whether it brought exactly the file."""
        location = await self.film.location(self.session)
        spool = self.folder.open("job", document_id=location.document_id, size=location.size, key="key")
        async with spool:
            with anyio.fail_after(WITHIN):
                refresh = partial(self.film.location, self.session)
                await self.engine.fetch(
                    FetchLarge(account=AccountKind.BOT, location=location, refresh=refresh, into=spool)
                )
            got = await spool.read(0, spool.size)
        return got == await to_thread.run_sync(self.film.file.read, 0, len(got)) and len(got) == self.film.file.size

    def fault(self, method: str = "upload.getFile", **fault: Any) -> None:
        self.house.fault(method, **fault)

    def well_again(self) -> None:
        self.house.on_server(self.house.telegram.world.faults.clear)

    def on_server(self, work: Callable[[], object]) -> None:
        self.house.telegram.call(work)

    @property
    def repeated(self) -> int:
        """Parts that were sent in vain."""
        served = self.house.telegram.mtproto_server.served
        return self.house.telegram.call(served.repeated, self.film.file.id) // MIB


@asynccontextmanager
async def transfer(
    house: House,
    wires: Wires,
    curator: Curator,
    place: Path,
    *,
    size: int = SIZE,
    dc: int = HOME,
    verify: VerifyHashes = VerifyHashes.AUTO,
    limits: Limits = LIMITS,
    patience: float = 5.0,
    **options: Any,
) -> AsyncIterator[Transfer]:
    """The film of this `size` at that data centre; after `patience` seconds of silence a connection is given up."""
    film = handed_in(house, curator, size, dc=dc, **options)
    async with house.opened(timeout=patience) as session, anyio.create_task_group() as tasks:
        engine = Engine(session.dial, limits=limits, verify=verify)
        tasks.start_soon(engine.run)
        yield Transfer(house, wires, session, film, engine, SpoolFolder(place / "spool", keep_seconds=math.inf))
        tasks.cancel_scope.cancel()
    assert violations(house) == []


Begin = Callable[..., Any]
