"""Floods: waited out by the part, the connection, the data centre or the account that they are about."""

from __future__ import annotations

import pytest

from teltubby.transfer.pacing import Limits, Pacing
from tests.unit.transfer.accounts import HERE, MANY, THERE, flood, opened, succeed


def test_a_flood_puts_off_its_part_and_halves_its_window_and_no_other() -> None:
    pacing = Pacing(Limits())
    one, other = opened(pacing, 2)
    for connection in (one, other):
        succeed(pacing, connection, times=3)
    assert flood(pacing, one, 3.0, 10.0) == 13.0
    assert (pacing.window(one), pacing.window(other)) == (2, 4)
    assert pacing.may_send(one, 10.0)
    assert pacing.parked_until(10.0) is None


def test_a_connection_with_nothing_left_to_halve_rests() -> None:
    pacing = Pacing(Limits(window=1))
    one, other = opened(pacing, 2)
    flood(pacing, one, 3.0, 10.0)
    assert not pacing.may_send(one, 12.9)
    assert pacing.next_at(10.0) == 13.0
    assert pacing.may_send(one, 13.0)
    assert pacing.may_send(other, 10.0)


def test_floods_on_several_connections_bar_the_data_centre_until_the_longest_wait_ends() -> None:
    pacing = Pacing(Limits())
    one, other = opened(pacing, 2)
    (there,) = opened(pacing, 1, THERE, first=11)
    flood(pacing, one, 5.0, 10.0)
    flood(pacing, one, 2.0, 10.0)
    assert pacing.may_send(other, 10.0)
    flood(pacing, other, 3.0, 10.1)
    for now in (10.1, 14.9):
        assert not pacing.may_send(other, now)
        assert pacing.choose([HERE], now) is None
        assert not pacing.may_dial(HERE, MANY, now)
        assert pacing.may_send(there, now)
    assert pacing.may_send(one, 15.0)
    assert pacing.may_send(other, 15.0)


def test_a_part_that_was_asked_for_after_the_first_flood_and_came_lifts_the_bar() -> None:
    pacing = Pacing(Limits())
    one, other = opened(pacing, 2)
    succeed(pacing, other, times=3)
    pacing.sent(other, 9.0)
    flood(pacing, one, 5.0, 10.0)
    pacing.sent(other, 10.1)
    flood(pacing, one, 5.0, 10.2)
    flood(pacing, other, 5.0, 10.3)
    assert not pacing.may_send(other, 10.4)
    pacing.succeeded(other, 1.4, 10.4)
    assert not pacing.may_send(other, 10.4), "that was asked for before"
    pacing.succeeded(other, 0.4, 10.5)
    assert pacing.may_send(other, 10.5)


def test_floods_that_lie_apart_bar_nothing() -> None:
    pacing = Pacing(Limits())
    one, other = opened(pacing, 2)
    for time in range(0, 100, 4):
        flood(pacing, one, 1.0, float(time))
        assert pacing.may_send(other, time + 0.5)
        flood(pacing, other, 1.0, time + 2.0)
        assert pacing.may_send(one, time + 2.5)


def test_floods_at_several_data_centres_bar_the_account() -> None:
    pacing = Pacing(Limits())
    here, quiet = opened(pacing, 2)
    there, _ = opened(pacing, 2, THERE, first=11)
    flood(pacing, here, 5.0, 10.0)
    flood(pacing, there, 9.0, 10.0)
    assert pacing.may_send(quiet, 10.0)
    flood(pacing, there, 5.0, 10.1)
    assert pacing.room(10.1) == 0
    assert not pacing.may_send(quiet, 18.9)
    assert not pacing.may_dial(7, MANY, 18.9)
    assert pacing.parked_until(10.1) is None, "short enough to be sat out"
    assert pacing.may_send(quiet, 19.0)
    assert pacing.may_dial(7, MANY, 19.0)


def test_floods_at_several_data_centres_bar_nothing_while_parts_come() -> None:
    pacing = Pacing(Limits())
    here, _ = opened(pacing, 2)
    (there,) = opened(pacing, 1, THERE, first=11)
    flood(pacing, here, 5.0, 10.0)
    flood(pacing, there, 5.0, 10.1)
    succeed(pacing, here, 10.3)
    flood(pacing, there, 5.0, 10.4)
    flood(pacing, here, 5.0, 10.5)
    assert pacing.room(10.5) > 0


def test_a_long_wait_parks_the_account() -> None:
    pacing = Pacing(Limits(park_seconds=60.0))
    here, other = opened(pacing, 2)
    (there,) = opened(pacing, 1, THERE, first=11)
    flood(pacing, here, 60.0, 0.0)
    assert pacing.parked_until(0.0) is None
    pacing.sent(other, 0.0)
    assert flood(pacing, here, 300.0, 0.0) == 300.0
    assert pacing.flooded(other, 61.0, 0.0) == 61.0
    assert not any(pacing.may_send(connection, 299.9) for connection in (here, other, there))
    assert pacing.parked_until(299.9) == 300.0
    assert not pacing.may_dial(THERE, MANY, 299.9)
    assert pacing.parked_until(300.0) is None
    assert all(pacing.may_send(connection, 300.0) for connection in (here, other, there))


@pytest.mark.parametrize("wait", [0.0, -5.0])
def test_a_wait_of_nothing_is_still_a_wait(wait: float) -> None:
    pacing = Pacing(Limits())
    (connection,) = opened(pacing, 1)
    assert flood(pacing, connection, wait, 10.0) > 10.0


def test_no_connection_is_dialled_into_a_flood() -> None:
    pacing = Pacing(Limits())
    (connection,) = opened(pacing, 1)
    succeed(pacing, connection, times=3)
    flood(pacing, connection, 5.0, 10.0)
    assert not pacing.may_dial(HERE, MANY, 10.0)
    succeed(pacing, connection, 10.5)
    assert pacing.may_dial(HERE, MANY, 10.5), "the flood was that one request's"
