"""How long a curator waits for anything to happen: from handing in a large file until its first part is fetched."""

from __future__ import annotations

import sqlite3
import statistics
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from enum import StrEnum, auto
from typing import Self

from benchmarks.bench import Bench
from benchmarks.product import House, wait_for
from benchmarks.results import Measure, Row, at_most, percentile
from benchmarks.telegram import FAR, MB, Line

IDLE, WAITING, PROBES = 30, 20, 10
SMALLEST_MIB = 24
"""Too large for the Bot API, and little more."""
BUSY_MIB = 512
"""What the worker is busy with while the others are handed in."""
NARROW = Line(name="50 ms, 20 MB/s shared by all connections", latency=0.05, shared=20 * MB)
"""So narrow that nobody's turn comes while more are handed in."""
FIVE_MINUTES = 300
"""What the specification allows between handing in and the start."""

STARTED = Measure(
    name="a large file handed in → its first part fetched, nothing else to do, p95", unit="s", goal=at_most(2)
)
QUEUED = Measure(
    name=f"the same with {WAITING} jobs waiting: handed in → queued by the broker, p95", unit="s", goal=at_most(2)
)
TURN = Measure(
    name=f"the same with {WAITING} jobs waiting: handed in → its first part fetched, p95",
    unit="s",
    goal=at_most(FIVE_MINUTES),
)


class Event(StrEnum):
    """What happens to a file: the broker confirmed its job, the curator reads an answer, a part was served."""

    QUEUED = auto()
    TOLD = auto()
    BEGUN = auto()


CALLED = {
    Event.QUEUED: "queued by the broker",
    Event.TOLD: "answered, as its curator sees",
    Event.BEGUN: "its first part fetched",
}


class Watch:
    """A file that is handed in at this moment; `seconds` says how long it took until things happened to it.

    The clock starts before Telegram has the message, and is read when a look every 20 ms finds what is looked for.
    """

    def __init__(self, house: House, size: int) -> None:
        self._house = house
        self._began = time.perf_counter()
        self.film = house.telegram.send(size)
        self.seconds: dict[Event, float] = {}

    def until(self, *events: Event) -> Self:
        """Return when all of them have happened. Raises Failed when they do not."""

        def all_seen() -> bool | None:
            for event in events:
                if event not in self.seconds and self._has(event):
                    self.seconds[event] = time.perf_counter() - self._began
            return self.seconds.keys() >= {*events} or None

        wait_for(all_seen, f"{' and '.join(events)}: the file of {self.film.size >> 20} MiB")
        return self

    def _has(self, event: Event) -> bool:
        match event:
            case Event.QUEUED:
                return self._is_queued()
            case Event.TOLD:
                return self._house.telegram.has_answered(self.film)
            case Event.BEGUN:
                return self.is_begun()

    def is_begun(self) -> bool:
        """Whether a part of it was served."""
        return self._house.telegram.served(self.film).count > 0

    def _is_queued(self) -> bool:
        ledger = f"file:{self._house.home / 'teltubby.db'}?mode=ro"
        with closing(sqlite3.connect(ledger, uri=True)) as connection:
            found = connection.execute(
                "SELECT 1 FROM jobs JOIN outbox USING (job_id)"
                " WHERE chat_id = ? AND message_id = ? AND published_at IS NOT NULL",
                (self.film.chat_id, self.film.message_id),
            ).fetchone()
        return found is not None


def idle(bench: Bench, house: House) -> Iterable[Row]:
    """One file after the other, the next when the one before is archived."""
    house.telegram.use(FAR)
    count, found = 3 if bench.quick else IDLE, list[Watch]()
    for number in range(count + 1):
        bench.tell(f"handed in → started, nothing else to do, {number} of {count}")
        found.append(Watch(house, bench.size(SMALLEST_MIB, quick=SMALLEST_MIB)).until(*Event))
        house.finish(found[-1].film)
    del found[0]  # it opened the connections
    begun = _of(found, Event.BEGUN)
    yield STARTED.row(
        percentile(begun, 95),
        f"{count} files of {SMALLEST_MIB} MiB, {FAR.name}; median {statistics.median(begun):.2f} s, "
        f"longest {max(begun):.2f} s",
    )
    yield from _figures("nothing else to do", found)


def waiting(bench: Bench, house: House) -> Iterable[Row]:
    """A worker that is busy, files that wait for it, and then more of them."""
    telegram = house.telegram
    telegram.use(NARROW)
    telegram.forget()
    count, probes = (3, 2) if bench.quick else (WAITING, PROBES)
    bench.tell(f"handed in → started, {count} jobs waiting")
    busy = Watch(house, bench.size(BUSY_MIB, quick=48)).until(Event.BEGUN)
    small = bench.size(SMALLEST_MIB, quick=SMALLEST_MIB)
    before = [Watch(house, small) for _ in range(count)]
    for each in before:
        each.until(Event.QUEUED, Event.TOLD)
    left = busy.film.size - telegram.served(busy.film).count + count * small
    found = [Watch(house, small).until(Event.QUEUED, Event.TOLD) for _ in range(probes)]
    begun = sum(each.is_begun() for each in before)
    queued = _of(found, Event.QUEUED)
    yield QUEUED.row(
        percentile(queued, 95),
        f"{probes} more, one after the other, when {count} waited ({count - begun} still did at the end); "
        f"median {statistics.median(queued):.2f} s, longest {max(queued):.2f} s",
    )
    bench.tell(f"handed in → started: the turn of those behind {count} others")
    turns = _of([each.until(Event.BEGUN) for each in found], Event.BEGUN)
    least = left / (NARROW.shared or 1)
    yield TURN.row(
        percentile(turns, 95),
        f"median {statistics.median(turns):.1f} s; the first of them {turns[0]:.1f} s, of which {least:.1f} s are what "
        f"the link needs for the {left >> 20} MiB before it; {NARROW.name}, one job at a time; the goal is the "
        "specification's",
    )
    yield from _figures(f"{count} jobs waiting", found)
    for each in (busy, *before, *found):
        house.finish(each.film)


def _figures(when: str, found: Sequence[Watch]) -> Iterable[Row]:
    for event, called in CALLED.items():
        seconds = _of(found, event)
        yield Measure(name=f"{when}: handed in → {called}, median", unit="s").row(
            statistics.median(seconds), f"p95 {percentile(seconds, 95):.2f} s, longest {max(seconds):.2f} s"
        )


def _of(found: Sequence[Watch], event: Event) -> list[float]:
    return [watch.seconds[event] for watch in found]
