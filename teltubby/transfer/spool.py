"""The spool: a file on disk that one side fills part by part while the other already reads its prefix."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import anyio
from anyio import to_thread

from teltubby.errors import SpoolClosed
from teltubby.messages.transfer import BegunUpload, PartReceipt
from teltubby.transfer.journal import (
    Fact,
    SpooledFile,
    UploadBegun,
    UploadForgotten,
    UploadPartStored,
    with_receipt,
)
from teltubby.transfer.spool_file import SpoolFile


class Spool:
    """`PartFile` over the file of one job, and in `uploads` the `UploadLog` beside it; made by `SpoolFolder.open`.

    Use it as a context manager, once. Leaving it keeps what is there for the job's next attempt, unless `finish` was
    called or there is nothing to keep. Entering raises SpoolBusy, and SpoolFull with numbers.
    """

    def __init__(self, file: SpooledFile, acquire: Callable[[], SpoolFile], threads: anyio.CapacityLimiter) -> None:
        self._file = file
        self._acquire = acquire
        self._threads = threads
        self._disk: SpoolFile | None = None
        self._present: set[int] = set()
        self._first_missing = 0
        self._resumed_bytes = 0
        self._under_way: dict[int, list[anyio.Event]] = {}
        self._failure: Exception | None = None
        self._failed = anyio.Event()
        self._waiting: list[tuple[int, anyio.Event]] = []
        self._users = 0
        self._unused: anyio.Event | None = None
        self.uploads = SpoolUploads(self._note)

    @property
    def size(self) -> int:
        return self._file.size

    @property
    def path(self) -> Path:
        """Where its bytes are while it is open. Raises SpoolClosed."""
        if self._disk is None:
            raise SpoolClosed(f"the spool of job {self._file.job_id} is not open")
        return self._disk.path

    @property
    def prefix(self) -> int:
        """How many bytes from the front are there without a gap."""
        return min(self._first_missing * self._file.part_bytes, self.size)

    @property
    def present(self) -> Collection[int]:
        """Indexes of the parts that are there now, from an earlier run too."""
        return frozenset(self._present)

    @property
    def resumed_bytes(self) -> int:
        """How many bytes an earlier run left here."""
        return self._resumed_bytes

    async def __aenter__(self) -> Self:
        self._disk = await to_thread.run_sync(self._acquire)
        self._present.update(self._disk.present)
        self._resumed_bytes = sum(map(self._file.part_size, self._present))
        self._advance()
        self.uploads.begun = self._disk.upload
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.fail(SpoolClosed(f"the spool of job {self._file.job_id} was closed"))
        disk, self._disk = self._disk, None
        with anyio.CancelScope(shield=True):
            while self._users:  # a descriptor closed under a running write could be another file's by then
                self._unused = anyio.Event()
                await self._unused.wait()
            if disk is not None:
                keep = bool(self._present) or self.uploads.begun is not None
                await to_thread.run_sync(lambda: disk.close(keep=keep))

    async def write(self, index: int, data: bytes | memoryview) -> None:
        """Part `index`, whole; again is no harm. Returns once a killed process would find it again.

        Raises SpoolFull, SpoolClosed, and ValueError when the file has no such part of so many bytes.
        """
        view = memoryview(data).cast("B")
        if not 0 <= index < self._file.parts or len(view) != self._file.part_size(index):
            raise ValueError(f"part {index} of {len(view)} bytes is none of a file of {self.size} bytes")
        while (others := self._under_way.get(index)) is not None:
            others.append(over := anyio.Event())
            await over.wait()
        with self._in_use() as disk:
            if self._failure is not None:
                raise self._failure
            if index in self._present:
                return
            self._under_way[index] = []
            try:
                await to_thread.run_sync(disk.put, index, view, limiter=self._threads)
                self._present.add(index)
                self._advance()
            finally:
                for over in self._under_way.pop(index):
                    over.set()

    async def read(self, offset: int, length: int) -> bytes:
        end = min(offset + length, self.size)
        while self.prefix < end and self._failure is None:
            grown = (end, anyio.Event())
            self._waiting.append(grown)
            try:
                await grown[1].wait()
            finally:
                self._waiting.remove(grown)
        if self._failure is not None:
            raise self._failure
        if end <= offset:
            return b""
        with self._in_use() as disk:
            return await to_thread.run_sync(disk.read, offset, end - offset)

    def fail(self, error: Exception) -> None:
        """Tell waiting readers that no more bytes will come, and why; those that come later, and writers, too."""
        self._failure = self._failure or error
        self._failed.set()
        for _, grown in self._waiting:
            grown.set()

    async def wait_failed(self) -> Exception:
        """Return why, once `fail` was called; leaving the spool calls it too."""
        while self._failure is None:
            await self._failed.wait()
        return self._failure

    async def finish(self) -> None:
        """Nothing of this is needed any more: on leaving it is removed, and after a kill no attempt goes on from it.

        Raises SpoolFull, and SpoolClosed when it was removed already.
        """
        with self._in_use() as disk:
            await to_thread.run_sync(disk.finish)

    async def _note(self, fact: Fact) -> None:
        with self._in_use() as disk:
            await to_thread.run_sync(disk.note, fact)

    def _advance(self) -> None:
        while self._first_missing in self._present:
            self._first_missing += 1
        for end, grown in self._waiting:
            if end <= self.prefix:
                grown.set()

    @contextmanager
    def _in_use(self) -> Iterator[SpoolFile]:
        if self._disk is None:
            raise SpoolClosed(f"the spool of job {self._file.job_id} is not open")
        self._users += 1
        try:
            yield self._disk
        finally:
            self._users -= 1
            if self._unused is not None and not self._users:
                self._unused.set()


class SpoolUploads:
    """`UploadLog` in a spool's journal; it survives a power cut too."""

    def __init__(self, note: Callable[[Fact], Awaitable[None]]) -> None:
        self.begun: BegunUpload | None = None
        self._note = note
        self._one_by_one = anyio.Lock()

    async def begin(self, upload: BegunUpload) -> None:
        """Remember an upload that was just begun, in place of any other, with the receipts that it brings."""
        async with self._one_by_one:
            await self._note(UploadBegun(replace(upload, receipts=())))
            self.begun = replace(upload, receipts=())
            for receipt in upload.receipts:
                await self._add(receipt)

    async def add(self, receipt: PartReceipt) -> None:
        """Remember that the next part is stored. Raises ValueError when it is another, or there is no upload."""
        async with self._one_by_one:
            await self._add(receipt)

    async def forget(self) -> None:
        """There is no upload any more."""
        async with self._one_by_one:
            await self._note(UploadForgotten())
            self.begun = None

    async def _add(self, receipt: PartReceipt) -> None:
        if self.begun is None:
            raise ValueError(f"part {receipt.number} was stored, but no upload was begun")
        grown = with_receipt(self.begun, receipt)
        await self._note(UploadPartStored(receipt))
        self.begun = grown


class FileSource:
    """`ByteSource` over a finished file. Raises SpoolClosed when it cannot be read any more."""

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self._size = size

    @property
    def size(self) -> int:
        return self._size

    async def read(self, offset: int, length: int) -> bytes:
        return await to_thread.run_sync(self._read, offset, length)

    def _read(self, offset: int, length: int) -> bytes:
        try:
            with self._path.open("rb") as file:
                file.seek(offset)
                return file.read(length)
        except OSError as error:
            raise SpoolClosed(f"the spool file {self._path.name} cannot be read: {error.strerror}") from error


def sweep(folder: Path) -> int:
    """Remove what an earlier run left in the spool folder, but no spool that another process holds; returns how many.

    A folder that cannot be made or read is left for whoever needs it next, who can say so to somebody.
    """
    removed = 0
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.iterdir():
            removed += remove_unless_held(path)
    return removed


def remove_unless_held(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink(missing_ok=True)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True
