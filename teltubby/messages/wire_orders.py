"""The codec of orders to all workers."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import TypeAdapter

from teltubby.errors import MalformedMessage
from teltubby.messages import wire_fields as read
from teltubby.messages.control import Order, StopJob
from teltubby.messages.wire_json import SCHEMA, Readers, apply, decode, encode, validate

_ORDERS: Mapping[str, type[Order]] = {"teltubby.control.stop_job": StopJob}
_ORDER_TYPES: Mapping[type[Order], str] = {order: name for name, order in _ORDERS.items()}
_ADAPTERS: Mapping[str, TypeAdapter[Order]] = {name: TypeAdapter(order) for name, order in _ORDERS.items()}

_READERS: Readers = {"job_id": read.job_id}


def order_type(order: Order) -> str:
    """The message type under which the broker carries this order, as `teltubby.control.stop_job`."""
    return _ORDER_TYPES[type(order)]


def encode_order(order: Order) -> bytes:
    """The order as JSON in ASCII; its kind is the message's type, `order_type(order)`."""
    return encode(_ADAPTERS[order_type(order)].dump_python(order, mode="json"))


def decode_order(body: bytes, type: str, schema: str | None = SCHEMA) -> Order:
    """The order in a message of this type whose header `schema` is given. Raises MalformedMessage."""
    adapter = _ADAPTERS.get(type)
    if adapter is None:
        raise MalformedMessage(f"{read.shown(type)!r} is not the type of an order")
    fields = decode(body, schema)
    apply(_READERS, fields)
    return validate(adapter, fields)
