"""What moments can be believed: our clock may run ahead and be set back, or be behind, as one that begins in 1970.

What was read while it ran ahead is dated later than now. It is not newer than what is read now, only wrongly dated.
Telegram dates posts: a clock that shows less than the newest of them is behind, and all that it dates is later by so
much. Else what was read while it was right would be taken for what was read while it ran ahead.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from teltubby.adapters.sqlite_file import to_text
from teltubby.collector.pages import Page
from teltubby.messages.collected import PostMetrics

BELIEVED = timedelta(minutes=1)
"""So far in the future a moment may lie: clocks are corrected by seconds now and then."""

A_WHILE = timedelta(minutes=5)
"""So far a clock that nobody set may have come since it was looked at last."""

FOR_EVER = "~"
"""Later than the text of any moment: where nobody says what time it is."""


class Moments:
    """Dates by `clock`; without one all moments are believed. `newest` is when Telegram dated the newest post."""

    def __init__(self, clock: Callable[[], datetime] | None, newest: datetime | None = None) -> None:
        self._clock = clock
        self._least = newest
        """It is at least as late as this."""
        self._now: datetime | None = None

    def posted(self, at: datetime) -> None:
        """Telegram has a post of this date."""
        self._least = at if self._least is None else max(self._least, at)

    def until(self) -> str:
        """The last moment that can be believed now, as a text of the database."""
        return FOR_EVER if self._clock is None else to_text(self._clock() + self.behind() + BELIEVED)

    def behind(self) -> timedelta:
        """How far our clock is behind, as far as that is known."""
        if self._clock is None or self._least is None:
            return timedelta()
        before, self._now = self._now, self._clock()
        if before is not None and self._least - before > BELIEVED and before < self._now <= before + A_WHILE:
            self._least += self._now - before
        behind = self._least - self._now
        return behind if behind > BELIEVED else timedelta()

    def dated(self, moment: datetime) -> datetime:
        """A moment of our clock as it is to be kept; one that was dated so already stays as it is."""
        behind = self.behind()
        if not behind or self._clock is None or moment > self._clock() + BELIEVED:
            return moment
        return moment + behind

    def known(self, moment: datetime, *, quiet: timedelta) -> datetime:
        """`moment`, but at most so much after the newest post: further on our clock may run ahead."""
        return moment if self._least is None else min(moment, self._least + quiet)

    def dated_page(self, page: Page) -> Page:
        """A page with its readings, and when its channel was complete."""
        if not self.behind():
            return page
        cursor = page.cursor
        if cursor is not None and cursor.complete_at is not None:
            cursor = replace(cursor, complete_at=self.dated(cursor.complete_at))
        return replace(
            page,
            seen_at=self.dated(page.seen_at),
            messages=tuple(
                message if message.metrics is None else replace(message, metrics=self._read(message.metrics))
                for message in page.messages
            ),
            metrics=tuple(map(self._read, page.metrics)),
            cursor=cursor,
        )

    def _read(self, reading: PostMetrics) -> PostMetrics:
        return replace(reading, ts=self.dated(reading.ts))
