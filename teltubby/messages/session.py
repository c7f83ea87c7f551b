"""Where an MTProto session stands, and what signing in asks for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from teltubby.messages.routes import AccountKind
from teltubby.supervision import Request


class SessionState(StrEnum):
    """A lost login is a state, not a crash: jobs wait until it is READY again.

    DISCONNECTED: not connected, or nobody ever signed in. CONNECTING. CODE_NEEDED, PASSWORD_NEEDED, QR_SHOWN: somebody
    signs in, and that is what is waited for. READY: signed in and connected. FLOOD_WAIT: Telegram asks to wait before
    the next try. REVOKED: Telegram ended the session (or refuses the token, the api id, the session file); somebody
    has to sign in again. SUSPENDED: Telegram closed or froze the account; nothing is tried before somebody orders it.
    """

    DISCONNECTED = "disconnected"
    CONNECTING = "connecting"
    CODE_NEEDED = "code_needed"
    PASSWORD_NEEDED = "password_needed"
    QR_SHOWN = "qr_shown"
    READY = "ready"
    FLOOD_WAIT = "flood_wait"
    REVOKED = "revoked"
    SUSPENDED = "suspended"


SIGNING_IN = frozenset({SessionState.CODE_NEEDED, SessionState.PASSWORD_NEEDED, SessionState.QR_SHOWN})
"""The states in which a person signs in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStanding:
    """How a session stands, for people and for who depends on it.

    `detail` says why, in words. `is_trouble`: an operator or admin must act. `name` is the account's, masked.
    `connections` counts those to Telegram that are open now. `in_use` is False for a session that no configured route
    needs or in which nobody ever signed in. `account_id` is known while it is READY.
    """

    account: AccountKind
    state: SessionState
    detail: str
    since: datetime
    is_trouble: bool = False
    in_use: bool = True
    name: str | None = None
    data_centre: int | None = None
    connections: int = 0
    last_success_at: datetime | None = None
    flood_until: datetime | None = None
    account_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionChanged:
    """A session entered another state."""

    standing: SessionStanding


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeSession(Request[SessionStanding]):
    """Ask where the session stands now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownQr:
    """A QR code to scan with the phone's Telegram: `url` (tg://login?token=…) is good until `expires_at`."""

    url: str
    expires_at: datetime
