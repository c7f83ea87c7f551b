"""An hour that never was, for the tests of what is said of one."""

from __future__ import annotations

from tests.soak.gauges import Sample
from tests.soak.laws import LAWS

SAMPLES = 720


def sampled(worse: str | None = None) -> list[Sample]:
    """All series of an hour, level, but for one that grows."""

    def value(name: str, number: int) -> float:
        growth = number * number if name == worse else 0
        return 1e6 + growth * 1e3 + (number * 3e3 if "bytes" in name else 0)

    return [
        Sample(
            at=5.0 * number,
            messages=4 * number,
            jobs=number,
            changes=2 * number,
            values={each.series: value(each.series, number) for each in LAWS},
        )
        for number in range(SAMPLES)
    ]
