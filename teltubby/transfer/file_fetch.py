"""One file on its way from Telegram: its parts, and what has gone wrong so far."""

from __future__ import annotations

import math
from collections import Counter

import anyio

from teltubby.errors import ContentMismatch, IdentityMismatch, PartUnavailable, TeltubbyError
from teltubby.messages.transfer import PART_BYTES, FetchLarge, FileLocation
from teltubby.supervision import Signal
from teltubby.transfer.hashes import RangeHashes
from teltubby.transfer.parts import PartMap
from teltubby.transfer.waits import Waits

TRIES_PER_PART = 6
"""How often one part may come wrong or not at all before the attempt at the file is given up."""

TURNS = 4
"""How often in a row the reference may be renewed, or the file be sent for elsewhere, without a part that comes."""


class FileFetch:
    """The last part is always shorter than a full one: where the size is a multiple, it is empty and proves the end."""

    def __init__(self, request: FetchLarge, *, verified: bool, now: float) -> None:
        self.location = request.location
        self.refresh = request.refresh
        self.into = request.into
        self.hashes = RangeHashes() if verified else None
        self.parts = PartMap(self.into.size + 1, self.into.present)
        self.failure: Exception | None = None
        self.is_refreshing = False
        self.progress_at = now
        self.last_trouble: TeltubbyError | None = None
        self.flooded = Waits()
        self._changed = Signal()
        self._is_closing = False
        self._scopes: set[anyio.CancelScope] = set()
        self._tries: Counter[int] = Counter()
        self._turns = 0

    @property
    def is_over(self) -> bool:
        """Whether no part is wanted any more: all are there, or it failed."""
        return self.failure is not None or self.parts.is_complete

    def ready(self, now: float) -> int:
        """How many parts could be asked for now."""
        return 0 if self.is_over or self._is_closing or self.is_refreshing else self.parts.ready(now)

    def length(self, index: int) -> int:
        """The bytes that part `index` must have."""
        return min(PART_BYTES, self.into.size - index * PART_BYTES)

    def fail(self, error: Exception) -> None:
        """No attempt of ours will end well: `error` says why."""
        if not self.is_over:
            self.failure = error
            self._changed.notify()

    async def wait_over(self) -> None:
        """Return when all parts are there, or it failed."""
        while not self.is_over:
            await self._changed.wait()

    # -- what runs for it

    def begin(self) -> anyio.CancelScope:
        """A task is to work for this file; under this scope, so that it ends with the file."""
        scope = anyio.CancelScope()
        if self._is_closing:
            scope.cancel()
        self._scopes.add(scope)
        return scope

    def end(self, scope: anyio.CancelScope) -> None:
        """It has ended."""
        self._scopes.discard(scope)
        self._changed.notify()

    async def quiesce(self) -> None:
        """End whatever still runs for it, or is about to."""
        self._is_closing = True
        for scope in self._scopes:
            scope.cancel()
        while self._scopes:
            await self._changed.wait()

    # -- what happened

    def arrived(self, index: int, now: float) -> None:
        """Part `index` is in the file."""
        self.parts.arrived(index)
        self.progress_at = now
        self._turns = 0
        self._changed.notify()

    def missed(self, index: int, trouble: TeltubbyError, *, not_before: float = 0.0) -> None:
        """Part `index` did not come, by no fault of its own; it may be asked for again from then on."""
        self.last_trouble = trouble
        self.parts.give_back(index, not_before=not_before)

    def went_wrong(self, index: int, trouble: TeltubbyError, *, not_before: float = 0.0) -> None:
        """Part `index` came wrong, or could not be served: that happens, but not for ever."""
        self.missed(index, trouble, not_before=not_before)
        self._tries[index] += 1
        if self._tries[index] >= TRIES_PER_PART:
            self.fail(trouble)

    def moved(self, location: FileLocation, trouble: TeltubbyError) -> None:
        """It is to be asked for otherwise from now on."""
        if location.document_id != self.location.document_id:
            self.fail(IdentityMismatch(f"document {self.location.document_id} became {location.document_id} meanwhile"))
        elif location.size != self.location.size:
            self.fail(IdentityMismatch(f"the document had {self.location.size} bytes, and {location.size} meanwhile"))
        self._turns += 1
        if self._turns > TURNS:
            self.fail(trouble)
        self.location = location

    def expect(self, index: int, data: bytes | memoryview) -> None:
        """Raise ContentMismatch unless the part has the length that its place demands."""
        if len(data) != self.length(index):
            raise ContentMismatch(
                f"{len(data)} bytes came at offset {index * PART_BYTES}, {self.length(index)} were due"
            )

    def give_up(self, patience: float) -> None:
        """Nothing has come for too long."""
        reason = PartUnavailable(f"nothing came for {math.floor(patience)} s")
        self.fail(self.last_trouble or reason)
