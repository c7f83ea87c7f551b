"""Alerts when much fails, or fails again and again: few messages, and none that is owed is missing."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teltubby.actors.phrases.alerts import SHOWN, alert_text, alerts_text
from teltubby.archive.alerts import NAMED, QuietHours, happened, is_muted
from teltubby.archive.conditions import Condition
from teltubby.messages.alerts import AlertKind
from tests.unit.archive.alert_house import HOUR, MINUTE, RULES, SECOND, House
from tests.virtual_time import BEGINNING

STORE, LEDGER, FAILED = (AlertKind.STORE, ""), (AlertKind.LEDGER, ""), AlertKind.JOB_FAILED
DAY = timedelta(days=1)


def fail(house: House, count: int, *, first: int = 1) -> None:
    """So many jobs fail at once."""
    events = [
        Condition(kind=FAILED, subject=str(number), detail=f"<{number}>.mkv", since=house.now)
        for number in range(first, first + count)
    ]
    house.book = happened(house.book, events, now=house.now)


def named(house: House) -> int:
    """How many failed jobs the admins know of."""
    return sum(period.times for _, telling in house.said for period in telling.begun if period.kind is FAILED)


def test_a_thousand_jobs_that_fail_in_a_minute_are_one_message() -> None:
    house = House()
    for batch in range(10):
        fail(house, 100, first=100 * batch + 1)
        house.passes(5 * SECOND, tells=False)
    assert len(house.book.periods) == NAMED + 1, "the book stays short"
    house.passes(HOUR)
    ((at, telling),) = house.said
    text = alert_text(telling, now=at)
    assert "1000 large files could not be archived" in text and f"· and {1000 - SHOWN} more" in text
    assert "&lt;1&gt;.mkv" in text and len(text) < 4096
    assert "980 large files could not be archived" in alerts_text((), telling.begun[-1:], muted_until=None, now=at)


def test_jobs_that_fail_all_day_are_told_ever_more_seldom() -> None:
    house, failed = House(), 0
    while house.now < BEGINNING + DAY:
        failed += 1
        fail(house, 1, first=failed)
        house.now += 2 * MINUTE
        house.tell()
    first, second = (at - BEGINNING for at, _ in house.said[:2])
    assert first <= 2 * MINUTE and second <= 6 * MINUTE, "the first ones at once"
    assert len(house.said) < 80
    house.now += HOUR
    house.tell()
    assert named(house) == failed, "and each is told, or counted"
    house.now += 3 * HOUR
    fail(house, 1)
    house.passes(2 * MINUTE)
    assert named(house) == failed + 1, "at once again, when it has been calm"


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 40 * 60)), max_size=15), st.sets(st.integers(0, 14)))
def test_every_failure_is_counted_exactly_once(bursts: list[tuple[int, int]], away: set[int]) -> None:
    house, failed = House(), 0
    for index, (count, seconds) in enumerate(bursts):
        fail(house, count, first=failed + 1)
        failed += count
        if seconds:
            house.passes(min(seconds, 60) * SECOND, tells=index not in away)
            house.now += max(0, seconds - 60) * SECOND
    house.now += HOUR
    house.passes(MINUTE)
    assert named(house) == failed
    assert all(period.is_settled for period in house.book.periods)


@pytest.mark.parametrize(("down", "up"), [(15, 10), (90, 45), (180, 180), (600, 600)])
def test_what_comes_and_goes_for_a_day_is_not_told_each_time(down: int, up: int) -> None:
    house, step = House(), 5 * SECOND
    began = house.now
    while house.now < began + DAY:
        is_down = (house.now - began).total_seconds() % (down + up) < down
        house.trouble(STORE, lasts=is_down)
        house.now += step
        if (house.now - began) % (10 * SECOND) == timedelta(0):
            house.look()
        house.tell()
    house.trouble(STORE, lasts=False)
    house.passes(HOUR)
    assert 2 <= len(house.said) <= 14, "seen, over at last, and little in between"
    assert house.said[-1][1].over, "that it is over, too"


def test_a_store_that_fails_every_few_seconds_is_told_like_one_that_is_away() -> None:
    house = House()
    for _ in range(30):
        house.trouble(STORE)
        house.passes(10 * SECOND)
        house.trouble(STORE, lasts=False)
        house.passes(10 * SECOND)
    ((at, telling),) = house.said
    assert at <= BEGINNING + 3 * MINUTE
    assert [period.since for period in telling.begun] == [BEGINNING]


def test_the_gravest_news_do_not_wait_for_failed_jobs() -> None:
    house = House()
    for number in range(1, 200):
        fail(house, 1, first=number)
        house.passes(30 * SECOND)
    house.trouble(LEDGER)
    house.passes(2 * MINUTE + 10 * SECOND)
    assert [period.key for _, telling in house.said for period in telling.begun if period.kind is not FAILED] == [
        LEDGER
    ]


# -- clocks


@pytest.mark.parametrize("jump", [timedelta(days=400), timedelta(days=-400), timedelta(hours=-3)])
def test_a_clock_that_jumps_mutes_nobody_and_loses_nothing(jump: timedelta) -> None:
    house = House()
    house.trouble(STORE)
    house.passes(5 * MINUTE)
    house.now += jump
    house.book = replace(house.book, muted_until=house.now + 2 * HOUR)
    assert is_muted(house.book, house.now)
    house.now -= 30 * DAY
    assert not is_muted(house.book, house.now), "nobody can have asked for so much"
    house.trouble(STORE, lasts=False)
    house.passes(HOUR)
    assert [bool(telling.over) for _, telling in house.said] == [False, True]
    assert all(period.until is None or period.until >= period.since for period in house.book.periods)


def test_a_worker_whose_clock_is_ahead_is_believed_after_a_minute() -> None:
    house = House()
    house.since[STORE] = house.now + 5 * HOUR
    house.passes(3 * MINUTE)
    assert len(house.said) == 1


@pytest.mark.parametrize(
    ("moment", "quiet"),
    [
        ("2026-03-29T00:59:59+00:00", False),  # 01:59:59; then it is 03:00, and there is no 02:30
        ("2026-03-29T01:00:00+00:00", True),
        ("2026-03-29T04:29:00+00:00", True),
        ("2026-03-29T04:30:00+00:00", False),
        ("2026-10-25T00:29:00+00:00", False),
        ("2026-10-25T00:30:00+00:00", True),  # 02:30 in summer
        ("2026-10-25T01:29:00+00:00", False),  # 02:29 once more
        ("2026-10-25T01:30:00+00:00", True),
        ("2026-10-25T05:30:00+00:00", False),
    ],
)
def test_quiet_hours_follow_the_clock_on_the_wall(moment: str, quiet: bool) -> None:
    hours = QuietHours(time(2, 30), time(6, 30), ZoneInfo("Europe/Berlin"))
    assert (datetime.fromisoformat(moment) in hours) is quiet


def test_quiet_for_all_but_a_minute_of_the_day() -> None:
    house = House(replace(RULES, quiet=QuietHours(time(0), time(23, 59), BEGINNING.tzinfo or ZoneInfo("UTC"))))
    house.trouble(STORE)
    house.passes(DAY)
    assert [at.time() >= time(23, 59) for at, _ in house.said] == [True]
