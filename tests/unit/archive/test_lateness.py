"""What comes late, by clocks that may be set back."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from teltubby.archive.lateness import LATEST, comes_late, is_older
from tests.virtual_time import BEGINNING

NOW = BEGINNING
OFFSETS = st.timedeltas(timedelta(days=-2), timedelta(days=2))
PAST = st.timedeltas(timedelta(0), timedelta(days=2))


@given(PAST, OFFSETS)
def test_of_what_is_past_the_older_is_older(ago: timedelta, at: timedelta) -> None:
    assert is_older(NOW + at, NOW - ago, now=NOW) == (at < -ago)


@given(OFFSETS, OFFSETS)
def test_nothing_is_older_than_what_is_still_to_come(known: timedelta, at: timedelta) -> None:
    if known > timedelta(0):
        assert not is_older(NOW + at, NOW + known, now=NOW)


@given(PAST, OFFSETS)
def test_a_report_is_late_by_minutes_or_its_clock_was_set_back(ago: timedelta, at: timedelta) -> None:
    assert comes_late(NOW + at, NOW - ago, now=NOW) == (-ago - LATEST <= at < -ago)
