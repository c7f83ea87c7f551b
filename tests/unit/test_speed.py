"""The speed of one side of a transfer: a moving average, and an honest guess of what is left."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teltubby.actors.speed import Speed, seconds_left


def test_at_first_nothing_is_known() -> None:
    speed = Speed(1000, 0)
    assert (speed.rate, speed.seconds_left) == (0.0, None)


def test_the_first_interval_counts_whole_and_later_ones_smooth_it() -> None:
    speed = Speed(1000, 100)
    speed.learn(300, 2.0)
    assert (speed.rate, speed.seconds_left) == (100.0, 7.0)
    speed.learn(300, 1.0)
    assert speed.rate == pytest.approx(70.0)


def test_what_was_there_before_is_no_speed() -> None:
    speed = Speed(1000, 900)
    speed.learn(900, 1.0)
    assert (speed.rate, speed.seconds_left) == (0.0, None)


def test_what_is_done_takes_no_time() -> None:
    speed = Speed(1000, 1000)
    assert speed.seconds_left == 0.0
    assert Speed(0, 0).seconds_left == 0.0


def test_a_transfer_takes_as_long_as_its_slower_side() -> None:
    down, up = Speed(1000, 0), Speed(1000, 0)
    down.learn(500, 1.0)
    assert seconds_left(down, up) is None
    up.learn(100, 1.0)
    assert seconds_left(down, up) == 9.0
    down.learn(1000, 1.0)
    assert seconds_left(down, up) == 9.0


def test_bytes_that_have_to_be_moved_again_are_no_negative_speed() -> None:
    speed = Speed(1000, 0)
    speed.learn(500, 1.0)
    speed.learn(100, 1.0)
    assert speed.rate == pytest.approx(350.0)
    speed.learn(200, 1.0)
    assert speed.rate == pytest.approx(275.0)


@given(steps=st.lists(st.tuples(st.integers(0, 1 << 32), st.floats(0.01, 100)), max_size=50))
def test_the_rate_lies_between_the_slowest_and_the_fastest_interval(steps: list[tuple[int, float]]) -> None:
    speed, done, rates = Speed(1 << 40, 0), 0, []
    for moved, seconds in steps:
        done += moved
        speed.learn(done, seconds)
        rates.append(moved / seconds)
    if rates:
        assert min(rates) * (1 - 1e-9) <= speed.rate <= max(rates) * (1 + 1e-9)
