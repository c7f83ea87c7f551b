"""The quota rule, at its edges."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teltubby.archive.quota import QuotaLevel, QuotaStanding, quota_news, quota_standing
from teltubby.messages.history import QuotaAlert, QuotaAlertKind


@pytest.mark.parametrize(
    ("used", "quota", "level", "ratio"),
    [
        (0, 0, QuotaLevel.OK, 0.0),
        (10**15, 0, QuotaLevel.OK, 0.0),
        (0, 100, QuotaLevel.OK, 0.0),
        (79, 100, QuotaLevel.OK, 0.79),
        (80, 100, QuotaLevel.ALERT, 0.8),
        (99, 100, QuotaLevel.ALERT, 0.99),
        (100, 100, QuotaLevel.FULL, 1.0),
        (150, 100, QuotaLevel.FULL, 1.5),
    ],
)
def test_levels(used: int, quota: int, level: QuotaLevel, ratio: float) -> None:
    standing = quota_standing(used, quota, threshold_pct=80)
    assert (standing.level, standing.ratio) == (level, ratio)


@given(st.integers(0, 2**60), st.integers(0, 2**60), st.integers(1, 2**60), st.integers(0, 100))
def test_more_bytes_never_mean_more_room(used: int, more: int, quota: int, threshold: int) -> None:
    order = list(QuotaLevel)
    before, after = (quota_standing(size, quota, threshold_pct=threshold) for size in (used, used + more))
    assert order.index(before.level) <= order.index(after.level)
    assert before.ratio <= after.ratio


# -- alerts

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
DAY = timedelta(hours=24)


def standing(level: QuotaLevel) -> QuotaStanding:
    return QuotaStanding(level=level, ratio=0.5)


def told(levels: list[tuple[QuotaLevel, float]], cooldown: timedelta = DAY) -> list[QuotaAlertKind | None]:
    """What is told when the archive stands so, each time some hours later."""
    last, now = QuotaAlert(), NOW
    news: list[QuotaAlertKind | None] = []
    for level, hours in levels:
        now += timedelta(hours=hours)
        found = quota_news(standing(level), last, now=now, cooldown=cooldown)
        news.append(found.tell)
        last = found.alert
    return news


OK, ALERT, FULL = QuotaLevel.OK, QuotaLevel.ALERT, QuotaLevel.FULL
NEARLY, IS_FULL, ROOM = QuotaAlertKind.NEARLY_FULL, QuotaAlertKind.FULL, QuotaAlertKind.NONE


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        ([(ALERT, 0), (ALERT, 1), (ALERT, 22), (ALERT, 2)], [NEARLY, None, None, NEARLY]),
        ([(ALERT, 0), (OK, 1), (ALERT, 1), (ALERT, 23)], [NEARLY, None, None, NEARLY]),
        ([(ALERT, 0), (FULL, 1), (FULL, 1), (FULL, 24)], [NEARLY, IS_FULL, None, IS_FULL]),
        ([(FULL, 0), (OK, 1), (FULL, 1), (OK, 1)], [IS_FULL, ROOM, IS_FULL, ROOM]),
        ([(FULL, 0), (ALERT, 1), (ALERT, 1), (OK, 1)], [IS_FULL, NEARLY, None, None]),
        ([(OK, 0), (OK, 100)], [None, None]),
    ],
)
def test_what_the_admins_are_told(
    levels: list[tuple[QuotaLevel, float]], expected: list[QuotaAlertKind | None]
) -> None:
    assert told(levels) == expected


def test_without_a_cool_down_each_crossing_is_told_and_nothing_else() -> None:
    levels = [(ALERT, 0.0), (ALERT, 100.0), (OK, 1.0), (ALERT, 1.0), (FULL, 1.0), (FULL, 50.0)]
    assert told(levels, timedelta(0)) == [NEARLY, None, None, NEARLY, IS_FULL, None]


def test_a_clock_that_was_set_back_silences_nobody() -> None:
    last = QuotaAlert(kind=QuotaAlertKind.NEARLY_FULL, at=NOW + timedelta(days=400))
    assert quota_news(standing(ALERT), last, now=NOW, cooldown=DAY).tell is NEARLY


@given(st.lists(st.tuples(st.sampled_from(QuotaLevel), st.floats(0, 30)), max_size=20))
def test_full_and_room_again_are_told_in_turn(levels: list[tuple[QuotaLevel, float]]) -> None:
    full = False
    for (level, _), news in zip(levels, told(levels), strict=True):
        if level is FULL and not full:
            assert news is IS_FULL
        if level is not FULL and full:
            assert news is not None
        full = level is FULL
