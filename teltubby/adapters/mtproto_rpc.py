"""Requests and their answers over one MTProto connection; many may be in flight at once.

core.telegram.org/mtproto/service_messages. No request is ever repeated on its own account, but for those that the
server refused unread (a wrong salt, time or sequence number): whoever asked decides what a lost answer means.
"""

from __future__ import annotations

import asyncio
import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from teltubby.adapters.mtproto_envelope import Envelope, EnvelopeViolation, Opened
from teltubby.adapters.mtproto_link import MAX_PACKET, Link

RPC_RESULT = 0xF35C6D01
RPC_ERROR = 0x2144CA19
GZIP_PACKED = 0x3072CFA1
MSG_CONTAINER = 0x73F1F8DC
BAD_SERVER_SALT = 0xEDAB447B
BAD_MSG_NOTIFICATION = 0xA7EFF811
NEW_SESSION_CREATED = 0x9EC20908
MSGS_ACK = 0x62D6B459
PING_DELAY_DISCONNECT = 0xF3427B8C
VECTOR = 0x1CB5C415

ACK_SECONDS = 5.0
ACK_MESSAGES = 16
WATCHES = 2
"""How often within the stall time it is looked whether bytes come; half-way through, the server is asked for a pong."""

_CONSTRUCTOR = struct.Struct("<I")
_CODE = struct.Struct("<i")
_LONG = struct.Struct("<q")
_CONTAINED = struct.Struct("<qii")
_BAD = struct.Struct("<qii")
_WRONG_TIME, _SEQNO_TOO_LOW, _SEQNO_TOO_HIGH = (16, 17), 32, 33


class RpcFault(Exception):
    """The server's answer is an error: `code` and `message` as in core.telegram.org/api/errors."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{message} ({code})")
        self.code = code
        self.message = message


@dataclass(slots=True, eq=False)
class _Query:
    body: bytes
    answer: asyncio.Future[memoryview]


class RpcConnection:
    """`introduce` wraps a request in invokeWithLayer(initConnection(…)) until the server has answered one well.

    When requests are in flight and no byte comes for `stall_seconds`, the connection is given up. Updates are dropped.
    """

    def __init__(
        self, link: Link, envelope: Envelope, *, introduce: Callable[[bytes], bytes], stall_seconds: float
    ) -> None:
        self._link = link
        self._envelope = envelope
        self._introduce = introduce
        self._stall_seconds = stall_seconds
        self._loop = asyncio.get_running_loop()
        self._queries: dict[int, _Query] = {}
        self._acks: list[int] = []
        self._timers: dict[Callable[[], None], asyncio.TimerHandle] = {}
        self._is_known = False
        self._waiting_since = 0.0
        self._gone: asyncio.Future[Exception] = self._loop.create_future()
        link.receive, link.lost = self._receive, self._lose
        if link.is_lost:
            self._lose(link.reason)

    @property
    def is_open(self) -> bool:
        """Whether it is neither lost nor closed."""
        return not self._gone.done()

    async def invoke(self, request: bytes) -> memoryview:
        """The answer's TL object, unpacked. Raises RpcFault, and ConnectionError when the connection is lost."""
        if self._gone.done():
            raise self._gone.result()
        if not self._queries:
            self._waiting_since = self._loop.time()
            self._later(self._stall_seconds / WATCHES, self._watch)
        query = _Query(request, self._loop.create_future())
        msg_id = self._send(query)
        try:
            return await query.answer
        finally:
            self._queries.pop(msg_id, None)
            if query.answer.cancelled():
                self._forget(query)

    async def aclose(self) -> None:
        """Cut the connection; safe to call twice."""
        if not self._gone.done():
            self._link.abort(ConnectionError("the connection was closed"))
            await asyncio.shield(self._gone)

    # -- to the server

    def _send(self, query: _Query) -> int:
        body = query.body if self._is_known else self._introduce(query.body)
        msg_id, packet = self._envelope.seal(body, content_related=True)
        self._queries[msg_id] = query
        self._link.send(*self._acknowledgements(), packet)
        return msg_id

    def _again(self, msg_id: int) -> None:
        query = self._queries.pop(msg_id, None)
        if query is not None and not query.answer.done():
            self._send(query)

    def _forget(self, query: _Query) -> None:
        """Whoever asked has left; under another number, too, if it was repeated meanwhile."""
        for msg_id in [number for number, asked in self._queries.items() if asked is query]:
            del self._queries[msg_id]

    def _acknowledgements(self) -> tuple[bytes, ...]:
        if not self._acks:
            return ()
        body = struct.pack(f"<IIi{len(self._acks)}q", MSGS_ACK, VECTOR, len(self._acks), *self._acks)
        self._acks.clear()
        return (self._envelope.seal(body, content_related=False)[1],)

    def _flush(self) -> None:
        self._link.send(*self._acknowledgements())

    def _watch(self) -> None:
        silent = self._loop.time() - max(self._link.heard_at, self._waiting_since)
        if not self._queries:
            return
        if silent >= self._stall_seconds:
            self._link.abort(ConnectionError(f"nothing came for {silent:.0f} s"))
            return
        if silent >= self._stall_seconds / WATCHES:
            ping = struct.pack("<I8si", PING_DELAY_DISCONNECT, os.urandom(8), int(self._stall_seconds) + 60)
            self._link.send(self._envelope.seal(ping, content_related=True)[1])
        self._later(self._stall_seconds / WATCHES, self._watch)

    def _later(self, seconds: float, action: Callable[[], None]) -> None:
        if action not in self._timers:
            self._timers[action] = self._loop.call_later(seconds, self._now, action)

    def _now(self, action: Callable[[], None]) -> None:
        del self._timers[action]
        action()

    # -- from the server

    def _receive(self, packet: bytearray) -> None:
        try:
            opened = self._envelope.open(packet)
            if opened is not None:
                self._process(opened)
        except (EnvelopeViolation, struct.error, zlib.error) as error:
            self._link.abort(ConnectionError(f"the server broke the protocol: {error}"))

    def _process(self, message: Opened) -> None:
        constructor, body = _unpacked(message.body)
        if constructor == MSG_CONTAINER:
            for contained in _taken_apart(body):
                self._process_one(contained, *_unpacked(contained.body))
        else:
            self._process_one(message, constructor, body)

    def _process_one(self, message: Opened, constructor: int, body: memoryview) -> None:
        if constructor in (MSG_CONTAINER, GZIP_PACKED):
            raise EnvelopeViolation("a container within a container")
        if constructor in (BAD_SERVER_SALT, BAD_MSG_NOTIFICATION):
            self._correct(message.msg_id, body, constructor)
            return
        self._require_timely(message.msg_id)
        if message.seqno % 2:
            self._acks.append(message.msg_id)
            if len(self._acks) >= ACK_MESSAGES:
                self._flush()
            else:
                self._later(ACK_SECONDS, self._flush)
        if constructor == RPC_RESULT:
            self._answer(body)
        elif constructor == NEW_SESSION_CREATED:
            (self._envelope.salt,) = _LONG.unpack_from(body, 20)

    def _require_timely(self, msg_id: int) -> None:
        """Before the first answer our own clock is in doubt: the session is new, so that nothing in it can be old."""
        if self._envelope.is_timely(msg_id):
            return
        if self._is_known:
            raise EnvelopeViolation("a message of another time")
        self._envelope.learn_time(msg_id)

    def _correct(self, said_in: int, body: memoryview, constructor: int) -> None:
        """The server refused a message unread: mend what was wrong and send it again."""
        msg_id, _, code = _BAD.unpack_from(body, 4)
        if constructor == BAD_SERVER_SALT:
            (self._envelope.salt,) = _LONG.unpack_from(body, 20)
        elif code in _WRONG_TIME:
            self._envelope.learn_time(said_in)
        elif code in (_SEQNO_TOO_LOW, _SEQNO_TOO_HIGH):
            self._envelope.learn_sequence(too_low=code == _SEQNO_TOO_LOW)
        else:
            raise EnvelopeViolation(f"the server refuses our messages with code {code}")
        self._again(msg_id)

    def _answer(self, body: memoryview) -> None:
        (msg_id,) = _LONG.unpack_from(body, 4)
        query = self._queries.get(msg_id)
        if query is None or query.answer.done():
            return  # whoever asked has given up waiting
        constructor, result = _unpacked(body[12:])
        if constructor == RPC_ERROR:
            (code,) = _CODE.unpack_from(result, 4)
            text = bytes(tl_bytes(result, 8)).decode("utf-8", "replace")
            query.answer.set_exception(RpcFault(code, text))
        else:
            self._is_known = True
            query.answer.set_result(result)
        del self._queries[msg_id]

    def _lose(self, reason: Exception) -> None:
        for timer in self._timers.values():
            timer.cancel()
        for query in self._queries.values():
            if not query.answer.done():
                query.answer.set_exception(reason)
        self._queries.clear()
        if not self._gone.done():
            self._gone.set_result(reason)


def tl_bytes(view: memoryview, at: int) -> memoryview:
    """The TL `bytes` or `string` that begins at `at`, without a copy. Raises struct.error where it is cut off."""
    length = view[at] if at < len(view) else 0
    start = at + 1
    if length == 255:
        raise struct.error("a string longer than any packet")
    if length == 254:
        length = int.from_bytes(view[at + 1 : at + 4], "little")
        start = at + 4
    if start + length > len(view):
        raise struct.error("a string that is cut off")
    return view[start : start + length]


def _unpacked(view: memoryview) -> tuple[int, memoryview]:
    """The constructor of an object, and the object; that in a gzip_packed. Larger than any packet it is none for us."""
    (constructor,) = _CONSTRUCTOR.unpack_from(view)
    if constructor != GZIP_PACKED:
        return constructor, view
    inflating = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    data = inflating.decompress(tl_bytes(view, 4), MAX_PACKET)
    if not inflating.eof:
        raise zlib.error(f"a packed answer that is cut off, or of more than {MAX_PACKET} bytes")
    return _CONSTRUCTOR.unpack_from(data)[0], memoryview(data)


def _taken_apart(body: memoryview) -> list[Opened]:
    """The messages in a container. Raises EnvelopeViolation, struct.error."""
    (count,) = _CONSTRUCTOR.unpack_from(body, 4)
    messages, at = [], 8
    for _ in range(count):
        msg_id, seqno, length = _CONTAINED.unpack_from(body, at)
        at += _CONTAINED.size
        if length < 4 or at + length > len(body):
            raise EnvelopeViolation("a container that does not hold what it says")
        messages.append(Opened(msg_id, seqno, body[at : at + length]))
        at += length
    return messages
