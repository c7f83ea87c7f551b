"""From an RPC query to its answer: wrappers, faults on order, the handler, and the encoded result."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from teltubby.simulator.faults import Fault
from teltubby.simulator.mtproto.files import FilePart
from teltubby.simulator.mtproto.methods import HANDLERS
from teltubby.simulator.mtproto.rpc import Caller, RpcError, method_name
from teltubby.simulator.mtproto.state import Call
from teltubby.simulator.mtproto.tl import (
    GzipPacked,
    InvalidObject,
    TLRequest,
    UnknownConstructor,
    encode,
    functions,
    gzip_packed,
    parse,
    types,
)

RPC_RESULT = struct.Struct("<Iq")
RPC_RESULT_ID = 0xF35C6D01
GZIP_FROM = 1024
# Constructors decide what is understood; the number only catches clients of another age.
OLDEST_LAYER = 133
NEWEST_LAYER = 399


class Cut(Exception):
    """A fault on order: close the connection and answer nothing."""


@dataclass(slots=True)
class Query:
    """An RPC query taken out of its wrappers."""

    request: Any
    wants_updates: bool = True
    after: tuple[int, ...] = ()


def read_query(caller: Caller, body: bytes) -> Query:
    """Read a query, take off invokeWithLayer, initConnection and the like, and note what they say; raises RpcError."""
    query = Query(_parsed(body))
    while True:
        match query.request:
            case functions.InvokeWithLayerRequest(layer=layer):
                if not OLDEST_LAYER <= layer <= NEWEST_LAYER:
                    raise RpcError(400, "CONNECTION_LAYER_INVALID")
                caller.key.layer = layer
            case functions.InitConnectionRequest(api_id=api_id):
                caller.require_application(api_id)
                caller.key.api_id = api_id
            case functions.InvokeWithoutUpdatesRequest():
                query.wants_updates = False
            case functions.InvokeAfterMsgRequest(msg_id=msg_id):
                query.after = (msg_id,)
            case functions.InvokeAfterMsgsRequest(msg_ids=msg_ids):
                query.after = tuple(msg_ids)
            case GzipPacked(data=data):
                query.request = _parsed(data)
                continue
            case TLRequest():
                break
            case _:
                raise RpcError(400, "INPUT_METHOD_INVALID")
        query.request = query.request.query
    if caller.key.layer is None or caller.key.api_id is None:
        raise RpcError(400, "CONNECTION_NOT_INITED")
    return query


def answer(caller: Caller, request: Any, fault: Fault | None) -> Any:
    """Call the handler of an unwrapped request, as far as a fault lets it; raises RpcError or Cut."""
    if fault is not None and fault.cut:
        raise Cut
    if fault is not None and (fault.error is not None or fault.message is not None):
        raise RpcError(fault.error or 400, fault.message or "INTERNAL")
    handler = HANDLERS.get(type(request))
    if handler is None:
        raise RpcError(400, "INPUT_METHOD_INVALID")
    result = handler(caller, request)
    if fault is not None and isinstance(result, FilePart):
        return result.damaged(truncate=fault.truncate, corrupt=fault.corrupt)
    return result


def take_fault(caller: Caller, request: Any) -> tuple[Fault | None, float]:
    """The fault that strikes this request, if any, and the seconds to wait before it is answered; logs the call."""
    method = method_name(type(request))
    caller.state.calls.append(Call(dc=caller.dc, account_id=caller.key.account_id, method=method))
    faults = caller.world.faults
    fault = faults.take(method, caller.key.account_id, vars(request))
    return fault, faults.latency + (fault.delay if fault else 0.0)


def rpc_result(msg_id: int, result: Any) -> Sequence[bytes]:
    """The body of an rpc_result: gzipped if that pays, and never for parts of files, which stay in pieces."""
    head = RPC_RESULT.pack(RPC_RESULT_ID, msg_id)
    if isinstance(result, FilePart):
        return (head, *result.pieces())
    body = encode(result)
    if len(body) > GZIP_FROM:
        packed = gzip_packed(body)
        body = packed if len(packed) < len(body) else body
    return (head, body)


def rpc_error(msg_id: int, error: RpcError) -> Sequence[bytes]:
    """The body of an rpc_result that holds an error."""
    return (RPC_RESULT.pack(RPC_RESULT_ID, msg_id), encode(types.RpcError(error.code, error.message)))


def _parsed(body: bytes) -> Any:
    try:
        return parse(body)
    except UnknownConstructor as exc:
        raise RpcError(400, "INPUT_METHOD_INVALID") from exc
    except InvalidObject as exc:
        raise RpcError(400, "INPUT_FETCH_ERROR") from exc
