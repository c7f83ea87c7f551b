"""Leaks are found in planted series, and nothing where there is none, however noisy it is."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.soak.gauges import Sample
from tests.soak.laws import DATABASE, FEW, LAWS, LOG, MEMORY, MIB, judged
from tests.soak.series import sampled
from tests.soak.verdict import FEWEST_POINTS, Law, Series, floors, theil_sen

SAMPLES = 360
MESSAGES = 2400
NOISE = st.integers(0, 2**32).map(random.Random)


def series(y: Callable[[float], float], *, most: float = MESSAGES, samples: int = SAMPLES) -> Series:
    """y over x from 0 to `most`."""
    xs = [most * number / (samples - 1) for number in range(samples)]
    return [(x, y(x)) for x in xs]


def working(rng: random.Random) -> float:
    """What work needs beside what stays: most of the time nothing, now and then much."""
    return rng.choice((0.0, 0.0, 1.0, 20.0, 60.0)) * MIB * rng.random()


@settings(max_examples=20)
@given(st.integers(-100, 100), st.integers(-1000, 1000), NOISE)
def test_a_quarter_of_wild_points_moves_no_slope(slope: int, start: int, rng: random.Random) -> None:
    """More than half of all pairs are of points that are not wild."""
    points = [(float(x), float(start + slope * x)) for x in range(40)]
    for wild in rng.sample(range(40), 10):
        points[wild] = (points[wild][0], rng.uniform(-1e9, 1e9))
    assert theil_sen(points) == slope


@settings(max_examples=20)
@given(NOISE, st.integers(200, 5000))
def test_memory_that_is_given_back_is_no_leak(rng: random.Random, messages: int) -> None:
    """It warms up, work comes and goes, and the allocator keeps some."""

    def resident(x: float) -> float:
        warm = 40 * MIB * (1 - math.exp(-12 * x / messages))
        return 100 * MIB + warm + rng.uniform(0, MIB) + working(rng)

    finding = MEMORY.judge("memory", series(resident, most=messages))
    assert finding.is_level, str(finding)


@settings(max_examples=20)
@given(NOISE, st.integers(50_000, 500_000), st.integers(400, 5000))
def test_a_leak_of_memory_is_found_beneath_the_work(rng: random.Random, leaked: int, messages: int) -> None:
    finding = MEMORY.judge("memory", series(lambda x: 100 * MIB + leaked * x + working(rng), most=messages))
    assert not finding.is_level, str(finding)
    assert finding.measured == pytest.approx(leaked * messages * 2 / 3, rel=0.2)


@settings(max_examples=20)
@given(NOISE)
def test_what_comes_and_goes_is_level(rng: random.Random) -> None:
    finding = FEW.judge("descriptors", series(lambda _: 20 + rng.choice((0, 0, 1, 3, 30)), most=3600))
    assert finding.is_level, str(finding)


@settings(max_examples=20)
@given(NOISE, st.integers(1, 100))
def test_a_descriptor_now_and_then_is_found(rng: random.Random, each: int) -> None:
    """One of every hundred messages is enough."""
    finding = FEW.judge("descriptors", series(lambda x: 20 + x // each + rng.choice((0, 0, 1, 3))))
    assert not finding.is_level, str(finding)


@settings(max_examples=20)
@given(NOISE, st.floats(100, 20_000))
def test_a_database_may_grow_with_what_it_keeps(rng: random.Random, each: float) -> None:
    finding = DATABASE.judge("ledger", series(lambda x: 4096 * ((each * x + rng.uniform(0, 8192)) // 4096)))
    assert finding.is_level, str(finding)


def test_a_database_that_grows_with_what_it_kept_already_is_found() -> None:
    finding = DATABASE.judge("ledger", series(lambda x: x * x))
    assert not finding.is_level, str(finding)


def test_a_log_is_bounded_after_the_warm_up() -> None:
    assert LOG.judge("log", series(lambda x: 20 * MIB if x < MESSAGES / 7 else 4 * MIB)).is_level
    assert not LOG.judge("log", series(lambda x: 20 * MIB if x > MESSAGES / 2 else 4 * MIB)).is_level


@pytest.mark.parametrize("law", [MEMORY, FEW, DATABASE, LOG])
def test_what_was_hardly_measured_is_not_level(law: Law) -> None:
    for samples in (0, 1, FEWEST_POINTS - 1):
        assert not law.judge("anything", [(float(x), 1.0) for x in range(samples)]).is_level
    assert law.judge("anything", [(float(x), 1.0) for x in range(FEWEST_POINTS)]).is_level


@settings(max_examples=50)
@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)), min_size=1, max_size=200), st.integers(1, 50))
def test_floors_are_of_the_series(points: Sequence[tuple[float, float]], bins: int) -> None:
    found = floors(points, bins)
    assert 1 <= len(found) <= bins
    assert min(y for _, y in found) == min(y for _, y in points)
    assert {y for _, y in found} <= {y for _, y in points}


def test_every_series_is_judged() -> None:
    assert [finding.what for finding in judged(sampled()) if not finding.is_level] == []
    for each in LAWS:
        assert [finding.what for finding in judged(sampled(each.series)) if not finding.is_level] == [each.series]


def test_a_series_that_was_never_measured_is_not_level() -> None:
    """As when processes count their tasks no more."""
    samples = [
        Sample(at=one.at, messages=one.messages, jobs=one.jobs, changes=one.changes,
               values={name: value for name, value in one.values.items() if name != "worker tasks"})
        for one in sampled()
    ]  # fmt: skip
    assert [finding.what for finding in judged(samples) if not finding.is_level] == ["worker tasks"]
