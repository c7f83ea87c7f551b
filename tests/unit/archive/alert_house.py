"""A bot that looks and tells, as the laws of alerts have it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from teltubby.archive.alerts import AlertRules, Telling, due, observed, told
from teltubby.archive.conditions import Condition, Suspicions, suspected
from teltubby.messages.alerts import AlertBook, Key
from tests.virtual_time import BEGINNING

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
RULES = AlertRules(group=MINUTE, repeat=timedelta(0))


def everything(key: Key) -> bool:
    del key
    return True


class House:
    """A bot that looks and tells, and remembers what it said; its time runs by hand."""

    def __init__(self, rules: AlertRules = RULES, now: datetime = BEGINNING) -> None:
        self.rules = rules
        self.now = now
        self.book = AlertBook()
        self.since: dict[Key, datetime] = {}
        self.said: list[tuple[datetime, Telling]] = []
        self.suspicions: Suspicions = {}
        self.is_known: Callable[[Key], bool] = everything

    def trouble(self, key: Key, *, lasts: bool = True) -> None:
        if not lasts:
            self.since.pop(key, None)
        else:
            self.since.setdefault(key, self.now)

    def look(self) -> None:
        conditions = [
            Condition(kind=kind, subject=subject, detail="", since=since)
            for (kind, subject), since in self.since.items()
        ]
        self.suspicions = suspected(self.suspicions, conditions, is_known=self.is_known, now=self.now)
        conditions = [replace(each, since=self.suspicions[each.key].since) for each in conditions]
        self.book = observed(self.book, conditions, is_known=self.is_known, now=self.now)

    def tell(self) -> Telling:
        telling = due(self.book, self.rules, now=self.now)
        if telling:
            self.said.append((self.now, telling))
            self.book = told(self.book, telling, now=self.now)
        return telling

    def passes(self, time: timedelta, *, tells: bool = True) -> None:
        """So much time, with a look every ten seconds."""
        end = self.now + time
        while self.now < end:
            self.now = min(end, self.now + 10 * SECOND)
            self.look()
            if tells:
                self.tell()

    def counts(self, part: str) -> Counter[tuple[Key, datetime]]:
        return Counter((period.key, period.since) for _, telling in self.said for period in getattr(telling, part))
