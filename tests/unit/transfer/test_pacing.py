"""Pacing: windows start small, grow on success, shrink on trouble, and no cap is exceeded."""

from __future__ import annotations

from typing import Any

import pytest

from teltubby.transfer.pacing import Limits, Pacing
from tests.unit.transfer.accounts import HERE, THERE, flood, opened, succeed


def test_a_window_starts_small_doubles_and_stays_within_its_cap() -> None:
    pacing = Pacing(Limits(window=8, parts_in_flight=64))
    pacing.dialling(HERE)
    pacing.opened(1, HERE, 0.0)
    sizes = [pacing.window(1)]
    for _ in range(3):
        for _ in range(sizes[-1]):
            pacing.sent(1, 0.0)
        assert not pacing.may_send(1, 0.0)
        for _ in range(sizes[-1]):
            pacing.succeeded(1, 0.1, 0.0)
        sizes.append(pacing.window(1))
    assert sizes == [2, 4, 8, 8]


def test_after_trouble_a_window_grows_by_one_per_windowful() -> None:
    pacing = Pacing(Limits(window=8, parts_in_flight=64))
    (connection,) = opened(pacing, 1)
    succeed(pacing, connection, times=10)
    flood(pacing, connection, 1.0, 0.0)
    assert pacing.window(connection) == 4
    succeed(pacing, connection, 2.0, times=4)
    assert pacing.window(connection) == 4
    succeed(pacing, connection, 2.0, times=1)
    assert pacing.window(connection) == 5


def test_slow_parts_grow_nothing_and_several_shrink_the_window() -> None:
    pacing = Pacing(Limits(slow_seconds=8.0))
    (connection,) = opened(pacing, 1)
    succeed(pacing, connection, times=3)
    assert pacing.window(connection) == 4
    succeed(pacing, connection, seconds=8.1)
    assert pacing.window(connection) == 4
    succeed(pacing, connection, seconds=8.1)
    assert pacing.window(connection) == 2
    succeed(pacing, connection, seconds=8.1, times=20)
    assert pacing.window(connection) == 1


def test_one_slow_part_now_and_then_is_forgiven() -> None:
    pacing = Pacing(Limits(slow_seconds=8.0))
    (connection,) = opened(pacing, 1)
    for _ in range(10):
        succeed(pacing, connection, seconds=9.0)
        succeed(pacing, connection, seconds=1.0)
    assert pacing.window(connection) == 4


def test_time_outs_in_a_row_end_a_connection() -> None:
    pacing = Pacing(Limits(timeouts_to_drop=3))
    (connection,) = opened(pacing, 1)
    succeed(pacing, connection, times=3)

    def time_out() -> bool:
        pacing.sent(connection, 0.0)
        return pacing.timed_out(connection, 0.0)

    assert [time_out(), time_out()] == [False, False]
    assert pacing.window(connection) == 1
    succeed(pacing, connection)
    assert [time_out(), time_out(), time_out()] == [False, False, True]


def test_parts_that_cannot_be_served_rest_ever_longer_until_one_comes() -> None:
    pacing = Pacing(Limits())
    (connection,) = opened(pacing, 1)
    now, rests = 0.0, []
    for _ in range(9):
        pacing.sent(connection, now)
        again = pacing.unavailable(connection, now)
        rests.append(again - now)
        now = again
    assert rests == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]
    succeed(pacing, connection, now)
    pacing.sent(connection, now)
    assert pacing.unavailable(connection, now) == now + 0.5


def test_one_part_that_cannot_be_served_costs_little() -> None:
    pacing = Pacing(Limits())
    (connection,) = opened(pacing, 1)
    succeed(pacing, connection, times=3)
    pacing.sent(connection, 0.0)
    pacing.unavailable(connection, 0.0)
    assert pacing.window(connection) == 3
    assert pacing.may_send(connection, 0.0)
    succeed(pacing, connection)
    assert pacing.window(connection) == 4


def test_a_server_that_serves_nothing_is_left_alone_for_a_while() -> None:
    pacing = Pacing(Limits())
    (connection,) = opened(pacing, 1)
    for _ in range(3):
        pacing.sent(connection, 0.0)
        again = pacing.unavailable(connection, 0.0)
    assert not pacing.may_send(connection, again - 0.1)
    assert pacing.may_send(connection, again)


def test_the_cap_of_the_account_holds_over_all_data_centres() -> None:
    pacing = Pacing(Limits(parts_in_flight=5))
    for data_centre in (HERE, THERE):
        for connection in opened(pacing, 4, data_centre, first=10 * data_centre):
            succeed(pacing, connection, times=3)
    chosen = []
    while (idlest := pacing.choose([HERE, THERE], 0.0)) is not None:
        pacing.sent(idlest, 0.0)
        chosen.append(idlest // 10)
    assert sorted(chosen) == [HERE, HERE, HERE, THERE, THERE]
    assert pacing.in_flight == 5
    assert pacing.room(0.0) == 0


def test_the_idlest_connection_is_chosen_and_only_where_it_is_of_use() -> None:
    pacing = Pacing(Limits())
    one, other = opened(pacing, 2)
    (there,) = opened(pacing, 1, THERE, first=11)
    pacing.sent(one, 0.0)
    assert pacing.choose([HERE], 0.0) == other
    assert pacing.choose([THERE], 0.0) == there
    assert pacing.choose([HERE, THERE], 0.0) == there, "the data centre with the fewest parts in flight goes first"
    assert pacing.choose([], 0.0) is None
    assert pacing.choose([9], 0.0) is None


def test_free_is_what_the_windows_of_a_data_centre_still_take() -> None:
    pacing = Pacing(Limits())
    one, other = opened(pacing, 2)
    assert pacing.free(HERE, 0.0) == pacing.window(one) + pacing.window(other)
    pacing.sent(one, 0.0)
    assert pacing.free(HERE, 0.0) == pacing.window(one) + pacing.window(other) - 1
    assert pacing.free(THERE, 0.0) == 0


def test_a_request_without_a_verdict_changes_nothing() -> None:
    pacing = Pacing(Limits())
    (connection,) = opened(pacing, 1)
    window = pacing.window(connection)
    pacing.sent(connection, 0.0)
    pacing.withdrawn(connection)
    assert pacing.in_flight == 0
    assert pacing.window(connection) == window
    assert pacing.next_at(0.0) is None


def test_news_of_a_connection_that_is_gone_is_no_news() -> None:
    pacing = Pacing(Limits())
    (connection,) = opened(pacing, 1)
    pacing.closed(connection)
    pacing.succeeded(connection, 0.1, 0.0)
    pacing.withdrawn(connection)
    pacing.cut(connection, 0.0)
    pacing.closed(connection)
    assert not pacing.timed_out(connection, 0.0)
    assert pacing.unavailable(connection, 0.0) > 0.0
    assert pacing.flooded(connection, 3.0, 0.0) == 3.0
    assert not pacing.may_send(connection, 0.0)
    assert pacing.next_at(0.0) is None
    pacing.flooded(connection, 300.0, 0.0)
    assert pacing.parked_until(0.0) == 300.0, "but a long wait is the account's"


def test_mistakes_are_refused() -> None:
    pacing = Pacing(Limits())
    with pytest.raises(ValueError, match="nothing is being dialled"):
        pacing.dial_failed(HERE, 0.0)
    with pytest.raises(ValueError, match="nothing is being dialled"):
        pacing.opened(1, HERE, 0.0)
    with pytest.raises(ValueError, match="no part may be asked for"):
        pacing.sent(1, 0.0)
    (connection,) = opened(pacing, 1)
    with pytest.raises(ValueError, match="nothing is in flight"):
        pacing.succeeded(connection, 0.1, 0.0)
    pacing.dialling(HERE)
    with pytest.raises(ValueError, match="is open already"):
        pacing.opened(connection, HERE, 0.0)


@pytest.mark.parametrize("cap", ["connections", "window", "parts_in_flight", "timeouts_to_drop"])
def test_a_cap_of_nothing_is_refused(cap: str) -> None:
    caps: dict[str, Any] = {cap: 0}
    with pytest.raises(ValueError, match="every cap is at least 1"):
        Limits(**caps)
