"""What can be exported, and as what; apart from the rest, so that a command line knows them without loading it."""

from __future__ import annotations

from enum import StrEnum


class Subject(StrEnum):
    """Posts by date, or snapshots of counters by post and time."""

    POSTS = "posts"
    METRICS = "metrics"


class Format(StrEnum):
    """As what they are written."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"
