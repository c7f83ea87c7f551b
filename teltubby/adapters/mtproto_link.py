"""One TCP connection to a data centre, in MTProto's "intermediate" transport: packets in, packets out.

core.telegram.org/mtproto/mtproto-transports. Bytes go from the kernel straight into the packet they belong to.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable

from teltubby.adapters.mtproto_proxy import Proxy

TAG = b"\xee\xee\xee\xee"
MAX_PACKET = 4 << 20
"""A part of 1 MiB with everything around it is far smaller."""

_LENGTH = struct.Struct("<I")
_ERROR = struct.Struct("<i")


class TransportError(ConnectionError):
    """The server refused the connection with a negative `code` (-404: it does not know our key; -429: flood)."""

    def __init__(self, code: int) -> None:
        super().__init__(f"transport error {code}")
        self.code = code


async def open_link(host: str, port: int, proxy: Proxy | None = None) -> Link:
    """A connection to this address, by way of the proxy where there is one. Raises OSError."""
    loop = asyncio.get_running_loop()
    if proxy is None:
        _, link = await loop.create_connection(Link, host, port)
        return link
    reached = await proxy.connect(host, port)
    try:
        _, link = await loop.create_connection(Link, sock=reached)
    except BaseException:
        reached.close()
        raise
    return link


class Link(asyncio.BufferedProtocol):
    """Hands each packet to `receive`; `lost` is called once, with the reason, when the connection is gone."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._head = bytearray(_LENGTH.size)
        self._packet: bytearray | None = None
        self._have = 0
        self._reason: Exception | None = None
        self.receive: Callable[[bytearray], None] = lambda packet: None
        self.lost: Callable[[Exception], None] = lambda reason: None
        self.heard_at = 0.0
        """Loop time at which bytes last came."""

    @property
    def is_lost(self) -> bool:
        return self._transport is None

    @property
    def reason(self) -> Exception:
        """Why it is lost."""
        return self._reason or ConnectionError("the server closed the connection")

    def send(self, *packets: bytes) -> None:
        """Send packets; on a connection that is gone, nothing happens: `lost` was called."""
        if self._transport is not None:
            self._transport.write(
                b"".join(piece for packet in packets for piece in (_LENGTH.pack(len(packet)), packet))
            )

    def abort(self, reason: Exception) -> None:
        """Cut the connection; `reason` is what `lost` is told."""
        self._reason = self._reason or reason
        if self._transport is not None:
            self._transport.abort()

    # -- asyncio.BufferedProtocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.heard_at = asyncio.get_running_loop().time()
        transport.write(TAG)

    def get_buffer(self, sizehint: int) -> memoryview:
        del sizehint
        return memoryview(self._head if self._packet is None else self._packet)[self._have :]

    def buffer_updated(self, nbytes: int) -> None:
        self.heard_at = asyncio.get_running_loop().time()
        self._have += nbytes
        if self._packet is None:
            if self._have == _LENGTH.size:
                self._begin_packet()
        elif self._have == len(self._packet):
            packet, self._packet, self._have = self._packet, None, 0
            self._deliver(packet)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport, self._packet = None, None
        self._reason = self._reason or exc
        self.lost(self.reason)

    def _begin_packet(self) -> None:
        (length,) = _LENGTH.unpack(self._head)
        if not 4 <= length <= MAX_PACKET:
            self.abort(ConnectionError(f"the server announced a packet of {length} bytes"))
            return
        self._packet, self._have = bytearray(length), 0

    def _deliver(self, packet: bytearray) -> None:
        if len(packet) == _ERROR.size:
            self.abort(TransportError(_ERROR.unpack(packet)[0]))
        else:
            self.receive(packet)
