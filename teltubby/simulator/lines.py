"""How bytes flow to a client: at the pace of its connection, and of the one link that all connections share.

A line keeps time by itself. What was due while the server was busy encrypting goes out late and then at once, as from
a buffer of the network, so that the rates are those ordered although one process plays all servers.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

PIECE = 64 * 1024
SMALLEST_PIECE = 64
PIECE_SECONDS = 0.01
# What a line may make up for: more than this was lost by a client that did not read, which no real line gives back.
CATCH_UP_SECONDS = 0.1
# Timers are as coarse as this: what is due within it goes at once, and the next piece waits for both.
TICK = 0.001


class Rates(Protocol):
    """What is ordered now, in bytes per second; None is unlimited."""

    @property
    def bandwidth(self) -> float | None:
        """Of each connection."""
        ...

    @property
    def shared_bandwidth(self) -> float | None:
        """Of all connections together."""
        ...


class SharedLink:
    """One link for all connections, which take turns piece by piece; times are those of the event loop."""

    def __init__(self) -> None:
        self._free_at = 0.0

    def carry(self, size: int, rate: float, ready: float) -> float:
        """Queue a piece that is there from `ready` on; returns when its last byte is through."""
        self._free_at = max(self._free_at, ready) + size / rate
        return self._free_at


class Line:
    """One connection's way to its client; the rates may change while it is in use."""

    def __init__(self, rates: Rates, link: SharedLink) -> None:
        self._rates = rates
        self._link = link
        self._free_at = 0.0

    @property
    def piece(self) -> int | None:
        """How many bytes to hand over at a time, so that they flow; None when nothing limits them."""
        rates = [rate for rate in (self._rates.bandwidth, self._rates.shared_bandwidth) if rate is not None]
        return max(SMALLEST_PIECE, min(PIECE, int(min(rates) * PIECE_SECONDS))) if rates else None

    async def carry(self, size: int, ready: float) -> None:
        """Wait until `size` bytes, which were there from `ready` on (loop time), have passed."""
        now = asyncio.get_running_loop().time()
        begin = max(self._free_at, ready, now - CATCH_UP_SECONDS)
        end = begin
        if self._rates.bandwidth is not None:
            end += size / self._rates.bandwidth
        if self._rates.shared_bandwidth is not None:
            end = max(end, self._link.carry(size, self._rates.shared_bandwidth, begin))
        self._free_at = end
        if end - now > TICK:
            await asyncio.sleep(end - now)
