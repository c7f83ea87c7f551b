"""Settings of what the admins are told of trouble in Telegram."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, tzinfo
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field

from teltubby.config.group import MIB, NOT_NEGATIVE, YES_NO, Count, Group
from teltubby.config.variable import Variable, Wrong

LEAST_REPEAT_HOURS = 0.25
"""Who is reminded every few seconds reads nothing any more."""
_SPAN = re.compile(r"(\d\d:\d\d)-(\d\d:\d\d)", re.ASCII)


@dataclass(frozen=True, slots=True)
class DailySpan:
    """From one time of day to another, written `22:00-07:00`; over midnight where the first is the later one."""

    begin: time
    end: time

    def __str__(self) -> str:
        return f"{self.begin:%H:%M}-{self.end:%H:%M}"


def _parse_hours(value: object) -> object:
    if not isinstance(value, str):
        return value
    match = _SPAN.fullmatch(value)
    if match is None:
        raise ValueError
    begin, end = time.fromisoformat(match[1]), time.fromisoformat(match[2])
    if begin == end:
        raise Wrong("it begins when it ends")
    return DailySpan(begin, end)


def zone_of(name: str) -> tzinfo:
    """The time zone of this name. Raises Wrong."""
    if name == "UTC":  # which needs no database of zones
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError, ValueError) as error:  # a folder of zones is no zone, nor is a path
        raise Wrong("this machine knows no such zone") from error


def _check_zone(name: str) -> str:
    datetime.now(zone_of(name))
    return name


def _check_repeat(hours: float) -> float:
    if 0 < hours < LEAST_REPEAT_HOURS:
        raise ValueError
    return hours


class AlertSettings(Group):
    """Alerts to the admins in Telegram."""

    enable: Annotated[
        bool, Variable("ALERTS_ENABLE", YES_NO, "Whether the bot tells the admins of trouble (docs/operations.md).")
    ] = True
    queue_depth: Annotated[
        Count,
        Variable("ALERT_QUEUE_DEPTH", NOT_NEGATIVE, "Large files that wait, from which there is an alert; 0: none."),
    ] = 500
    queue_age_minutes: Annotated[
        Count,
        Variable(
            "ALERT_QUEUE_AGE_MINUTES",
            NOT_NEGATIVE,
            "Minutes that the oldest large file has waited, from which there is an alert; 0: none.",
        ),
    ] = 120
    disk_free_mb: Annotated[
        Count,
        Variable("ALERT_DISK_FREE_MB", NOT_NEGATIVE, "MiB free on a disk, below which there is an alert; 0: none."),
    ] = 1024
    process_starts: Annotated[
        Count,
        Variable(
            "ALERT_PROCESS_STARTS",
            NOT_NEGATIVE,
            "Starts of a process within 10 minutes, orderly ends apart, from which there is an alert; 0: none.",
        ),
    ] = 3
    quiet_hours: Annotated[
        DailySpan | None,
        BeforeValidator(_parse_hours),
        Variable(
            "ALERT_QUIET_HOURS",
            "two times of day, as 22:00-07:00",
            "When only the gravest alerts are sent; the others follow afterwards. Unset: never.",
        ),
    ] = None
    timezone: Annotated[
        str,
        AfterValidator(_check_zone),
        Variable("ALERT_TIMEZONE", "a time zone, as Europe/Berlin", "The zone of ALERT_QUIET_HOURS."),
    ] = "UTC"
    after_seconds: Annotated[
        float,
        Field(ge=1, le=3600),
        Variable(
            "ALERT_AFTER_SECONDS",
            "a number of seconds from 1 to 3600",
            "How long most trouble must be there to be told of, and gone to be over.",
        ),
    ] = 60
    group_seconds: Annotated[
        float,
        Field(ge=0, le=3600),
        Variable(
            "ALERT_GROUP_SECONDS", "a number of seconds from 0 to 3600", "How long alerts gather for one message."
        ),
    ] = 60
    repeat_hours: Annotated[
        float,
        Field(ge=0, allow_inf_nan=False, le=8760),
        AfterValidator(_check_repeat),
        Variable(
            "ALERT_REPEAT_HOURS",
            "0 or a number of hours from 0.25 to 8760",
            "Hours after which it is said that trouble still lasts; 0: never.",
        ),
    ] = 24

    @property
    def disk_free_bytes(self) -> int:
        """Bytes free, below which there is an alert."""
        return self.disk_free_mb * MIB
