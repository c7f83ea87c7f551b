"""The quota rule: how full the bucket is, and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from teltubby.messages.history import QuotaAlert, QuotaAlertKind


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


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaNews:
    """What the admins are to be told now (NONE: there is room again), or nothing; and the alert to remember."""

    tell: QuotaAlertKind | None
    alert: QuotaAlert


def quota_news(standing: QuotaStanding, last: QuotaAlert, *, now: datetime, cooldown: timedelta) -> QuotaNews:
    """What follows from the standing after the `last` alert.

    That the archive is full, or no longer, is told whenever it comes to that; that it is nearly full not sooner than
    `cooldown` after the last alert. As long as either lasts it is told again after each `cooldown`, if there is one.
    """
    elapsed = last.at is None or not timedelta(0) <= now - last.at < cooldown  # a clock may have been set back
    again = elapsed and cooldown > timedelta(0)
    kind: QuotaAlertKind | None = None
    match standing.level:
        case QuotaLevel.FULL:
            if again or last.kind is not QuotaAlertKind.FULL:
                kind = QuotaAlertKind.FULL
        case QuotaLevel.ALERT:
            due = {QuotaAlertKind.FULL: True, QuotaAlertKind.NEARLY_FULL: again, QuotaAlertKind.NONE: elapsed}
            if due[last.kind]:
                kind = QuotaAlertKind.NEARLY_FULL
        case QuotaLevel.OK:
            if last.kind is not QuotaAlertKind.FULL:
                return QuotaNews(tell=None, alert=QuotaAlert(kind=QuotaAlertKind.NONE, at=last.at))
            kind = QuotaAlertKind.NONE
    return QuotaNews(tell=kind, alert=last if kind is None else QuotaAlert(kind=kind, at=now))
