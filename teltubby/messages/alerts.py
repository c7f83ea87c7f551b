"""What the admins are told of trouble, and what the ledger keeps of it, so that no restart tells anything twice."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from teltubby.supervision import Request


class AlertKind(StrEnum):
    """What there are alerts of; docs/operations.md has a remedy for each."""

    JOB_FAILED = "job_failed"
    QUEUE_DEPTH = "queue_depth"
    QUEUE_AGE = "queue_age"
    STORE = "store"
    BROKER = "broker"
    LEDGER = "ledger"
    TELEGRAM = "telegram"
    DISK = "disk"
    OPERATOR = "operator"
    ACTOR_CRASHES = "actor_crashes"
    PROCESS_STARTS = "process_starts"
    WORKER_SILENT = "worker_silent"


Key = tuple[AlertKind, str]
"""What it is about: kind and subject (a disk, a job, a worker's place; empty where there is one only)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """One time of trouble, from `since` to `until` (None: it lasts). An event, as a failed job, ends as it begins.

    `noticed_at`: when it had lasted long enough to be one. `absent_since`: it is not seen any more, and may come back.
    `ended_at`: when it was clear that it is over. `told_at`: when the admins were told that it is there (or, of one
    that was over by then, that it was), `reminded_at` that it still is, `over_told_at` that it is over. `times`: of so
    many events of which only the number is told, and the last by name.
    """

    kind: AlertKind
    subject: str
    detail: str
    since: datetime
    noticed_at: datetime
    absent_since: datetime | None = None
    until: datetime | None = None
    ended_at: datetime | None = None
    told_at: datetime | None = None
    reminded_at: datetime | None = None
    over_told_at: datetime | None = None
    times: int = 1

    @property
    def key(self) -> Key:
        """What it is about."""
        return self.kind, self.subject

    @property
    def is_open(self) -> bool:
        """Whether it lasts."""
        return self.until is None

    @property
    def is_settled(self) -> bool:
        """Whether there is nothing left to tell of it."""
        return self.until is not None and self.over_told_at is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertBook:
    """All that has to outlive a restart: periods, until when nothing is told, and the number of the last failure that
    is among them (None: nobody looked yet).
    """

    periods: tuple[Period, ...] = ()
    muted_until: datetime | None = None
    failures_through: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadAlerts(Request[AlertBook]):
    """The book as it was written last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteAlerts(Request[None]):
    """The whole book, in the place of the last one."""

    book: AlertBook


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteStart(Request[None]):
    """This incarnation of a process began; noted once, however often it is said."""

    process: str
    incarnation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteEnd(Request[None]):
    """This incarnation of a process ends as it was told to: its start counts no longer."""

    process: str
    incarnation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CountStarts(Request[dict[str, int]]):
    """How often each process began since then, orderly ends apart; those that did not are left out."""

    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A large file that could not be archived; failures are numbered in the order in which they were reported."""

    number: int
    job_id: str
    file_name: str | None
    at: datetime
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFailures(Request[tuple[Failure, ...]]):
    """Failures after that number, in their order, at most `limit`; also of jobs that were retried since."""

    after: int
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LastFailure(Request[int]):
    """The number of the newest failure, 0 when there was none."""


AlertsMessage = ReadAlerts | WriteAlerts | NoteStart | NoteEnd | CountStarts | ReadFailures | LastFailure
