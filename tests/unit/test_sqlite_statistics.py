"""What the ledger tells of its past: days without a gap in UTC, and sums that nothing which is pruned makes smaller."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teltubby.messages.history import Day
from teltubby.messages.jobs import JobCommand
from tests.unit.ledger_samples import (
    NOON,
    Clock,
    a_job,
    apply,
    completed,
    failed,
    ledger_with,
    numbered,
    order,
    started,
)
from tests.unit.submissions import content

TODAY = NOON.date()


@dataclass
class SetClock(Clock):
    """Wall time that stands still until it is set."""

    def __call__(self) -> datetime:
        return self.now


def empty(day: date) -> Day:
    return Day(day=day, files=0, stored_bytes=0, jobs_completed=0, jobs_failed=0, median_seconds=None)


@settings(max_examples=25)
@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 10 * 86400)), max_size=10), st.integers(0, 12))
def test_each_content_counts_on_the_day_it_came_first(copies: list[tuple[str, int]], days: int) -> None:
    first: dict[str, datetime] = {}
    clock = SetClock()
    with ledger_with(clock=clock) as ledger:
        for letter, ago in sorted(copies, key=lambda copy: -copy[1]):
            clock.now = NOON - timedelta(seconds=ago)
            first.setdefault(letter, clock.now)
            ledger.files.settle(content(letter, size=ord(letter), name=f"{letter}{ago}"))
        clock.now = NOON
        told = ledger.archived.statistics(days)
    assert [day.day for day in told.days] == [TODAY - timedelta(days=ago) for ago in reversed(range(days))]
    expected = Counter(moment.date() for moment in first.values())
    for day in told.days:
        assert day.files == expected[day.day]
        assert day.stored_bytes == sum(ord(letter) for letter, moment in first.items() if moment.date() == day.day)
    assert (told.files, told.stored_bytes) == (len(first), sum(map(ord, first)))


def test_jobs_count_when_they_end_with_the_median_of_their_seconds() -> None:
    jobs = [a_job(numbered(number), number) for number in range(1, 6)]
    clock = SetClock(NOON - timedelta(seconds=200))
    with ledger_with(*jobs, clock=clock) as ledger:
        clock.now = NOON
        apply(ledger, started(job_id=numbered(1)), completed(job_id=numbered(1)), completed(job_id=numbered(1)))
        apply(ledger, failed(job_id=numbered(2)), failed(job_id=numbered(2)))
        order(ledger, JobCommand.RETRY, numbered(2))
        apply(ledger, failed(attempt=2, job_id=numbered(2)))
        order(ledger, JobCommand.CANCEL, numbered(3))
        apply(ledger, started(job_id=numbered(4)))
        clock.now = NOON + timedelta(days=1)
        told = ledger.archived.statistics(3)
        assert told.days == (
            empty(TODAY - timedelta(days=1)),
            Day(day=TODAY, files=0, stored_bytes=0, jobs_completed=1, jobs_failed=2, median_seconds=200.0),
            empty(TODAY + timedelta(days=1)),
        )
        assert (told.jobs_completed, told.jobs_failed) == (1, 2)
        ledger.history.prune(NOON + timedelta(days=30))
        assert sum(ledger.overview().jobs.values()) == 2, "those that are over are forgotten"
        assert ledger.archived.statistics(3) == told


def test_a_day_begins_at_midnight_utc() -> None:
    clock = SetClock(datetime(2026, 11, 21, 1, 30, tzinfo=timezone(timedelta(hours=3))))
    with ledger_with(clock=clock) as ledger:
        ledger.files.settle(content("a"))
        assert [day.files for day in ledger.archived.statistics(1).days] == [1]
        clock.now = datetime(2026, 11, 21, 0, 0, tzinfo=UTC)
        assert [(day.day.day, day.files) for day in ledger.archived.statistics(2).days] == [(20, 1), (21, 0)]


@pytest.mark.parametrize(
    "written",
    ["2026-11-20 10:11:12", "2026-11-20T10:11:12.123456", "2026-11-20T23:11:12+13:00", 1795169472, "1795169472"],
)
def test_times_of_older_programs_are_understood(written: str | int) -> None:
    with ledger_with() as ledger, ledger.file.write() as connection:
        connection.execute("INSERT INTO files VALUES (?, 'k', 5, NULL, ?)", ("a" * 64, written))
        (day,) = ledger.archived.statistics(1).days
        assert (day.day, day.files, day.stored_bytes) == (TODAY, 1, 5)


def test_what_was_purged_is_no_longer_archived() -> None:
    with ledger_with() as ledger:
        for letter in "abc":
            ledger.files.settle(content(letter))
        assert ledger.files.forget(7) == 3
        assert ledger.files.forget(7) == 0
        assert ledger.files.find("a") is None and ledger.files.find_content("a" * 64) is None
        assert ledger.archived.statistics(1).files == ledger.overview().files == 0
        trail = ledger.file.read("SELECT user_id, command, accepted, detail FROM commands ORDER BY id")
        assert [tuple(row) for row in trail] == [(7, "purge", 1, "3 files"), (7, "purge", 1, "0 files")]
        again = ledger.files.settle(content("a"))
        assert ledger.files.find("a") == again
