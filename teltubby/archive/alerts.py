"""When the admins are told of trouble: each time of it once, grouped, its end once, and nothing lost in quiet hours.

Pure: what is observed makes a new book of the old one, the book says what is to be told now, and what was told makes
the next book. A period that is over before anybody could be told of it is told all the same, once, as over.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta, tzinfo

from teltubby.archive.conditions import PATIENCE, Condition
from teltubby.messages.alerts import AlertBook, AlertKind, Key, Period

LONGEST_MUTE = timedelta(days=7)
"""Nobody can ask for more, so what says more was written under another clock."""
NAMED = 20
"""So many events wait to be told of one by one, at most; of more, their number is told."""
RECENT = timedelta(hours=2)
LONGEST_WAIT = timedelta(minutes=30)
"""What happened so recently, again and again, is told ever more seldom, up to this."""
KEPT = timedelta(days=7)
"""Periods of which all was told stay in the book for so long, for those who ask."""
MOST_PERIODS = 500
"""Of settled ones the oldest give way: the book is written as a whole."""


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
class Telling:
    """One message: what began (and may be over by now), what still lasts, what is over."""

    begun: tuple[Period, ...] = ()
    lasting: tuple[Period, ...] = ()
    over: tuple[Period, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.begun or self.lasting or self.over)


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

    def seen(period: Period) -> Period:
        calm = pace * _calm(period, book)
        return _seen(period, found.pop(period.key, None), is_known=is_known, now=now, calm=calm)

    periods = tuple(seen(period) if period.is_open else period for period in book.periods)
    newest = {period.key: period.since for period in sorted(book.periods, key=lambda period: period.since)}
    begun = tuple(
        _begun(condition, now, after=newest.get(condition.key))
        for condition in found.values()
        if now - min(condition.since, now) >= pace * PATIENCE[condition.kind].after
    )
    return _tidied(replace(book, periods=periods + begun), now)


def happened(book: AlertBook, events: Sequence[Condition], *, now: datetime) -> AlertBook:
    """The book with what is over as it begins, in the order in which it happened; a flood of it in one period."""
    waiting = [period for period in book.periods if period.kind is AlertKind.JOB_FAILED and period.told_at is None]
    room = max(0, NAMED - len(waiting))
    begun = tuple(_over_at_once(event, now) for event in events[:room])
    book = replace(book, periods=book.periods + begun)
    return _tidied(_with_more(book, events[room:], now) if events[room:] else book, now)


def is_muted(book: AlertBook, now: datetime) -> bool:
    """Whether nothing is to be told at the moment."""
    return book.muted_until is not None and timedelta(0) < book.muted_until - now <= LONGEST_MUTE


def due(book: AlertBook, rules: AlertRules, *, now: datetime) -> Telling:
    """What is to be told now; nothing as long as news gather, and in quiet hours only what wakes people."""
    if is_muted(book, now):
        return Telling()
    is_quiet = rules.quiet is not None and now in rules.quiet
    audible = [period for period in book.periods if PATIENCE[period.kind].wakes or not is_quiet]
    begun = [period for period in audible if period.told_at is None]
    over = [period for period in audible if period.told_at is not None and not period.is_open and not period.is_settled]
    lasting = [period for period in audible if _is_to_be_repeated(period, rules.repeat, now)]
    events = _wait_of_events(book, rules.group, now)
    news = [(each.noticed_at, events if each.kind is AlertKind.JOB_FAILED else rules.group) for each in begun]
    news += [(each.ended_at or now, rules.group) for each in over]
    if news and not any(at <= now - wait or at > now for at, wait in news):  # a clock may have been set back
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


def _over_at_once(event: Condition, now: datetime, *, after: datetime | None = None) -> Period:
    begun = _begun(event, now, after=after)
    return replace(begun, until=begun.since, ended_at=now)


def _with_more(book: AlertBook, events: Sequence[Condition], now: datetime) -> AlertBook:
    """The book with these counted: the last of them stands for all."""
    last = replace(events[-1], subject="")
    others = tuple(period for period in book.periods if period.key != last.key or period.told_at is not None)
    counted = sum(period.times for period in book.periods) - sum(period.times for period in others)
    newest = max((period.since for period in others if period.key == last.key), default=None)
    more = replace(_over_at_once(last, now, after=newest), times=counted + len(events))
    return replace(book, periods=(*others, more))


def _wait_of_events(book: AlertBook, group: timedelta, now: datetime) -> timedelta:
    """How long events gather: for twice as long after each time that some were told of lately."""
    times = {
        period.told_at
        for period in book.periods
        if period.kind is AlertKind.JOB_FAILED and period.told_at is not None and _is_recent(period.told_at, now)
    }
    return group if not times else max(group, _doubled(max(group, timedelta(minutes=1)), len(times)))


def _calm(period: Period, book: AlertBook) -> timedelta:
    """How long it must be gone to be over: twice as long for each time that it came and went shortly before."""
    before = sum(
        other.key == period.key and other.ended_at is not None and _is_recent(other.ended_at, period.noticed_at)
        for other in book.periods
    )
    calm = PATIENCE[period.kind].calm
    return max(calm, _doubled(calm, before))


def _doubled(wait: timedelta, times: int) -> timedelta:
    """No longer than LONGEST_WAIT."""
    return min(LONGEST_WAIT, wait * (1 << min(times, 16)))


def _is_recent(at: datetime, now: datetime) -> bool:
    return timedelta(0) <= now - at < RECENT


def _seen(
    period: Period, condition: Condition | None, *, is_known: Callable[[Key], bool], now: datetime, calm: timedelta
) -> Period:
    if condition is not None:
        return replace(period, detail=condition.detail, absent_since=None)
    if not is_known(period.key):
        return period
    absent_since = now if period.absent_since is None else min(period.absent_since, now)
    if now - absent_since < calm:
        return replace(period, absent_since=absent_since)
    return replace(period, absent_since=absent_since, until=max(absent_since, period.since), ended_at=now)


def _is_to_be_repeated(period: Period, repeat: timedelta, now: datetime) -> bool:
    if period.told_at is None or not period.is_open or not repeat:
        return False
    return not timedelta(0) <= now - (period.reminded_at or period.told_at) < repeat  # a clock may have been set back


def _tidied(book: AlertBook, now: datetime) -> AlertBook:
    """Without what nobody needs any more."""
    settled = [period for period in book.periods if period.is_settled]
    kept = {
        (period.key, period.since) for period in settled[-MOST_PERIODS:] if now - (period.over_told_at or now) < KEPT
    }
    periods = tuple(p for p in book.periods if not p.is_settled or (p.key, p.since) in kept)
    return replace(book, periods=periods, muted_until=book.muted_until if is_muted(book, now) else None)
