"""One TCP connection of a client: packets in, and the queries in them."""

from __future__ import annotations

import asyncio
import random
import struct
from collections.abc import Callable, Coroutine
from typing import Any

from teltubby.simulator.mtproto.dispatch import (
    Cut,
    Stall,
    Unanswered,
    answer,
    read_query,
    rpc_error,
    rpc_result,
    take_fault,
)
from teltubby.simulator.mtproto.envelope import Envelope, InvalidEnvelope, key_id_of, unseal
from teltubby.simulator.mtproto.handshake import Handshake, HandshakeViolation, WrongDc
from teltubby.simulator.mtproto.incoming import Accepted, Rejected, Repeated, take_apart
from teltubby.simulator.mtproto.inlet import Inlet
from teltubby.simulator.mtproto.keys import AuthKey
from teltubby.simulator.mtproto.outlet import Outlet
from teltubby.simulator.mtproto.plain import InvalidPlainMessage, plain_body, plain_packet
from teltubby.simulator.mtproto.rpc import Caller, RpcError, method_name
from teltubby.simulator.mtproto.service import answer_service
from teltubby.simulator.mtproto.session import BadMessage, Session
from teltubby.simulator.mtproto.state import Address, State
from teltubby.simulator.mtproto.tl import InvalidObject, encode, functions, parse, types
from teltubby.simulator.mtproto.transport import Stream, Transport, TransportViolation, detect

UNKNOWN_KEY = -404
WRONG_DC = -444
_ERROR = struct.Struct("<i")

Spawn = Callable[[Coroutine[Any, Any, None]], object]


class Hangup(Exception):
    """The client broke the protocol: send `error` if there is one (as 4 bytes), and close."""

    def __init__(self, reason: str, error: int | None = None) -> None:
        super().__init__(reason)
        self.error = error


class Connection:
    """Serves one client until it leaves; RPC queries run as tasks of their own through `spawn`."""

    def __init__(
        self,
        state: State,
        address: Address,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        spawn: Spawn,
    ) -> None:
        self._state = state
        self._address = address
        self._dc = dc = address.dc
        self._writer = writer
        self._stream = Stream(reader, writer)
        self._spawn = spawn
        self._handshake = Handshake(
            state.rsa_key, dc=dc, known=lambda key_id: (dc, key_id) in state.keys, clock=state.time
        )
        self._inlet = Inlet(self._stream, state.world.faults)
        self._outlet = Outlet(self._stream, writer, state.world.faults.line(), state.time)
        self._running: dict[tuple[int, int], asyncio.Event] = {}
        self._last_plain_id = 0
        self._disconnect: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Serve until the client closes or breaks the protocol; the socket is closed afterwards."""
        tasks: list[asyncio.Task[None]] = []
        try:
            transport = await detect(self._stream)
            pump = asyncio.create_task(self._pump(transport))
            tasks += [pump, asyncio.create_task(self._inlet.run(transport))]
            try:
                while not self._writer.transport.is_closing():
                    self._receive(await self._inlet.next())
            except Hangup as hangup:
                self._state.violations.append(str(hangup))
                if hangup.error is not None:
                    self._outlet.post_plain(_ERROR.pack(hangup.error))
                    await self._outlet.end(pump)
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
            await self._close(tasks)

    def carries(self, key: AuthKey) -> bool:
        """Whether a session of this key goes this way."""
        return self._outlet.carries(key)

    def abort(self) -> None:
        """Cut the line as a network failure would."""
        self._writer.transport.abort()

    async def _close(self, tasks: list[asyncio.Task[None]]) -> None:
        self._state.leave(self)
        self._outlet.detach()
        self._forget_disconnect()
        for task in tasks:
            task.cancel()
        try:
            if tasks:
                await asyncio.wait(tasks)
            self._writer.close()
            await self._writer.wait_closed()
        except ConnectionError:
            # Closed by the other side first.
            pass
        except asyncio.CancelledError:
            self.abort()
            raise

    async def _pump(self, transport: Transport) -> None:
        try:
            await self._outlet.run(transport)
        except ConnectionError:
            # The reading side notices as well and ends the connection; what was lost is repeated on the next one.
            pass
        except Exception as exc:  # noqa: BLE001 - the boundary of a server, as in `run`
            self._state.failures.append(("connection", exc))
            self.abort()

    # -- packets in

    def _receive(self, packet: bytes) -> None:
        if len(packet) < 8:
            raise Hangup(f"packet of {len(packet)} bytes", UNKNOWN_KEY)
        key_id = key_id_of(packet)
        if key_id == 0:
            self._receive_plain(packet)
            return
        key = self._state.keys.get((self._dc, key_id))
        if key is None:
            raise Hangup(f"unknown key {key_id:x}", UNKNOWN_KEY)
        try:
            envelope = unseal(key.key, packet)
        except InvalidEnvelope as exc:
            raise Hangup(str(exc), UNKNOWN_KEY) from exc
        self._receive_encrypted(key, envelope)

    def _receive_plain(self, packet: bytes) -> None:
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
        self._last_plain_id = max(self._last_plain_id + 4, int(self._state.time() * 2**32) // 4 * 4 + 1)
        self._outlet.post_plain(plain_packet(self._last_plain_id, response))

    def _receive_encrypted(self, key: AuthKey, envelope: Envelope) -> None:
        now = self._state.time()
        session = key.session(envelope.session_id)
        self._outlet.carry(key, session)
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
                    admitted = self._state.admits(
                        key, self._address, self, opened=self._inlet.opened, now=self._inlet.arrived
                    )
                    self._spawn(self._query(key, session, incoming, self._inlet.arrived, admitted=admitted))

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
                self._forget_disconnect()
                if not self._outlet.is_stalled:
                    self._disconnect = asyncio.get_running_loop().call_later(max(0, delay), self.abort)
            case functions.DestroyAuthKeyRequest():
                self._state.keys.pop((self._dc, key.key_id), None)
                notice = encode(types.DestroyAuthKeyOk())
                session.post((notice,), content_related=False, answers=accepted.msg_id)
                return
        answer_service(key, session, accepted.msg_id, request, now)

    def _forget_disconnect(self) -> None:
        if self._disconnect is not None:
            self._disconnect.cancel()
            self._disconnect = None

    # -- queries

    async def _query(
        self, key: AuthKey, session: Session, accepted: Accepted, arrived: float, *, admitted: bool
    ) -> None:
        """Answer an RPC query. The answer belongs to the session, which may be on another connection by then."""
        caller = Caller(state=self._state, address=self._address, key=key, session=session)
        question = accepted.msg_id
        name = "?"
        delay = 0.0
        try:
            if not admitted:
                raise RpcError(406, "AUTH_KEY_DUPLICATED")
            query = read_query(caller, accepted.body)
            name = method_name(type(query.request))
            fault = take_fault(caller, query.request)
            if fault is not None and fault.delay:
                delay = fault.delay
                session.post((encode(types.MsgsAck([question])),), content_related=False)
                await asyncio.sleep(delay)
            for earlier in query.after:
                # Only what was sent before: two queries that name each other must not wait for ever.
                if earlier < question and (session.id, earlier) in self._running:
                    await self._running[session.id, earlier].wait()
            if any(earlier in session.failed for earlier in query.after):
                raise RpcError(400, "MSG_WAIT_FAILED")
            body = rpc_result(question, answer(caller, query.request, fault))
            if query.wants_updates and _subscribes(key, name):
                session.wants_updates = True
        except Cut:
            self.abort()
            return
        except Stall:
            self._outlet.stall()
            self._forget_disconnect()
            return
        except Unanswered:
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
        session.post_answer(question, body, due=arrived + delay)


def _subscribes(key: AuthKey, method: str) -> bool:
    """Whether a call makes its session one that gets updates: not for files, and a QR code is waited for signed out."""
    if key.account_id is None:
        return method == "auth.exportLoginToken"
    return not method.startswith("upload.")
