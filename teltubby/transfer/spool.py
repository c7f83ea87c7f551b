"""The spool: a file on disk that one side fills while the other already reads its prefix."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import anyio
from anyio import to_thread

from teltubby.errors import SpoolClosed, SpoolFull, Transient


class Spool:
    """`ByteSource` over a file of `size` bytes that grows from its front; remove it only after the store confirmed.

    One writer, any number of readers, all in the same backend. Use as a context manager: leaving closes and removes the
    file. Raises SpoolFull when the disk has no room.
    """

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self._size = size
        self._prefix = 0
        self._failure: Exception | None = None
        self._grown = anyio.Event()
        self._descriptor = -1
        self._busy = 0

    @property
    def path(self) -> Path:
        return self._path

    @property
    def size(self) -> int:
        return self._size

    @property
    def prefix(self) -> int:
        """How many bytes from the front are there."""
        return self._prefix

    async def __aenter__(self) -> Self:
        self._descriptor = await to_thread.run_sync(self._create)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.fail(SpoolClosed(f"the spool {self._path.name} was closed"))
        with anyio.CancelScope(shield=True):
            while self._busy:  # a descriptor closed under a running write could be another file's by then
                await self._grown.wait()
            await to_thread.run_sync(self._discard)

    async def append(self, data: bytes) -> None:
        """Write the next bytes behind the prefix and let readers have them."""
        if self._failure is not None:
            raise self._failure
        with self._in_use():
            try:
                await to_thread.run_sync(self._write, data, self._prefix)
            except OSError as error:
                raise _spool_error(error, self._path) from error
            self._prefix += len(data)

    def fail(self, error: Exception) -> None:
        """Tell waiting readers that no more bytes will come, and why."""
        self._failure = self._failure or error
        self._announce()

    async def read(self, offset: int, length: int) -> bytes:
        end = min(offset + length, self._size)
        while self._prefix < end and self._failure is None:
            await self._grown.wait()
        if self._failure is not None:
            raise self._failure
        with self._in_use():
            try:
                return await to_thread.run_sync(os.pread, self._descriptor, end - offset, offset)
            except OSError as error:
                raise SpoolClosed(f"the spool {self._path.name} cannot be read: {error.strerror}") from error

    @contextmanager
    def _in_use(self) -> Iterator[None]:
        self._busy += 1
        try:
            yield
        finally:
            self._busy -= 1
            self._announce()

    def _announce(self) -> None:
        grown, self._grown = self._grown, anyio.Event()
        grown.set()

    def _create(self) -> int:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _spool_error(error, self._path) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # while it is held, no `sweep` removes the file
            os.ftruncate(descriptor, 0)
        except OSError as error:
            os.close(descriptor)
            raise _spool_error(error, self._path) from error
        return descriptor

    def _write(self, data: bytes, offset: int) -> None:
        view = memoryview(data)
        while view:
            written = os.pwrite(self._descriptor, view, offset)
            view, offset = view[written:], offset + written

    def _discard(self) -> None:
        os.close(self._descriptor)
        self._path.unlink(missing_ok=True)


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
            removed += _remove_unless_held(path)
    return removed


def _remove_unless_held(path: Path) -> bool:
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


def _spool_error(error: OSError, path: Path) -> Transient:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return SpoolFull(f"the disk of the spool {path.parent} is full")
    return SpoolFull(f"the spool {path.parent} cannot be written: {error.strerror}")
