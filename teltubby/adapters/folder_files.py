"""Durable files: what is reported as written survives a power cut. Blocking; called in threads."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from teltubby.errors import ObjectExists, StoreRefused, StoreUnavailable, TeltubbyError

SQLITE_SIDES = ("-wal", "-shm")
"""What SQLite keeps beside a file in WAL mode. A log belongs to its file and to no other."""
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_REFUSED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EOPNOTSUPP})


def translate(error: OSError, doing: str, root: Path) -> TeltubbyError:
    """Our error for what the file system said while `doing`; `root` is the store's folder."""
    said = os.strerror(error.errno) if error.errno else str(error)
    if error.errno in _FULL:
        return StoreUnavailable(f"{doing}: no room left for {root} (disk, quota or file size limit): {said}")
    if not root.is_dir():
        return StoreRefused(f"{doing}: the folder {root} is not there: create or mount it")
    if error.errno in _REFUSED:
        return StoreRefused(f"{doing}: the folder {root} cannot be used: {said}: make it writable, with hard links")
    return StoreUnavailable(f"{doing}: the folder {root} is in trouble: {said}")


@contextmanager
def opened(path: Path, flags: int) -> Iterator[int]:
    """A file descriptor; new files are for their owner only."""
    descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def write_at(descriptor: int, body: bytes, offset: int) -> None:
    """Write all of `body` at `offset`; it is on disk afterwards."""
    rest = memoryview(body)
    while rest:
        written = os.pwrite(descriptor, rest, offset)
        rest, offset = rest[written:], offset + written
    os.fsync(descriptor)


def write_new(path: Path, body: bytes) -> None:
    """A new file with this content, on disk; its name is durable only after `sync_folder`."""
    with opened(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as descriptor:
        write_at(descriptor, body, 0)


def sync_folder(folder: Path) -> None:
    """Make the names in this folder durable."""
    with opened(folder, os.O_RDONLY | os.O_DIRECTORY) as descriptor:
        os.fsync(descriptor)


def publish(source: Path, target: Path, root: Path, *, replace: bool = False) -> None:
    """Give the finished file `source` the name `target` under `root`, durably. Raises ObjectExists when that is taken.

    `source` keeps its name, except with `replace`. Again with the same `source` it does nothing.
    """
    try:
        _make_folders(target.parent, root)
        if replace:
            source.replace(target)
        else:
            _link(source, target)
    except (FileExistsError, IsADirectoryError, NotADirectoryError) as exc:
        raise ObjectExists(f"the name {target.relative_to(root)} is taken") from exc
    for folder in target.parents:
        sync_folder(folder)
        if folder == root:
            return


def _make_folders(folder: Path, root: Path) -> None:
    """`folder` and what is missing above it, but never `root`: a disk that is not mounted must not be written."""
    if folder != root and not folder.is_dir():
        _make_folders(folder.parent, root)
        folder.mkdir(mode=0o700, exist_ok=True)


def _link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except FileExistsError:
        if not target.samefile(source):
            raise
