"""Which changes of a session are news to the admins: trouble that begins, and trouble that is over, once each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from teltubby.archive.lateness import is_older
from teltubby.messages.ledger_sessions import KnownTrouble
from teltubby.messages.session import SessionStanding, SessionState


class NewsKind(Enum):
    """What is told."""

    TROUBLE = auto()
    OVER = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What is told now (None: nothing), and what the admins know of the session then."""

    tell: NewsKind | None
    known: KnownTrouble


_LASTING = frozenset({SessionState.REVOKED, SessionState.SUSPENDED, SessionState.FLOOD_WAIT})
"""States that are a trouble by themselves; others may be on the way from one, to one or out of one."""
_SAME = {SessionState.DISCONNECTED: SessionState.REVOKED}
"""A login that is gone and one that never was ask for the same."""


def session_news(session: SessionStanding, known: KnownTrouble | None, *, now: datetime) -> News | None:
    """None where there is nothing to tell and nothing to remember: it comes late, or twice, or will pass.

    `known` in the state READY says that the last trouble is over since then. Only READY ends trouble: what lies
    between (connecting, somebody who signs in, a worker that starts anew) is on the way there or back. A clock that is
    ahead of ours is not believed, or what it says after somebody set it right would count as late; neither is what is
    known, where our own ran ahead.
    """
    since = min(session.since, now)
    if known is not None and (since == known.since or is_older(since, known.since, now=now)):
        return None
    told = None if known is None or known.state is SessionState.READY else known.state
    if session.state is SessionState.READY:
        if known is None:
            return None
        return News(tell=None if told is None else NewsKind.OVER, known=KnownTrouble(state=session.state, since=since))
    if session.is_trouble and _is_news(session.state, told):
        return News(tell=NewsKind.TROUBLE, known=KnownTrouble(state=session.state, since=since))
    if told is not None and session.is_trouble:
        return News(tell=None, known=KnownTrouble(state=told, since=since))
    return None


def _is_news(state: SessionState, told: SessionState | None) -> bool:
    if told is None:
        return state in _LASTING or state is SessionState.DISCONNECTED
    return state in _LASTING and _SAME.get(told, told) is not state
