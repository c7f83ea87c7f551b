"""Where the MTProto session stands."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from teltubby.supervision import Request


class SessionState(StrEnum):
    """A lost login is a state, not a crash: jobs wait until it is READY again."""

    DISCONNECTED = "disconnected"
    CONNECTING = "connecting"
    READY = "ready"
    FLOOD_WAIT = "flood_wait"
    SIGNED_OUT = "signed_out"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionChanged:
    """The session entered `state`; `detail` says why, for people."""

    state: SessionState
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeSession(Request[SessionChanged]):
    """Ask where the session stands now."""
