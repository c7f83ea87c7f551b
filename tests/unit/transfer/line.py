"""A line to Telegram in simulated time: round trip, bandwidth per connection and of all together, and what goes wrong.

Every connection sends its answers in the order of the requests; the connections that send share the line evenly.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from heapq import heappop, heappush
from itertools import count


@dataclass(kw_only=True)
class Request:
    """One part of one file, asked for on one connection; `size` in bytes."""

    connection: int
    file: str
    index: int
    size: int
    sent_at: float


@dataclass(frozen=True)
class Served:
    """Here it is."""


@dataclass(frozen=True)
class Flood:
    """Wait so many seconds."""

    seconds: float


@dataclass(frozen=True)
class Cut:
    """The socket is closed."""


@dataclass(frozen=True)
class Broken:
    """The server cannot serve that part now."""


@dataclass(frozen=True)
class Silence:
    """No answer ever."""


Answer = Served | Flood | Cut | Broken | Silence
Server = Callable[[Request, float], Answer]
"""What becomes of a request that reaches the server at that time."""
Reaction = Callable[[Request, Answer], None]


def serve_all(request: Request, now: float) -> Answer:
    """Nothing goes wrong."""
    return Served()


def accept_all(open_now: int, now: float) -> bool:
    """Every dial finds a server, however many connections there are."""
    return True


@dataclass
class _Sending:
    request: Request
    left: float
    answered: Reaction


@dataclass
class Line:
    """Rates in bytes per second, times in seconds; `dial_trips`: round trips before a connection can be used."""

    round_trip: float
    shared: float = math.inf
    each: float = math.inf
    server: Server = serve_all
    accepts: Callable[[int, float], bool] = accept_all
    dial_trips: int = 2
    now: float = 0.0
    seen: Counter[object] = field(default_factory=Counter)
    """How many requests had each kind of answer, and how many dials there were ("dial")."""

    def __post_init__(self) -> None:
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._numbers = count(1)
        self._connections: dict[int, deque[_Sending]] = {}

    @property
    def is_silent(self) -> bool:
        """Nothing will ever happen again."""
        return not self._events and not any(self._connections.values())

    def at(self, time: float, do: Callable[[], None]) -> None:
        """Do that then."""
        heappush(self._events, (time, next(self._order), do))

    def dial(self, opened: Callable[[int], None], failed: Callable[[], None]) -> None:
        """One of the two is called when the dial has ended."""
        self.seen["dial"] += 1

        def end() -> None:
            if not self.accepts(len(self._connections), self.now):
                failed()
                return
            number = next(self._numbers)
            self._connections[number] = deque()
            opened(number)

        self.at(self.now + self.dial_trips * self.round_trip, end)

    def drop(self, connection: int) -> None:
        """Close it from our side; what is on its way is lost."""
        self._connections.pop(connection, None)

    def ask(self, request: Request, answered: Reaction) -> None:
        """Send a request; `answered` is called when its last byte came, or with what happened instead."""

        def reach() -> None:
            if request.connection not in self._connections:
                return
            answer = self.server(request, self.now)
            self.seen[type(answer)] += 1
            match answer:
                case Served():
                    self._connections[request.connection].append(_Sending(request, request.size, answered))
                case Silence():
                    pass
                case _:
                    if isinstance(answer, Cut):
                        self.drop(request.connection)
                    self.at(self.now + self.round_trip / 2, lambda: answered(request, answer))

        self.at(self.now + self.round_trip / 2, reach)

    def step(self) -> None:
        """Go to the next thing that happens, and let it happen."""
        heads = [queue[0] for queue in self._connections.values() if queue]
        rate = min(self.each, self.shared / max(1, len(heads)))
        sent_at = min((self.now + head.left / rate for head in heads), default=math.inf)
        event_at = self._events[0][0] if self._events else math.inf
        passed, self.now = min(sent_at, event_at) - self.now, min(sent_at, event_at)
        for head in heads:
            head.left -= rate * passed
            if head.left < 1.0:  # rounding
                self._connections[head.request.connection].popleft()
                self.at(self.now + self.round_trip / 2, partial(self._arrive, head))
        if event_at <= sent_at:
            heappop(self._events)[2]()

    def _arrive(self, sending: _Sending) -> None:
        if sending.request.connection in self._connections:
            sending.answered(sending.request, Served())
