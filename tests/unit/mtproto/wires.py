"""A connection to a server that a test plays itself, packet by packet."""

from __future__ import annotations

import asyncio
import gzip
import struct
from collections.abc import Sequence

from teltubby.adapters.mtproto_envelope import Envelope
from teltubby.adapters.mtproto_link import Link
from teltubby.adapters.mtproto_rpc import (
    BAD_MSG_NOTIFICATION,
    BAD_SERVER_SALT,
    GZIP_PACKED,
    MSG_CONTAINER,
    MSGS_ACK,
    NEW_SESSION_CREATED,
    PING_DELAY_DISCONNECT,
    RPC_ERROR,
    RPC_RESULT,
    RpcConnection,
)
from tests.unit.mtproto.packets import KEY, NOW, Sent, seal, unseal

STALL_SECONDS = 15.0
HELLO = b"INTRODUCED: "


class Wire(Link):
    """A link without a socket: what is sent is read at once."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.get_running_loop()
        self.sent: list[Sent] = []
        self.is_open = True

    @property
    def is_lost(self) -> bool:
        return not self.is_open

    def send(self, *packets: bytes) -> None:
        if self.is_open:
            self.sent += map(unseal, packets)

    def abort(self, reason: Exception) -> None:
        if self._reason is None and self.is_open:
            self._reason = reason
            self.loop.call_soon(self.end)

    def end(self, reason: Exception | None = None) -> None:
        """It is gone."""
        if self.is_open:
            self.is_open = False
            self._reason = self._reason or reason
            self.lost(self.reason)


class Server:
    """What is on the other end of `rpc`. Its clock is `ahead` of the client's."""

    def __init__(self, *, ahead: int = 0) -> None:
        self.wire = Wire()
        self.wire.heard_at = self.wire.loop.time()
        self.envelope = Envelope(KEY, clock=lambda: NOW + self.wire.loop.time())
        self.ahead = ahead
        self.rpc = RpcConnection(self.wire, self.envelope, introduce=HELLO.__add__, stall_seconds=STALL_SECONDS)
        self._last_id = 0
        self._count = 0

    @property
    def is_open(self) -> bool:
        return self.wire.is_open

    @property
    def requests(self) -> list[Sent]:
        """What was asked, without acknowledgements and pings."""
        return [sent for sent in self.wire.sent if constructor(sent.body) not in (MSGS_ACK, PING_DELAY_DISCONNECT)]

    @property
    def acknowledged(self) -> list[int]:
        return [msg_id for sent in self.wire.sent for msg_id in acks(sent.body)]

    @property
    def pings(self) -> list[Sent]:
        return [sent for sent in self.wire.sent if constructor(sent.body) == PING_DELAY_DISCONNECT]

    def next_id(self) -> int:
        now = int(NOW + self.wire.loop.time()) + self.ahead
        self._last_id = max(self._last_id + 4, now << 32 | 1)
        return self._last_id

    def says(self, body: bytes, *, content: bool = True, msg_id: int | None = None) -> int:
        """One message of the server's; returns its number."""
        msg_id = msg_id or self.next_id()
        seqno = 2 * self._count + content
        self._count += content
        packet = seal(body, session_id=self.wire.sent[0].session_id, msg_id=msg_id, seqno=seqno)
        self.wire.heard_at = self.wire.loop.time()
        self.wire.receive(packet)
        return msg_id

    def answers(self, request: Sent, result: bytes) -> int:
        return self.says(rpc_result(request.msg_id, result))


def constructor(body: bytes) -> int:
    return int.from_bytes(body[:4], "little")


def acks(body: bytes) -> Sequence[int]:
    if constructor(body) != MSGS_ACK:
        return ()
    _, vector, count = struct.unpack_from("<III", body)
    assert vector == 0x1CB5C415 and len(body) == 12 + 8 * count
    return struct.unpack_from(f"<{count}q", body, 12)


# -- what servers say


def tl_bytes(data: bytes) -> bytes:
    head = bytes([len(data)]) if len(data) < 254 else b"\xfe" + len(data).to_bytes(3, "little")
    return head + data + bytes(-(len(head) + len(data)) % 4)


def rpc_result(msg_id: int, result: bytes) -> bytes:
    return struct.pack("<Iq", RPC_RESULT, msg_id) + result


def rpc_error(code: int, text: str) -> bytes:
    return struct.pack("<Ii", RPC_ERROR, code) + tl_bytes(text.encode())


def gzipped(data: bytes) -> bytes:
    return struct.pack("<I", GZIP_PACKED) + tl_bytes(gzip.compress(data))


def container(messages: Sequence[tuple[int, int, bytes]], *, count: int | None = None) -> bytes:
    packed = b"".join(struct.pack("<qii", msg_id, seqno, len(body)) + body for msg_id, seqno, body in messages)
    return struct.pack("<Ii", MSG_CONTAINER, len(messages) if count is None else count) + packed


def bad_salt(sent: Sent, salt: int) -> bytes:
    return struct.pack("<Iqiiq", BAD_SERVER_SALT, sent.msg_id, sent.seqno, 48, salt)


def bad_message(sent: Sent, code: int) -> bytes:
    return struct.pack("<Iqii", BAD_MSG_NOTIFICATION, sent.msg_id, sent.seqno, code)


def new_session(sent: Sent, salt: int) -> bytes:
    return struct.pack("<Iqqq", NEW_SESSION_CREATED, sent.msg_id, 7, salt)


def pong(msg_id: int) -> bytes:
    return struct.pack("<Iqq", 0x347773C5, msg_id, 7)
