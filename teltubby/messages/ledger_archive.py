"""What the ledger is asked about the archive as a whole. See `messages.ledger` for what all requests share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from teltubby.messages.history import ArchiveHit, DatabaseReport, QuotaAlert, Statistics, Usage
from teltubby.messages.jobs import JobState
from teltubby.supervision import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Counts of what the ledger holds; `bytes` are those of the distinct files archived.

    `open_since` is when the oldest open update came, None where none is open; `waiting_since` is when the job that has
    been PENDING for longest became so.
    """

    jobs: Mapping[JobState, int]
    open_updates: int
    unpublished: int
    files: int
    bytes: int
    unstored_artifacts: int
    open_since: datetime | None = None
    waiting_since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchArchive(Request[tuple[ArchiveHit, ...]]):
    """Submissions whose captions, file names or chats hold all these words, best first: `limit` from `offset`."""

    words: str
    limit: int
    offset: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadStatistics(Request[Statistics]):
    """What was archived on each of the last `days` days (UTC), today last."""

    days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadUsage(Request[Usage]):
    """How many bytes the archive uses: as listed last, and what was stored and deleted since."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetUsage(Request[None]):
    """A listing that began at `listed_at` found this much; what was counted since it began is added to it."""

    used_bytes: int
    objects: int
    listed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CountUsage(Request[None]):
    """The store has so many bytes and objects more (negative: less); repeated, it counts again until a listing."""

    used_bytes: int
    objects: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadQuotaAlert(Request[QuotaAlert]):
    """When which alert of the quota was given last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetQuotaAlert(Request[None]):
    """The admins were told."""

    alert: QuotaAlert


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetArchive(Request[int]):
    """The store was purged: forget every file, so that nothing counts as archived any more; answers how many.

    Jobs, submissions and artifacts' texts stay, as the history of what was.
    """

    user_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MaintainDatabase(Request[DatabaseReport]):
    """Check the file's integrity, let SQLite optimise and shrink it, and say what came of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOverview(Request[Overview]):
    """Counts for `/status` and the metrics."""


ArchiveMessage = (
    SearchArchive
    | ReadStatistics
    | ReadUsage
    | SetUsage
    | CountUsage
    | ReadQuotaAlert
    | SetQuotaAlert
    | ForgetArchive
    | MaintainDatabase
    | ReadOverview
)
