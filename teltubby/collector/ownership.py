"""The lock beside the collector's database: two collectors on one file would each move the other's cursors."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import IO

from teltubby.errors import DatabaseUnavailable


class InPlace:
    """The file at `path` as it is now: where it is deleted or replaced, what is written on goes nowhere."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._identity = _identity(path)

    def check(self) -> None:
        """Raises DatabaseUnavailable where another file is there, or none."""
        if _identity(self._path) != self._identity:
            raise DatabaseUnavailable(
                f"The database {self._path} was deleted or replaced while it was used: stop what collects, put it back,"
                " and start again"
            )


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def own(path: Path) -> IO[bytes]:
    """Have the database at `path` for this process, until what is returned is closed or the process ends.

    Raises DatabaseUnavailable when another process has it, or the lock's file cannot be made.
    """
    beside = path.with_name(path.name + ".lock")
    try:
        handle = beside.open("ab")
    except OSError as error:
        raise DatabaseUnavailable(f"The lock of the database, {beside}, cannot be made: {error.strerror}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        handle.close()
        raise DatabaseUnavailable(f"Another process collects into the database {path}: stop one of them") from error
    except OSError as error:
        handle.close()
        raise DatabaseUnavailable(f"The lock of the database, {beside}, cannot be had: {error.strerror}") from error
    return handle
