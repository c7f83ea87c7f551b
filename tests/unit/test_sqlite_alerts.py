"""What the ledger keeps of alerts: the book as it was written, failures in their order, starts of processes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from teltubby.adapters.sqlite_alerts import STARTS_KEPT
from teltubby.adapters.sqlite_ledger import SqliteLedger
from teltubby.messages.alerts import AlertBook, AlertKind, Period
from tests.unit.ledger_samples import ID, Clock, a_job, apply, failed, ledger_with

MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))
MAYBE = st.none() | MOMENTS
PERIODS = st.builds(
    Period,
    kind=st.sampled_from(AlertKind),
    subject=st.text(st.characters(codec="utf-8"), max_size=9),
    detail=st.text(st.characters(codec="utf-8"), max_size=9),
    since=MOMENTS,
    noticed_at=MOMENTS,
    absent_since=MAYBE,
    until=MAYBE,
    ended_at=MAYBE,
    told_at=MAYBE,
    reminded_at=MAYBE,
    over_told_at=MAYBE,
    times=st.integers(1, 1 << 40),
)
BOOKS = st.builds(
    AlertBook,
    periods=st.lists(PERIODS, max_size=4, unique_by=lambda period: (period.key, period.since)).map(tuple),
    muted_until=MAYBE,
    failures_through=st.none() | st.integers(0, 1 << 40),
)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(clock: Clock) -> Iterator[SqliteLedger]:
    with ledger_with(a_job(), clock=clock) as ledger:
        yield ledger


@given(st.lists(BOOKS, min_size=1, max_size=3))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_book_is_read_as_it_was_written_last(ledger: SqliteLedger, books: list[AlertBook]) -> None:
    for book in books:
        ledger.alerts.write(book)
    read = ledger.alerts.book()
    assert set(read.periods) == set(books[-1].periods)
    assert (read.muted_until, read.failures_through) == (books[-1].muted_until, books[-1].failures_through)


def test_a_new_ledger_has_an_empty_book(ledger: SqliteLedger) -> None:
    assert ledger.alerts.book() == AlertBook()


def test_failures_are_numbered_and_read_once(ledger: SqliteLedger) -> None:
    assert ledger.alerts.last_failure() == 0
    event = failed()
    apply(ledger, event)
    (failure,) = ledger.alerts.failures(0, 10)
    assert (failure.job_id, failure.reason) == (ID, event.reason)
    assert failure.file_name == a_job().file_info.file_name
    assert ledger.alerts.last_failure() == failure.number
    assert ledger.alerts.failures(failure.number, 10) == ()
    assert ledger.alerts.failures(0, 0) == ()


def test_a_start_counts_once_however_often_it_is_said(ledger: SqliteLedger, clock: Clock) -> None:
    began = clock.now
    for process, incarnation in (("bot", "a"), ("bot", "a"), ("bot", "b"), ("@w", "a")):
        ledger.alerts.note_start(process, incarnation)
    assert ledger.alerts.starts(began) == {"bot": 2, "@w": 1}
    clock.now += timedelta(minutes=1)
    assert ledger.alerts.starts(clock.now) == {}
    clock.now += STARTS_KEPT
    ledger.alerts.note_start("bot", "c")
    assert ledger.alerts.starts(clock.now - 2 * STARTS_KEPT) == {"bot": 1}, "older ones are forgotten"


def test_an_orderly_end_takes_its_start_away_and_no_other(ledger: SqliteLedger, clock: Clock) -> None:
    began = clock.now
    for incarnation in ("a", "b"):
        ledger.alerts.note_start("bot", incarnation)
    ledger.alerts.note_start("@w", "a")
    ledger.alerts.note_end("bot", "a")
    ledger.alerts.note_end("bot", "unheard of")
    assert ledger.alerts.starts(began) == {"bot": 1, "@w": 1}


def test_starts_in_times_to_come_do_not_count(ledger: SqliteLedger, clock: Clock) -> None:
    """The clock was set back."""
    ledger.alerts.note_start("bot", "a")
    clock.now -= timedelta(days=1)
    ledger.alerts.note_start("bot", "b")
    assert ledger.alerts.starts(clock.now - timedelta(minutes=10)) == {"bot": 1}
