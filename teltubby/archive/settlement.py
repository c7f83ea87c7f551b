"""How a file that was queued ends, and the artifact after it did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

from pydantic import JsonValue

from teltubby.archive.artifact import describe_details, describe_preview, totals
from teltubby.archive.plain_json import plain
from teltubby.messages.details import FileDetails
from teltubby.messages.jobs import JobState
from teltubby.messages.media import DedupReason, ItemStatus, JsonObject, Route, SkipReason
from teltubby.messages.routes import FileRoute


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredItem:
    """The file is in the store under `s3_key`; size and SHA-256 (hex) are those of the stored bytes, `via` is the way
    by which they came, `details` what the file says of itself, where that is known. `preview_key` is its preview's.
    """

    s3_key: str
    size_bytes: int
    sha256: str
    route: Route
    via: FileRoute | None = None
    details: FileDetails | None = None
    preview_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicateItem:
    """The archive had the same bytes already, under `duplicate_of`."""

    duplicate_of: str
    size_bytes: int
    sha256: str
    route: Route
    via: FileRoute | None = None
    dedup_reason: DedupReason = DedupReason.SHA256
    details: FileDetails | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedItem:
    """The job is over without a file, for `reason`."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedItem:
    """Nobody wants the file any more: the job was cancelled."""

    reason: SkipReason = SkipReason.CANCELLED


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedItem:
    """The job is in the queue again, for `s3_key`."""

    s3_key: str


Settlement = StoredItem | DuplicateItem | FailedItem | SkippedItem | QueuedItem

OPEN = (JobState.PENDING, JobState.PROCESSING, JobState.RETRYING)


def is_true(settlement: Settlement, state: JobState) -> bool:
    """Whether the artifact may say so of a job in `state`: what comes late must not overwrite what is true."""
    match settlement:
        case StoredItem() | DuplicateItem():
            return state is JobState.COMPLETED
        case FailedItem():
            return state is JobState.FAILED
        case SkippedItem():
            return state is JobState.CANCELLED
        case QueuedItem():
            return state in OPEN
        case _:
            assert_never(settlement)


def status_of(artifact: JsonObject, job_id: str) -> ItemStatus | None:
    """How the file of this job stands in the artifact, None where none belongs to it."""
    telegram = artifact.get("telegram")
    items = telegram.get("items") if isinstance(telegram, Mapping) else None
    for item in items if isinstance(items, Sequence) else ():
        if isinstance(item, Mapping) and item.get("job_id") == job_id:
            return ItemStatus(str(item.get("status")))
    return None


def settle(artifact: JsonObject, job_id: str, settlement: Settlement) -> dict[str, JsonValue]:
    """The artifact with the item of `job_id` settled and everything that follows from the items recomputed.

    Idempotent, and any settlement may follow any other: which one does is the ledger's to say (a stored file can
    turn out to be a duplicate later). What Telegram announced stays where nothing truer is known. Raises ValueError
    when no item belongs to the job, or when this is no artifact.
    """
    settled = plain(artifact)
    telegram = settled.get("telegram") if isinstance(settled, dict) else None
    items = telegram.get("items") if isinstance(telegram, dict) else None
    if not isinstance(settled, dict) or not isinstance(items, list):
        raise ValueError("not an artifact: it has no items")
    objects = [item for item in items if isinstance(item, dict)]
    found = [item for item in objects if item.get("job_id") == job_id]
    if not found:
        raise ValueError(f"no item of this artifact belongs to job {job_id}")
    for item in found:
        item.update(_fields(settlement))
        if not isinstance(settlement, StoredItem | DuplicateItem):
            item.pop("details", None)
        else:  # who does not know them takes nothing away
            item.update(describe_details(settlement.details, item))
        if isinstance(settlement, StoredItem):
            item.update(describe_preview(settlement.preview_key))
        else:  # of a duplicate, the first copy has it
            item.pop("preview_key", None)
    settled.update(totals(objects))
    return settled


def _fields(settlement: Settlement) -> dict[str, JsonValue]:
    match settlement:
        case StoredItem():
            return {
                "size_bytes": settlement.size_bytes,
                "sha256": settlement.sha256,
                "s3_key": settlement.s3_key,
                "status": ItemStatus.STORED.value,
                "reason": None,
                "duplicate_of": None,
                "dedup_reason": None,
                "route": settlement.route.value,
                "via": None if settlement.via is None else settlement.via.value,
            }
        case DuplicateItem():
            return {
                "size_bytes": settlement.size_bytes,
                "sha256": settlement.sha256,
                "s3_key": settlement.duplicate_of,
                "status": ItemStatus.DUPLICATE.value,
                "reason": None,
                "duplicate_of": settlement.duplicate_of,
                "dedup_reason": settlement.dedup_reason.value,
                "route": settlement.route.value,
                "via": None if settlement.via is None else settlement.via.value,
            }
        case FailedItem():
            return _without_file(ItemStatus.FAILED, reason=settlement.reason, s3_key=None)
        case SkippedItem():
            return _without_file(ItemStatus.SKIPPED, reason=settlement.reason.value, s3_key=None)
        case QueuedItem():
            return _without_file(ItemStatus.QUEUED, reason=None, s3_key=settlement.s3_key)
        case _:
            assert_never(settlement)


def _without_file(status: ItemStatus, *, reason: str | None, s3_key: str | None) -> dict[str, JsonValue]:
    return {
        "sha256": None,
        "s3_key": s3_key,
        "status": status.value,
        "reason": reason,
        "duplicate_of": None,
        "dedup_reason": None,
        "route": None,
        "via": None,
    }
