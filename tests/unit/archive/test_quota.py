"""The quota rule, at its edges."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teltubby.archive.quota import QuotaLevel, quota_standing


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
