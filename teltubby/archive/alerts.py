"""When the admins are told of trouble: each time of it once, grouped, its end once, and nothing lost in quiet hours.

Pure: what is observed makes a new book of the old one, the book says what is to be told now, and what was told makes
the next book. A period that is over before anybody could be told of it is told all the same, once, as over.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta, tzinfo

from teltubby.messages.alerts import AlertBook, AlertKind, Key, Period

KEPT = timedelta(days=7)
"""Periods of which all was told stay in the book for so long, for those who ask."""
MOST_PERIODS = 500
"""Of settled ones the oldest give way: the book is written as a whole."""


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


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From one time of day to another, in `zone`; over midnight where the first is the later one."""

    begin: time
    end: time
    zone: tzinfo

    def __contains__(self, now: datetime) -> bool:
        at = now.astimezone(self.zone).time()
        if self.begin <= self.end:
            return self.begin <= at < self.end
        return at >= self.begin or at < self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRules:
    """The operator's settings: how long news gather, how often it is said that trouble lasts (0: never), when not.

    `pace` is how much longer trouble has to be there, or gone, than PATIENCE says.
    """

    group: timedelta
    repeat: timedelta
    quiet: QuietHours | None = None
    pace: float = 1.0


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """One message: what began (and may be over by now), what still lasts, what is over."""

    begun: tuple[Period, ...] = ()
    lasting: tuple[Period, ...] = ()
    over: tuple[Period, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.begun or self.lasting or self.over)


def subject_of(part: str, place: str = "") -> str:
    """What a condition is about: a part of this process, or of the worker at that place."""
    return f"{part}@{place}" if place else part


def place_of(subject: str) -> str:
    """The worker's place, empty where it is about this process."""
    return subject.partition("@")[2]


def exceeds(value: float, limit: float, *, was: bool) -> bool:
    """Whether a measure is too high; once it `was`, until it is a fifth below the limit."""
    return value >= (0.8 * limit if was else limit)


def falls_short(value: float, limit: float, *, was: bool) -> bool:
    """Whether a measure is too low; once it `was`, until it is a fifth above the limit."""
    return value < (1.2 * limit if was else limit)


def observed(
    book: AlertBook,
    conditions: Collection[Condition],
    *,
    is_known: Callable[[Key], bool],
    now: datetime,
    pace: float = 1.0,
) -> AlertBook:
    """The book after a look that found these conditions. What is not found is gone only where `is_known` says that the
    look would have found it.
    """
    found = {condition.key: condition for condition in conditions}
    periods = tuple(
        _seen(period, found.pop(period.key, None), is_known=is_known, now=now, pace=pace) if period.is_open else period
        for period in book.periods
    )
    newest = {period.key: period.since for period in sorted(book.periods, key=lambda period: period.since)}
    begun = tuple(
        _begun(condition, now, after=newest.get(condition.key))
        for condition in found.values()
        if now - min(condition.since, now) >= pace * PATIENCE[condition.kind].after
    )
    return _tidied(replace(book, periods=periods + begun), now)


def happened(book: AlertBook, events: Sequence[Condition], *, now: datetime) -> AlertBook:
    """The book with what is over as it begins."""
    begun = tuple(replace(_begun(event, now), until=event.since, ended_at=now) for event in events)
    return _tidied(replace(book, periods=book.periods + begun), now)


def due(book: AlertBook, rules: AlertRules, *, now: datetime) -> Telling:
    """What is to be told now; nothing as long as news gather, and in quiet hours only what wakes people."""
    if book.muted_until is not None and now < book.muted_until:
        return Telling()
    is_quiet = rules.quiet is not None and now in rules.quiet
    audible = [period for period in book.periods if PATIENCE[period.kind].wakes or not is_quiet]
    begun = [period for period in audible if period.told_at is None]
    over = [period for period in audible if period.told_at is not None and not period.is_open and not period.is_settled]
    lasting = [period for period in audible if _is_to_be_repeated(period, rules.repeat, now)]
    news = [period.noticed_at for period in begun] + [period.ended_at or now for period in over]
    if news and not any(at <= now - rules.group or at > now for at in news):  # a clock may have been set back
        begun, over = [], []
    return Telling(begun=tuple(begun), lasting=tuple(lasting), over=tuple(over))


def told(book: AlertBook, telling: Telling, *, now: datetime) -> AlertBook:
    """The book after this was told; what changed since it was due stays changed."""
    begun, lasting, over = (
        {(period.key, period.since) for period in part} for part in (telling.begun, telling.lasting, telling.over)
    )
    told_as_over = {(period.key, period.since) for period in telling.begun if not period.is_open}

    def marked(period: Period) -> Period:
        name = (period.key, period.since)
        if name in begun:
            return replace(period, told_at=now, over_told_at=now if name in told_as_over else None)
        if name in lasting:
            return replace(period, reminded_at=now)
        return replace(period, over_told_at=now) if name in over else period

    return _tidied(replace(book, periods=tuple(marked(period) for period in book.periods)), now)


def _begun(condition: Condition, now: datetime, *, after: datetime | None = None) -> Period:
    """`after`: the last period of this began then, and no two begin at once."""
    since = min(condition.since, now)
    return Period(
        kind=condition.kind,
        subject=condition.subject,
        detail=condition.detail,
        since=since if after is None else max(since, after + timedelta(microseconds=1)),
        noticed_at=now,
    )


def _seen(
    period: Period, condition: Condition | None, *, is_known: Callable[[Key], bool], now: datetime, pace: float
) -> Period:
    if condition is not None:
        return replace(period, detail=condition.detail, absent_since=None)
    if not is_known(period.key):
        return period
    absent_since = now if period.absent_since is None else min(period.absent_since, now)
    if now - absent_since < pace * PATIENCE[period.kind].calm:
        return replace(period, absent_since=absent_since)
    return replace(period, absent_since=absent_since, until=max(absent_since, period.since), ended_at=now)


def _is_to_be_repeated(period: Period, repeat: timedelta, now: datetime) -> bool:
    if period.told_at is None or not period.is_open or not repeat:
        return False
    return now - (period.reminded_at or period.told_at) >= repeat


def _tidied(book: AlertBook, now: datetime) -> AlertBook:
    """Without what nobody needs any more."""
    settled = [period for period in book.periods if period.is_settled]
    kept = {
        (period.key, period.since) for period in settled[-MOST_PERIODS:] if now - (period.over_told_at or now) < KEPT
    }
    periods = tuple(p for p in book.periods if not p.is_settled or (p.key, p.since) in kept)
    muted = book.muted_until if book.muted_until is not None and now < book.muted_until else None
    return replace(book, periods=periods, muted_until=muted)
