"""The states of a session: every state under every event, by table; when there is trouble; and laws of both."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teltubby.archive.session_states import (
    LONG_FLOOD_SECONDS,
    SessionEvent,
    SessionTrouble,
    after,
    event_of,
    trouble_after,
)
from teltubby.errors import (
    AccountSuspended,
    BadRequest,
    FloodWait,
    NotSignedIn,
    SessionAway,
    SessionFileDamaged,
    SessionFileUnusable,
    SessionNotReady,
    SessionRevoked,
    SpoolFull,
    TelegramUnavailable,
    TeltubbyError,
    Unauthorised,
    WrongAccount,
)
from teltubby.messages.session import SessionState

STATES, EVENTS = tuple(SessionState), tuple(SessionEvent)
SHORT = {
    "dis": SessionState.DISCONNECTED,
    "con": SessionState.CONNECTING,
    "cod": SessionState.CODE_NEEDED,
    "pas": SessionState.PASSWORD_NEEDED,
    "qr": SessionState.QR_SHOWN,
    "rdy": SessionState.READY,
    "fld": SessionState.FLOOD_WAIT,
    "rev": SessionState.REVOKED,
    "sus": SessionState.SUSPENDED,
}
TABLE = """
                  dis con cod pas qr  rdy fld rev sus
connect_began     con con con con con con con rev sus
connected         rdy rdy rdy rdy rdy rdy rdy rdy rdy
nobody            dis dis dis dis dis dis dis dis dis
connection_lost   dis dis dis dis dis dis fld rev sus
flooded           fld fld fld fld fld fld fld rev sus
refused           rev rev rev rev rev rev rev rev sus
suspended         sus sus sus sus sus sus sus sus sus
file_unusable     dis dis dis dis dis dis dis rev sus
file_damaged      rev rev rev rev rev rev rev rev sus
sign_in_began     con con con con con rdy con con con
code_sent         dis cod cod cod cod rdy fld rev sus
qr_shown          dis qr  qr  qr  qr  rdy fld rev sus
password_wanted   dis pas pas pas pas rdy fld rev sus
secret_rejected   dis con cod pas qr  rdy fld rev sus
signed_in         con con con con con con con con con
sign_in_ended     dis dis dis dis dis rdy fld rev sus
"""
"""Where each event (row) leads from each state (column)."""

EXPECTED = {
    (SHORT[column], SessionEvent(event)): SHORT[leads]
    for header, *rows in [TABLE.strip().splitlines()]
    for event, *cells in map(str.split, rows)
    for column, leads in zip(header.split(), cells, strict=True)
}
OF_A_SIGN_IN = (
    SessionEvent.CODE_SENT,
    SessionEvent.QR_SHOWN,
    SessionEvent.PASSWORD_WANTED,
    SessionEvent.SECRET_REJECTED,
)
HISTORIES = st.lists(
    st.tuples(st.sampled_from(EVENTS), st.sampled_from([0.0, LONG_FLOOD_SECONDS, LONG_FLOOD_SECONDS + 1])), max_size=30
)


def test_the_table_is_whole() -> None:
    assert set(EXPECTED) == set(product(STATES, EVENTS))


@pytest.mark.parametrize(("state", "event"), list(product(STATES, EVENTS)))
def test_every_transition(state: SessionState, event: SessionEvent) -> None:
    assert after(state, event) is EXPECTED[state, event]


def walk(
    history: list[tuple[SessionEvent, float]], *, in_use: bool = True
) -> tuple[SessionState, SessionTrouble | None]:
    """Where a new session is after all of this."""
    state, trouble = SessionState.DISCONNECTED, None
    for event, seconds in history:
        state = after(state, event)
        trouble = trouble_after(trouble, event, state, in_use=in_use, flood_seconds=seconds)
    return state, trouble


@given(HISTORIES, st.lists(st.sampled_from(OF_A_SIGN_IN)))
def test_a_sign_in_that_succeeds_leads_to_ready_from_anywhere(
    history: list[tuple[SessionEvent, float]], steps: list[SessionEvent]
) -> None:
    sign_in = [SessionEvent.SIGN_IN_BEGAN, *steps, SessionEvent.SIGNED_IN, SessionEvent.CONNECTED]
    assert walk([*history, *((event, 0.0) for event in sign_in)]) == (SessionState.READY, None)


@given(HISTORIES)
def test_nothing_but_a_connection_makes_ready(history: list[tuple[SessionEvent, float]]) -> None:
    in_vain = [(event, seconds) for event, seconds in history if event is not SessionEvent.CONNECTED]
    assert walk([(SessionEvent.REFUSED, 0.0), *in_vain])[0] is not SessionState.READY


LEAVING = {
    SessionState.SUSPENDED: {
        SessionEvent.CONNECTED,
        SessionEvent.NOBODY,
        SessionEvent.SIGN_IN_BEGAN,
        SessionEvent.SIGNED_IN,
    },
    SessionState.REVOKED: {
        SessionEvent.CONNECTED,
        SessionEvent.NOBODY,
        SessionEvent.SIGN_IN_BEGAN,
        SessionEvent.SIGNED_IN,
        SessionEvent.SUSPENDED,
    },
}


@pytest.mark.parametrize("state", LEAVING, ids=str)
def test_who_lost_the_login_is_not_taken_out_of_it_by_tries(state: SessionState) -> None:
    assert {event for event in EVENTS if after(state, event) is not state} == LEAVING[state]


@given(HISTORIES, st.booleans())
def test_trouble_and_state_agree(history: list[tuple[SessionEvent, float]], in_use: bool) -> None:
    state, trouble = walk(history, in_use=in_use)
    match state:
        case SessionState.READY:
            assert trouble is None
        case SessionState.REVOKED:
            assert trouble is SessionTrouble.REFUSED
        case SessionState.SUSPENDED:
            assert trouble is SessionTrouble.SUSPENDED
        case _:
            assert in_use or trouble is not SessionTrouble.NOBODY


@given(HISTORIES, st.lists(st.sampled_from([*OF_A_SIGN_IN, SessionEvent.SIGN_IN_BEGAN, SessionEvent.SIGN_IN_ENDED])))
def test_a_sign_in_under_way_neither_ends_trouble_nor_makes_it(
    history: list[tuple[SessionEvent, float]], steps: list[SessionEvent]
) -> None:
    state, trouble = walk(history)
    if state is not SessionState.READY:
        assert walk([*history, *((event, 0.0) for event in steps)])[1] is trouble


TRIES_IN_VAIN = [
    (SessionEvent.CONNECT_BEGAN, 0.0),
    (SessionEvent.CONNECTION_LOST, 0.0),
    (SessionEvent.FLOODED, 5.0),
    (SessionEvent.FLOODED, 5000.0),
    (SessionEvent.FILE_UNUSABLE, 0.0),
]


@given(st.sampled_from([SessionEvent.REFUSED, SessionEvent.SUSPENDED]), st.lists(st.sampled_from(TRIES_IN_VAIN)))
def test_the_trouble_of_a_lost_login_outlasts_every_try_in_vain(
    how: SessionEvent, tries: list[tuple[SessionEvent, float]]
) -> None:
    assert walk([(how, 0.0), *tries]) == walk([(how, 0.0)])


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ([(SessionEvent.FLOODED, LONG_FLOOD_SECONDS)], None),
        ([(SessionEvent.FLOODED, LONG_FLOOD_SECONDS + 1)], SessionTrouble.FLOOD),
        ([(SessionEvent.FLOODED, 5000.0), (SessionEvent.CONNECT_BEGAN, 0.0)], SessionTrouble.FLOOD),
        ([(SessionEvent.FLOODED, 5000.0), (SessionEvent.CONNECTED, 0.0)], None),
        ([(SessionEvent.FLOODED, 5000.0), (SessionEvent.FLOODED, 5.0)], None),
        ([(SessionEvent.FILE_UNUSABLE, 0.0)], SessionTrouble.FILE),
        ([(SessionEvent.FILE_UNUSABLE, 0.0), (SessionEvent.CONNECTION_LOST, 0.0)], None),
        ([(SessionEvent.FILE_DAMAGED, 0.0), (SessionEvent.CONNECTION_LOST, 0.0)], SessionTrouble.REFUSED),
        ([(SessionEvent.NOBODY, 0.0)], SessionTrouble.NOBODY),
        ([(SessionEvent.NOBODY, 0.0), (SessionEvent.FLOODED, 5.0)], SessionTrouble.NOBODY),
        ([(SessionEvent.NOBODY, 0.0), (SessionEvent.SIGNED_IN, 0.0)], None),
        ([(SessionEvent.CONNECTED, 0.0), (SessionEvent.CONNECTION_LOST, 0.0)], None),
    ],
    ids=str,
)
def test_what_is_trouble(history: list[tuple[SessionEvent, float]], expected: SessionTrouble | None) -> None:
    assert walk(history)[1] is expected


@pytest.mark.parametrize("event", [SessionEvent.NOBODY, SessionEvent.FILE_UNUSABLE, SessionEvent.FLOODED], ids=str)
def test_what_an_account_meets_that_nobody_uses_is_no_trouble(event: SessionEvent) -> None:
    assert walk([(event, 5000.0)], in_use=False)[1] is None
    assert walk([(event, 5000.0)], in_use=True)[1] is not None


@pytest.mark.parametrize(
    ("error", "event"),
    [
        (FloodWait(5), SessionEvent.FLOODED),
        (NotSignedIn(""), SessionEvent.NOBODY),
        (AccountSuspended(""), SessionEvent.SUSPENDED),
        (SessionRevoked(""), SessionEvent.REFUSED),
        (SessionNotReady(""), SessionEvent.REFUSED),
        (Unauthorised(""), SessionEvent.REFUSED),
        (WrongAccount(""), SessionEvent.REFUSED),
        (BadRequest(""), SessionEvent.REFUSED),
        (SessionAway(""), SessionEvent.CONNECTION_LOST),
        (TelegramUnavailable(""), SessionEvent.CONNECTION_LOST),
        (SpoolFull(""), SessionEvent.CONNECTION_LOST),
        (SessionFileUnusable(""), SessionEvent.FILE_UNUSABLE),
        (SessionFileDamaged(""), SessionEvent.FILE_DAMAGED),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_what_an_error_means(error: TeltubbyError, event: SessionEvent) -> None:
    assert event_of(error) is event
