"""The states of an MTProto session: what each event does to them, as one total function; and its troubles."""

from __future__ import annotations

from enum import StrEnum
from typing import assert_never

from teltubby.errors import (
    AccountSuspended,
    FloodWait,
    NotSignedIn,
    SessionAway,
    SessionFileDamaged,
    SessionFileUnusable,
    SessionNotReady,
    TeltubbyError,
    Transient,
)
from teltubby.messages.session import SIGNING_IN, SessionState

LONG_FLOOD_SECONDS = 600.0
"""A wait that is longer is told to people, who may do something else meanwhile."""


class SessionEvent(StrEnum):
    """What happens to a session.

    CONNECT_BEGAN, CONNECTED (as an account that is signed in), NOBODY (is signed in), CONNECTION_LOST (or could not be
    made), FLOODED (Telegram asks to wait), REFUSED (Telegram ended the session, or refuses the token or the api id),
    SUSPENDED, FILE_UNUSABLE (held by another process, or not readable now), FILE_DAMAGED. Of a sign-in by a person:
    SIGN_IN_BEGAN, CODE_SENT, QR_SHOWN, PASSWORD_WANTED, SECRET_REJECTED (another one may be tried), SIGNED_IN (the
    session is stored, and connected next), SIGN_IN_ENDED (given up, timed out, or failed).
    """

    CONNECT_BEGAN = "connect_began"
    CONNECTED = "connected"
    NOBODY = "nobody"
    CONNECTION_LOST = "connection_lost"
    FLOODED = "flooded"
    REFUSED = "refused"
    SUSPENDED = "suspended"
    FILE_UNUSABLE = "file_unusable"
    FILE_DAMAGED = "file_damaged"
    SIGN_IN_BEGAN = "sign_in_began"
    CODE_SENT = "code_sent"
    QR_SHOWN = "qr_shown"
    PASSWORD_WANTED = "password_wanted"
    SECRET_REJECTED = "secret_rejected"
    SIGNED_IN = "signed_in"
    SIGN_IN_ENDED = "sign_in_ended"


class SessionTrouble(StrEnum):
    """What an operator or an admin must act on."""

    NOBODY = "nobody"
    FLOOD = "flood"
    REFUSED = "refused"
    SUSPENDED = "suspended"
    FILE = "file"


def after(state: SessionState, event: SessionEvent) -> SessionState:
    """The state that the event leads to.

    Who lost the login stays REVOKED, and who was suspended SUSPENDED, while it is tried again in vain: until there is
    a connection as an account, nobody is signed in any more, or a person begins to sign in.
    """
    match event:
        case SessionEvent.CONNECTED:
            return SessionState.READY
        case SessionEvent.NOBODY:
            return SessionState.DISCONNECTED
        case SessionEvent.SUSPENDED:
            return SessionState.SUSPENDED
        case SessionEvent.SIGNED_IN:
            return SessionState.CONNECTING
        case SessionEvent.SIGN_IN_BEGAN:
            return state if state is SessionState.READY else SessionState.CONNECTING
        case SessionEvent.REFUSED | SessionEvent.FILE_DAMAGED:
            return state if state is SessionState.SUSPENDED else SessionState.REVOKED
        case SessionEvent.CONNECT_BEGAN:
            return state if _is_lost(state) else SessionState.CONNECTING
        case SessionEvent.FLOODED:
            return state if _is_lost(state) else SessionState.FLOOD_WAIT
        case SessionEvent.FILE_UNUSABLE:
            return state if _is_lost(state) else SessionState.DISCONNECTED
        case SessionEvent.CONNECTION_LOST:
            return state if _is_lost(state) or state is SessionState.FLOOD_WAIT else SessionState.DISCONNECTED
        case SessionEvent.CODE_SENT:
            return SessionState.CODE_NEEDED if _may_sign_in(state) else state
        case SessionEvent.QR_SHOWN:
            return SessionState.QR_SHOWN if _may_sign_in(state) else state
        case SessionEvent.PASSWORD_WANTED:
            return SessionState.PASSWORD_NEEDED if _may_sign_in(state) else state
        case SessionEvent.SIGN_IN_ENDED:
            return SessionState.DISCONNECTED if _may_sign_in(state) else state
        case SessionEvent.SECRET_REJECTED:
            return state
        case _:
            assert_never(event)


def trouble_after(
    trouble: SessionTrouble | None,
    event: SessionEvent,
    reached: SessionState,
    *,
    in_use: bool,
    flood_seconds: float = 0.0,
) -> SessionTrouble | None:
    """The trouble that the session is in when the event led to `reached`.

    `in_use`: no other account serves, or somebody is signed in as far as it is known; what an account that nobody uses
    meets, as the lock of a `teltubby login` that is under way, is no trouble. A trouble lasts until something shows
    that it is over: through further tries, and through a sign-in.
    """
    match reached:
        case SessionState.READY:
            return None
        case SessionState.REVOKED:
            return SessionTrouble.REFUSED
        case SessionState.SUSPENDED:
            return SessionTrouble.SUSPENDED
        case SessionState.FLOOD_WAIT if event is SessionEvent.FLOODED:
            is_long = flood_seconds > LONG_FLOOD_SECONDS
            return _lasting(trouble) or (SessionTrouble.FLOOD if in_use and is_long else None)
        case SessionState.DISCONNECTED if event is SessionEvent.NOBODY:
            return SessionTrouble.NOBODY if in_use else None
        case SessionState.DISCONNECTED if event is SessionEvent.FILE_UNUSABLE:
            return _lasting(trouble) or (SessionTrouble.FILE if in_use else None)
        case SessionState.DISCONNECTED if event is SessionEvent.CONNECTION_LOST:
            return _lasting(trouble)
        case SessionState.CONNECTING if event is SessionEvent.SIGNED_IN:
            return None
        case _:
            return trouble


def event_of(error: TeltubbyError) -> SessionEvent:
    """What a failure to connect, or to be served, says of the session."""
    match error:
        case FloodWait():
            return SessionEvent.FLOODED
        case NotSignedIn():
            return SessionEvent.NOBODY
        case AccountSuspended():
            return SessionEvent.SUSPENDED
        case SessionAway():
            return SessionEvent.CONNECTION_LOST
        case SessionFileUnusable():
            return SessionEvent.FILE_UNUSABLE
        case SessionFileDamaged():
            return SessionEvent.FILE_DAMAGED
        case Transient() if not isinstance(error, SessionNotReady):
            return SessionEvent.CONNECTION_LOST
        case _:
            return SessionEvent.REFUSED


def _is_lost(state: SessionState) -> bool:
    return state in (SessionState.REVOKED, SessionState.SUSPENDED)


def _may_sign_in(state: SessionState) -> bool:
    return state is SessionState.CONNECTING or state in SIGNING_IN


def _lasting(trouble: SessionTrouble | None) -> SessionTrouble | None:
    """What does not end by Telegram being out of reach, nor by the file being readable again."""
    return None if trouble in (SessionTrouble.FLOOD, SessionTrouble.FILE) else trouble
