"""Alerts: laws over every history of trouble, whatever is told when, and however often the bot starts anew."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teltubby.archive.alerts import (
    KEPT,
    QuietHours,
    due,
    happened,
    observed,
    told,
)
from teltubby.archive.conditions import PATIENCE, Condition, exceeds, falls_short, place_of, subject_of, too_often
from teltubby.messages.alerts import AlertBook, AlertKind, Key, Period
from tests.unit.archive.alert_house import HOUR, MINUTE, RULES, SECOND, House, everything
from tests.virtual_time import BEGINNING

NIGHT = QuietHours(time(22), time(7), UTC)
STORE, DISK, FAILED = AlertKind.STORE, AlertKind.DISK, AlertKind.JOB_FAILED
KEYS: tuple[Key, ...] = ((STORE, ""), (AlertKind.BROKER, ""), (DISK, "spool_disk"), (AlertKind.WORKER_SILENT, "@w"))


# -- laws

STEPS = st.lists(
    st.tuples(
        st.sampled_from(KEYS),
        st.booleans(),
        st.integers(1, 6 * 60).map(lambda minutes: minutes * MINUTE),
        st.booleans(),
    ),
    max_size=12,
)
QUIET = st.sampled_from([None, NIGHT, QuietHours(time(12), time(13), UTC)])


@given(STEPS, QUIET)
def test_each_time_of_trouble_is_told_once_and_its_end_once_and_nothing_is_lost(
    steps: list[tuple[Key, bool, timedelta, bool]], quiet: QuietHours | None
) -> None:
    house = House(replace(RULES, quiet=quiet))
    lasted: Counter[Key] = Counter()
    for key, lasts, time_, tells in steps:
        began = house.since.get(key)
        if not lasts and began is not None and house.now - began >= PATIENCE[key[0]].after:
            lasted[key] += 1
        house.trouble(key, lasts=lasts)
        house.look()
        # `tells` is false while Telegram is away.
        house.passes(min(time_, 20 * MINUTE), tells=tells)
        house.now += max(timedelta(0), time_ - 20 * MINUTE)
        house.look()
    for key in KEYS:
        began = house.since.get(key)
        lasted[key] += began is not None and house.now - began >= PATIENCE[key[0]].after
        house.trouble(key, lasts=False)
    house.passes(5 * MINUTE)
    house.now += timedelta(hours=12)
    house.passes(3 * MINUTE)
    house.now += timedelta(hours=12)  # one of the three is by day
    house.passes(3 * MINUTE)

    begun, over = house.counts("begun"), house.counts("over")
    assert set(begun.values()) <= {1} and set(over.values()) <= {1}, "nothing is told twice"
    open_when_told = {
        (period.key, period.since) for _, telling in house.said for period in telling.begun if period.is_open
    }
    assert set(over) == open_when_told, "every alert has its end, and what was over when it was told has not"
    assert all(period.is_settled for period in house.book.periods), "nothing is left"
    for key, times in lasted.items():
        found = [since for told_key, since in begun if told_key == key]
        assert bool(found) == bool(times), "what lasted is told, and nothing else"
    if quiet is not None:
        held_back = [
            period
            for at, telling in house.said
            for period in (*telling.begun, *telling.over)
            if at in quiet and not PATIENCE[period.kind].wakes
        ]
        assert held_back == []


@given(STEPS, st.integers(1, 5))
def test_trouble_that_lasts_is_repeated_no_sooner_than_asked(
    steps: list[tuple[Key, bool, timedelta, bool]], hours: int
) -> None:
    house = House(replace(RULES, repeat=hours * HOUR))
    for key, lasts, time_, tells in steps:
        house.trouble(key, lasts=lasts)
        house.passes(min(time_, 20 * MINUTE), tells=tells)
        house.now += max(timedelta(0), time_ - 20 * MINUTE)
    last: dict[tuple[Key, datetime], datetime] = {}
    for at, telling in house.said:
        for period in telling.lasting:
            assert at - last[period.key, period.since] >= hours * HOUR
        for period in (*telling.begun, *telling.lasting):
            last[period.key, period.since] = at


# -- examples


def test_store_away_and_back() -> None:
    house = House()
    house.trouble((STORE, ""))
    house.passes(50 * SECOND)
    assert house.book.periods == (), "not yet"
    house.passes(HOUR)
    ((at, telling),) = house.said
    assert at == BEGINNING + 2 * MINUTE, "a minute to be sure, and a minute for what else there may be"
    (period,) = telling.begun
    assert (period.since, period.is_open) == (BEGINNING, True)
    house.trouble((STORE, ""), lasts=False)
    ended = house.now
    house.passes(HOUR)
    (_, (_, telling)) = house.said
    (period,) = telling.over
    assert ended <= (period.until or ended) <= ended + 10 * SECOND


def test_the_operator_sets_the_pace() -> None:
    condition = Condition(kind=STORE, detail="", since=BEGINNING)
    for pace, seconds in ((0.1, 6), (1.0, 60), (2.0, 120)):
        found = [
            bool(observed(AlertBook(), [condition], is_known=everything, now=now, pace=pace).periods)
            for now in (BEGINNING + (seconds - 1) * SECOND, BEGINNING + seconds * SECOND)
        ]
        assert found == [False, True]


def test_a_hiccup_is_nothing_and_a_flap_is_one_time() -> None:
    house = House()
    for _ in range(20):
        house.trouble((STORE, ""))
        house.passes(30 * SECOND)
        house.trouble((STORE, ""), lasts=False)
        house.passes(30 * SECOND)
    assert house.said == []
    house.trouble((STORE, ""))
    house.passes(5 * MINUTE)
    for _ in range(20):
        house.trouble((STORE, ""), lasts=False)
        house.passes(30 * SECOND)
        house.trouble((STORE, ""))
        house.passes(70 * SECOND)
    assert len(house.said) == 1


def test_what_comes_together_is_told_together() -> None:
    house = House()
    for key in KEYS[:3]:
        house.trouble(key)
        house.passes(15 * SECOND)
    house.passes(HOUR)
    ((_, telling),) = house.said
    assert [period.key for period in telling.begun] == list(KEYS[:3])


def test_what_was_over_before_telegram_was_back_is_told_once() -> None:
    house = House()
    house.trouble((STORE, ""))
    house.passes(HOUR, tells=False)
    house.trouble((STORE, ""), lasts=False)
    house.passes(HOUR, tells=False)
    house.passes(HOUR)
    ((_, telling),) = house.said
    assert [period.is_open for period in telling.begun] == [False] and telling.over == ()


def test_quiet_hours_hold_back_and_tell_afterwards() -> None:
    house = House(replace(RULES, quiet=NIGHT), now=datetime(2026, 11, 20, 22, 30, tzinfo=UTC))
    house.trouble((STORE, ""))
    house.passes(HOUR)
    house.trouble((STORE, ""), lasts=False)
    house.trouble((DISK, "data_disk"))
    house.passes(HOUR)
    ((_, telling),) = house.said
    assert [period.kind for period in telling.begun] == [DISK], "a full disk wakes people"
    house.now = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)
    house.look()
    digest = house.tell()
    assert [(period.kind, period.is_open) for period in digest.begun] == [(STORE, False)]


def test_muted_is_told_afterwards() -> None:
    house = House()
    house.book = replace(house.book, muted_until=BEGINNING + HOUR)
    house.trouble((DISK, "data_disk"))
    house.passes(HOUR - SECOND)
    assert house.said == []
    house.passes(2 * SECOND)
    assert len(house.said) == 1 and house.book.muted_until is None


def test_what_nobody_looked_at_is_not_over() -> None:
    house = House()
    house.trouble((STORE, ""))
    house.passes(5 * MINUTE)
    house.trouble((STORE, ""), lasts=False)
    house.is_known = lambda key: False
    house.passes(HOUR)
    assert len(house.said) == 1
    house.is_known = everything
    house.passes(HOUR)
    assert len(house.said) == 2


def test_events_are_told_in_groups_and_have_no_end() -> None:
    house = House()
    for number in range(3):
        event = Condition(kind=FAILED, subject=str(number), detail="", since=house.now)
        house.book = happened(house.book, [event], now=house.now)
        house.passes(10 * SECOND)
    house.passes(HOUR)
    ((_, telling),) = house.said
    assert [period.subject for period in telling.begun] == ["0", "1", "2"]
    house.now += KEPT
    house.look()
    assert house.book.periods == (), "forgotten in the end"


def test_a_clock_that_was_set_back_holds_nothing_up() -> None:
    house = House()
    house.trouble((STORE, ""))
    house.passes(70 * SECOND, tells=False)
    house.now -= timedelta(days=2)
    house.look()
    assert house.tell()


def test_what_was_told_by_a_clock_that_ran_ahead_is_repeated() -> None:
    house = House(replace(RULES, repeat=HOUR))
    house.trouble((STORE, ""))
    house.passes(10 * MINUTE)
    house.now -= timedelta(days=2)
    house.passes(3 * HOUR)
    assert sum(bool(telling.lasting) for _, telling in house.said) in (3, 4)


@pytest.mark.parametrize(
    ("at", "quiet"), [("21:59", False), ("22:00", True), ("00:00", True), ("06:59", True), ("07:00", False)]
)
def test_quiet_hours_go_over_midnight(at: str, quiet: bool) -> None:
    moment = datetime.combine(BEGINNING.date(), time.fromisoformat(at), UTC)
    assert (moment in NIGHT) is quiet


def test_measures_have_to_get_well_to_be_well() -> None:
    assert [exceeds(value, 10, was=False) for value in (9, 10)] == [False, True]
    assert [exceeds(value, 10, was=True) for value in (7, 8)] == [False, True]
    assert [falls_short(value, 10, was=False) for value in (9, 10)] == [True, False]
    assert [falls_short(value, 10, was=True) for value in (11, 12)] == [True, False]


def test_too_often_is_as_often_as_the_limit_and_never_without_one() -> None:
    assert [too_often(times, 3) for times in (0, 2, 3, 4)] == [False, False, True, True]
    assert not any(too_often(times, 0) for times in (0, 1, 100))


@given(st.sampled_from(["", "spool_disk"]), st.sampled_from(["", "host:/data/a@b.session"]))
def test_subjects_name_a_place(part: str, place: str) -> None:
    assert place_of(subject_of(part, place)) == place


def test_every_kind_has_its_patience() -> None:
    assert set(PATIENCE) == set(AlertKind)


def test_a_period_that_is_told_is_the_one_that_changed_meanwhile() -> None:
    """While the message was on its way, it ended."""
    house = House()
    house.trouble((STORE, ""))
    house.passes(5 * MINUTE, tells=False)
    telling = due(house.book, RULES, now=house.now)
    house.trouble((STORE, ""), lasts=False)
    house.passes(5 * MINUTE, tells=False)
    house.book = told(house.book, telling, now=house.now)
    period: Period
    (period,) = house.book.periods
    assert not period.is_open and not period.is_settled
    house.passes(5 * MINUTE)
    assert [bool(each.over) for _, each in house.said] == [True]
