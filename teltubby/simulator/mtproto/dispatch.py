"""From an RPC query to its answer: wrappers, faults on order, the handler, and the encoded result."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from teltubby.simulator.faults import Fault
from teltubby.simulator.mtproto.files import FilePart, wrong_hashes
from teltubby.simulator.mtproto.freezing import require_unfrozen
from teltubby.simulator.mtproto.methods import HANDLERS
from teltubby.simulator.mtproto.newer import of_newer_layer
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


# Assumed: what official clients send to media data centres, and that anything else is refused like this.
MEDIA_NAMESPACES = ("upload", "auth", "help")
# The code that goes with an error of that beginning, when a fault gives none; 400 goes with all others.
CODES = {
    "FLOOD_": 420,
    "FROZEN_": 420,
    "FILE_MIGRATE_": 303,
    "USER_MIGRATE_": 303,
    "PHONE_MIGRATE_": 303,
    "NETWORK_MIGRATE_": 303,
    "AUTH_KEY_DUPLICATED": 406,
    "AUTH_KEY_": 401,
    "SESSION_": 401,
    "USER_DEACTIVATED": 401,
    "INTERNAL": 500,
    "PERSISTENT_TIMESTAMP_OUTDATED": 500,
    "RPC_CALL_FAIL": 500,
    "Timedout": -503,
}


class Cut(Exception):
    """A fault on order: close the connection and answer nothing."""


class Stall(Exception):
    """A fault on order: this connection sends nothing more, and stays open."""


class Unanswered(Exception):
    """A fault on order: this request is never answered."""


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
            case functions.InitConnectionRequest(api_id=api_id) as client:
                caller.require_application(api_id)
                caller.key.api_id = api_id
                caller.key.device_model, caller.key.system_version = client.device_model, client.system_version
                caller.key.app_version = client.app_version
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
    """Call the handler of an unwrapped request, as far as a fault lets it; raises RpcError, Cut, Stall, Unanswered."""
    if fault is not None:
        _suffer(caller, request, fault)
    handler = HANDLERS.get(type(request))
    if handler is None:
        raise RpcError(400, "INPUT_METHOD_INVALID")
    method = method_name(type(request))
    if caller.address.media_only and not method.startswith(MEDIA_NAMESPACES):
        raise RpcError(400, "METHOD_INVALID")
    require_unfrozen(caller, method)
    result = handler(caller, request)
    if fault is not None and "newer" in fault.effects:
        return of_newer_layer(result, fault.effects["newer"])
    if isinstance(result, FilePart):
        if fault is not None:
            result = result.damaged(shift=fault.shift, truncate=fault.truncate, corrupt=fault.corrupt)
        if result.document_id is not None:
            caller.state.served.add(result.document_id, request.offset, result.size)
    elif fault is not None and fault.corrupt and isinstance(request, functions.upload.GetFileHashesRequest):
        return wrong_hashes(result)
    return result


def _suffer(caller: Caller, request: Any, fault: Fault) -> None:
    """What a fault does before the handler sees the request; raises what it is to end with."""
    if fault.cut:
        raise Cut
    if fault.stall:
        raise Stall
    if fault.silent:
        raise Unanswered
    if fault.expire and isinstance(request, functions.upload.GetFileRequest | functions.upload.GetFileHashesRequest):
        file = caller.world.file(getattr(request.location, "id", 0))
        if file is not None:
            caller.world.expire_references([file])
    text = fault.text()
    if fault.error is not None or text is not None:
        code = next((code for start, code in CODES.items() if (text or "").startswith(start)), 400)
        raise RpcError(fault.error or code, text or "INTERNAL")


def take_fault(caller: Caller, request: Any) -> Fault | None:
    """The fault that strikes this request, if any; logs the call."""
    method = method_name(type(request))
    account_id = caller.key.account_id
    call = Call(dc=caller.dc, media_only=caller.address.media_only, account_id=account_id, method=method)
    caller.state.calls.append(call)
    return caller.world.faults.take(method, account_id, vars(request))


def rpc_result(msg_id: int, result: Any) -> Sequence[bytes | memoryview]:
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
