"""The two files of a spool and the lock on them: whoever holds it, and nobody else, reads, changes or removes them.

Blocking; called in threads.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from teltubby.errors import SpoolBusy, SpoolClosed, SpoolFull
from teltubby.transfer.journal import MAX_JOURNAL_BYTES, History, SpooledFile, UnusableJournal, read_journal

DATA, JOURNAL = ".data", ".journal"

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@contextmanager
def translated(folder: Path) -> Iterator[None]:
    """Raise SpoolFull in place of what the file system says while a spool in this folder is written."""
    try:
        yield
    except OSError as error:
        raise spool_full(error, folder) from error


def spool_full(error: OSError, folder: Path) -> SpoolFull:
    """What the file system said, in our words."""
    if error.errno in _NO_ROOM:
        return SpoolFull(f"the disk of the spool {folder} is full: {error.strerror}")
    return SpoolFull(f"the spool {folder} cannot be written: {error.strerror}")


@dataclass(frozen=True, slots=True)
class HeldSpool:
    """A spool whose lock is held through the descriptor `data`, until `close`. Raises OSError, and what is said."""

    name: str
    folder: Path
    data: int

    @classmethod
    def hold(cls, folder: Path, name: str, *, create: bool = True) -> Self:
        """Take the lock, if need be on an empty data file. Raises SpoolBusy when somebody has it."""
        while True:
            data = os.open(folder / (name + DATA), os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0), 0o600)
            held = cls(name, folder, data)
            try:
                fcntl.flock(data, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if held.is_there():  # else it was removed between the two calls, and a lock on it protects nothing
                    return held
            except BlockingIOError:
                held.close()
                raise SpoolBusy(f"another attempt at the same job holds the spool {held.data_path}") from None
            except OSError:
                held.close()
                raise
            held.close()

    @property
    def data_path(self) -> Path:
        return self.folder / (self.name + DATA)

    @property
    def journal_path(self) -> Path:
        return self.folder / (self.name + JOURNAL)

    def is_there(self) -> bool:
        """Whether the data file is still found under its name."""
        return _is_at(self.data, self.data_path)

    def require(self, journal: int) -> None:
        """Raises SpoolClosed when one of the files is no longer found under its name: writing it keeps nothing."""
        for descriptor, path in ((self.data, self.data_path), (journal, self.journal_path)):
            if not _is_at(descriptor, path):
                raise SpoolClosed(f"the spool file {path} was removed while it was in use")

    def history(self, boot_id: str | None) -> History:
        """What the journal tells of the data file. Raises UnusableJournal, also when either file is missing."""
        try:
            with self.journal_path.open("rb") as journal:
                body = journal.read(MAX_JOURNAL_BYTES)
        except FileNotFoundError:
            raise UnusableJournal("there is no journal") from None
        except OSError as error:
            raise UnusableJournal(f"its journal cannot be read: {error.strerror}") from error
        history = read_journal(body, boot_id=boot_id)
        size = os.fstat(self.data).st_size
        if size != history.file.size:
            raise UnusableJournal(f"its data are {size} bytes long, not {history.file.size}")
        return history

    def clear(self) -> None:
        """Leave an empty data file and no journal, durably: no cut brings the journal back beside other data."""
        self.journal_path.unlink(missing_ok=True)
        sync_folder(self.folder)
        os.ftruncate(self.data, 0)

    def allot(self, file: SpooledFile) -> None:
        """Give the data file its size, durably; the disk is taken only as parts are written."""
        os.ftruncate(self.data, file.size)
        os.fsync(self.data)

    def remove(self) -> None:
        """Remove both files, unless others stand in their place."""
        if self.is_there():
            self.journal_path.unlink(missing_ok=True)
            self.data_path.unlink(missing_ok=True)  # last: the lock is on it

    def close(self) -> None:
        """Let go of the lock."""
        os.close(self.data)


def sync_folder(folder: Path) -> None:
    """Make the names in this folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_at(descriptor: int, body: bytes | memoryview, offset: int) -> None:
    """Write all of `body` at `offset`."""
    rest = memoryview(body)
    while rest:
        written = os.pwrite(descriptor, rest, offset)
        rest, offset = rest[written:], offset + written


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        there = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return os.path.samestat(there, os.fstat(descriptor))
