"""Taking a client's packet apart: containers, gzip, and which messages are acceptable."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from teltubby.simulator.mtproto.envelope import Envelope
from teltubby.simulator.mtproto.session import BadMessage, Session
from teltubby.simulator.mtproto.tl import InvalidObject, functions, gunzip, types

CONTAINER = 0x73F1F8DC
GZIP = 0x3072CFA1
MAX_CONTAINED = 1020
_CONSTRUCTOR = struct.Struct("<I")
_CONTAINED = struct.Struct("<qii")

# Requests to the session itself. Clients disagree on whether they are content-related, and the real server lets them.
SERVICE: frozenset[int] = frozenset(
    kind.CONSTRUCTOR_ID
    for kind in (
        functions.PingRequest,
        functions.PingDelayDisconnectRequest,
        functions.GetFutureSaltsRequest,
        functions.DestroySessionRequest,
        functions.RpcDropAnswerRequest,
        functions.DestroyAuthKeyRequest,
        types.MsgsStateReq,
        types.MsgResendReq,
        types.MsgsStateInfo,
        types.MsgsAllInfo,
        types.HttpWait,
    )
)
ACKNOWLEDGEMENT: int = types.MsgsAck.CONSTRUCTOR_ID


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A message to act on; `body` is unpacked."""

    msg_id: int
    body: bytes

    @property
    def is_service(self) -> bool:
        """Whether it is for the session itself; otherwise it is an RPC query."""
        constructor = constructor_of(self.body)
        return constructor in SERVICE or constructor == ACKNOWLEDGEMENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeated:
    """A message that was accepted before."""

    msg_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A message to be ignored, which its sender is told."""

    msg_id: int
    seqno: int
    code: BadMessage


Incoming = Accepted | Repeated | Rejected


def constructor_of(body: bytes) -> int:
    """The number of the object in `body`."""
    (constructor,) = _CONSTRUCTOR.unpack_from(body)
    return int(constructor)


def take_apart(session: Session, envelope: Envelope, now: float) -> Iterator[Incoming]:
    """The messages of a packet in order, each judged and, if accepted, remembered by the session."""
    body = _unpacked(envelope.body)
    if constructor_of(body) != CONTAINER:
        yield _judge(session, envelope.msg_id, envelope.seqno, body, now)
        return
    code = session.check(envelope.msg_id, envelope.seqno, now)
    if session.has_received(envelope.msg_id):
        code = BadMessage.CONTAINER_ID_REUSED
    elif code is None and envelope.seqno % 2:
        code = BadMessage.EVEN_SEQNO_EXPECTED
    inner = _contained(body, envelope.msg_id)
    if code is None and inner is None:
        code = BadMessage.INVALID_CONTAINER
    if code is not None or inner is None:
        yield Rejected(msg_id=envelope.msg_id, seqno=envelope.seqno, code=code or BadMessage.INVALID_CONTAINER)
        return
    session.accept(envelope.msg_id, envelope.seqno)
    for msg_id, seqno, message in inner:
        yield _judge(session, msg_id, seqno, _unpacked(message), now)


def _judge(session: Session, msg_id: int, seqno: int, body: bytes, now: float) -> Incoming:
    if session.has_received(msg_id):
        return Repeated(msg_id=msg_id)
    code = session.check(msg_id, seqno, now)
    constructor = constructor_of(body)
    if code is None and constructor == ACKNOWLEDGEMENT and seqno % 2:
        code = BadMessage.EVEN_SEQNO_EXPECTED
    if code is None and constructor not in SERVICE and constructor != ACKNOWLEDGEMENT and seqno % 2 == 0:
        code = BadMessage.ODD_SEQNO_EXPECTED
    if code is not None:
        return Rejected(msg_id=msg_id, seqno=seqno, code=code)
    session.accept(msg_id, seqno)
    return Accepted(msg_id=msg_id, body=body)


def _contained(body: bytes, container_id: int) -> list[tuple[int, int, bytes]] | None:
    """The (msg_id, seqno, body) in a container; None if it is malformed, nested, or older than what it holds."""
    if len(body) < 8:
        return None
    (count,) = _CONSTRUCTOR.unpack_from(body, 4)
    if count > MAX_CONTAINED:
        return None
    messages = []
    offset = 8
    for _ in range(count):
        if offset + _CONTAINED.size > len(body):
            return None
        msg_id, seqno, length = _CONTAINED.unpack_from(body, offset)
        offset += _CONTAINED.size
        message = body[offset : offset + length]
        offset += length
        if length < 4 or length % 4 or len(message) < length or msg_id >= container_id:
            return None
        if constructor_of(message) == CONTAINER:
            return None
        messages.append((msg_id, seqno, message))
    return messages if offset == len(body) else None


def _unpacked(body: bytes) -> bytes:
    """What gzip_packed holds; broken ones stay as they are, and fail where queries are read."""
    if constructor_of(body) != GZIP:
        return body
    try:
        unpacked = gunzip(body)
    except InvalidObject:
        return body
    return unpacked if len(unpacked) >= _CONSTRUCTOR.size else body
