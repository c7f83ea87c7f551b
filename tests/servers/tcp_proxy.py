"""A TCP proxy on loopback whose wire can be cut: reconnects are tested with it, not with mocked exceptions.

It runs its own event loop in its own thread, so it works beside asyncio and trio tests alike. All methods are
thread-safe and return when it is done.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import TypeVar

from teltubby.simulator.listener import Listener

HOST = "127.0.0.1"
WAIT_SECONDS = 10.0
RESET = struct.pack("ii", 1, 0)

R = TypeVar("R")
T = TypeVar("T")


class TcpProxy:
    """Forwards connections to `port` of loopback; clients connect to `self.port`."""

    host = HOST

    def __init__(self, port: int) -> None:
        self._target = port
        self._loop = asyncio.SelectorEventLoop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tcp-proxy", daemon=True)
        self._links: set[_Link] = set()
        self._stalled = False
        self._lags: Callable[[], float] | None = None
        self._thread.start()
        self._listener: Listener | None = None
        self.port = 0
        self.accept()

    def accept(self) -> None:
        """Take connections (it does from the start), on the same port as before."""
        self.port = self._do(self._listen())

    def refuse(self) -> None:
        """Refuse new connections; the present ones stay."""
        self._do(self._deafen())

    def cut(self) -> int:
        """Reset all connections, as a pulled wire or a dead peer would; returns how many there were."""
        return self._do(self._cut())

    def stall(self) -> None:
        """Forward nothing any more, but keep the connections: a peer that hangs."""
        self._do(self._stall(True))

    def resume(self) -> None:
        """End a stall; what was sent meanwhile arrives now."""
        self._do(self._stall(False))

    def lag(self, seconds: Callable[[], float] | None) -> None:
        """Let every connection made from now on be late by what `seconds` answers for it, both ways.

        So what is said on one connection overtakes what was said before on another. None: no longer.
        """
        self._do(self._lag(seconds))

    def abandon(self) -> int:
        """Leave all connections half open: the target loses them, and who connected is not told; returns how many.

        What is said on them goes nowhere, until they are cut. New ones are like any others.
        """
        return self._do(self._abandon())

    def close(self) -> None:
        """Cut everything and end the thread; safe to call twice."""
        if self._loop.is_closed():
            return
        self.refuse()
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(WAIT_SECONDS)
        self._loop.close()

    def _do(self, work: Coroutine[object, object, R]) -> R:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(WAIT_SECONDS)

    async def _listen(self) -> int:
        if self._listener is None:
            self._listener = Listener(self._link, HOST, self.port)
        return self._listener.port

    async def _deafen(self) -> None:
        if self._listener is not None:
            await self._listener.aclose()
            self._listener = None

    async def _cut(self) -> int:
        links = tuple(self._links)
        for link in links:
            link.cut()
        return len(links)

    async def _end(self) -> None:
        """Cut until nothing is left: a connection that was just taken, or that we just asked for, takes its time."""
        mine = asyncio.current_task()
        while self._links or asyncio.all_tasks() - {mine}:
            await self._cut()
            await asyncio.sleep(0)

    async def _stall(self, stalled: bool) -> None:
        self._stalled = stalled
        for link in self._links:
            link.stall(stalled)

    async def _lag(self, seconds: Callable[[], float] | None) -> None:
        self._lags = seconds

    async def _abandon(self) -> int:
        links = tuple(self._links)
        for link in links:
            link.abandon()
        return len(links)

    def _link(self) -> _Link:
        link = _Link(
            self._loop,
            self._target,
            ended=lambda: self._links.discard(link),
            stalled=lambda: self._stalled,
            lag=0.0 if self._lags is None else self._lags(),
        )
        self._links.add(link)
        return link


class _Link(asyncio.Protocol):
    """One client's connection and, in `_far`, ours to the target."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        target: int,
        *,
        ended: Callable[[], None],
        stalled: Callable[[], bool],
        lag: float = 0.0,
    ) -> None:
        self._loop = loop
        self._target = target
        self._ended = ended
        self._stalled = stalled
        self._near: asyncio.Transport | None = None
        self._far: asyncio.Transport | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._early = bytearray()
        self._was_cut = False
        self._is_abandoned = False
        self._lag = lag
        self._sides_lost = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._near = transport
        if self._was_cut:
            self.cut()
            return
        self._connecting = self._loop.create_task(self._connect())

    def data_received(self, data: bytes) -> None:
        self._late(self._ask, data)

    def _ask(self, data: bytes) -> None:
        if self._is_abandoned or self._was_cut:
            return
        if self._far is None:
            self._early += data
        else:
            self._far.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._late(self.lost, exc)

    def _late(self, what: Callable[[T], None], of: T) -> None:
        """Do it when the wire has carried it: in the order in which it was sent."""
        if self._lag:
            self._loop.call_later(self._lag, what, of)
        else:
            what(of)

    async def _connect(self) -> None:
        try:
            transport, _ = await self._loop.create_connection(lambda: _Far(self), HOST, self._target)
        except OSError:
            self.cut()
            return
        self._far = transport
        transport.write(bytes(self._early))
        self.stall(self._stalled())

    def stall(self, stalled: bool) -> None:
        for transport in (self._near, self._far):
            if transport is None or transport.is_closing():
                continue
            if stalled:
                transport.pause_reading()
            else:
                transport.resume_reading()

    def answer(self, data: bytes) -> None:
        self._late(self._tell, data)

    def _tell(self, data: bytes) -> None:
        if self._near is not None and not self._is_abandoned:
            self._near.write(data)

    def far_lost(self, exc: Exception | None) -> None:
        """The target's side is gone; who connected hears of it after all that was said before."""
        self._late(self.lost, exc)

    def abandon(self) -> None:
        """The target's side ends, ours stays as it is; what is not connected yet is cut."""
        if self._far is None:
            self.cut()
            return
        self._is_abandoned = True
        self._far.abort()

    def lost(self, exc: Exception | None) -> None:
        """One side is gone: so is the other, which gets all that was sent before unless the wire broke."""
        self._sides_lost += 1
        if self._is_abandoned and not self._was_cut and self._sides_lost < 2:
            return
        if self._sides_lost >= (1 if self._far is None else 2):
            self._ended()
        if exc is not None or self._near is None or self._far is None:
            self.cut()
            return
        self._near.close()
        self._far.close()

    def cut(self) -> None:
        self._was_cut = True
        if self._connecting is not None and not self._connecting.done():
            self._connecting.cancel()
        for transport in (self._near, self._far):
            if transport is None:
                continue
            with suppress(OSError):  # closed before
                # Closing with a linger time of zero sends a reset in place of an orderly end.
                transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            transport.abort()


class _Far(asyncio.Protocol):
    """The target's side of a link."""

    def __init__(self, link: _Link) -> None:
        self._link = link

    def data_received(self, data: bytes) -> None:
        self._link.answer(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._link.far_lost(exc)
