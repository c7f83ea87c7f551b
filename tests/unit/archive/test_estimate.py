"""How long a large file will take."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teltubby.archive.estimate import behind, estimate
from teltubby.messages.history import QueuePace

SIZES = st.integers(0, 2**33)
RATES = st.floats(1, 1e9)


def pace(bytes_ahead: int = 0, rate: float | None = 100.0) -> QueuePace:
    return QueuePace(jobs_ahead=1 if bytes_ahead else 0, bytes_ahead=bytes_ahead, bytes_per_second=rate)


def test_what_waits_comes_first() -> None:
    assert estimate(pace(), 1000) == 10
    assert estimate(pace(500), 1000) == 15
    assert estimate(behind(pace(), 500), 1000) == 15
    assert behind(pace(), None).bytes_ahead == 0 and behind(pace(), None).jobs_ahead == 1


@pytest.mark.parametrize("rate", [None, 0.0, -1.0])
def test_without_a_rate_there_is_no_telling(rate: float | None) -> None:
    assert estimate(pace(500, rate), 1000) is None


def test_a_file_of_unknown_size_has_no_estimate() -> None:
    assert estimate(pace(), None) is None


@given(ahead=SIZES, size=SIZES, rate=RATES)
def test_it_grows_with_the_queue_and_the_file_and_never_is_negative(ahead: int, size: int, rate: float) -> None:
    here, alone = estimate(pace(ahead, rate), size), estimate(pace(0, rate), size)
    assert here is not None and alone is not None
    assert here >= alone >= 0
