"""The codec of orders to all workers."""

from __future__ import annotations

from teltubby.messages import wire_fields as read
from teltubby.messages.collector import DescribeChannels, MakeReport, TrackChannel, UntrackChannel
from teltubby.messages.control import (
    BeginSignIn,
    CancelSignIn,
    DescribeWorkers,
    Order,
    StopJob,
    SubmitCode,
    SubmitPassword,
)
from teltubby.messages.wire_collector import media_filter, report_days
from teltubby.messages.wire_json import SCHEMA, Kinds

_ORDERS: Kinds[Order] = Kinds(
    {
        "teltubby.control.stop_job": StopJob,
        "teltubby.control.begin_sign_in": BeginSignIn,
        "teltubby.control.submit_code": SubmitCode,
        "teltubby.control.submit_password": SubmitPassword,
        "teltubby.control.cancel_sign_in": CancelSignIn,
        "teltubby.control.describe_workers": DescribeWorkers,
        "teltubby.control.track_channel": TrackChannel,
        "teltubby.control.untrack_channel": UntrackChannel,
        "teltubby.control.describe_channels": DescribeChannels,
        "teltubby.control.make_report": MakeReport,
    },
    {
        "job_id": read.job_id,
        "worker": read.label,
        "sign_in_id": read.label,
        "reply_key": read.public_key,
        "sealed": read.sealed,
        "order_id": read.label,
        "peer": read.label,
        "user_id": read.whole,
        "media": media_filter,
        "days": report_days,
    },
    what="an order",
)


def order_type(order: Order) -> str:
    """The message type under which the broker carries this order, as `teltubby.control.stop_job`."""
    return _ORDERS.type_of(order)


def encode_order(order: Order) -> bytes:
    """The order as JSON in ASCII; its kind is the message's type, `order_type(order)`."""
    return _ORDERS.encode(order)


def decode_order(body: bytes, type: str, schema: str | None = SCHEMA) -> Order:
    """The order in a message of this type whose header `schema` is given. Raises MalformedMessage."""
    return _ORDERS.decode(body, type, schema)
