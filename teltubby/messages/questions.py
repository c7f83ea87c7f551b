"""What a worker asks the bot across the broker, and what it is told: within seconds, or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstCopyAsked:
    """Which object holds the bytes of this SHA-256 (hex) already? `job_id` says whose bytes they are, for the logs."""

    sha256: str
    job_id: str | None = None


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


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayAsked:
    """Copy the job's message into the relay channel, or say where the copy is that was made before.

    `lost`: the copy with this id, told before, is not there any more; another one is needed.
    """

    job_id: str
    worker: str
    lost: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayTold:
    """The copy is message `message_id` of the channel `chat_id` (Bot API's form); or `reason` says why there is none.

    `passing`: what stands in the way may pass, as a flood wait does.
    """

    job_id: str
    chat_id: int | None = None
    message_id: int | None = None
    reason: str | None = None
    passing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomAsked:
    """Has the archive room for files of channels?"""

    worker: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomTold:
    """The archive has reached its quota (`full`), or not."""

    full: bool


QuestionAsked = FirstCopyAsked | TurnAsked | RelayAsked | RoomAsked
AnswerTold = FirstCopyTold | TurnTold | RelayTold | RoomTold
