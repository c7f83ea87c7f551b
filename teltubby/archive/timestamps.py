"""How the archive writes times; all of them are UTC."""

from __future__ import annotations

from datetime import UTC, datetime


def in_utc(moment: datetime) -> datetime:
    """The same moment in UTC; one without a zone is UTC already, which is what Telegram means by its dates."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def timestamp(moment: datetime) -> str:
    """As in message.json: `2025-01-27T10:11:12Z`, to the second."""
    return in_utc(moment).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def file_time(moment: datetime) -> str:
    """As in file names: `20250127-101112`."""
    return timestamp(moment).rstrip("Z").replace("-", "").replace(":", "").replace("T", "-")


def month_path(moment: datetime) -> str:
    """As in directories: `2025/01`."""
    return timestamp(moment)[:7].replace("-", "/")
