"""What both brokers do alike: which requests they accept, and what is written on a dead letter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from teltubby.adapters.base import Destination, HeaderValue

DELAYED = frozenset({Destination.RETRY, Destination.RETRY_PRIORITY})
"""Destinations whose messages wait for their time."""

REASON_HEADER = "x-reason"
"""Why, for people; at most REASON_CHARACTERS."""
ATTEMPT_HEADER = "x-attempt"
"""The attempt that failed, an integer."""
FAILED_AT_HEADER = "x-failed-at"
"""When, as `2025-01-27T10:11:12.345678Z`."""

REASON_CHARACTERS = 2000
"""AMQP headers must fit in one frame (128 KiB); a longer reason would cost the connection."""


def dead_letter_headers(
    headers: Mapping[str, HeaderValue], *, reason: str, attempt: int, at: float
) -> dict[str, HeaderValue]:
    """The headers of the message with those of its end added; `at` is in seconds since the epoch."""
    failed_at = datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return {
        **headers,
        REASON_HEADER: reason[:REASON_CHARACTERS],
        ATTEMPT_HEADER: attempt,
        FAILED_AT_HEADER: failed_at,
    }


def check_delay(destination: Destination, delay: float) -> None:
    """Only retries can be delayed. Raises ValueError."""
    if delay < 0 or (delay > 0 and destination not in DELAYED):
        raise ValueError(f"a message for {destination} cannot be delayed by {delay:g} s")


def preferred_first(sources: Sequence[Destination], prefetch: int) -> tuple[Destination, ...]:
    """The sources to consume, PRIORITY before the others. Raises ValueError for what cannot be consumed.

    DELAYED ones cannot: their messages come to JOBS or PRIORITY by themselves, and taking them before their time would
    undo the delay.
    """
    if prefetch < 1:
        raise ValueError(f"prefetch is at least 1, not {prefetch}")
    if not sources or not DELAYED.isdisjoint(sources):
        raise ValueError(f"these queues cannot be consumed: {', '.join(sources) or 'none'}")
    return tuple(sorted(dict.fromkeys(sources), key=lambda source: source is not Destination.PRIORITY))
