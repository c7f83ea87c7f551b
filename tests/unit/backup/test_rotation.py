"""Which backups stay: laws of the rule, and one example that people can check."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teltubby.backup.rotation import KeepRule, kept, of_the_past

MOMENTS = st.sets(
    st.datetimes(datetime(2026, 1, 1), datetime(2026, 4, 1)).map(lambda moment: moment.replace(tzinfo=UTC)), max_size=60
)
RULES = st.builds(KeepRule, newest=st.integers(1, 5), daily=st.integers(0, 8), weekly=st.integers(0, 5))


@given(MOMENTS, RULES)
def test_the_newest_stay_and_nothing_is_invented(moments: set[datetime], rule: KeepRule) -> None:
    stay = kept(moments, rule)
    assert stay <= moments
    assert set(sorted(moments)[-rule.newest :]) <= stay
    assert len(stay) <= rule.newest + rule.daily + rule.weekly


@given(MOMENTS, RULES)
def test_of_each_of_the_last_days_and_weeks_the_last_one_stays(moments: set[datetime], rule: KeepRule) -> None:
    stay = kept(moments, rule)
    for day in sorted({moment.date() for moment in moments})[::-1][: rule.daily]:
        assert max(moment for moment in moments if moment.date() == day) in stay
    for week in sorted({moment.isocalendar()[:2] for moment in moments})[::-1][: rule.weekly]:
        assert max(moment for moment in moments if moment.isocalendar()[:2] == week) in stay


@given(MOMENTS, RULES)
def test_rotating_again_removes_nothing_more(moments: set[datetime], rule: KeepRule) -> None:
    stay = kept(moments, rule)
    assert kept(stay, rule) == stay


@given(MOMENTS, RULES)
def test_rotating_after_each_backup_keeps_what_rotating_at_the_end_keeps(
    moments: set[datetime], rule: KeepRule
) -> None:
    together: set[datetime] = set()
    for moment in sorted(moments):
        together = kept({*together, moment}, rule)
    assert together == kept(moments, rule)


def test_what_a_clock_that_went_wrong_made_is_not_newer_than_now() -> None:
    now = datetime(2026, 11, 22, 12, tzinfo=UTC)
    moments = {now.replace(year=2099), now + timedelta(minutes=1), now, now.replace(year=1970)}
    assert of_the_past(moments, now) == moments - {now.replace(year=2099)}


def test_hourly_backups_of_a_month() -> None:
    """24 newest, 7 days, 4 weeks: what an operator reckons with."""
    end = datetime(2026, 11, 22, 12, tzinfo=UTC)  # a Sunday
    stay = kept([end - timedelta(hours=hours) for hours in range(24 * 30)], KeepRule(newest=3, daily=3, weekly=2))
    assert sorted(stay) == [
        datetime(2026, 11, 15, 23, tzinfo=UTC),
        datetime(2026, 11, 20, 23, tzinfo=UTC),
        datetime(2026, 11, 21, 23, tzinfo=UTC),
        *(end - timedelta(hours=hours) for hours in (2, 1, 0)),
    ]


def test_a_rule_that_keeps_nothing_is_none() -> None:
    with pytest.raises(ValueError, match="always kept"):
        KeepRule(newest=0, daily=1, weekly=1)
