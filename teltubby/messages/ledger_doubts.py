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

    ELSEWHERE = "the archive has the same file elsewhere"
    LEFT_OUT = "the file was not archived"
    DUPLICATE = "the job's file is a copy of another"
    CANCELLED = "the job was cancelled"
    FAILED = "the job failed for good"
    LATE = "it was stored after it had been deleted"


class Verdict(StrEnum):
    """What becomes of what lies at a doubtful key."""

    DELETE = "it is claimed: nobody will name it again"
    NAMED = "something names it, or still may"
    LATER = "an artifact that may name it is about to be written anew"
    KEPT = "it stays for good, which the audit trail tells, and there is no doubt any more"


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
class ClaimLeftover(Request[Verdict]):
    """Something lies there: may it be deleted? `named`: an artifact beside it in the store names it. `size` is that of
    what lies at the key itself, None where only a preview is left.

    Not while anything in the ledger names the key, or its preview's; and never where nobody is sure that it is a
    leftover: where the artifact beside it names it, where its file was not archived or its job ever failed for good
    (it may be whole and wanted, or not ours), or where it has another size than the job's file. That is KEPT.

    From DELETE on nobody will name it again: a report that the file is there counts as one that its job was stopped,
    and the job gets another key when it is queued again.
    """

    key: str
    named: bool
    size: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DoubtLooked(Request[None]):
    """The store was looked at, and nobody has to do anything; not `counts`: it says nothing, and it is looked again."""

    key: str
    counts: bool = True


DoubtsMessage = DueDoubts | ClaimLeftover | DoubtLooked
