"""The download engine: many parts of many files at once, over as many connections as pacing allows.

`Pacing` says how much may be asked for, `Shares` whose turn it is, `PartMap` what is missing, `PartFetch` asks; this
module brings them together. Whatever happens to a connection or to a part costs that part, not the file.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import partial

import anyio
from anyio.abc import TaskGroup

from teltubby.errors import (
    ConnectionLost,
    FileMoved,
    FloodWait,
    NotAnswered,
    ReferenceExpired,
    SessionAway,
    TelegramUnavailable,
    TeltubbyError,
)
from teltubby.messages.transfer import FetchLarge, FileLocation, VerifyHashes
from teltubby.supervision import Signal, SupervisionError
from teltubby.transfer.file_fetch import FileFetch
from teltubby.transfer.lines import Dial, Line, Lines
from teltubby.transfer.pacing import Limits, Pacing
from teltubby.transfer.part_fetch import PartFetch
from teltubby.transfer.shares import Shares

_LOG = logging.getLogger(__name__)

FILE_PATIENCE_SECONDS = 120.0
"""An attempt at a file that gets no part for so long is given up; the next one goes on where it stood."""

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 15.0
"""Between tries to renew a file reference while the session is away."""


@dataclass(eq=False)
class _Centre:
    """A data centre with files to fetch."""

    shares: Shares[FileFetch]
    files: set[FileFetch] = field(default_factory=set)

    def wanting(self, now: float) -> dict[FileFetch, int]:
        """The files that could use a part now, each with how many it has in flight."""
        return {file: file.parts.in_flight for file in self.files if self.shares.admitted(file) and file.ready(now) > 0}


class Engine:
    """Fetches files while `run` runs: at once so many `large` and `small` ones per data centre."""

    def __init__(
        self,
        dial: Dial,
        *,
        limits: Limits | None = None,
        verify: VerifyHashes = VerifyHashes.AUTO,
        large: int = 2,
        small: int = 5,
    ) -> None:
        self._limits = limits or Limits()
        self._pacing = Pacing(self._limits)
        self._lines = Lines(dial, self._pacing)
        self._parts = PartFetch(self._lines, self._pacing, verify)
        self._verified = verify is not VerifyHashes.OFF
        self._large, self._small = large, small
        self._centres: dict[int, _Centre] = {}
        self._tasks: TaskGroup | None = None
        self._is_stopped = False
        self._changed = Signal()

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._lines)

    async def fetch(self, request: FetchLarge, *, flooded: Callable[[float], None] | None = None) -> None:
        """Fill `request.into` with the parts that it lacks; returns once all are in it. Begins when `run` does.

        However it ends, `flooded` is told then for how many seconds Telegram had some part of the file wait, if any.

        What goes wrong here does not fail the file: another account's engine may go on with it. Raises FloodWait where
        the wait is too long to sit out, IdentityMismatch for another document or size, ContentMismatch for bytes that
        stay wrong, Unverifiable, and what the connections, the session and the file raise.
        """
        while self._tasks is None and not self._is_stopped:
            await self._changed.wait()
        file = FileFetch(request, verified=self._verified, now=anyio.current_time())
        self._join(file)
        if self._tasks is None:
            file.fail(ConnectionLost("the download engine was stopped"))
        else:
            self._start(self._tasks, file, partial(self._watch, file))
        self._changed.notify()
        try:
            await file.wait_over()
        finally:
            with anyio.CancelScope(shield=True):
                await file.quiesce()
            self._leave(file)
            if flooded is not None and (seconds := file.flooded.seconds(anyio.current_time())):
                flooded(seconds)
            self._changed.notify()
        if file.failure is not None:
            raise file.failure

    async def run(self) -> None:
        """Serve until cancelled; files that are on their way then fail, and every connection is closed."""
        self._is_stopped = False
        try:
            async with anyio.create_task_group() as self._tasks:
                self._changed.notify()
                while True:
                    now = anyio.current_time()
                    self._give_up_where_hopeless(now)
                    self._send_parts(self._tasks, now)
                    self._tend_lines(self._tasks, now)
                    with anyio.CancelScope(deadline=self._next_at(now)):
                        await self._changed.wait()
        finally:
            self._tasks, self._is_stopped = None, True
            self._changed.notify()
            for file in self._files():
                file.fail(ConnectionLost("the download engine was stopped"))
            await self._lines.close_all()

    # -- what to do next; nothing here waits

    def _files(self) -> list[FileFetch]:
        return [file for centre in self._centres.values() for file in centre.files]

    def _centre(self, number: int) -> _Centre:
        if number not in self._centres:
            self._centres[number] = _Centre(Shares(small=self._small, large=self._large))
        return self._centres[number]

    def _join(self, file: FileFetch) -> None:
        centre = self._centre(file.location.data_centre)
        centre.shares.add(file, file.into.size)
        centre.files.add(file)

    def _leave(self, file: FileFetch) -> None:
        centre = self._centre(file.location.data_centre)
        centre.shares.remove(file)
        centre.files.discard(file)

    def _give_up_where_hopeless(self, now: float) -> None:
        until = self._pacing.parked_until(now)
        for file in self._files():
            if until is not None:
                file.fail(FloodWait(math.ceil(until - now)))
            elif not self._centre(file.location.data_centre).shares.admitted(file):
                file.progress_at = now
            elif now >= file.progress_at + FILE_PATIENCE_SECONDS:
                file.give_up(FILE_PATIENCE_SECONDS)

    def _send_parts(self, tasks: TaskGroup, now: float) -> None:
        while wanting := {number: files for number, centre in self._centres.items() if (files := centre.wanting(now))}:
            chosen = self._pacing.choose(list(wanting), now)
            if chosen is None:
                return
            line = self._lines[chosen]
            shares = self._centres[line.data_centre].shares
            file = shares.next(wanting[line.data_centre])
            index = None if file is None else file.parts.take(chosen, now)
            if file is None or index is None:
                raise AssertionError("a file that wants a part is admitted, and has one to take")
            self._pacing.sent(chosen, now)
            shares.served(file)
            line.in_flight += 1
            length = file.length(index)
            if file.hashes is not None and length and file.hashes.wants(index, length):
                self._start(tasks, file, partial(self._parts.fetch_hashes, file, line, index))
            self._start(tasks, file, partial(self._fetch_part, file, line, index))

    def _tend_lines(self, tasks: TaskGroup, now: float) -> None:
        for number, centre in self._centres.items():
            ready = sum(file.ready(now) for file in centre.wanting(now))
            while (wanted := ready - self._pacing.free(number, now)) > 0:
                if not self._pacing.may_dial(number, wanted, now):
                    break
                self._pacing.dialling(number)
                tasks.start_soon(self._open_line, number)
        for line in self._lines:
            if self._is_idle(line) and now >= self._lines.idle_at(line):
                tasks.start_soon(self._lines.close, line)

    def _is_idle(self, line: Line) -> bool:
        return not line.in_flight and not self._centre(line.data_centre).files

    def _next_at(self, now: float) -> float:
        """When something may become possible, or due, that is not now."""
        times = [self._pacing.next_at(now)]
        for file in self._files():
            times += (file.parts.next_at(now), file.progress_at + FILE_PATIENCE_SECONDS)
        times += (self._lines.idle_at(line) for line in self._lines if self._is_idle(line))
        return min((time for time in times if time is not None and time > now), default=math.inf)

    # -- tasks

    async def _open_line(self, data_centre: int) -> None:
        try:
            await self._lines.open(data_centre)
        except TeltubbyError as error:
            _LOG.warning("no connection to data centre %d: %s", data_centre, error)
            for file in self._centre(data_centre).files:
                file.last_trouble = error
                if not self._is_passing(error) and not self._lines.lead_to(data_centre):
                    file.fail(error)
        self._changed.notify()

    def _is_passing(self, error: TeltubbyError) -> bool:
        """Whether what the session answered is worth waiting for, without giving up what is on its way."""
        if isinstance(error, FloodWait):
            return error.seconds <= self._limits.park_seconds
        return isinstance(error, TelegramUnavailable | SessionAway | NotAnswered)

    def _start(self, tasks: TaskGroup, file: FileFetch, work: Callable[[], Awaitable[None]]) -> None:
        """Have a piece of work done that ends with the file."""
        tasks.start_soon(self._work, file, file.begin(), work)

    async def _work(self, file: FileFetch, scope: anyio.CancelScope, work: Callable[[], Awaitable[None]]) -> None:
        with scope:
            try:
                await work()
            finally:
                file.end(scope)
                self._changed.notify()

    async def _watch(self, file: FileFetch) -> None:
        """A file that nobody wants any more ends at once, and not with the next part that comes for it."""
        file.fail(await file.into.wait_failed())

    async def _fetch_part(self, file: FileFetch, line: Line, index: int) -> None:
        location = file.location
        match await self._parts.fetch(file, line, index):
            case trouble if trouble is None or location is not file.location:
                return  # the part is there, or others met the same, and it is mended
            case ReferenceExpired() as expired if self._tasks is not None and not file.is_refreshing:
                file.is_refreshing = True
                self._start(self._tasks, file, partial(self._refresh, file, expired))
            case FileMoved() as moved:
                self._relocate(file, replace(location, data_centre=moved.data_centre), moved)

    async def _refresh(self, file: FileFetch, expired: ReferenceExpired) -> None:
        """Ask for the message again, once for all parts that met the same."""
        pause = FIRST_PAUSE_SECONDS
        while not file.is_over:
            try:
                location = await file.refresh()
            except TeltubbyError as error:
                if not self._is_passing(error):
                    file.fail(error)
                    return
                trouble = error
            except (SupervisionError, TimeoutError) as error:
                trouble = NotAnswered(f"the message could not be asked for again: {error}")
            else:
                file.is_refreshing = False
                self._relocate(file, location, expired)
                return
            file.last_trouble = trouble
            _LOG.info("document %d cannot be asked for anew yet: %s", file.location.document_id, trouble)
            await anyio.sleep(max(pause, trouble.seconds if isinstance(trouble, FloodWait) else 0.0))
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _relocate(self, file: FileFetch, location: FileLocation, trouble: TeltubbyError) -> None:
        elsewhere = location.data_centre != file.location.data_centre
        if elsewhere:  # else it keeps its turn
            self._leave(file)
        file.moved(location, trouble)
        if elsewhere:
            self._join(file)
