"""The codec of what workers report of themselves: golden messages, round trips, and what is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teltubby.adapters.sealed_boxes import SealedBoxes, seal
from teltubby.errors import MalformedMessage
from teltubby.messages.health import DependencyState, Standing
from teltubby.messages.routes import AccountKind, FileRoute
from teltubby.messages.session import SessionStanding, SessionState
from teltubby.messages.wire import (
    JOB_TYPE,
    MAX_BODY_BYTES,
    SCHEMA,
    TURN_TYPE,
    decode_worker_report,
    encode_worker_report,
    is_worker_report,
    worker_report_type,
)
from teltubby.messages.workers import SignInTold, WorkerReport, WorkerStanding
from tests.unit.wire_samples import JSON, MOMENT

STANDING_TYPE = "teltubby.worker.standing"
TOLD_TYPE = "teltubby.sign_in.told"
KEY = "A" * 43 + "="
SEALED = seal(SealedBoxes().public_key, "tg://login?token=xyz")
SESSION = SessionStanding(
    account=AccountKind.USER,
    state=SessionState.FLOOD_WAIT,
    detail="Telegram asks to wait 1800 s",
    since=MOMENT,
    is_trouble=True,
    in_use=True,
    name="@ad… +…78",
    data_centre=2,
    connections=3,
    last_success_at=MOMENT - timedelta(hours=1),
    flood_until=MOMENT + timedelta(hours=1),
    account_id=815,
)
STANDING = WorkerStanding(
    worker="host:1:ab",
    place="host, /data/mtproto.session",
    at=MOMENT,
    public_key=KEY,
    routes=(FileRoute.RELAY, FileRoute.BOT),
    sessions=(SESSION,),
    collects=True,
    collector="The database cannot grow: its disk is full",
    unwell=(Standing(name="store", state=DependencyState.DOWN, since=MOMENT, detail="no answer"),),
)
SHOWN = SignInTold(
    worker="host:1:ab",
    sign_in_id="s-1",
    at=MOMENT,
    state=SessionState.QR_SHOWN,
    detail="scan it",
    sealed_qr=SEALED,
    expires_at=MOMENT + timedelta(seconds=30),
)
GOLDEN_STANDING = (
    b'{"worker":"host:1:ab","place":"host, /data/mtproto.session","at":"2025-01-27T10:11:12Z","public_key":"'
    + KEY.encode()
    + b'","routes":["relay","bot"],"sessions":[{"account":"user","state":"flood_wait",'
    b'"detail":"Telegram asks to wait 1800 s","since":"2025-01-27T10:11:12Z","is_trouble":true,"in_use":true,'
    b'"name":"@ad\\u2026 +\\u202678","data_centre":2,"connections":3,"last_success_at":"2025-01-27T09:11:12Z",'
    b'"flood_until":"2025-01-27T11:11:12Z","account_id":815}],'
    b'"collects":true,"collector":"The database cannot grow: its disk is full",'
    b'"unwell":[{"name":"store","state":"down","since":"2025-01-27T10:11:12Z","detail":"no answer"}],"leaves":false}'
)
GOLDEN_SHOWN = (
    b'{"worker":"host:1:ab","sign_in_id":"s-1","at":"2025-01-27T10:11:12Z","state":"qr_shown","detail":"scan it",'
    b'"sealed_qr":"' + SEALED.encode() + b'","expires_at":"2025-01-27T10:11:42Z","is_over":false}'
)


def refused(body: bytes, *, type: str = STANDING_TYPE, schema: str | None = SCHEMA) -> str:
    """Why the report is; always one short line."""
    with pytest.raises(MalformedMessage) as caught:
        decode_worker_report(body, type, schema)
    text = str(caught.value)
    assert text.isprintable() and 0 < len(text) < 450
    return text


def changed(golden: bytes, **fields: object) -> bytes:
    """The golden report with these fields in place of its own."""
    return json.dumps({**json.loads(golden), **fields}).encode()


def with_session(**fields: object) -> bytes:
    """The golden standing with these fields in its session."""
    (session,) = json.loads(GOLDEN_STANDING)["sessions"]
    return changed(GOLDEN_STANDING, sessions=[{**session, **fields}])


@pytest.mark.parametrize(
    ("type_name", "report", "golden"),
    [(STANDING_TYPE, STANDING, GOLDEN_STANDING), (TOLD_TYPE, SHOWN, GOLDEN_SHOWN)],
    ids=["standing", "told"],
)
def test_golden_reports(type_name: str, report: WorkerReport, golden: bytes) -> None:
    assert worker_report_type(report) == type_name and is_worker_report(type_name)
    assert encode_worker_report(report) == golden
    assert decode_worker_report(golden, type_name, "1.0") == report


TIMES = st.datetimes(min_value=datetime(2000, 1, 1), timezones=st.just(UTC))
LABELS = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=255)
WORDS = st.text(st.characters(categories=["L", "N", "P", "Zs"]), max_size=400).filter(str.isprintable)
SMALL = st.integers(0, 1000)
SESSIONS: st.SearchStrategy[SessionStanding] = st.builds(
    SessionStanding,
    detail=WORDS,
    since=TIMES,
    name=st.none() | LABELS,
    data_centre=st.none() | SMALL,
    connections=SMALL,
    last_success_at=st.none() | TIMES,
    flood_until=st.none() | TIMES,
    account_id=st.none() | st.integers(1, 2**60),
)
STANDINGS: st.SearchStrategy[WorkerReport] = st.builds(
    WorkerStanding,
    worker=LABELS,
    place=WORDS,
    at=TIMES,
    public_key=st.just(KEY),
    routes=st.lists(st.sampled_from(FileRoute), unique=True).map(tuple),
    sessions=st.lists(SESSIONS, max_size=2, unique_by=lambda session: session.account).map(tuple),
)
TOLD: st.SearchStrategy[WorkerReport] = st.builds(
    SignInTold,
    worker=LABELS,
    sign_in_id=LABELS,
    at=TIMES,
    state=st.sampled_from([state for state in SessionState if state is not SessionState.QR_SHOWN]),
    detail=WORDS,
    sealed_qr=st.none(),
    expires_at=st.none(),
)


@given(STANDINGS | TOLD)
def test_reports_come_back_as_they_went(report: WorkerReport) -> None:
    assert decode_worker_report(encode_worker_report(report), worker_report_type(report)) == report


def test_unknown_keys_are_tolerated_and_what_is_new_may_be_missing() -> None:
    assert decode_worker_report(with_session(of_the_future=[1]), STANDING_TYPE) == STANDING
    least: dict[str, Any] = {"account": "bot", "state": "ready", "detail": "", "since": "2025-01-27T10:11:12"}
    report = decode_worker_report(changed(GOLDEN_STANDING, sessions=[least]), STANDING_TYPE)
    assert isinstance(report, WorkerStanding)
    assert report.sessions[0] == SessionStanding(
        account=AccountKind.BOT, state=SessionState.READY, detail="", since=MOMENT
    )


def test_words_are_made_fit_to_be_shown() -> None:
    report = decode_worker_report(with_session(detail="a\nb\x00" + "c" * 600), STANDING_TYPE)
    assert isinstance(report, WorkerStanding)
    assert report.sessions[0].detail.isprintable() and len(report.sessions[0].detail) == 500


@pytest.mark.parametrize("type_name", ["", "teltubby.worker", "teltubby.job.started", TURN_TYPE, JOB_TYPE, "x\n" * 500])
def test_reports_of_unknown_type(type_name: str) -> None:
    assert not is_worker_report(type_name)
    assert "is not the type of a worker's report of itself" in refused(GOLDEN_STANDING, type=type_name)


@pytest.mark.parametrize(("schema", "expected"), [(None, "no schema version"), ("2.0", "schema version '2.0'")])
def test_reports_of_another_schema(schema: str | None, expected: str) -> None:
    assert expected in refused(GOLDEN_STANDING, schema=schema)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", "not JSON: "),
        (b"[]", "not a JSON object"),
        (b" " * (MAX_BODY_BYTES + 1), f"more than {MAX_BODY_BYTES}"),
        (b"{}", "Field required"),
        (changed(GOLDEN_STANDING, worker=""), "worker: empty"),
        (changed(GOLDEN_STANDING, worker="a\nb"), "worker: "),
        (changed(GOLDEN_STANDING, worker="a" * 256), "worker: "),
        (changed(GOLDEN_STANDING, at="soon"), "at: 'soon' is not a time"),
        (changed(GOLDEN_STANDING, public_key=KEY[:-2]), "public_key: not URL-safe base64"),
        (changed(GOLDEN_STANDING, public_key="AAAA"), "public_key: not a key of 32 bytes"),
        (changed(GOLDEN_STANDING, public_key=KEY.replace("A", "/")), "public_key: not URL-safe base64"),
        (changed(GOLDEN_STANDING, routes=["relay", "relay"]), "routes: the same one twice"),
        (changed(GOLDEN_STANDING, routes=["teleport"]), "routes.0"),
        (changed(GOLDEN_STANDING, sessions={}), "sessions: not a list"),
        (changed(GOLDEN_STANDING, sessions=[7]), "sessions: not a list of objects"),
        (changed(GOLDEN_STANDING, sessions=json.loads(GOLDEN_STANDING)["sessions"] * 2), "sessions: the same one"),
        (with_session(account="cat"), "sessions.0.account"),
        (with_session(state="asleep"), "sessions.0.state"),
        (with_session(since=7), "sessions.0.since: not a time"),
        (with_session(connections=-1), "sessions.0.connections: -1 is negative"),
        (with_session(connections=10**7), "sessions.0.connections: 10000000 is more than"),
        (with_session(data_centre="x"), "sessions.0.data_centre: not an integer"),
        (with_session(account_id=1 << 63), "sessions.0.account_id: more than 64 bits"),
        (with_session(name="x\n"), "sessions.0.name: "),
    ],
)
def test_standings_that_cannot_be_acted_on(body: bytes, expected: str) -> None:
    assert expected in refused(body)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (changed(GOLDEN_SHOWN, sign_in_id=""), "sign_in_id: empty"),
        (changed(GOLDEN_SHOWN, sealed_qr="tg://login"), "sealed_qr: not URL-safe base64"),
        (changed(GOLDEN_SHOWN, sealed_qr="AAAA"), "sealed_qr: not the length of a sealed box"),
        (changed(GOLDEN_SHOWN, sealed_qr="AAAA" * 4000), "sealed_qr: not the length of a sealed box"),
        (changed(GOLDEN_SHOWN, sealed_qr=None), "come with a QR code"),
        (changed(GOLDEN_SHOWN, expires_at=None), "come with a QR code"),
        (changed(GOLDEN_SHOWN, state="ready"), "come with a QR code"),
        (changed(GOLDEN_SHOWN, state="asleep"), "state: "),
    ],
)
def test_steps_that_cannot_be_acted_on(body: bytes, expected: str) -> None:
    assert expected in refused(body, type=TOLD_TYPE)


@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_refused_with_a_reason(body: bytes) -> None:
    assert refused(body) and refused(body, type=TOLD_TYPE)


def test_what_is_sealed_is_not_in_a_repr() -> None:
    assert SEALED not in repr(SHOWN)
