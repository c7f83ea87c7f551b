"""The audit trail: what is written down of who asked for what, and of what teltubby decided.

See `messages.ledger` for what requests to the ledger share.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from teltubby.supervision import Request


class TrailKind(StrEnum):
    """What a line of the trail is about."""

    COMMAND = "command"
    """Somebody, or the reconciler, wanted something changed."""
    QUESTION = "question"
    """Somebody who was let in looked, and nothing was changed."""
    OPERATOR = "operator"
    """A command was typed on the machine."""
    DECISION = "decision"
    """teltubby did, or found, something by itself."""
    STRANGER = "stranger"
    """Somebody who is not let in, `times` in the hour that ends with the line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailEntry:
    """One line. `user_id` is None where nobody of Telegram did it; `detail` never holds a secret."""

    at: datetime
    kind: TrailKind
    command: str
    user_id: int | None = None
    job_id: str | None = None
    accepted: bool = True
    detail: str | None = None
    times: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordTrail(Request[None]):
    """Write these lines, all of them or none."""

    entries: tuple[TrailEntry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneTrail(Request[int]):
    """Forget lines older than `before`. Answers how many."""

    before: datetime


TrailMessage = RecordTrail | PruneTrail
