"""The UploadActor in a tree, what it reads from, and a store that notes what was sent to it."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio

from teltubby.actors.upload import UploadActor
from teltubby.adapters.base import ObjectInfo
from teltubby.messages.transfer import ByteSource, PartReceipt, Stored, StoreFile, UploadLog, UploadMessage
from teltubby.supervision import ChildSpec, Mailbox, Ref, Supervisor
from teltubby.supervision.mailbox import Signal
from teltubby.transfer.upload import FirstCopy
from tests.actors.stage import running, sha256
from tests.twins import MemoryStore

KEY = "teltubby/2026/11/anna/1/film.mp4"
PART = 16
MULTIPART = 40
"""From so many bytes on a file goes up in parts."""


@dataclass
class BytesSource:
    """A finished source in memory; `claims` is the size that it says it has."""

    body: bytes
    claims: int | None = None
    reads: list[tuple[int, int]] = field(default_factory=list)

    @property
    def size(self) -> int:
        return len(self.body) if self.claims is None else self.claims

    async def read(self, offset: int, length: int) -> bytes:
        self.reads.append((offset, length))
        return self.body[offset : offset + length]


class GrowingSource(BytesSource):
    """A source of which only the first `there` bytes have come, until it has more or is broken."""

    def __init__(self, body: bytes, there: int = 0) -> None:
        super().__init__(body)
        self._there = there
        self._failure: Exception | None = None
        self._changed = Signal()

    def grow(self, to: int) -> None:
        """The first `to` bytes are there."""
        self._there = to
        self._changed.notify()

    def fail(self, error: Exception) -> None:
        """Nothing more is to be had."""
        self._failure = error
        self._changed.notify()

    async def read(self, offset: int, length: int) -> bytes:
        while self._failure is None and self._there < offset + length:
            await self._changed.wait()
        if self._failure is not None:
            raise self._failure
        return await super().read(offset, length)


class NotingStore(MemoryStore):
    """A MemoryStore that notes each part when it arrives: its upload and its number.

    A part in `held` is not stored before its event is set. `lost_answer` is what the next to complete hears, although
    the object is there then.
    """

    def __init__(self, *, part_size: int = PART) -> None:
        super().__init__(part_size=part_size)
        self.sent: list[tuple[str, int]] = []
        self.held: dict[int, anyio.Event] = {}
        self.lost_answer: Exception | None = None
        self.busy = 0
        self.busiest = 0

    async def put_part(self, key: str, upload_id: str, number: int, body: bytes, *, sha256: str) -> PartReceipt:
        self.sent.append((upload_id, number))
        self.busy += 1
        self.busiest = max(self.busy, self.busiest)
        try:
            if number in self.held:
                await self.held[number].wait()
            return await super().put_part(key, upload_id, number, body, sha256=sha256)
        finally:
            self.busy -= 1

    async def complete(self, key: str, upload_id: str, parts: Sequence[PartReceipt]) -> ObjectInfo:
        info = await super().complete(key, upload_id, parts)
        lost, self.lost_answer = self.lost_answer, None
        if lost is not None:
            raise lost
        return info

    def numbers(self) -> list[int]:
        """The numbers of the parts that were sent since the last time, in ascending order."""
        sent, self.sent = self.sent, []
        return sorted(number for _, number in sent)


async def unknown(digest: str) -> str | None:
    """A ledger that has nothing."""
    del digest
    return None


def knows(*bodies: bytes, key: str) -> FirstCopy:
    """A ledger that has these contents under `key`."""
    digests = {sha256(body) for body in bodies}

    async def first_copy(digest: str) -> str | None:
        return key if digest in digests else None

    return first_copy


@dataclass
class Uploads:
    """The actor in a tree, with its store."""

    tree: Supervisor
    store: NotingStore
    ref: Ref[UploadMessage]

    async def store_file(
        self, source: ByteSource, *, key: str = KEY, told: list[int] | None = None, log: UploadLog | None = None
    ) -> Stored:
        stored = (lambda _: None) if told is None else told.append
        request = StoreFile(key=key, source=source, content_type="video/mp4", stored=stored, log=log)
        return await self.ref.ask(request, within=math.inf)


@asynccontextmanager
async def uploads(
    store: NotingStore | None = None,
    *,
    first_copy: FirstCopy = unknown,
    width: int = 4,
    parallel: int = 2,
    multipart: int = MULTIPART,
) -> AsyncIterator[Uploads]:
    """The actor, running."""
    store = NotingStore() if store is None else store
    mailbox = Mailbox[UploadMessage]("upload")

    def start() -> UploadActor:
        return UploadActor(store, width=width, multipart_bytes=multipart, first_copy=first_copy, parallel=parallel)

    async with running(ChildSpec("upload", start, mailbox=mailbox)) as tree:
        yield Uploads(tree, store, mailbox.ref)


def parts_of(size: int, part_size: int = PART) -> list[int]:
    """The numbers of a file's parts."""
    return list(range(1, -(-size // part_size) + 1))


async def sleep_a_while() -> None:
    """Long enough for everything that does not wait for something."""
    await anyio.sleep(10)
