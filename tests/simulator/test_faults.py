"""Faults by themselves: whom they strike, by what chance, and what they say."""

from __future__ import annotations

from collections import Counter

import pytest

from teltubby.simulator.faults import FileHashes
from teltubby.simulator.mtproto.served import Served
from teltubby.simulator.world import World


def test_chance_strikes_its_share_and_can_be_repeated() -> None:
    def struck(seed: int) -> list[int]:
        faults = World().faults
        faults.add("upload.getFile", chance=0.01, seed=seed, times=10**9)
        return [n for n in range(20_000) if faults.take("upload.getFile", 1, {})]

    first = struck(7)
    assert first == struck(7) != struck(8)
    assert 150 <= len(first) <= 250


def test_a_chance_is_used_up_by_hits_only() -> None:
    faults = World().faults
    fault = faults.add("x", chance=0.5, times=3, seed=1)
    hits = [faults.take("x", 1, {}) for _ in range(100)]
    assert hits.count(fault) == fault.used == 3
    assert not faults.programmed


def test_two_chances_do_not_disturb_each_other() -> None:
    faults = World().faults
    cut = faults.add("x", chance=0.01, times=10**9, seed=1, cut=True)
    flood = faults.add("x", chance=0.01, times=10**9, seed=2, message=range(1, 4))
    taken = Counter(faults.take("x", 1, {}) for _ in range(30_000))
    assert 220 <= taken[cut] <= 380 and 220 <= taken[flood] <= 380


def test_messages_are_drawn_for_each_call() -> None:
    faults = World().faults
    fault = faults.add("x", times=10**9, message=range(1, 4), seed=3)
    assert {fault.text() for _ in range(200)} == {"FLOOD_WAIT_1", "FLOOD_WAIT_2", "FLOOD_WAIT_3"}
    drawn = faults.add("x", message=lambda dice: f"FLOOD_PREMIUM_WAIT_{dice.randrange(5, 6)}")
    assert drawn.text() == "FLOOD_PREMIUM_WAIT_5"
    assert faults.add("x", message="PLAIN").text() == "PLAIN"
    assert faults.add("x").text() is None


def test_something_can_happen_when_a_fault_strikes() -> None:
    world = World()
    other = world.add_bot("B", "b_bot")
    world.faults.add("x", skip=1, then=lambda: setattr(other, "deactivated", True))
    world.faults.take("x", 1, {})
    assert not other.deactivated
    world.faults.take("x", 1, {})
    assert other.deactivated


def test_everything_can_be_cleared() -> None:
    faults = World().faults
    faults.latency, faults.bandwidth, faults.shared_bandwidth, faults.hashes = 1.0, 2.0, 3.0, FileHashes.WRONG
    faults.add("x", times=5)
    faults.clear()
    new = World().faults
    for name in ("latency", "bandwidth", "shared_bandwidth", "hashes", "programmed"):
        assert getattr(faults, name) == getattr(new, name)


@pytest.mark.parametrize(
    ("parts", "total", "covered"),
    [
        ([], 0, 0),
        ([(0, 100), (100, 50)], 150, 150),
        ([(0, 100), (0, 100), (0, 100)], 300, 100),
        ([(50, 100), (0, 100)], 200, 150),
        ([(0, 100), (20, 10), (90, 20), (200, 0)], 130, 110),
    ],
)
def test_repeated_bytes_are_counted_by_where_they_are(parts: list[tuple[int, int]], total: int, covered: int) -> None:
    served = Served()
    for part in parts:
        served.add(1, *part)
    served.add(2, 0, 999)
    assert (served.bytes(1), served.covered(1), served.repeated(1)) == (total, covered, total - covered)
    served.clear()
    assert served.bytes(1) == served.bytes(2) == 0
