"""How long a large file will take until it is archived, from how fast others went lately."""

from __future__ import annotations

from dataclasses import replace

from teltubby.messages.history import QueuePace


def estimate(pace: QueuePace, size_bytes: int | None) -> float | None:
    """Seconds until a file that is queued now is archived: what comes before it, then the file itself, at that rate.

    None while there is no telling: no job went through yet, or Telegram did not say how large the file is.
    """
    if size_bytes is None or not pace.bytes_per_second or pace.bytes_per_second < 0:
        return None
    return (max(pace.bytes_ahead, 0) + size_bytes) / pace.bytes_per_second


def behind(pace: QueuePace, size_bytes: int | None) -> QueuePace:
    """The pace for what is queued after one more file of that size."""
    return replace(pace, jobs_ahead=pace.jobs_ahead + 1, bytes_ahead=pace.bytes_ahead + (size_bytes or 0))
