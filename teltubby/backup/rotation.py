"""Which backups are kept. Pure; only complete ones are judged, so that a broken one never pushes out a good one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta

CLOCKS_DIFFER = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepRule:
    """The newest so many, the last one of each of so many days that have one, and so for ISO weeks; in UTC."""

    newest: int
    daily: int
    weekly: int

    def __post_init__(self) -> None:
        if self.newest < 1:
            raise ValueError("the newest backup is always kept")


def kept(moments: Collection[datetime], rule: KeepRule) -> set[datetime]:
    """Those of these backups that stay."""
    newest_first = sorted(moments, reverse=True)
    return {
        *newest_first[: rule.newest],
        *_last_of_each(newest_first, rule.daily, lambda moment: moment.date()),
        *_last_of_each(newest_first, rule.weekly, lambda moment: moment.isocalendar()[:2]),
    }


def of_the_past(moments: Collection[datetime], now: datetime) -> set[datetime]:
    """Those that a clock which goes right can have told.

    A clock that once went wrong leaves others: they are no newer than those of now, and never push them out.
    """
    return {moment for moment in moments if moment <= now + CLOCKS_DIFFER}


def _last_of_each(newest_first: list[datetime], number: int, span: Callable[[datetime], Hashable]) -> list[datetime]:
    last: dict[Hashable, datetime] = {}
    for moment in newest_first:
        last.setdefault(span(moment), moment)
    return list(last.values())[:number]
