"""What comes late is not believed; what a clock said before somebody set it right must not make all else late."""

from __future__ import annotations

from datetime import datetime, timedelta

LATEST = timedelta(minutes=10)
"""A message of a queue that is brought again comes within minutes."""


def is_older(at: datetime, known: datetime, *, now: datetime) -> bool:
    """Whether it is older than what is known. A `known` moment that is still to come was told by a clock that ran
    ahead: nothing is older than that.
    """
    return at < known <= now


def comes_late(at: datetime, known: datetime, *, now: datetime) -> bool:
    """Whether a report that was made then comes after one that was made later, of the same process. What is older by
    more than LATEST was told by a clock that was set back; the next report mends it if it was not.
    """
    return is_older(at, known, now=now) and known - at <= LATEST
