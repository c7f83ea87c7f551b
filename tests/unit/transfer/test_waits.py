"""Waits that overlap count once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from teltubby.transfer.waits import Waits


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 60)), max_size=12).map(sorted), st.integers(0, 60))
def test_every_second_in_which_something_waits_counts_once(spans: list[tuple[int, int]], later: int) -> None:
    waits = Waits()
    for now, length in spans:
        waits.add(now, now + length)
    end = max((now for now, _ in spans), default=0) + later
    waiting = {second for now, length in spans for second in range(now, now + length) if second < end}
    assert waits.seconds(end) == len(waiting)
