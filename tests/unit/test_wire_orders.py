"""The codec of orders: golden messages, round trips, refusals."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teltubby.adapters.sealed_boxes import SealedBoxes, seal
from teltubby.errors import MalformedMessage
from teltubby.messages.collected import CollectedMedia
from teltubby.messages.collector import DescribeChannels, MakeReport, MediaFilter, TrackChannel, UntrackChannel
from teltubby.messages.control import (
    BeginSignIn,
    CancelSignIn,
    DescribeWorkers,
    Order,
    SignInMethod,
    StopJob,
    SubmitCode,
    SubmitPassword,
)
from teltubby.messages.wire import JOB_TYPE, MAX_BODY_BYTES, SCHEMA, TURN_TYPE, decode_order, encode_order, order_type
from tests.unit.wire_samples import JOB_ID, JSON, MOMENT, UUIDS

STOP = StopJob(job_id=JOB_ID)
STOP_TYPE = "teltubby.control.stop_job"
GOLDEN_STOP = b'{"job_id":"' + JOB_ID.encode() + b'"}'
KEY = SealedBoxes().public_key
SEALED = seal(KEY, "12345")
OF_A_SIGN_IN = b'{"worker":"host:1:ab","sign_in_id":"s-1"'
BEGIN_TYPE, CODE_TYPE = "teltubby.control.begin_sign_in", "teltubby.control.submit_code"
GOLDEN_BEGIN = OF_A_SIGN_IN + b',"method":"qr","reply_key":"' + KEY.encode() + b'"}'
GOLDEN_CODE = OF_A_SIGN_IN + b',"sealed":"' + SEALED.encode() + b'"}'
TRACK_TYPE, REPORT_TYPE = "teltubby.control.track_channel", "teltubby.control.make_report"
GOLDEN_TRACK = (
    b'{"order_id":"o-1","peer":"@news","user_id":42,"media":{"kinds":["photo"],"max_bytes":500,"min_bytes":null,'
    b'"since":"2025-01-27T10:11:12Z","until":null,"words":["cats"],"topics":[3]}}'
)
GOLDEN_REPORT = b'{"order_id":"o-1","peer":"@news","days":30}'
PHOTOS = MediaFilter(kinds=(CollectedMedia.PHOTO,), max_bytes=500, since=MOMENT, words=("cats",), topics=(3,))
GOLDEN: list[tuple[str, Order, bytes]] = [
    (STOP_TYPE, STOP, GOLDEN_STOP),
    (
        BEGIN_TYPE,
        BeginSignIn(worker="host:1:ab", sign_in_id="s-1", method=SignInMethod.QR, reply_key=KEY),
        GOLDEN_BEGIN,
    ),
    (CODE_TYPE, SubmitCode(worker="host:1:ab", sign_in_id="s-1", sealed=SEALED), GOLDEN_CODE),
    (
        "teltubby.control.submit_password",
        SubmitPassword(worker="host:1:ab", sign_in_id="s-1", sealed=SEALED),
        GOLDEN_CODE,
    ),
    ("teltubby.control.cancel_sign_in", CancelSignIn(worker="host:1:ab", sign_in_id="s-1"), OF_A_SIGN_IN + b"}"),
    ("teltubby.control.describe_workers", DescribeWorkers(), b"{}"),
    (TRACK_TYPE, TrackChannel(order_id="o-1", peer="@news", user_id=42, media=PHOTOS), GOLDEN_TRACK),
    (
        "teltubby.control.untrack_channel",
        UntrackChannel(order_id="o-1", peer="-1001234567890", user_id=42),
        b'{"order_id":"o-1","peer":"-1001234567890","user_id":42}',
    ),
    ("teltubby.control.describe_channels", DescribeChannels(order_id="o-1"), b'{"order_id":"o-1"}'),
    (REPORT_TYPE, MakeReport(order_id="o-1", peer="@news", days=30), GOLDEN_REPORT),
]
NAMES = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=255)
SECRETS = st.text(min_size=1, max_size=200).map(lambda secret: seal(KEY, secret))
ORDERS: st.SearchStrategy[Order] = st.one_of(
    st.builds(StopJob, job_id=UUIDS),
    st.builds(
        BeginSignIn, worker=NAMES, sign_in_id=NAMES, method=st.sampled_from(SignInMethod), reply_key=st.just(KEY)
    ),
    st.builds(SubmitCode, worker=NAMES, sign_in_id=NAMES, sealed=SECRETS),
    st.builds(SubmitPassword, worker=NAMES, sign_in_id=NAMES, sealed=SECRETS),
    st.builds(CancelSignIn, worker=NAMES, sign_in_id=NAMES),
    st.just(DescribeWorkers()),
    st.builds(TrackChannel, order_id=NAMES, peer=NAMES, user_id=st.integers(1, 2**60), media=st.none()),
    st.builds(UntrackChannel, order_id=NAMES, peer=NAMES, user_id=st.integers(1, 2**60)),
    st.builds(DescribeChannels, order_id=NAMES),
    st.builds(MakeReport, order_id=NAMES, peer=NAMES, days=st.integers(1, 3650)),
)


def refused(body: bytes, *, type: str = STOP_TYPE, schema: str | None = SCHEMA) -> str:
    """Why the order is; always one short line."""
    with pytest.raises(MalformedMessage) as caught:
        decode_order(body, type, schema)
    text = str(caught.value)
    assert text.isprintable() and 0 < len(text) < 450
    return text


@pytest.mark.parametrize(("type_name", "order", "golden"), GOLDEN, ids=[name for name, *_ in GOLDEN])
def test_golden_orders(type_name: str, order: Order, golden: bytes) -> None:
    assert order_type(order) == type_name
    assert encode_order(order) == golden
    assert decode_order(golden, type_name, "1.0") == order


@given(ORDERS)
def test_orders_come_back_as_they_went(order: Order) -> None:
    assert decode_order(encode_order(order), order_type(order)) == order


def test_what_is_sealed_is_not_in_a_repr() -> None:
    assert not [order for _, order, _ in GOLDEN if SEALED in repr(order)]


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


def changed(golden: bytes, **fields: object) -> bytes:
    """The golden order with these fields in place of its own."""
    return json.dumps({**json.loads(golden), **fields}).encode()


@pytest.mark.parametrize(
    ("type_name", "body", "expected"),
    [
        (BEGIN_TYPE, OF_A_SIGN_IN + b"}", "Field required"),
        (BEGIN_TYPE, changed(GOLDEN_BEGIN, worker=""), "worker: empty"),
        (BEGIN_TYPE, changed(GOLDEN_BEGIN, worker="a\nb"), "worker: "),
        (BEGIN_TYPE, changed(GOLDEN_BEGIN, sign_in_id="x" * 256), "sign_in_id: "),
        (BEGIN_TYPE, changed(GOLDEN_BEGIN, method="telepathy"), "method: "),
        (BEGIN_TYPE, changed(GOLDEN_BEGIN, reply_key=KEY[:40]), "reply_key: not a key of 32 bytes"),
        (BEGIN_TYPE, changed(GOLDEN_BEGIN, reply_key="not base64"), "reply_key: not URL-safe base64"),
        (BEGIN_TYPE, changed(GOLDEN_BEGIN, reply_key=7), "reply_key: not URL-safe base64"),
        (CODE_TYPE, changed(GOLDEN_CODE, sealed="12345"), "sealed: not URL-safe base64"),
        (CODE_TYPE, changed(GOLDEN_CODE, sealed="1234"), "sealed: not the length of a sealed box"),
        (CODE_TYPE, changed(GOLDEN_CODE, sealed="A" * 12000), "sealed: not the length of a sealed box"),
    ],
)
def test_sign_ins_that_cannot_be_acted_on(type_name: str, body: bytes, expected: str) -> None:
    reason = refused(body, type=type_name)
    assert expected in reason
    assert "12345" not in reason, "should somebody have sent it unsealed, it is not shown"


@pytest.mark.parametrize(
    ("type_name", "body", "expected"),
    [
        (TRACK_TYPE, b"{}", "Field required"),
        (TRACK_TYPE, changed(GOLDEN_TRACK, peer=""), "peer: empty"),
        (TRACK_TYPE, changed(GOLDEN_TRACK, peer="a\nb"), "peer: "),
        (TRACK_TYPE, changed(GOLDEN_TRACK, user_id="me"), "user_id: not an integer"),
        (TRACK_TYPE, changed(GOLDEN_TRACK, media=[]), "media: not an object"),
        (TRACK_TYPE, changed(GOLDEN_TRACK, media={"kinds": ["cat"]}), "media.kinds.0"),
        (TRACK_TYPE, changed(GOLDEN_TRACK, media={"kinds": [], "since": 7}), "media: since: not a time"),
        (REPORT_TYPE, changed(GOLDEN_REPORT, days=0), "days: 0 is less than 1"),
        (REPORT_TYPE, changed(GOLDEN_REPORT, days=3651), "days: 3651 is more than 3650"),
        (REPORT_TYPE, changed(GOLDEN_REPORT, order_id="x" * 256), "order_id: "),
    ],
)
def test_orders_about_channels_that_cannot_be_acted_on(type_name: str, body: bytes, expected: str) -> None:
    assert expected in refused(body, type=type_name)


@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_refused_with_a_reason(body: bytes) -> None:
    assert refused(body)
