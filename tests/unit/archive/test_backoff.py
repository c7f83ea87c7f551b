"""The rest between two attempts."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teltubby.archive.backoff import LONGEST_DELAY_SECONDS, retry_delay


@pytest.mark.parametrize(
    ("attempt", "ceiling"), [(-1, 60.0), (1, 60.0), (2, 120.0), (3, 240.0), (9, 15_360.0), (10, 21_600.0)]
)
def test_the_ceiling_doubles_up_to_the_longest_delay(attempt: int, ceiling: float) -> None:
    delays = [retry_delay(attempt, base=60, rng=Random(seed)) for seed in range(200)]
    assert ceiling / 2 <= min(delays) < ceiling * 0.55
    assert ceiling * 0.95 < max(delays) <= ceiling


@given(st.integers(), st.floats(allow_nan=False), st.integers())
def test_every_delay_is_bounded(attempt: int, base: float, seed: int) -> None:
    assert 0 <= retry_delay(attempt, base=base, rng=Random(seed)) <= LONGEST_DELAY_SECONDS


def test_the_same_random_numbers_give_the_same_delay() -> None:
    assert retry_delay(3, base=1, rng=Random(7)) == retry_delay(3, base=1, rng=Random(7))
