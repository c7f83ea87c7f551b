"""Whose turn it is: fair, small files not behind large ones, and no more of them at once than allowed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teltubby.transfer.shares import SMALL_FILE_BYTES, Shares

LARGE = SMALL_FILE_BYTES + 1


def served_in_turn(shares: Shares[str], wanting: dict[str, int], rounds: int) -> str:
    """The files that are served, when each part stays in flight."""
    order = ""
    for _ in range(rounds):
        file = shares.next(wanting)
        assert file is not None
        shares.served(file)
        wanting[file] += 1
        order += file
    return order


def test_the_file_with_the_fewest_parts_in_flight_is_next() -> None:
    shares = Shares[str]()
    for file in "abc":
        shares.add(file, SMALL_FILE_BYTES)
    assert served_in_turn(shares, {"a": 3, "b": 0, "c": 1}, 8) == "bcbcbacb"


def test_among_equals_the_one_that_waited_longest_is_next() -> None:
    shares = Shares[str]()
    for file in "abc":
        shares.add(file, LARGE if file == "c" else 1)
    order = ""
    for _ in range(9):  # one part at a time in all: none is in flight whenever the next is asked for
        order += served_in_turn(shares, dict.fromkeys("abc", 0), 1)
    assert order == "abcabcabc"


def test_a_new_small_file_goes_before_a_new_large_one() -> None:
    shares = Shares[str]()
    shares.add("large", LARGE)
    shares.add("small", SMALL_FILE_BYTES)
    assert shares.next({"large": 0, "small": 0}) == "small"
    assert shares.next({"large": 0}) == "large"


def test_only_so_many_files_of_each_class_are_admitted_in_the_order_they_came() -> None:
    shares = Shares[str](small=2, large=1)
    for file in ("L1", "L2", "s1", "s2", "s3"):
        shares.add(file, LARGE if file.startswith("L") else 1)
    assert [file for file in ("L1", "L2", "s1", "s2", "s3") if shares.admitted(file)] == ["L1", "s1", "s2"]
    assert shares.next({"L2": 0, "s3": 0}) is None
    shares.remove("s1")
    assert shares.admitted("s3")
    assert not shares.admitted("L2")
    shares.remove("L1")
    assert shares.admitted("L2")


def test_a_file_that_gives_up_waiting_takes_nobodys_place() -> None:
    shares = Shares[str](large=1)
    for file in "abc":
        shares.add(file, LARGE)
    shares.remove("b")
    shares.remove("a")
    assert shares.admitted("c")


def test_mistakes_are_refused() -> None:
    shares = Shares[str](large=1)
    shares.add("a", LARGE)
    shares.add("b", LARGE)
    with pytest.raises(ValueError, match="'a' is here already"):
        shares.add("a", 1)
    with pytest.raises(ValueError, match="'b' is not admitted"):
        shares.served("b")
    with pytest.raises(ValueError, match="'c' is not here"):
        shares.admitted("c")
    with pytest.raises(ValueError, match="'c' is not here"):
        shares.remove("c")
    with pytest.raises(ValueError, match="at least one"):
        Shares[str](small=0)


sizes = st.lists(st.sampled_from([1, SMALL_FILE_BYTES, LARGE, 100 * LARGE]), min_size=1, max_size=12)


@given(sizes=sizes, small=st.integers(1, 5), large=st.integers(1, 3), parts=st.integers(1, 6), data=st.data())
def test_every_file_is_served_whatever_the_others_do(
    sizes: list[int], small: int, large: int, parts: int, data: st.DataObject
) -> None:
    """All files want `parts` parts; one is in flight at a time or several; each file gets all it wants in the end."""
    shares = Shares[int](small=small, large=large)
    for file, size in enumerate(sizes):
        shares.add(file, size)
    todo = dict.fromkeys(range(len(sizes)), parts)
    in_flight = dict.fromkeys(range(len(sizes)), 0)
    since_served = dict.fromkeys(range(len(sizes)), 0)
    while todo:
        admitted = [file for file in todo if shares.admitted(file)]
        assert sum(sizes[file] <= SMALL_FILE_BYTES for file in admitted) <= small
        assert sum(sizes[file] > SMALL_FILE_BYTES for file in admitted) <= large
        chosen = shares.next({file: in_flight[file] for file in todo if todo[file] > in_flight[file]})
        if chosen is not None:
            shares.served(chosen)
            in_flight[chosen] += 1
            since_served.update({file: since_served[file] + 1 for file in admitted if not in_flight[file]})
            since_served[chosen] = 0
            assert max(since_served.values()) < small + large, "a file with nothing in flight is passed over"
        busy = [file for file in todo if in_flight[file]]
        if busy and (chosen is None or data.draw(st.booleans())):
            done = data.draw(st.sampled_from(busy))
            in_flight[done] -= 1
            todo[done] -= 1
            if not todo[done]:
                del todo[done]
                shares.remove(done)
                since_served.pop(done)
