"""Backoff is pure: bounds and jitter for any parameters."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from teltubby.supervision import Backoff

seconds = st.floats(min_value=1e-6, max_value=1e9)


@given(
    first=seconds,
    cap=seconds,
    factor=st.floats(min_value=1, max_value=1e9),
    attempt=st.integers(min_value=1, max_value=10**6),
    seed=st.integers(),
)
def test_the_first_restart_is_immediate_and_the_others_stay_in_their_bounds(
    first: float, cap: float, factor: float, attempt: int, seed: int
) -> None:
    assume(first <= cap)
    delay = Backoff(first=first, cap=cap, factor=factor).delay(attempt, random.Random(seed))
    if attempt == 1:
        assert delay == 0
    else:
        assert 0 <= delay <= cap
    if attempt == 2:
        assert delay <= first


@given(seed=st.integers())
def test_the_jitter_is_full(seed: int) -> None:
    rng = random.Random(seed)
    delays = [Backoff(first=1, cap=1).delay(9, rng) for _ in range(200)]
    assert min(delays) < 0.2
    assert max(delays) > 0.8


@pytest.mark.parametrize(
    "wrong", [{"first": 0}, {"first": -1}, {"first": 61}, {"cap": math.inf}, {"factor": 0.5}, {"cap": math.nan}]
)
def test_parameters_that_make_no_sense_are_errors(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="backoff"):
        Backoff(**wrong)
