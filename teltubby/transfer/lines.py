"""The engine's connections: opened as pacing allows, dropped when they break, closed when nobody needs them."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from itertools import count

import anyio

from teltubby.errors import FloodWait
from teltubby.messages.transfer import PartConnection
from teltubby.transfer.pacing import Pacing

_LOG = logging.getLogger(__name__)

Dial = Callable[[int], Awaitable[PartConnection]]
"""Opens one more connection to a data centre. Raises TelegramUnavailable, SessionAway, SessionNotReady, FloodWait."""

IDLE_SECONDS = 30.0
CLOSE_SECONDS = 5.0


@dataclass(eq=False)
class Line:
    """An open connection; `used_at` is when it was last of use."""

    number: int
    data_centre: int
    connection: PartConnection
    used_at: float
    in_flight: int = 0


class Lines:
    """Tells `pacing` of every connection that comes and goes."""

    def __init__(self, dial: Dial, pacing: Pacing) -> None:
        self._dial = dial
        self._pacing = pacing
        self._open: dict[int, Line] = {}
        self._numbers = count(1)

    def __iter__(self) -> Iterator[Line]:
        return iter(list(self._open.values()))

    def __len__(self) -> int:
        return len(self._open)

    def __getitem__(self, number: int) -> Line:
        return self._open[number]

    def lead_to(self, data_centre: int) -> bool:
        """Whether one is open to it."""
        return any(line.data_centre == data_centre for line in self._open.values())

    async def open(self, data_centre: int) -> None:
        """Open one that pacing was told of (`dialling`). Raises what `dial` raises."""
        connection, wait = None, 0.0
        try:
            connection = await self._dial(data_centre)
        except FloodWait as error:
            wait = error.seconds
            raise
        finally:
            if connection is None:
                self._pacing.dial_failed(data_centre, anyio.current_time(), wait=wait)
        now, number = anyio.current_time(), next(self._numbers)
        self._open[number] = Line(number, data_centre, connection, now)
        self._pacing.opened(number, data_centre, now)
        _LOG.debug("connection %d to data centre %d is open", number, data_centre)

    async def drop(self, line: Line) -> None:
        """It broke, or is better given up."""
        if self._open.pop(line.number, None) is not None:
            self._pacing.cut(line.number, anyio.current_time())
            _LOG.info("connection %d to data centre %d is given up", line.number, line.data_centre)
            await _hang_up(line)

    async def close(self, line: Line) -> None:
        """Nobody needs it."""
        if self._open.pop(line.number, None) is not None:
            self._pacing.closed(line.number)
            await _hang_up(line)

    async def close_all(self) -> None:
        """The end of all, in CLOSE_SECONDS at most."""
        async with anyio.create_task_group() as tasks:
            for line in self:
                tasks.start_soon(self.close, line)

    def idle_at(self, line: Line) -> float:
        """When a connection on which nothing happens has been idle for long enough."""
        return line.used_at + IDLE_SECONDS


async def _hang_up(line: Line) -> None:
    """Whoever noticed may be cancelled meanwhile, and nobody else would close it."""
    with anyio.move_on_after(CLOSE_SECONDS, shield=True):
        await line.connection.aclose()
