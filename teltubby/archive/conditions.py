"""What is not as it should be: what it is about, how long it must last to be trouble, and since when it is there."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from teltubby.messages.alerts import AlertKind, Key


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a kind must be there to count as trouble, and be gone to count as over. `wakes`: in quiet hours too."""

    after: timedelta = timedelta(minutes=1)
    calm: timedelta = timedelta(minutes=1)
    wakes: bool = False


PATIENCE: Mapping[AlertKind, Patience] = {
    AlertKind.JOB_FAILED: Patience(after=timedelta(0), calm=timedelta(0)),
    AlertKind.QUEUE_DEPTH: Patience(after=timedelta(0), calm=timedelta(minutes=5)),
    AlertKind.QUEUE_AGE: Patience(after=timedelta(0), calm=timedelta(minutes=5)),
    AlertKind.STORE: Patience(),
    AlertKind.BROKER: Patience(),
    AlertKind.LEDGER: Patience(wakes=True),
    AlertKind.TELEGRAM: Patience(after=timedelta(minutes=5)),
    AlertKind.DISK: Patience(wakes=True),
    AlertKind.OPERATOR: Patience(after=timedelta(minutes=2)),
    AlertKind.ACTOR_CRASHES: Patience(after=timedelta(0)),
    AlertKind.PROCESS_STARTS: Patience(after=timedelta(0), wakes=True),
    AlertKind.WORKER_SILENT: Patience(after=timedelta(minutes=3)),
}
"""Quiet hours are broken by what loses data, or ends by itself for good: nothing else needs anybody at night."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Something that is not as it should be now, since when as far as it is known, in words."""

    kind: AlertKind
    detail: str
    since: datetime
    subject: str = ""

    @property
    def key(self) -> Key:
        """What it is about."""
        return self.kind, self.subject


def subject_of(part: str, place: str = "") -> str:
    """What a condition is about: a part of this process, or of the worker at that place."""
    return f"{part}@{place}" if place else part


def place_of(subject: str) -> str:
    """The worker's place, empty where it is about this process."""
    return subject.partition("@")[2]


def exceeds(value: float, limit: float, *, was: bool) -> bool:
    """Whether a measure is too high; once it `was`, until it is a fifth below the limit."""
    return value >= (0.8 * limit if was else limit)


def too_often(times: int, limit: int) -> bool:
    """Whether something happened so often that it is trouble; with a limit of 0 it never is."""
    return 0 < limit <= times


def falls_short(value: float, limit: float, *, was: bool) -> bool:
    """Whether a measure is too low; once it `was`, until it is a fifth above the limit."""
    return value < (1.2 * limit if was else limit)


@dataclass(frozen=True, slots=True)
class Suspicion:
    """Something that is seen again and again since then, trouble or not; `absent_since`: it was not seen since then."""

    since: datetime
    absent_since: datetime | None = None


Suspicions = Mapping[Key, Suspicion]


def suspected(
    before: Suspicions,
    conditions: Collection[Condition],
    *,
    is_known: Callable[[Key], bool],
    now: datetime,
    pace: float = 1.0,
) -> Suspicions:
    """Since when each condition is there. What comes back within half the time that makes trouble be over was there all
    the while: else what fails every few seconds would never have lasted for long.
    """
    found = {}
    for key, suspicion in before.items():
        gone = suspicion.absent_since or now
        if not is_known(key):
            found[key] = suspicion
        elif timedelta(0) <= now - gone < pace * PATIENCE[key[0]].calm / 2:
            found[key] = replace(suspicion, absent_since=gone)
    for condition in conditions:
        since = min(condition.since, now)
        known = found.get(condition.key)
        found[condition.key] = Suspicion(since if known is None else min(since, known.since))
    return found
