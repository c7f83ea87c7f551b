"""The job of fetching one large file, and what a worker reports of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from pydantic import JsonValue

from teltubby.messages.details import FileDetails, Preview
from teltubby.messages.media import JsonObject, MediaKind, Route
from teltubby.messages.routes import FileRoute, RouteTry
from teltubby.messages.stages import Stages


class JobState(StrEnum):
    """Where a job stands; `archive.lifecycle` says what may follow what."""

    PENDING = "PENDING"
    PROCESSING = "PROCESSING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    RETRYING = "RETRYING"
    CANCELLED = "CANCELLED"


class JobCommand(StrEnum):
    """What is done to a job by command: a curator retries, cancels or prioritises it, the reconciler revives it."""

    RETRY = "retry"
    CANCEL = "cancel"
    PRIORITISE = "prioritise"
    REVIVE = "revive"


class Priority(StrEnum):
    """How soon a job is wanted; high and urgent travel through the priority queue."""

    NORMAL = "normal"
    HIGH = "high"
    URGENT = "urgent"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileInfo:
    """The file as the Bot API announced it; `file_size` in bytes, or None where Telegram did not say."""

    file_id: str
    file_unique_id: str
    file_size: int | None
    file_type: MediaKind
    file_name: str | None = None
    mime_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TelegramContext:
    """The context that the copy in the archive keeps."""

    forward_origin: JsonObject | None = None
    caption: str | None = None
    entities: Sequence[JsonValue] = ()
    media_group_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobMetadata:
    """Tries and their limit; `estimated_duration` in seconds.

    `retry_count` counts tries that failed, `times_parked` those that did not count because the fault was not the job's.
    `ticket` says which message for this job it is: the ledger counts them, and only the newest is good.
    """

    created_at: datetime
    priority: Priority = Priority.NORMAL
    retry_count: int = 0
    max_retries: int = 3
    estimated_duration: float | None = None
    times_parked: int = 0
    ticket: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where in the store the file belongs; decided once, when the curator hands it in."""

    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One large file to fetch over MTProto (spec/large-files.md 3.2, with `target` added)."""

    job_id: str
    user_id: int
    chat_id: int
    message_id: int
    file_info: FileInfo
    telegram_context: TelegramContext
    job_metadata: JobMetadata
    target: Target


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStarted:
    """A worker took the job up; `stages` tells how long it had its message before that."""

    job_id: str
    worker: str
    attempt: int
    at: datetime
    stages: Stages = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobProgress:
    """Bytes fetched and stored so far of `total_bytes`; may be lost or late without harm.

    `bytes_per_second` is a moving average, `seconds_left` the estimate it gives, None while there is no telling.
    """

    job_id: str
    worker: str
    attempt: int
    at: datetime
    downloaded_bytes: int
    uploaded_bytes: int
    total_bytes: int
    bytes_per_second: float
    seconds_left: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCompleted:
    """The file is in the store under `key`, whole: `size_bytes` and `sha256` (hex) are those of the stored bytes.

    Or nothing was stored under `key`, because the object `duplicate_of` holds the same bytes already. `via` is the way
    by which the bytes came, `routes` those that were tried, in order. `details` is what the file says of itself, where
    that was read, `preview` what was stored beside it. `stages` tells what the time went by with.
    """

    job_id: str
    worker: str
    attempt: int
    at: datetime
    key: str
    size_bytes: int
    sha256: str
    route: Route
    seconds: float
    duplicate_of: str | None = None
    via: FileRoute | None = None
    routes: tuple[RouteTry, ...] = ()
    details: FileDetails | None = None
    preview: Preview | None = None
    stages: Stages = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRetrying:
    """An attempt failed for a passing reason; the job comes back after `delay_seconds`.

    What the attempt did: `transferred_bytes` fetched in `seconds`, by `route` where one was found; `routes` are the
    ways that were tried, in order, `stages` what the time went by with.
    """

    job_id: str
    worker: str
    attempt: int
    at: datetime
    reason: str
    delay_seconds: float
    transferred_bytes: int = 0
    seconds: float = 0.0
    route: Route | None = None
    routes: tuple[RouteTry, ...] = ()
    stages: Stages = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFailed:
    """The job is in the dead-letter queue for `reason`; what the last attempt did is told as in JobRetrying."""

    job_id: str
    worker: str
    attempt: int
    at: datetime
    reason: str
    transferred_bytes: int = 0
    seconds: float = 0.0
    route: Route | None = None
    routes: tuple[RouteTry, ...] = ()
    stages: Stages = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCancelled:
    """A worker stopped a running job because it was cancelled: transfer ended, upload aborted, spool removed."""

    job_id: str
    worker: str
    attempt: int
    at: datetime
    transferred_bytes: int = 0
    seconds: float = 0.0
    route: Route | None = None
    routes: tuple[RouteTry, ...] = ()
    stages: Stages = field(default_factory=dict)


JobEvent = JobStarted | JobProgress | JobCompleted | JobRetrying | JobFailed | JobCancelled
