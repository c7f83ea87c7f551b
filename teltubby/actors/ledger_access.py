"""How the ledger's database is worked with: in a thread, one piece of work after the other, its trouble told once."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple, Unpack

import anyio
from anyio import to_thread

from teltubby.adapters.dependencies import Dependency
from teltubby.adapters.sqlite_ledger import SqliteLedger
from teltubby.errors import DatabaseUnavailable

logger = logging.getLogger(__name__)

R = TypeVar("R")
Ts = TypeVarTuple("Ts")


async def in_thread(limiter: anyio.CapacityLimiter, work: Callable[[Unpack[Ts]], R], *args: *Ts) -> R:
    """Wait even when cancelled: a thread that still writes must not outlive its actor."""
    return await to_thread.run_sync(work, *args, limiter=limiter)


class LedgerAccess:
    """An open ledger and the thread it is used from. Both methods raise DatabaseUnavailable.

    `dependency` is told whether the database can be used.
    """

    def __init__(
        self, ledger: SqliteLedger, limiter: anyio.CapacityLimiter, *, dependency: Dependency | None = None
    ) -> None:
        self.ledger = ledger
        self._limiter = limiter
        self._dependency = dependency
        self._available = True
        self._tell()

    async def read(self, work: Callable[[Unpack[Ts]], R], *args: *Ts) -> R:
        """Work that changes nothing; logs when the database begins to be unavailable."""
        try:
            return await in_thread(self._limiter, work, *args)
        except DatabaseUnavailable as exc:
            if self._available:
                logger.error("%s; requests are refused until it can be used", exc)
            self._available = False
            self._tell(str(exc))
            raise

    async def write(self, work: Callable[[Unpack[Ts]], R], *args: *Ts) -> R:
        """Work that changes something: its success (a locked database can be read) is the end of the trouble."""
        answer = await self.read(work, *args)
        if not self._available:
            logger.info("the database can be used again")
            self._available = True
            self._tell()
        return answer

    def _tell(self, detail: str = "") -> None:
        if self._dependency is None:
            return
        if self._available:
            self._dependency.works()
        else:
            self._dependency.down(detail)
