"""The quota rule: how full the bucket is, and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class QuotaLevel(StrEnum):
    """OK, ALERT (tell the curators; archive on) or FULL (archive nothing more)."""

    OK = "ok"
    ALERT = "alert"
    FULL = "full"


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaStanding:
    """Where the bucket stands; `ratio` is used divided by quota, 0 when there is no quota."""

    level: QuotaLevel
    ratio: float


def quota_standing(used_bytes: int, quota_bytes: int, *, threshold_pct: float) -> QuotaStanding:
    """FULL from the quota on, ALERT from `threshold_pct` of it on; a quota of 0 means that there is none."""
    if quota_bytes <= 0:
        return QuotaStanding(level=QuotaLevel.OK, ratio=0.0)
    if used_bytes >= quota_bytes:
        level = QuotaLevel.FULL
    elif used_bytes * 100 >= quota_bytes * threshold_pct:
        level = QuotaLevel.ALERT
    else:
        level = QuotaLevel.OK
    return QuotaStanding(level=level, ratio=used_bytes / quota_bytes)
