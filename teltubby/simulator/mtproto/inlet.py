"""What comes in on one connection: packets in order, each as much later as the line takes."""

from __future__ import annotations

import asyncio

from teltubby.simulator.faults import Faults
from teltubby.simulator.mtproto.transport import Stream, Transport

MAX_ON_THE_WAY = 1024


class Inlet:
    """Packets of a client whose requests are `faults.latency` on their way, any number at a time.

    `opened` is when the client's connection stands, and `arrived` when the latest packet came, both in loop time and as
    if the server had done nothing else.
    """

    def __init__(self, stream: Stream, faults: Faults) -> None:
        self._stream = stream
        self._faults = faults
        self._loop = asyncio.get_running_loop()
        # The last entry tells why no packet follows.
        self._on_the_way: asyncio.Queue[tuple[float, bytes | Exception]] = asyncio.Queue(MAX_ON_THE_WAY)
        # Connecting takes a round trip, which loopback does not.
        self.opened = self.arrived = self._loop.time() + faults.latency

    async def run(self, transport: Transport) -> None:
        """Read until there is nothing more to read."""
        arrival = self.opened + self._faults.latency
        packet: bytes | Exception = b""
        while isinstance(packet, bytes):
            try:
                packet = await transport.read(self._stream)
            except Exception as exc:  # noqa: BLE001 - raised again by `next`, where the caller tells them apart
                packet = exc
            arrival = max(arrival, self._loop.time() + self._faults.latency)
            await self._on_the_way.put((arrival, packet))

    async def next(self) -> bytes:
        """The next packet; raises what ended the reading: asyncio.IncompleteReadError, TransportViolation and so on."""
        self.arrived, packet = await self._on_the_way.get()
        wait = self.arrived - self._loop.time()
        if wait > 0:
            await asyncio.sleep(wait)
        if isinstance(packet, Exception):
            raise packet
        return packet
