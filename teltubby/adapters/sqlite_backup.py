"""Copies of SQLite files that another process may have open and write to, and whether one has. Blocking."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from teltubby.adapters.sqlite_file import translated

_PAGES = 4096
"""Copied between two looks at whether somebody wants to stop: 16 MiB of our pages."""
_SHARED_FIRST, _SHARED_BYTES = 0x40000002, 510
"""Where SQLite locks (src/os_unix.c): who has a file in WAL mode open holds a read lock there, also while it rests."""
_OPEN_SECONDS = 30.0


def copy_database(source: Path, target: Path, *, going_on: Callable[[], bool] = lambda: True) -> int | None:
    """Write the file as it is at this moment into the new file `target`, and return its schema version.

    Nobody is kept from writing meanwhile: a transaction that reads holds the moment. None when `going_on` says so.
    Raises DatabaseUnavailable, for a file that is not there too.
    """
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    with translated(source), closing(_opened(source, "rw")) as from_, closing(_opened(target, "rw")) as to:
        from_.execute("BEGIN")
        (version,) = from_.execute("PRAGMA user_version").fetchone()
        from_.execute("SELECT count(*) FROM sqlite_master").fetchone()

        def look(status: int, remaining: int, total: int) -> None:
            del status, remaining, total
            if not going_on():
                raise _Stopped

        try:
            from_.backup(to, pages=_PAGES, progress=look)
        except _Stopped:
            return None
        return int(version)


def damage(path: Path) -> str | None:
    """What SQLite's integrity check says of a file that nobody has open; None: it is sound.

    Raises DatabaseUnavailable for what is no database at all.
    """
    with translated(path), closing(_opened(path, "ro", "&immutable=1")) as connection:
        (result,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    return None if result == "ok" else str(result)


@contextmanager
def kept_from_others(path: Path) -> Iterator[bool]:
    """Whether no other process has the file open; while the body runs none can begin to use it, if there is a file.

    Raises OSError. This process must not have it open itself: POSIX locks go with the first close of the file.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        yield True
        return
    try:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, _SHARED_BYTES, _SHARED_FIRST)
        except (BlockingIOError, PermissionError):
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


class _Stopped(Exception):
    """The copy is not wanted any more."""


def _opened(path: Path, mode: str, more: str = "") -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode={mode}{more}"  # never created
    return sqlite3.connect(uri, uri=True, timeout=_OPEN_SECONDS, isolation_level=None)
