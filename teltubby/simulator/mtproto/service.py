"""Requests to the session itself (core.telegram.org/mtproto/service_messages): pings, salts, states."""

from __future__ import annotations

from typing import Any

from teltubby.simulator.mtproto.dispatch import rpc_result
from teltubby.simulator.mtproto.keys import MAX_FUTURE_SALTS, AuthKey
from teltubby.simulator.mtproto.session import Outgoing, Session
from teltubby.simulator.mtproto.tl import encode, functions, types

MAX_IDS = 8192


def answer_service(key: AuthKey, session: Session, msg_id: int, request: Any, now: int) -> None:
    """Do what a service request asks and queue its answer, which is no rpc_result except for rpc_drop_answer."""
    match request:
        case types.MsgsAck(msg_ids=msg_ids):
            session.acknowledge(msg_ids[:MAX_IDS])
        case functions.PingRequest(ping_id=ping_id) | functions.PingDelayDisconnectRequest(ping_id=ping_id):
            _reply(session, msg_id, types.Pong(msg_id, ping_id))
        case functions.GetFutureSaltsRequest(num=num):
            salts = key.salts.upcoming(now, max(1, min(num, MAX_FUTURE_SALTS)))
            entries = [types.FutureSalt(salt.valid_since, salt.valid_until, salt.value) for salt in salts]
            _reply(session, msg_id, types.FutureSalts(msg_id, now, entries))
        case types.MsgsStateReq(msg_ids=msg_ids):
            states = bytes(session.state_of(asked) for asked in msg_ids[:MAX_IDS])
            _reply(session, msg_id, types.MsgsStateInfo(msg_id, states))
        case types.MsgResendReq(msg_ids=msg_ids):
            session.repeat(msg_ids[:MAX_IDS])
        case functions.DestroySessionRequest(session_id=session_id):
            other = session_id != session.id and key.sessions.pop(session_id, None) is not None
            kind = types.DestroySessionOk if other else types.DestroySessionNone
            _reply(session, msg_id, kind(session_id))
        case functions.RpcDropAnswerRequest(req_msg_id=question):
            session.begin(msg_id)
            session.post_answer(msg_id, rpc_result(msg_id, _dropped(session.drop_answer(question))))
        case _:
            # msgs_state_info, msgs_all_info, http_wait: nothing to answer.
            pass


def _dropped(answer: Outgoing | bool) -> Any:
    match answer:
        case True:
            return types.RpcAnswerDroppedRunning()
        case False:
            return types.RpcAnswerUnknown()
        case Outgoing():
            return types.RpcAnswerDropped(answer.msg_id, answer.seqno, answer.size)


def _reply(session: Session, msg_id: int, answer: Any) -> None:
    session.post((encode(answer),), content_related=False, answers=msg_id)
