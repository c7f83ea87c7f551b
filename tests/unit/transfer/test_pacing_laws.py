"""Whatever happens in whatever order: no cap is exceeded, and after all waits it goes on."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from teltubby.transfer.pacing import Limits, Pacing

DATA_CENTRES = (1, 2, 4)

some_data_centre = st.sampled_from(DATA_CENTRES)
some_connection = st.integers(0, 30)
waits = st.one_of(st.integers(0, 5).map(float), st.sampled_from([59.0, 61.0, 5000.0]), st.floats(-1.0, 100.0))


class Account(RuleBasedStateMachine):
    """One account's pacing, and what the engine would know: connections and the requests in flight on each."""

    @initialize(connections=st.integers(1, 4), window=st.integers(1, 4), parts=st.integers(1, 16))
    def begin(self, connections: int, window: int, parts: int) -> None:
        self.limits = Limits(connections=connections, window=window, parts_in_flight=parts)
        self.pacing = Pacing(self.limits)
        self.now = 0.0
        self.dialling: Counter[int] = Counter()
        self.open: dict[int, int] = {}
        self.in_flight: Counter[int] = Counter()
        self.numbers = 0

    def pick(self, number: int) -> int | None:
        """One of the open connections, if there is one."""
        return sorted(self.open)[number % len(self.open)] if self.open else None

    def pick_busy(self, number: int) -> int | None:
        busy = sorted(+self.in_flight)
        return busy[number % len(busy)] if busy else None

    @rule(seconds=st.one_of(st.floats(0.0, 1.0), st.floats(0.0, 100.0)))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(data_centre=some_data_centre, wanting=st.integers(-2, 20))
    def dial(self, data_centre: int, wanting: int) -> None:
        while self.pacing.may_dial(data_centre, wanting, self.now):
            self.pacing.dialling(data_centre)
            self.dialling[data_centre] += 1
            assert self.dialling[data_centre] <= wanting

    @rule(data_centre=some_data_centre, works=st.booleans())
    def end_dial(self, data_centre: int, works: bool) -> None:
        if not self.dialling[data_centre]:
            return
        self.dialling[data_centre] -= 1
        if works:
            self.numbers += 1
            self.open[self.numbers] = data_centre
            self.pacing.opened(self.numbers, data_centre, self.now)
        else:
            self.pacing.dial_failed(data_centre, self.now)

    @rule(data_centres=st.sets(some_data_centre), most=st.integers(1, 20))
    def send(self, data_centres: set[int], most: int) -> None:
        for _ in range(most):
            connection = self.pacing.choose(data_centres, self.now)
            if connection is None:
                assert not any(self.pacing.may_send(c, self.now) for c, dc in self.open.items() if dc in data_centres)
                return
            assert self.open[connection] in data_centres
            self.pacing.sent(connection, self.now)
            self.in_flight[connection] += 1

    @rule(number=some_connection)
    def send_unasked(self, number: int) -> None:
        connection = self.pick(number)
        if connection is not None and not self.pacing.may_send(connection, self.now):
            with pytest.raises(ValueError, match="no part may be asked for"):
                self.pacing.sent(connection, self.now)

    @rule(number=some_connection, seconds=st.floats(0.0, 30.0), times=st.integers(1, 5))
    def succeed(self, number: int, seconds: float, times: int) -> None:
        for _ in range(times):
            if (connection := self.pick_busy(number)) is not None:
                self.in_flight[connection] -= 1
                self.pacing.succeeded(connection, seconds, self.now)

    @rule(number=some_connection, seconds=waits)
    def flood(self, number: int, seconds: float) -> None:
        if (connection := self.pick_busy(number)) is not None:
            self.in_flight[connection] -= 1
            until = self.pacing.flooded(connection, seconds, self.now)
            assert until >= self.now + seconds
            assert until > self.now
            if seconds > self.limits.park_seconds:
                assert (self.pacing.parked_until(self.now) or 0.0) >= until

    @rule(number=some_connection)
    def time_out(self, number: int) -> None:
        if (connection := self.pick_busy(number)) is not None:
            self.in_flight[connection] -= 1
            if self.pacing.timed_out(connection, self.now):
                self.cut(sorted(self.open).index(connection))

    @rule(number=some_connection)
    def fail(self, number: int) -> None:
        if (connection := self.pick_busy(number)) is not None:
            self.in_flight[connection] -= 1
            assert self.pacing.unavailable(connection, self.now) > self.now

    @rule(number=some_connection)
    def withdraw(self, number: int) -> None:
        if (connection := self.pick_busy(number)) is not None:
            self.in_flight[connection] -= 1
            self.pacing.withdrawn(connection)

    @rule(number=some_connection)
    def cut(self, number: int) -> None:
        if (connection := self.pick(number)) is not None:
            self.pacing.cut(connection, self.now)
            del self.open[connection], self.in_flight[connection]

    @rule(number=some_connection)
    def close(self, number: int) -> None:
        if (connection := self.pick(number)) is not None:
            self.pacing.closed(connection)
            del self.open[connection], self.in_flight[connection]

    @invariant()
    def no_cap_is_exceeded(self) -> None:
        total = sum(self.in_flight.values())
        assert total == self.pacing.in_flight <= self.limits.parts_in_flight
        assert 0 <= self.pacing.room(self.now) <= self.limits.parts_in_flight - total
        for data_centre in DATA_CENTRES:
            mine = [connection for connection, dc in self.open.items() if dc == data_centre]
            assert len(mine) + self.dialling[data_centre] <= self.limits.connections
            assert self.pacing.free(data_centre, self.now) <= len(mine) * self.limits.window
        for connection in self.open:
            assert 1 <= self.pacing.window(connection) <= self.limits.window
            assert self.in_flight[connection] <= self.limits.window

    @invariant()
    def waits_lie_ahead(self) -> None:
        later = self.pacing.next_at(self.now)
        assert later is None or later > self.now
        parked = self.pacing.parked_until(self.now)
        assert parked is None or (later is not None and later <= parked and self.pacing.room(self.now) == 0)

    def teardown(self) -> None:
        """Once everything is answered and all waits are over, each data centre can go on."""
        if not hasattr(self, "pacing"):
            return
        for connection in self.in_flight.elements():
            self.pacing.withdrawn(connection)
        for data_centre in self.dialling.elements():
            self.pacing.dial_failed(data_centre, self.now)
        for _ in range(200):
            if (later := self.pacing.next_at(self.now)) is None:
                break
            self.now = later
        assert self.pacing.next_at(self.now) is None
        assert self.pacing.room(self.now) == self.limits.parts_in_flight
        for data_centre in DATA_CENTRES:
            if data_centre in self.open.values():
                assert self.pacing.choose([data_centre], self.now) is not None
            else:
                assert self.pacing.may_dial(data_centre, 1, self.now)


TestAccount = Account.TestCase
