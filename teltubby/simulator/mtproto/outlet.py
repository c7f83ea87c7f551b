"""What goes out on one connection: packets in order, in pieces when the line is narrow."""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from collections.abc import Callable, Sequence

from teltubby.simulator.lines import Line
from teltubby.simulator.mtproto.envelope import seal
from teltubby.simulator.mtproto.incoming import CONTAINER
from teltubby.simulator.mtproto.keys import AuthKey
from teltubby.simulator.mtproto.session import Outgoing, Session
from teltubby.simulator.mtproto.transport import Stream, Transport

WRITE_BUFFER = 2 * 1024 * 1024
LAST_WORDS_SECONDS = 1.0
_CONTAINER = struct.Struct("<II")
_CONTAINED = struct.Struct("<qii")


class Outlet:
    """Sends what the sessions on a connection have queued, plain packets between them; `clock` is in Unix seconds."""

    def __init__(self, stream: Stream, writer: asyncio.StreamWriter, line: Line, clock: Callable[[], float]) -> None:
        self._stream = stream
        self._writer = writer
        self._line = line
        self._clock = clock
        self._plain: deque[bytes] = deque()
        self._sessions: dict[tuple[int, int], tuple[AuthKey, Session]] = {}
        self._ready = asyncio.Event()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._ending = False
        # One object, so that a session can tell whose it is.
        self._wake: Callable[[], None] = self._ready.set
        writer.transport.set_write_buffer_limits(high=WRITE_BUFFER)

    @property
    def is_stalled(self) -> bool:
        """Whether a fault holds everything back."""
        return not self._flowing.is_set()

    def carry(self, key: AuthKey, session: Session) -> None:
        """Messages of this session go this way from now on."""
        if session.wake is not self._wake:
            session.attach(self._wake)
            self._sessions[key.key_id, session.id] = (key, session)

    def carries(self, key: AuthKey) -> bool:
        """Whether a session of this key was last seen here."""
        return any(mine is key and session.wake is self._wake for mine, session in self._sessions.values())

    def post_plain(self, packet: bytes) -> None:
        """Queue a packet that is not encrypted; it goes before what sessions have queued."""
        self._plain.append(packet)
        self._ready.set()

    def stall(self) -> None:
        """Send nothing more; the connection stays open."""
        self._flowing.clear()

    def detach(self) -> None:
        """The connection is gone: sessions may go another way."""
        for _, session in self._sessions.values():
            session.detach(self._wake)

    async def end(self, pump: asyncio.Task[None]) -> None:
        """Have `pump`, which runs `run`, send the plain packets and nothing else, and wait for it, but not for long."""
        self._ending = True
        self._ready.set()
        await asyncio.wait([pump], timeout=LAST_WORDS_SECONDS)

    async def run(self, transport: Transport) -> None:
        """Send until cancelled or ended; raises ConnectionError when the client is gone."""
        while True:
            await self._ready.wait()
            self._ready.clear()
            await self._send_plain(transport)
            for key, session in list(self._sessions.values()):
                while session.outbox and session.wake is self._wake and not self._ending:
                    batch = session.take_batch(self._clock())
                    due = min(message.due for message in batch) or self._now()
                    await self._send(transport.frame(_sealed(key, session, batch, self._clock())), due)
                    await self._send_plain(transport)
            if self._ending and not self._plain:
                return

    async def _send_plain(self, transport: Transport) -> None:
        while self._plain:
            await self._send(transport.frame([self._plain.popleft()]), self._now())

    async def _send(self, packet: Sequence[bytes], due: float) -> None:
        await self._flowing.wait()
        if self._line.piece is None:
            self._stream.write(packet)
            await self._writer.drain()
            return
        left = memoryview(b"".join(packet))
        while left:
            piece = left[: self._line.piece]
            await self._line.carry(len(piece), due)
            await self._flowing.wait()
            self._stream.write([piece])
            await self._writer.drain()
            left = left[len(piece) :]

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def _sealed(key: AuthKey, session: Session, batch: Sequence[Outgoing], now: float) -> tuple[bytes, bytes]:
    if len(batch) == 1:
        (message,) = batch
        msg_id, seqno, body = message.msg_id, message.seqno, message.body
    else:
        msg_id, seqno = session.container_number(now)
        contained: list[bytes | memoryview] = [_CONTAINER.pack(CONTAINER, len(batch))]
        for message in batch:
            contained.append(_CONTAINED.pack(message.msg_id, message.seqno, message.size))
            contained.extend(message.body)
        body = contained
    return seal(
        key.key,
        key.key_id,
        salt=key.salts.current(int(now)),
        session_id=session.id,
        msg_id=msg_id,
        seqno=seqno,
        body=body,
    )
