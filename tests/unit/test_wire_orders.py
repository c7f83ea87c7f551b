"""The codec of orders: golden messages, round trips, refusals."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teltubby.errors import MalformedMessage
from teltubby.messages.control import StopJob
from teltubby.messages.wire import JOB_TYPE, MAX_BODY_BYTES, SCHEMA, TURN_TYPE, decode_order, encode_order, order_type
from tests.unit.wire_samples import JOB_ID, JSON, UUIDS

STOP = StopJob(job_id=JOB_ID)
STOP_TYPE = "teltubby.control.stop_job"
GOLDEN_STOP = b'{"job_id":"' + JOB_ID.encode() + b'"}'


def refused(body: bytes, *, type: str = STOP_TYPE, schema: str | None = SCHEMA) -> str:
    """Why the order is; always one short line."""
    with pytest.raises(MalformedMessage) as caught:
        decode_order(body, type, schema)
    text = str(caught.value)
    assert text.isprintable() and 0 < len(text) < 450
    return text


def test_golden_order() -> None:
    assert order_type(STOP) == STOP_TYPE
    assert encode_order(STOP) == GOLDEN_STOP
    assert decode_order(GOLDEN_STOP, STOP_TYPE, "1.0") == STOP


@given(UUIDS)
def test_orders_come_back_as_they_went(job_id: str) -> None:
    order = StopJob(job_id=job_id)
    assert decode_order(encode_order(order), order_type(order)) == order


def test_unknown_keys_are_tolerated() -> None:
    assert decode_order(json.dumps({"job_id": JOB_ID, "of_the_future": 1}).encode(), STOP_TYPE) == STOP


@pytest.mark.parametrize("type_name", ["", "teltubby.control", TURN_TYPE, JOB_TYPE, "x\n" * 500])
def test_orders_of_unknown_type(type_name: str) -> None:
    assert "is not the type of an order" in refused(GOLDEN_STOP, type=type_name)


@pytest.mark.parametrize(("schema", "expected"), [(None, "no schema version"), ("2.0", "schema version '2.0'")])
def test_orders_of_another_schema(schema: str | None, expected: str) -> None:
    assert expected in refused(GOLDEN_STOP, schema=schema)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", "not JSON: "),
        (b"\xff", "not UTF-8"),
        (b"[]", "not a JSON object"),
        (b" " * (MAX_BODY_BYTES + 1), f"more than {MAX_BODY_BYTES}"),
        (b"{}", "job_id: Field required"),
        (b'{"job_id":null}', "job_id: "),
        (b'{"job_id":7}', "job_id: not a string"),
        (b'{"job_id":"*"}', "job_id: '*' is not a UUID in canonical form"),
    ],
)
def test_what_is_no_order(body: bytes, expected: str) -> None:
    assert expected in refused(body)


@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_refused_with_a_reason(body: bytes) -> None:
    assert refused(body)
