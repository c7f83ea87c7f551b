"""Power cuts: what a process wrote and never synced is gone, and the machine has booted since.

kill -9 leaves the kernel its caches, so that nobody would notice a missing fsync. Here each sync of a spool file in the
product's process copies the file to a second folder, the disk as a power cut would leave it, and so does each sync of a
database (syncs.c); the cut puts the copies in the place of the files. What was never synced of a spool is zeros then,
and a journal or a database is as it was, or empty.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from stat import S_ISDIR

from teltubby.transfer import spool_file
from teltubby.transfer.spool_lock import DATA, JOURNAL

VARIABLE = "CHAOS_DISK"
"""Names the second folder in the environment of a process."""
DATABASES = (".db", ".db-wal", ".db-journal")
SHARED = ".db-shm"
_BOOT, _FRESH = "boot_id", "fresh"


class Disk:
    """What is safe of spool and databases, in `safe`, for the runner. Databases lose nothing unless `sees_sqlite`."""

    def __init__(self, safe: Path, spool: Path, databases: Path, *, sees_sqlite: bool) -> None:
        self._safe = safe
        self._spool = spool
        self._databases = databases
        self._sees_sqlite = sees_sqlite
        (safe / _FRESH).mkdir(parents=True)
        self._boot()

    @property
    def environment(self) -> dict[str, str]:
        """What processes are to be started with."""
        return {VARIABLE: str(self._safe)}

    def cut_spool(self) -> int:
        """Lose what is not safe, and boot; returns how many bytes differ. The processes have ended before."""
        lost = 0
        for path in self._spool.rglob("*"):
            if path.suffix in (DATA, JOURNAL):
                after = self._safe_bytes(path)
                before = path.read_bytes()
                if path.suffix == DATA:  # its length is the file system's own matter, and survives before its content
                    after = after.ljust(len(before), b"\0")
                lost += _replaced(path, before, after)
        self._boot()
        return lost

    def cut_databases(self) -> int:
        """The same for the databases; what SQLite shares between processes is in memory."""
        lost = 0
        for path in self._databases.rglob("*") if self._sees_sqlite else ():
            if path.name.endswith(DATABASES):
                lost += _replaced(path, path.read_bytes(), self._safe_bytes(path))
            elif path.name.endswith(SHARED):
                path.unlink()
        return lost

    def _safe_bytes(self, path: Path) -> bytes:
        safe = _copy_of(self._safe, path)
        return safe.read_bytes() if safe.exists() else b""

    def _boot(self) -> None:
        (self._safe / _BOOT).write_text(str(uuid.uuid4()))


def _replaced(path: Path, before: bytes, after: bytes) -> int:
    """Write it; returns how many bytes differ."""
    path.write_bytes(after)
    return sum(1 for old, new in zip(before, after, strict=False) if old != new) + abs(len(before) - len(after))


def watch_syncs() -> None:
    """In a process of the product: copy what is synced from now on, and have it see the boot that the disk is of."""
    safe = Path(os.environ.pop(VARIABLE))
    setattr(spool_file, "BOOT_ID", safe / _BOOT)  # noqa: B010 - the types say that it never changes
    for name in ("fsync", "fdatasync"):
        setattr(os, name, _copying(getattr(os, name), safe))
    if hasattr(preloaded := ctypes.CDLL(None), "chaos_syncs"):
        preloaded.chaos_syncs(os.fsencode(safe))


def _copying(sync: Callable[[int], None], safe: Path) -> Callable[[int], None]:
    def synced(descriptor: int) -> None:
        sync(descriptor)
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if S_ISDIR(os.fstat(descriptor).st_mode):
            for copy in safe.glob("@*"):
                folder, _, name = copy.name.rpartition("@")
                if safe / folder == _copy_of(safe, path) and not (path / name).exists():
                    copy.unlink(missing_ok=True)
        elif path.suffix in (DATA, JOURNAL) and path.exists():
            copy = _copy_of(safe, path)
            fresh = safe / _FRESH / copy.name
            shutil.copyfile(path, fresh)
            fresh.replace(copy)

    return synced


def _copy_of(safe: Path, path: Path) -> Path:
    return safe / str(path).replace("/", "@")
