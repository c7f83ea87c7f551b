"""What the ledger tells of the past: the history of a job, what was archived, how much room it takes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from teltubby.messages.details import FileDetails
from teltubby.messages.jobs import Job, JobState
from teltubby.messages.media import Route
from teltubby.messages.routes import FileRoute, RouteTry
from teltubby.messages.stages import Stages


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One step of a job's life; `from_state` is None at its beginning, `user_id` is who commanded it, if one did.

    `at` is by the worker's clock where a worker reported it; then the ledger heard of it at `heard_at`, by its own.
    """

    at: datetime
    from_state: JobState | None
    to_state: JobState
    attempt: int
    worker: str | None
    user_id: int | None
    reason: str | None
    heard_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt at a job: `transferred_bytes` in `seconds`; `success` is None while it runs, or when it was lost."""

    attempt: int
    started_at: datetime
    finished_at: datetime | None
    success: bool | None
    error: str | None
    worker: str | None
    transferred_bytes: int | None
    seconds: float | None
    route: Route | None
    routes: tuple[RouteTry, ...] = ()
    """The ways that were tried, in order."""
    via: FileRoute | None = None
    """The way by which the file came, of an attempt that succeeded."""
    details: FileDetails | None = None
    """What that file says of itself, where it was read."""
    preview_key: str | None = None
    """Where its preview is, if it has one."""
    stages: Stages = field(default_factory=dict)
    """What it waited for, and what its time went by with."""
    heard_at: datetime | None = None
    """When the ledger heard of it, by its own clock; `started_at` is by the worker's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One line of the audit trail; `user_id` is None for the reconciler."""

    at: datetime
    user_id: int | None
    command: str
    accepted: bool
    detail: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobHistory:
    """A job's whole history, each part oldest first."""

    job: Job
    state: JobState
    created_at: datetime
    transitions: tuple[Transition, ...]
    attempts: tuple[Attempt, ...]
    commands: tuple[Command, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuePace:
    """Jobs and bytes that are open and come before, and bytes per second of the last jobs (None: there were none)."""

    jobs_ahead: int
    bytes_ahead: int
    bytes_per_second: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveHit:
    """One submission that a search found; `keys` are those of its files that are in the store."""

    chat_id: int
    message_id: int
    handed_in_at: datetime
    title: str
    """What it is called: its caption, else its first file's name, else its chat; may be empty."""
    keys: tuple[str, ...]
    base_path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """What one day (UTC) brought. `files` and `stored_bytes` count distinct contents, `median_seconds` is that from a
    large file's hand-in to its archive (None: there was none).
    """

    day: date
    files: int
    stored_bytes: int
    jobs_completed: int
    jobs_failed: int
    median_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """Days without a gap, oldest first, and the sums of all time."""

    days: tuple[Day, ...]
    files: int
    stored_bytes: int
    jobs_completed: int
    jobs_failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Bytes and objects in the archive as far as they are counted; `listed_at` is None while nobody listed them."""

    used_bytes: int
    objects: int
    listed_at: datetime | None


class QuotaAlertKind(StrEnum):
    """What the admins were told last."""

    NONE = "none"
    NEARLY_FULL = "nearly_full"
    FULL = "full"


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaAlert:
    """The last alert; `at` is None when there never was one."""

    kind: QuotaAlertKind = QuotaAlertKind.NONE
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseReport:
    """What maintenance found and did; sizes in bytes, `faults` is empty when the file is sound."""

    bytes_before: int
    bytes_after: int
    faults: tuple[str, ...]
    rows: tuple[tuple[str, int], ...]
    """Tables with their numbers of rows."""
    seconds: float
