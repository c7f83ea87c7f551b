"""How what a process depends on stands: the vocabulary of `/readyz`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class DependencyState(StrEnum):
    """OK. DEGRADED: it works, but worse than it should, or one try failed. DOWN: what needs it has to wait."""

    OK = "ok"
    DEGRADED = "degraded"
    DOWN = "down"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How one dependency stands, in words for people, and since when it is in that state."""

    name: str
    state: DependencyState
    since: datetime
    detail: str
