"""How many connections there are: few at first, more on success, fewer and later after trouble."""

from __future__ import annotations

import pytest

from teltubby.transfer.pacing import Limits, Pacing
from tests.unit.transfer.accounts import HERE, MANY, THERE, flood, opened, succeed


def test_the_second_connection_waits_for_the_first_to_prove_itself() -> None:
    pacing = Pacing(Limits())
    assert pacing.may_dial(HERE, MANY, 0.0)
    pacing.dialling(HERE)
    assert not pacing.may_dial(HERE, MANY, 0.0)
    pacing.opened(1, HERE, 0.0)
    assert not pacing.may_dial(HERE, MANY, 0.0)
    succeed(pacing, 1)
    assert pacing.may_dial(HERE, MANY, 0.0)


def test_connections_grow_up_to_the_cap_of_each_data_centre() -> None:
    pacing = Pacing(Limits(connections=3))
    for connection in opened(pacing, 3):
        succeed(pacing, connection, times=10)
    assert not pacing.may_dial(HERE, MANY, 0.0)
    assert pacing.may_dial(THERE, MANY, 0.0)
    with pytest.raises(ValueError, match="3 connections are the most"):
        pacing.dialling(HERE)


def test_nothing_is_dialled_for_parts_that_others_will_take() -> None:
    pacing = Pacing(Limits())
    assert not pacing.may_dial(HERE, 0, 0.0)
    (connection,) = opened(pacing, 1)
    succeed(pacing, connection, times=5)
    assert pacing.may_dial(HERE, 1, 0.0)
    pacing.dialling(HERE)
    assert not pacing.may_dial(HERE, 1, 0.0)
    assert pacing.may_dial(HERE, 2, 0.0)


def test_refused_dials_are_repeated_ever_later_and_not_for_ever_later() -> None:
    pacing = Pacing(Limits())
    now, waits = 0.0, []
    for _ in range(12):
        pacing.dialling(HERE)
        pacing.dial_failed(HERE, now)
        again = pacing.next_at(now)
        assert again is not None
        assert not pacing.may_dial(HERE, MANY, (now + again) / 2)
        assert pacing.may_dial(HERE, MANY, again)
        waits.append(again - now)
        now = again
    assert waits == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0, 60.0]


def test_connections_that_break_together_are_one_trouble() -> None:
    pacing = Pacing(Limits())
    for connection in opened(pacing, 4):
        pacing.cut(connection, 10.0)
    assert pacing.next_at(10.0) == 10.25
    assert pacing.may_dial(HERE, MANY, 10.25)


def test_a_part_that_comes_by_a_new_connection_ends_the_backoff() -> None:
    pacing = Pacing(Limits())
    now = 0.0
    for _ in range(5):
        pacing.dialling(HERE)
        pacing.dial_failed(HERE, now)
        now += 60.0
    pacing.dialling(HERE)
    pacing.opened(1, HERE, now)
    succeed(pacing, 1, now)
    pacing.cut(1, now)
    assert pacing.next_at(now) == now + 0.25


def test_a_cut_connection_is_missed_only_after_some_success() -> None:
    pacing = Pacing(Limits())
    connections = opened(pacing, 4)
    pacing.cut(connections.pop(), 0.0)
    assert not pacing.may_dial(HERE, MANY, 1.0)
    succeed(pacing, connections[0], 1.0, times=11)
    assert not pacing.may_dial(HERE, MANY, 1.0)
    succeed(pacing, connections[0], 1.0, times=3)
    assert pacing.may_dial(HERE, MANY, 1.0)


def test_what_was_in_flight_on_a_connection_that_is_gone_counts_no_more() -> None:
    pacing = Pacing(Limits(parts_in_flight=4))
    one, other = opened(pacing, 2)
    for connection in (one, one, other, other):
        pacing.sent(connection, 0.0)
    assert pacing.room(0.0) == 0
    pacing.cut(one, 0.0)
    pacing.closed(other)
    assert pacing.room(0.0) == 4


@pytest.mark.parametrize("kind", ["flood", "time-out"])
def test_after_trouble_connections_are_added_slowly(kind: str) -> None:
    pacing = Pacing(Limits())
    (connection,) = opened(pacing, 1)
    if kind == "flood":
        flood(pacing, connection, 1.0, 0.0)
    else:
        pacing.sent(connection, 0.0)
        pacing.timed_out(connection, 0.0)
    pacing.dialling(HERE)
    pacing.opened(2, HERE, 5.0)
    succeed(pacing, 2, 5.0, times=5)
    assert not pacing.may_dial(HERE, MANY, 5.0)
    succeed(pacing, 2, 5.0, times=5)
    assert pacing.may_dial(HERE, MANY, 5.0)


@pytest.mark.parametrize("broke", [False, True])
def test_with_no_connection_left_one_has_to_prove_itself_again(broke: bool) -> None:
    pacing = Pacing(Limits())
    (connection,) = opened(pacing, 1)
    succeed(pacing, connection, times=10)
    if broke:
        pacing.cut(connection, 9.0)
    else:
        pacing.closed(connection)
    assert pacing.may_dial(HERE, MANY, 10.0)
    pacing.dialling(HERE)
    assert not pacing.may_dial(HERE, MANY, 10.0)
    pacing.opened(11, HERE, 10.0)
    assert not pacing.may_dial(HERE, MANY, 10.0)
    succeed(pacing, 11, 10.0)
    assert pacing.may_dial(HERE, MANY, 10.0)
