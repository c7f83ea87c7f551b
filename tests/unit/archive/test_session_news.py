"""Which changes of a session the admins are told of: laws over every history."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teltubby.archive.session_news import NewsKind, session_news
from teltubby.messages.ledger_sessions import KnownTrouble
from teltubby.messages.routes import AccountKind
from teltubby.messages.session import SessionStanding, SessionState
from tests.virtual_time import BEGINNING

LOST = (SessionState.REVOKED, SessionState.SUSPENDED)
STATES = st.sampled_from(SessionState)
LATER = BEGINNING + timedelta(days=1)


def standing(state: SessionState, second: float, *, is_trouble: bool | None = None) -> SessionStanding:
    return SessionStanding(
        account=AccountKind.USER,
        state=state,
        detail="",
        since=BEGINNING + timedelta(seconds=second),
        is_trouble=state in LOST if is_trouble is None else is_trouble,
    )


def tell(history: list[SessionStanding]) -> list[NewsKind]:
    """What is told of this history, in the order in which it is heard."""
    known: KnownTrouble | None = None
    told = []
    for each in history:
        news = session_news(each, known, now=LATER)
        if news is not None:
            known = news.known
            told += [] if news.tell is None else [news.tell]
    return told


@given(st.lists(st.tuples(STATES, st.booleans()), max_size=20))
def test_it_is_over_only_after_it_began_and_begins_only_after_it_was_over(
    steps: list[tuple[SessionState, bool]],
) -> None:
    history = [
        standing(state, second, is_trouble=state in LOST or (trouble and state is not SessionState.READY))
        for second, (state, trouble) in enumerate(steps)
    ]
    told = tell(history)
    for before, after in pairwise(told):
        assert not (before is after is NewsKind.OVER)
    assert told[:1] != [NewsKind.OVER]
    assert told.count(NewsKind.OVER) <= told.count(NewsKind.TROUBLE)


@given(st.lists(st.sampled_from([*LOST, SessionState.READY]), max_size=10), st.data())
def test_what_is_heard_again_or_late_is_not_told_again(states: list[SessionState], data: st.DataObject) -> None:
    history = [standing(state, second) for second, state in enumerate(states)]
    repeated: list[SessionStanding] = []
    for at, each in enumerate(history):
        late = data.draw(st.lists(st.sampled_from(history[: at + 1]), max_size=3))
        # Before the first trouble the ledger knows of nothing, and so of nothing that is late: memory does.
        heard = any(before.is_trouble for before in history[: at + 1])
        repeated += [each, *(late if heard else [])]
    assert tell(repeated) == tell(history)


@pytest.mark.parametrize("state", [state for state in SessionState if state not in LOST])
def test_what_is_no_trouble_is_no_news(state: SessionState) -> None:
    assert session_news(standing(state, 1), None, now=LATER) is None


@pytest.mark.parametrize(
    ("states", "told"),
    [
        (["disconnected", "revoked", "disconnected", "revoked"], [NewsKind.TROUBLE]),
        (["revoked", "connecting", "qr_shown", "password_needed", "connecting", "revoked"], [NewsKind.TROUBLE]),
        (["suspended", "revoked"], [NewsKind.TROUBLE, NewsKind.TROUBLE]),
        (["suspended", "disconnected"], [NewsKind.TROUBLE]),
        (["flood_wait", "ready", "flood_wait"], [NewsKind.TROUBLE, NewsKind.OVER, NewsKind.TROUBLE]),
        (["connecting", "code_needed"], []),
        (["ready", "ready"], []),
    ],
)
def test_histories(states: list[str], told: list[NewsKind]) -> None:
    history = [
        standing(SessionState(state), second, is_trouble=state != "ready") for second, state in enumerate(states)
    ]
    assert tell(history) == told


def test_a_clock_that_is_ahead_is_not_believed() -> None:
    now = BEGINNING
    news = session_news(standing(SessionState.REVOKED, 3600), None, now=now)
    assert news is not None and news.known.since == now
    over = session_news(standing(SessionState.READY, 5), news.known, now=now + timedelta(seconds=6))
    assert over is not None and over.tell is NewsKind.OVER
