"""How much is asked of Telegram at once: the pacing policy of one account, over its data centres and connections.

Own policy per account, data centre and connection, after what tdesktop does (telegram.md): start small, grow on
success, shrink on trouble. Pure: the engine says what happened and when (seconds of a clock that never runs backwards).
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, field

from teltubby.transfer.dials import Dials
from teltubby.transfer.floods import Floods
from teltubby.transfer.windows import Window

LEAST_WAIT_SECONDS = 0.1
"""No flood wait is shorter, whatever the server says: a part is never asked for in a tight loop."""

FIRST_REST_SECONDS = 0.5
LONGEST_REST_SECONDS = 30.0
"""How long a part rests that the server could not serve: twice as long for each such answer in a row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Caps: `connections` per data centre, a `window` of parts per connection, `parts_in_flight` over everything.

    A flood wait longer than `park_seconds` parks the account. Parts slower than `slow_seconds` let no window grow, and
    `timeouts_to_drop` time-outs in a row end a connection (tdesktop: 8 s, 4). Raises ValueError for caps below 1.
    """

    connections: int = 4
    window: int = 4
    parts_in_flight: int = 16
    park_seconds: float = 60.0
    slow_seconds: float = 8.0
    timeouts_to_drop: int = 4

    def __post_init__(self) -> None:
        if min(self.connections, self.window, self.parts_in_flight, self.timeouts_to_drop) < 1:
            raise ValueError(f"every cap is at least 1: {self}")


@dataclass(slots=True)
class _DataCentre:
    dials: Dials
    floods: Floods = field(default_factory=Floods)
    unavailable: int = 0


@dataclass(frozen=True, slots=True)
class _Line:
    """An open connection."""

    data_centre: int
    window: Window


class Pacing:
    """One account's pacing. Connections are numbers that the engine gives, never twice; each belongs to a data centre.

    Ask before acting: `may_dial` before `dialling`, `may_send` or `choose` before `sent`, with nothing awaited between.
    Each request that was `sent` ends with exactly one of succeeded, flooded, timed_out, unavailable and withdrawn, or
    with its connection. News of a connection that is gone already is no news. Raises ValueError for what may not be.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._centres: dict[int, _DataCentre] = {}
        self._lines: dict[int, _Line] = {}
        self._floods = Floods()
        self._parked_until = -math.inf

    @property
    def in_flight(self) -> int:
        """Parts that are asked for, over all data centres."""
        return sum(line.window.in_flight for line in self._lines.values())

    def window(self, connection: int) -> int:
        """How many parts may be in flight on an open connection."""
        return self._lines[connection].window.size

    def room(self, now: float) -> int:
        """How many more parts the account may ask for now."""
        return max(0, self._limits.parts_in_flight - self.in_flight) if now >= self._barred_until else 0

    def free(self, data_centre: int, now: float) -> int:
        """How many more parts the windows of its open connections take now, the room of the account aside."""
        return sum(line.window.free(now) for line in self._lines.values() if line.data_centre == data_centre)

    def parked_until(self, now: float) -> float | None:
        """Until when a long flood wait forbids the account every part, or None: the jobs are to be parked."""
        return self._parked_until if now < self._parked_until else None

    def next_at(self, now: float) -> float | None:
        """When the next thing that is barred now (by a flood, a rest, a put-off dial) is allowed; None if none is."""
        times = [self._parked_until, self._floods.barred_until]
        for centre in self._centres.values():
            times += (centre.dials.put_off_until, centre.floods.wait_until)
        times += (line.window.rests_until for line in self._lines.values())
        return min((time for time in times if time > now), default=None)

    def may_dial(self, data_centre: int, wanting: int, now: float) -> bool:
        """Whether to open one more connection, for `wanting` parts that the windows of the open ones do not take.

        Never while a flood that nothing has refuted is waited out: a new connection would only be flooded as well.
        """
        centre = self._centre(data_centre)
        flooded = now < max(self._barred_until, centre.floods.wait_until)
        return not flooded and centre.dials.may(wanting, now)

    def dialling(self, data_centre: int) -> None:
        """A connection is being opened."""
        self._centre(data_centre).dials.dialling()

    def dial_failed(self, data_centre: int, now: float, *, wait: float = 0.0) -> None:
        """It could not be opened, and the next not before `wait` seconds have passed."""
        self._centre(data_centre).dials.failed(now, wait)

    def opened(self, connection: int, data_centre: int, now: float) -> None:
        """It is open, under this number."""
        del now
        if connection in self._lines:
            raise ValueError(f"connection {connection} is open already")
        self._centre(data_centre).dials.opened(connection)
        self._lines[connection] = _Line(data_centre, Window(self._limits.window, self._limits.slow_seconds))

    def closed(self, connection: int) -> None:
        """It was closed without fault, and what was in flight on it given up."""
        if line := self._lines.pop(connection, None):
            self._centre(line.data_centre).dials.closed(connection)

    def cut(self, connection: int, now: float) -> None:
        """It broke, and what was in flight on it is lost."""
        if line := self._lines.pop(connection, None):
            self._centre(line.data_centre).dials.cut(connection, now)

    def may_send(self, connection: int, now: float) -> bool:
        """Whether one more part may be asked for on it."""
        line = self._lines.get(connection)
        if line is None or now < self._centre(line.data_centre).floods.barred_until:
            return False
        return line.window.free(now) > 0 and self.room(now) > 0

    def choose(self, data_centres: Collection[int], now: float) -> int | None:
        """The connection to ask for the next part of a file at one of these data centres; None if none may.

        The data centre with the fewest parts in flight, so that none takes all the room, and its idlest connection.
        """
        loads = dict.fromkeys(data_centres, 0)
        for line in self._lines.values():
            if line.data_centre in loads:
                loads[line.data_centre] += line.window.in_flight
        candidates = [
            (loads[line.data_centre], line.window.in_flight, connection)
            for connection, line in self._lines.items()
            if line.data_centre in loads and self.may_send(connection, now)
        ]
        return min(candidates)[-1] if candidates else None

    def sent(self, connection: int, now: float) -> None:
        """A part was asked for on it."""
        if not self.may_send(connection, now):
            raise ValueError(f"no part may be asked for on connection {connection}")
        self._lines[connection].window.sent()

    def succeeded(self, connection: int, seconds: float, now: float) -> None:
        """A part came, `seconds` after it was asked for."""
        if line := self._lines.get(connection):
            centre = self._centre(line.data_centre)
            centre.unavailable = 0
            centre.floods.served(now - seconds)
            self._floods.served(now - seconds)
            centre.dials.served(connection, quickly=line.window.succeeded(seconds))

    def flooded(self, connection: int, wait: float, now: float) -> float:
        """A request was answered with a wait of so many seconds. Returns when that part may be asked for again."""
        until = now + max(wait, LEAST_WAIT_SECONDS)
        if wait > self._limits.park_seconds:
            self._parked_until = max(self._parked_until, until)
        if line := self._lines.get(connection):
            line.window.flooded(until)
            centre = self._centre(line.data_centre)
            centre.dials.troubled()
            centre.floods.add(connection, until, now)
            self._floods.add(line.data_centre, until, now)
        return until

    def timed_out(self, connection: int, now: float) -> bool:
        """A part did not come in time. True when there were so many in a row that the connection is to be dropped."""
        del now
        if (line := self._lines.get(connection)) is None:
            return False
        self._centre(line.data_centre).dials.troubled()
        return line.window.timed_out() >= self._limits.timeouts_to_drop

    def unavailable(self, connection: int, now: float) -> float:
        """The server could not serve this part now. Returns when it may be asked for again."""
        if (line := self._lines.get(connection)) is None:
            return now + FIRST_REST_SECONDS
        centre = self._centre(line.data_centre)
        until = now + min(FIRST_REST_SECONDS * 2.0 ** min(centre.unavailable, 64), LONGEST_REST_SECONDS)
        centre.unavailable += 1
        line.window.unavailable(until)
        return until

    def withdrawn(self, connection: int) -> None:
        """A request ended, and nothing is learnt about the line: it was given up, or the answer was about the file."""
        if line := self._lines.get(connection):
            line.window.withdrawn()

    @property
    def _barred_until(self) -> float:
        return max(self._parked_until, self._floods.barred_until)

    def _centre(self, data_centre: int) -> _DataCentre:
        if data_centre not in self._centres:
            self._centres[data_centre] = _DataCentre(Dials(self._limits.connections))
        return self._centres[data_centre]
