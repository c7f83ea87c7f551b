"""One TCP connection of a client: packets in, packets out."""

from __future__ import annotations

import asyncio
import random
import struct
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from teltubby.simulator.faults import Throttle
from teltubby.simulator.mtproto.dispatch import Cut, answer, read_query, rpc_error, rpc_result, take_fault
from teltubby.simulator.mtproto.envelope import Envelope, InvalidEnvelope, key_id_of, seal, unseal
from teltubby.simulator.mtproto.handshake import Handshake, HandshakeViolation, WrongDc
from teltubby.simulator.mtproto.incoming import CONTAINER, Accepted, Rejected, Repeated, take_apart
from teltubby.simulator.mtproto.keys import AuthKey
from teltubby.simulator.mtproto.plain import InvalidPlainMessage, plain_body, plain_packet
from teltubby.simulator.mtproto.rpc import Caller, RpcError, method_name
from teltubby.simulator.mtproto.service import answer_service
from teltubby.simulator.mtproto.session import BadMessage, Outgoing, Session
from teltubby.simulator.mtproto.state import State
from teltubby.simulator.mtproto.tl import InvalidObject, encode, functions, parse, types
from teltubby.simulator.mtproto.transport import Stream, Transport, TransportViolation, detect

UNKNOWN_KEY = -404
WRONG_DC = -444
WRITE_BUFFER = 2 * 1024 * 1024
_ERROR = struct.Struct("<i")
_CONTAINER = struct.Struct("<II")
_CONTAINED = struct.Struct("<qii")

Spawn = Callable[[Coroutine[Any, Any, None]], object]


class Hangup(Exception):
    """The client broke the protocol: send `error` if there is one (as 4 bytes), and close."""

    def __init__(self, reason: str, error: int | None = None) -> None:
        super().__init__(reason)
        self.error = error


class Connection:
    """Serves one client until it leaves; RPC queries run as tasks of their own through `spawn`."""

    def __init__(
        self, state: State, dc: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, spawn: Spawn
    ) -> None:
        self._state = state
        self._dc = dc
        self._writer = writer
        self._stream = Stream(reader, writer)
        self._spawn = spawn
        self._handshake = Handshake(
            state.rsa_key, dc=dc, known=lambda key_id: (dc, key_id) in state.keys, clock=time.time
        )
        self._throttle = Throttle(state.world.faults)
        self._ready = asyncio.Event()
        self._running: dict[tuple[int, int], asyncio.Event] = {}
        self._sessions: dict[tuple[int, int], tuple[AuthKey, Session]] = {}
        self._last_plain_id = 0
        self._disconnect: asyncio.TimerHandle | None = None
        # One object, so that a session can tell whose it is.
        self._wake: Callable[[], None] = self._ready.set
        writer.transport.set_write_buffer_limits(high=WRITE_BUFFER)

    async def run(self) -> None:
        """Serve until the client closes or breaks the protocol; the socket is closed afterwards."""
        pump: asyncio.Task[None] | None = None
        try:
            transport = await detect(self._stream)
            pump = asyncio.create_task(self._pump(transport))
            while True:
                packet = await transport.read(self._stream)
                try:
                    self._receive(transport, packet)
                except Hangup as hangup:
                    self._state.violations.append(str(hangup))
                    if hangup.error is not None:
                        self._stream.write(transport.frame([_ERROR.pack(hangup.error)]))
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            # The client is gone, or a fault cut the line.
            pass
        except TransportViolation as violation:
            self._state.violations.append(str(violation))
        except asyncio.CancelledError:
            # What is still unsent must not hold up a server that stops.
            self.abort()
            raise
        except Exception as exc:  # noqa: BLE001 - the boundary of a server: a bug is recorded and ends this connection only
            self._state.failures.append(("connection", exc))
        finally:
            if pump is not None:
                pump.cancel()
                await asyncio.wait([pump])
            await self._close()

    def abort(self) -> None:
        """Cut the line as a network failure would."""
        self._writer.transport.abort()

    async def _close(self) -> None:
        for _, session in self._sessions.values():
            session.detach(self._wake)
        if self._disconnect is not None:
            self._disconnect.cancel()
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except ConnectionError:
            # Closed by the other side first.
            pass
        except asyncio.CancelledError:
            self.abort()
            raise

    # -- packets in

    def _receive(self, transport: Transport, packet: bytes) -> None:
        if len(packet) < 8:
            raise Hangup(f"packet of {len(packet)} bytes", UNKNOWN_KEY)
        key_id = key_id_of(packet)
        if key_id == 0:
            self._receive_plain(transport, packet)
            return
        key = self._state.keys.get((self._dc, key_id))
        if key is None:
            raise Hangup(f"unknown key {key_id:x}", UNKNOWN_KEY)
        try:
            envelope = unseal(key.key, packet)
        except InvalidEnvelope as exc:
            raise Hangup(str(exc), UNKNOWN_KEY) from exc
        self._receive_encrypted(key, envelope)

    def _receive_plain(self, transport: Transport, packet: bytes) -> None:
        try:
            request = parse(plain_body(packet))
            if isinstance(request, types.MsgsAck):
                return
            response, completed = self._handshake.answer(request)
        except WrongDc as exc:
            raise Hangup(str(exc), WRONG_DC) from exc
        except (HandshakeViolation, InvalidPlainMessage, InvalidObject) as exc:
            raise Hangup(str(exc), UNKNOWN_KEY) from exc
        if completed is not None:
            self._state.add_key(self._dc, completed.key, completed.first_salt)
        self._last_plain_id = max(self._last_plain_id + 4, int(time.time() * 2**32) // 4 * 4 + 1)
        self._stream.write(transport.frame([plain_packet(self._last_plain_id, response)]))

    def _receive_encrypted(self, key: AuthKey, envelope: Envelope) -> None:
        now = time.time()
        session = key.session(envelope.session_id)
        if session.wake is not self._wake:
            session.attach(self._wake)
            self._sessions[key.key_id, session.id] = (key, session)
        code = session.check(envelope.msg_id, envelope.seqno, now)
        if code in (BadMessage.MSG_ID_TOO_LOW, BadMessage.MSG_ID_TOO_HIGH, BadMessage.MSG_ID_NOT_DIVISIBLE_BY_4):
            self._reject(session, Rejected(msg_id=envelope.msg_id, seqno=envelope.seqno, code=code))
            return
        if not key.salts.accepts(envelope.salt, int(now)):
            salt = key.salts.current(int(now))
            notice = types.BadServerSalt(envelope.msg_id, envelope.seqno, BadMessage.WRONG_SALT, salt)
            session.post((encode(notice),), content_related=False, answers=envelope.msg_id)
            return
        if not session.announced:
            session.announced = True
            created = types.NewSessionCreated(envelope.msg_id, random.getrandbits(63), key.salts.current(int(now)))
            session.post((encode(created),), content_related=True)
        for incoming in take_apart(session, envelope, now):
            match incoming:
                case Rejected():
                    self._reject(session, incoming)
                case Repeated():
                    session.repeat_answer(incoming.msg_id)
                case Accepted() if incoming.is_service:
                    self._serve(key, session, incoming, int(now))
                case Accepted():
                    session.begin(incoming.msg_id)
                    self._running[session.id, incoming.msg_id] = asyncio.Event()
                    self._spawn(self._query(key, session, incoming))

    def _reject(self, session: Session, rejected: Rejected) -> None:
        notice = types.BadMsgNotification(rejected.msg_id, rejected.seqno, rejected.code)
        session.post((encode(notice),), content_related=False, answers=rejected.msg_id)

    def _serve(self, key: AuthKey, session: Session, accepted: Accepted, now: int) -> None:
        try:
            request = parse(accepted.body)
        except InvalidObject as exc:
            raise Hangup(f"unreadable service message: {exc}", UNKNOWN_KEY) from exc
        match request:
            case functions.PingDelayDisconnectRequest(disconnect_delay=delay):
                if self._disconnect is not None:
                    self._disconnect.cancel()
                self._disconnect = asyncio.get_running_loop().call_later(max(0, delay), self.abort)
            case functions.DestroyAuthKeyRequest():
                self._state.keys.pop((self._dc, key.key_id), None)
                notice = encode(types.DestroyAuthKeyOk())
                session.post((notice,), content_related=False, answers=accepted.msg_id)
                return
        answer_service(key, session, accepted.msg_id, request, now)

    async def _query(self, key: AuthKey, session: Session, accepted: Accepted) -> None:
        """Answer an RPC query. The answer belongs to the session, which may be on another connection by then."""
        caller = Caller(state=self._state, dc=self._dc, key=key, session=session)
        question = accepted.msg_id
        name = "?"
        try:
            query = read_query(caller, accepted.body)
            name = method_name(type(query.request))
            fault, delay = take_fault(caller, query.request)
            if delay:
                session.post((encode(types.MsgsAck([question])),), content_related=False)
                await asyncio.sleep(delay)
            for earlier in query.after:
                # Only what was sent before: two queries that name each other must not wait for ever.
                if earlier < question and (session.id, earlier) in self._running:
                    await self._running[session.id, earlier].wait()
            if any(earlier in session.failed for earlier in query.after):
                raise RpcError(400, "MSG_WAIT_FAILED")
            body = rpc_result(question, answer(caller, query.request, fault))
            if query.wants_updates and key.account_id is not None and not name.startswith("upload."):
                session.wants_updates = True
        except Cut:
            self.abort()
            return
        except RpcError as exc:
            session.failed.append(question)
            body = rpc_error(question, exc)
        except Exception as exc:  # noqa: BLE001 - the boundary of a server: a bug is recorded, and the client is told
            self._state.failures.append((name, exc))
            session.failed.append(question)
            body = rpc_error(question, RpcError(500, "INTERNAL"))
        finally:
            self._running.pop((session.id, question)).set()
        session.post_answer(question, body)

    # -- packets out

    async def _pump(self, transport: Transport) -> None:
        """Send what sessions have queued, whenever one says so."""
        try:
            while True:
                await self._ready.wait()
                self._ready.clear()
                for key, session in list(self._sessions.values()):
                    while session.outbox and session.wake is self._wake:
                        batch = session.take_batch(time.time())
                        pieces = self._sealed(key, session, batch)
                        await self._throttle.spend(sum(map(len, pieces)))
                        self._stream.write(transport.frame(pieces))
                        await self._writer.drain()
        except ConnectionError:
            # The reading side notices as well and ends the connection; what was lost is repeated on the next one.
            pass
        except Exception as exc:  # noqa: BLE001 - the boundary of a server, as in `run`
            self._state.failures.append(("connection", exc))
            self.abort()

    def _sealed(self, key: AuthKey, session: Session, batch: Sequence[Outgoing]) -> tuple[bytes, bytes]:
        now = time.time()
        if len(batch) == 1:
            (message,) = batch
            msg_id, seqno, body = message.msg_id, message.seqno, message.body
        else:
            msg_id, seqno = session.container_number(now)
            contained = [_CONTAINER.pack(CONTAINER, len(batch))]
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
