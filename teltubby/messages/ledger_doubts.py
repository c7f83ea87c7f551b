"""What the ledger is asked about doubtful keys: those at which an object may lie, or appear, that nobody will name.

See `messages.ledger` for what all requests share.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from teltubby.supervision import Request


class Doubt(StrEnum):
    """Why nobody will name what lies there."""

    ELSEWHERE = "the archive has the same file elsewhere, or none of it"
    DUPLICATE = "the job's file is a copy of another"
    CANCELLED = "the job was cancelled"
    FAILED = "the job failed for good"
    LATE = "it was stored after it had been deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class DoubtfulKey:
    """A key, and since when and why it is doubtful; `job_id` is that of the job whose file belonged there."""

    key: str
    why: Doubt
    since: datetime
    job_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DueDoubts(Request[tuple[DoubtfulKey, ...]]):
    """Keys that are to be looked at by now, the longest due first, at most `limit`."""

    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimLeftover(Request[bool]):
    """Something lies there: may it be deleted? Not while anything in the ledger names the key, or its preview's.

    From a yes on nobody will name it again: a report that the file is there counts as one that its job was stopped,
    and the job gets another key when it is queued again.
    """

    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DoubtLooked(Request[None]):
    """The store was looked at, and nobody has to do anything; `in_trouble`: it could not be, and has to be later."""

    key: str
    in_trouble: bool = False


DoubtsMessage = DueDoubts | ClaimLeftover | DoubtLooked
