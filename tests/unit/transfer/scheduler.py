"""The engine's decisions without its I/O: files, shares and pacing over a simulated line."""

from __future__ import annotations

from dataclasses import dataclass

from teltubby.messages.transfer import PART_BYTES
from teltubby.transfer.pacing import Limits, Pacing
from teltubby.transfer.parts import PartMap
from teltubby.transfer.shares import Shares
from tests.unit.transfer.line import Answer, Broken, Cut, Flood, Line, Request, Served


@dataclass
class File:
    """A download; `seconds` is how long it took, once it is complete."""

    parts: PartMap
    data_centre: int
    began: float
    seconds: float | None = None


class Scheduler:
    """Downloads files over `line` as the engine does; `patience` is how many seconds it waits for a part."""

    def __init__(self, line: Line, limits: Limits | None = None, *, patience: float = 60.0) -> None:
        self.line = line
        self.limits = limits or Limits()
        self.pacing = Pacing(self.limits)
        self.files: dict[str, File] = {}
        self._patience = patience
        self._shares: dict[int, Shares[str]] = {}
        self._open: dict[int, int] = {}
        self._asked: dict[tuple[str, int], Request] = {}
        self._wakes: set[float] = set()
        self._to_come = 0

    def add(self, name: str, size: int, *, at: float = 0.0, data_centre: int = 2) -> None:
        """A file of `size` bytes to download from that time on."""
        self._to_come += 1

        def begin() -> None:
            self._to_come -= 1
            self.files[name] = File(PartMap(size), data_centre, self.line.now)
            self._shares.setdefault(data_centre, Shares()).add(name, size)

        self.line.at(at, begin)

    def run(self, until: float = 100_000.0) -> None:
        """Until all files are there, but no longer than until that time."""
        while self.line.now < until and not self.line.is_silent:
            self.line.step()
            self._ask_for_more()
            self._look_at_the_caps()
            if not self._to_come and all(file.seconds is not None for file in self.files.values()):
                return

    def seconds(self, name: str) -> float:
        """How long that file took."""
        seconds = self.files[name].seconds
        assert seconds is not None, f"{name} was not finished"
        return seconds

    def _wanting(self, data_centre: int) -> dict[str, int]:
        return {
            name: file.parts.in_flight
            for name, file in self.files.items()
            if file.data_centre == data_centre and file.seconds is None
            if file.parts.ready(self.line.now) and self._shares[data_centre].admitted(name)
        }

    def _ask_for_more(self) -> None:
        now = self.line.now
        centres = sorted({file.data_centre for file in self.files.values() if file.seconds is None})
        while (connection := self.pacing.choose([dc for dc in centres if self._wanting(dc)], now)) is not None:
            self._ask(connection)
        for dc in centres:
            ready = sum(self.files[name].parts.ready(now) for name in self._wanting(dc))
            while self.pacing.may_dial(dc, ready - self.pacing.free(dc, now), now):
                self._dial(dc)
        for time in (self.pacing.next_at(now), *(file.parts.next_at(now) for file in self.files.values())):
            if time is not None and time > now and time not in self._wakes:
                self._wakes.add(time)
                self.line.at(time, lambda: None)

    def _look_at_the_caps(self) -> None:
        assert len(self._asked) == self.pacing.in_flight <= self.limits.parts_in_flight
        for data_centre in self._shares:
            assert list(self._open.values()).count(data_centre) <= self.limits.connections
        for connection in self._open:
            asked = sum(request.connection == connection for request in self._asked.values())
            assert asked <= self.limits.window

    def _dial(self, data_centre: int) -> None:
        def opened(connection: int) -> None:
            self._open[connection] = data_centre
            self.pacing.opened(connection, data_centre, self.line.now)

        self.pacing.dialling(data_centre)
        self.line.dial(opened, lambda: self.pacing.dial_failed(data_centre, self.line.now))

    def _ask(self, connection: int) -> None:
        now, data_centre = self.line.now, self._open[connection]
        name = self._shares[data_centre].next(self._wanting(data_centre))
        assert name is not None
        parts = self.files[name].parts
        index = parts.take(connection, now)
        assert index is not None
        self._shares[data_centre].served(name)
        self.pacing.sent(connection, now)
        request = Request(connection=connection, file=name, index=index, size=parts.length(index), sent_at=now)
        self._asked[name, index] = request
        self.line.ask(request, self._answered)
        self.line.at(now + self._patience, lambda: self._lose_patience(request))

    def _answered(self, request: Request, answer: Answer) -> None:
        now, connection = self.line.now, request.connection
        if isinstance(answer, Cut) and connection in self._open:
            self._cut(connection)
        if self._asked.get((request.file, request.index)) is not request:
            return  # it was given up, or went with its connection
        del self._asked[request.file, request.index]
        file = self.files[request.file]
        match answer:
            case Flood(seconds=wait):
                file.parts.give_back(request.index, not_before=self.pacing.flooded(connection, wait, now))
            case Broken():
                file.parts.give_back(request.index, not_before=self.pacing.unavailable(connection, now))
            case Served():
                self.pacing.succeeded(connection, now - request.sent_at, now)
                file.parts.arrived(request.index)
                if file.parts.is_complete:
                    file.seconds = now - file.began
                    self._shares[file.data_centre].remove(request.file)

    def _lose_patience(self, request: Request) -> None:
        if self._asked.get((request.file, request.index)) is not request:
            return
        del self._asked[request.file, request.index]
        self.files[request.file].parts.give_back(request.index)
        if self.pacing.timed_out(request.connection, self.line.now):
            self.line.drop(request.connection)
            self._cut(request.connection)

    def _cut(self, connection: int) -> None:
        del self._open[connection]
        self.pacing.cut(connection, self.line.now)
        self._asked = {key: request for key, request in self._asked.items() if request.connection != connection}
        for file in self.files.values():
            file.parts.lost(connection)


def bytes_of(parts: float) -> int:
    """The bytes of so many parts."""
    return round(parts * PART_BYTES)
