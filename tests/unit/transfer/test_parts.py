"""The parts of a file: each is fetched once, by one holder at a time, whatever is lost on the way."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from teltubby.messages.transfer import PART_BYTES
from teltubby.transfer.parts import PartMap


@pytest.mark.parametrize(
    ("size", "count", "last"),
    [(1, 1, 1), (PART_BYTES, 1, PART_BYTES), (PART_BYTES + 1, 2, 1), (4_194_304_000, 4000, PART_BYTES)],
)
def test_a_file_is_cut_into_parts_and_only_the_last_is_shorter(size: int, count: int, last: int) -> None:
    parts = PartMap(size)
    assert parts.count == count
    assert [parts.length(index) for index in range(count)] == [PART_BYTES] * (count - 1) + [last]


def test_a_file_of_no_bytes_is_complete_at_once() -> None:
    parts = PartMap(0)
    assert (parts.count, parts.prefix, parts.present_bytes, parts.is_complete) == (0, 0, 0, True)
    assert parts.take("a", 0.0) is None
    assert parts.next_at(0.0) is None


def test_parts_are_taken_from_the_front() -> None:
    parts = PartMap(4 * PART_BYTES, present=[1])
    assert [parts.take("a", 0.0) for _ in range(4)] == [0, 2, 3, None]
    parts.give_back(0)
    assert parts.take("b", 0.0) == 0


def test_a_part_is_not_taken_before_its_time() -> None:
    parts = PartMap(2 * PART_BYTES)
    assert parts.take("a", 1.0) == 0
    parts.give_back(0, not_before=5.0)
    assert parts.next_at(1.0) == 1.0
    assert parts.take("a", 1.0) == 1
    assert parts.next_at(1.0) == 5.0
    assert parts.take("a", 4.9) is None
    assert parts.take("a", 5.0) == 0


def test_the_prefix_ends_at_the_first_gap() -> None:
    parts = PartMap(2 * PART_BYTES + 7, present={2})
    assert (parts.prefix, parts.present_bytes) == (0, 7)
    assert parts.take("a", 0.0) == 0
    parts.arrived(0)
    assert (parts.prefix, parts.present_bytes) == (PART_BYTES, PART_BYTES + 7)
    assert parts.take("a", 0.0) == 1
    parts.arrived(1)
    assert (parts.prefix, parts.present_bytes, parts.is_complete) == (2 * PART_BYTES + 7, 2 * PART_BYTES + 7, True)


def test_the_parts_of_a_lost_connection_go_to_others() -> None:
    parts = PartMap(4 * PART_BYTES)
    holders = ["lost", "other", "lost", "other"]
    assert [parts.take(holder, 0.0) for holder in holders] == [0, 1, 2, 3]
    assert list(parts.lost("lost")) == [0, 2]
    assert list(parts.lost("lost")) == []
    assert [parts.take("other", 0.0) for _ in range(3)] == [0, 2, None]
    assert parts.in_flight == 4


@pytest.mark.parametrize("present", [[-1], [3], [0, 1, 2, 3]])
def test_parts_that_the_file_does_not_have_are_refused(present: list[int]) -> None:
    with pytest.raises(ValueError, match="has no part"):
        PartMap(3 * PART_BYTES, present=present)


def test_a_negative_size_is_refused() -> None:
    with pytest.raises(ValueError, match="-1 bytes"):
        PartMap(-1)


@pytest.mark.parametrize("index", [-1, 2])
def test_the_length_of_no_part_is_refused(index: int) -> None:
    with pytest.raises(ValueError, match="has no part"):
        PartMap(2 * PART_BYTES).length(index)


class Download(RuleBasedStateMachine):
    """Anything that may befall the parts of one file, and what was told about them."""

    @initialize(size=st.one_of(st.integers(0, 6 * PART_BYTES), st.integers(0, 12).map(lambda n: n * PART_BYTES)))
    def begin(self, size: int) -> None:
        self.parts = PartMap(size)
        self.now = 0.0
        self.holders: dict[int, str] = {}
        self.arrivals: Counter[int] = Counter()
        self.not_before: dict[int, float] = {}

    @rule(holder=st.sampled_from("abc"))
    def take(self, holder: str) -> None:
        open_now = [
            index
            for index in range(self.parts.count)
            if index not in self.holders and index not in self.arrivals and self.not_before.get(index, 0.0) <= self.now
        ]
        assert self.parts.ready(self.now) == len(open_now)
        index = self.parts.take(holder, self.now)
        assert index == min(open_now, default=None)
        if index is not None:
            self.holders[index] = holder

    @rule(seconds=st.floats(0.0, 10.0))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: self.holders)
    @rule(data=st.data())
    def arrive(self, data: st.DataObject) -> None:
        index = data.draw(st.sampled_from(sorted(self.holders)))
        self.parts.arrived(index)
        del self.holders[index]
        self.arrivals[index] += 1

    @precondition(lambda self: self.holders)
    @rule(data=st.data(), seconds=st.floats(-1.0, 10.0))
    def give_back(self, data: st.DataObject, seconds: float) -> None:
        index = data.draw(st.sampled_from(sorted(self.holders)))
        self.parts.give_back(index, not_before=self.now + seconds)
        del self.holders[index]
        self.not_before[index] = self.now + seconds

    @rule(holder=st.sampled_from("abc"))
    def lose(self, holder: str) -> None:
        lost = [index for index in sorted(self.holders) if self.holders[index] == holder]
        assert list(self.parts.lost(holder)) == lost
        for index in lost:
            del self.holders[index]
            self.not_before.pop(index, None)

    @rule()
    def restart(self) -> None:
        self.parts = PartMap(self.parts.size, present=list(self.arrivals))
        self.holders.clear()
        self.not_before.clear()

    @rule(index=st.integers(-1, 13))
    def say_what_cannot_be(self, index: int) -> None:
        if index not in self.holders:
            with pytest.raises(ValueError, match="not in flight"):
                self.parts.arrived(index)
            with pytest.raises(ValueError, match="not in flight"):
                self.parts.give_back(index)

    @invariant()
    def the_sums_are_right(self) -> None:
        gap = next((index for index in range(self.parts.count) if index not in self.arrivals), self.parts.count)
        assert self.parts.prefix == min(gap * PART_BYTES, self.parts.size)
        assert self.parts.present_bytes == sum(self.parts.length(index) for index in self.arrivals)
        assert self.parts.in_flight == len(self.holders)
        assert self.parts.is_complete == (len(self.arrivals) == self.parts.count)

    @invariant()
    def the_next_time_is_right(self) -> None:
        missing = set(range(self.parts.count)) - set(self.holders) - set(self.arrivals)
        times = [max(self.not_before.get(index, 0.0), self.now) for index in missing]
        assert self.parts.next_at(self.now) == min(times, default=None)

    def teardown(self) -> None:
        """However it went until here, the file can be finished, and then every part came once."""
        if not hasattr(self, "parts"):
            return
        for holder in "abc":
            self.parts.lost(holder)
        while (time := self.parts.next_at(self.now)) is not None:
            self.now = time
            index = self.parts.take("last", self.now)
            assert index is not None
            self.parts.arrived(index)
            self.arrivals[index] += 1
        assert self.parts.is_complete
        assert self.arrivals == Counter(range(self.parts.count))


TestDownload = Download.TestCase


@given(st.permutations(range(8)))
def test_the_order_of_arrival_does_not_matter(order: list[int]) -> None:
    parts = PartMap(8 * PART_BYTES - 5)
    while parts.take("a", 0.0) is not None:
        pass
    prefixes = []
    for index in order:
        parts.arrived(index)
        prefixes.append(parts.prefix)
    assert prefixes == sorted(prefixes)
    assert prefixes[-1] == parts.present_bytes == parts.size
