"""Leaks are found in planted series, and nothing where there is none, however noisy it is."""

from __future__ import annotations

import math
import random
from bisect import bisect
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.soak.__main__ import PLANTED
from tests.soak.laws import BY_NAME, DATABASE, FEW, HEAP, LAWS, LOG, MEMORY, MIB, judged
from tests.soak.series import sampled
from tests.soak.verdict import FEWEST_POINTS, Law, Series, floors, theil_sen

SAMPLES = 360
MESSAGES = 2400
NOISE = st.integers(0, 2**32).map(random.Random)


HOUR = 3600.0
RESIDENT = {
    "bot": (
        234.3, 235.0, 235.6, 235.7, 269.1, 269.9, 270.7, 270.7, 271.8, 271.8, 272.0, 272.0, 272.0, 272.2, 272.2, 272.3,
        272.4, 272.5, 272.5, 272.6, 272.6, 272.7, 272.8, 272.9, 273.0, 273.0, 273.1, 273.1, 273.2, 273.2, 273.2, 273.4,
        273.5, 273.6, 273.7, 273.8, 273.8, 274.3, 274.4, 274.4,
    ),
    "worker": (
        150.4, 159.0, 159.1, 163.3, 163.3, 167.0, 167.0, 167.0, 167.0, 167.0, 167.0, 167.2, 167.2, 167.2, 167.3, 167.4,
        167.5, 159.3, 159.7, 159.7, 159.7, 161.0, 161.0, 161.0, 161.0, 161.4, 161.4, 161.4, 163.6, 163.6, 163.6, 163.6,
        163.6, 163.6, 163.6, 164.6, 164.6, 164.6, 164.6, 164.6,
    ),
}  # fmt: skip
"""MiB, the least of each fortieth of an hour of both processes."""


def hour(y: Callable[[float], float]) -> Series:
    """y over the seconds of an hour."""
    return series(y, most=HOUR, samples=720)


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
@given(NOISE, st.floats(30, 400), st.integers(10, 80))
def test_a_heap_that_warms_up_is_no_leak(rng: random.Random, within: float, warm: int) -> None:
    """Also slowly, and while work comes and goes."""
    finding = HEAP.judge("heap", hour(lambda at: warm * MIB * (1 - math.exp(-at / within)) + working(rng)))
    assert finding.is_level, str(finding)


@settings(max_examples=20)
@given(NOISE, st.integers(6, 60), st.sampled_from((0, 40)))
def test_a_heap_that_grows_by_time_is_found(rng: random.Random, leaked: int, warm: int) -> None:
    """6 MiB an hour, beneath the work, and after a warm-up."""

    def heap(at: float) -> float:
        return leaked * MIB * at / HOUR + warm * MIB * (1 - math.exp(-at / 300)) + working(rng)

    finding = HEAP.judge("heap", hour(heap))
    assert not finding.is_level, str(finding)
    assert finding.measured == pytest.approx(leaked / 2 * MIB, rel=0.3)


@settings(max_examples=20)
@given(NOISE, st.integers(50_000, 500_000), st.integers(190, 2000))
def test_a_heap_that_keeps_something_of_each_job_is_found(rng: random.Random, leaked: int, jobs: int) -> None:
    """50 kB of each of the jobs of an hour, whenever in it they end."""
    ends = sorted(rng.uniform(0, HOUR) for _ in range(jobs))
    finding = HEAP.judge("heap", hour(lambda at: leaked * bisect(ends, at) + working(rng)))
    assert not finding.is_level, str(finding)


def test_a_heap_that_grows_while_nothing_is_done_is_found() -> None:
    """By time, and not by the jobs that end: here none does after the first minutes."""
    samples = sampled("worker heap")
    still = [replace(one, jobs=min(one.jobs, 7), messages=min(one.messages, 7)) for one in samples]
    assert "worker heap" in [finding.what for finding in judged(still) if not finding.is_level]


@pytest.mark.parametrize(("whose", "looks_like_a_leak"), [("bot", False), ("worker", True)])
def test_what_is_resident_cannot_tell_a_leak_from_an_allocator(whose: str, looks_like_a_leak: bool) -> None:
    """The hour that was first published: level by the law of what is resident; by that of the heap a leak.

    The worker gave back 8 MiB in its 25th minute and took 5 again until the end, though nothing was kept.
    """
    series = [(5.0 * number, RESIDENT[whose][number // 18] * MIB) for number in range(18 * 40)]
    finding = MEMORY.judge("memory", series)
    assert finding.is_level, str(finding)
    assert HEAP.judge("memory", series).is_level is not looks_like_a_leak


@settings(max_examples=20)
@given(NOISE, st.integers(15, 100))
def test_a_leak_of_what_is_resident_is_found(rng: random.Random, leaked: int) -> None:
    """What neither Python nor malloc knows of: 15 MiB in an hour."""
    finding = MEMORY.judge("memory", hour(lambda at: 100 * MIB + leaked * MIB * at / HOUR + working(rng)))
    assert not finding.is_level, str(finding)


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


def test_a_database_that_grows_while_nothing_is_handed_in_is_found() -> None:
    finding = DATABASE.judge("ledger", [(min(number, 100), number * 4096.0) for number in range(SAMPLES)])
    assert not finding.is_level, str(finding)


def test_a_log_is_bounded_after_the_warm_up() -> None:
    assert LOG.judge("log", series(lambda x: 20 * MIB if x < MESSAGES / 7 else 4 * MIB)).is_level
    assert not LOG.judge("log", series(lambda x: 20 * MIB if x > MESSAGES / 2 else 4 * MIB)).is_level


@pytest.mark.parametrize("law", [HEAP, MEMORY, FEW, DATABASE, LOG])
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


def test_what_is_planted_is_judged() -> None:
    """Memory and descriptors, of both processes."""
    assert len(PLANTED) == 4 and BY_NAME.keys() >= PLANTED


def test_a_series_that_was_never_measured_is_not_level() -> None:
    """As when processes count their tasks no more, from the beginning or from some moment on."""
    for until in (0, 360):
        samples = [
            replace(one, values={name: value for name, value in one.values.items() if name != "worker tasks"})
            if number >= until
            else one
            for number, one in enumerate(sampled())
        ]
        assert [finding.what for finding in judged(samples) if not finding.is_level] == ["worker tasks"]
