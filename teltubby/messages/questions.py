"""What a worker asks the bot across the broker, and what it is told: within seconds, or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstCopyAsked:
    """Which object holds the bytes of this SHA-256 (hex) already?"""

    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstCopyTold:
    """The bytes of `sha256` are under `key`; None when the ledger does not know them.

    It repeats what was asked: taken for the answer to another question, it would cost a file its only copy.
    """

    sha256: str
    key: str | None


class Turn(StrEnum):
    """What becomes of a job's message that a worker holds.

    GO: run it. WAIT: another worker runs the job and gives signs of life. The others mean that the message is void and
    is dropped: the job is CANCELLED, OVER (completed, or failed and not retried), or there is a newer message for it
    (SUPERSEDED). UNKNOWN: no ledger knows the job; the message goes to the dead letters.
    """

    GO = "go"
    WAIT = "wait"
    CANCELLED = "cancelled"
    OVER = "over"
    SUPERSEDED = "superseded"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnAsked:
    """May `worker` run this job now? `ticket` and `attempt` are those of the message that it holds."""

    job_id: str
    ticket: int
    attempt: int
    worker: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnTold:
    """What to do with the job's message; it repeats which one was asked about."""

    job_id: str
    ticket: int
    turn: Turn


QuestionAsked = FirstCopyAsked | TurnAsked
AnswerTold = FirstCopyTold | TurnTold
