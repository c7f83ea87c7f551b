"""Power cuts: what a process wrote and never synced is gone, and the machine has booted since.

kill -9 leaves the kernel its caches, so that nobody would notice a missing fsync. Here each sync of a spool file in the
product's process copies the file to a second folder, the disk as a power cut would leave it; the cut puts the copies in
the place of the files. What was never synced is zeros then, and a journal
is empty. SQLite syncs beyond our reach: it loses nothing.
"""

from __future__ import annotations

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
_BOOT = "boot_id"


class Disk:
    """What is safe of the spool, in `safe`; the runner's side."""

    def __init__(self, safe: Path, spool: Path) -> None:
        self._safe = safe
        self._spool = spool
        safe.mkdir(parents=True)
        self._boot()

    @property
    def environment(self) -> dict[str, str]:
        """What processes are to be started with."""
        return {VARIABLE: str(self._safe)}

    def cut(self) -> int:
        """Lose what is not safe, and boot; returns how many bytes differ. The process has ended before."""
        lost = 0
        for path in self._spool.rglob("*"):
            if path.suffix in (DATA, JOURNAL):
                safe = _copy_of(self._safe, path)
                after = safe.read_bytes() if safe.exists() else b""
                before = path.read_bytes()
                if path.suffix == DATA:  # its length is the file system's own matter, and survives before its content
                    after = after.ljust(len(before), b"\0")
                lost += sum(1 for old, new in zip(before, after, strict=False) if old != new)
                lost += abs(len(before) - len(after))
                path.write_bytes(after)
        self._boot()
        return lost

    def _boot(self) -> None:
        (self._safe / _BOOT).write_text(str(uuid.uuid4()))


def watch_syncs() -> None:
    """In a process of the product: copy what is synced from now on, and have it see the boot that the disk is of."""
    safe = Path(os.environ.pop(VARIABLE))
    setattr(spool_file, "BOOT_ID", safe / _BOOT)  # noqa: B010 - the types say that it never changes
    for name in ("fsync", "fdatasync"):
        setattr(os, name, _copying(getattr(os, name), safe))


def _copying(sync: Callable[[int], None], safe: Path) -> Callable[[int], None]:
    def synced(descriptor: int) -> None:
        sync(descriptor)
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if S_ISDIR(os.fstat(descriptor).st_mode):
            for copy in safe.glob(f"{_copy_of(safe, path / 'x').name[:-1]}*"):
                if not (path / copy.name.rpartition("@")[2]).exists():
                    copy.unlink(missing_ok=True)
        elif path.suffix in (DATA, JOURNAL) and path.exists():
            copy = _copy_of(safe, path)
            shutil.copyfile(path, copy.with_suffix(".new"))
            copy.with_suffix(".new").replace(copy)

    return synced


def _copy_of(safe: Path, path: Path) -> Path:
    return safe / str(path).replace("/", "@")
