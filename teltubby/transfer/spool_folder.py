"""The folder of spools: a name per job, room for every file that was promised some, and no leftovers."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import stat
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import NamedTuple

import anyio
from anyio import to_thread

from teltubby.errors import SpoolBusy, SpoolFull
from teltubby.messages.transfer import PART_BYTES, BegunUpload
from teltubby.transfer.journal import History, SpooledFile, UnusableJournal
from teltubby.transfer.spool import Spool, remove_unless_held
from teltubby.transfer.spool_file import SpoolFile, current_boot
from teltubby.transfer.spool_lock import DATA, JOURNAL, HeldSpool, translated

_LOG = logging.getLogger(__name__)

OLD_SUFFIX = ".part"
"""Of spools without a journal, which versions before this one made."""

THREADS = 4
"""Parts that are written at once, over all spools: more threads only wait for each other."""

_SAFE = re.compile(r"[A-Za-z0-9._-]{1,100}")
_BLOCK = 512
"""The unit of `st_blocks` (stat(2))."""


class _Other(NamedTuple):
    """A spool in the folder that is not ours to write: how many bytes it has, and how many it still lacks."""

    name: str
    written_at: float
    taken: int
    lacking: int


def spool_name(job_id: str) -> str:
    """The name of a job's files, without suffix: the id itself where it is harmless, else a digest of it."""
    if _SAFE.fullmatch(job_id):
        return job_id
    return "~" + hashlib.sha256(job_id.encode("utf-8", "surrogatepass")).hexdigest()  # no harmless id has a "~"


def _one_thread() -> Executor:
    return ThreadPoolExecutor(1, thread_name_prefix="teltubby-spool")


class SpoolFolder:
    """The spools in `folder`, several processes' maybe. What no attempt came back for in `keep_seconds` is swept.

    `background` makes what runs the checkpoints of one spool, in a thread of its own; `clock` says when they are due,
    and `boot` which boot the machine is in.
    """

    def __init__(
        self,
        folder: Path,
        *,
        keep_seconds: float,
        part_bytes: int = PART_BYTES,
        clock: Callable[[], float] = time.monotonic,
        boot: Callable[[], str | None] = current_boot,
        background: Callable[[], Executor] = _one_thread,
    ) -> None:
        self._folder = folder
        self._keep_seconds = keep_seconds
        self._part_bytes = part_bytes
        self._clock = clock
        self._boot = boot
        self._background = background
        self._threads = anyio.CapacityLimiter(THREADS)
        self._allotting = threading.Lock()

    def open(self, job_id: str, *, document_id: int, size: int, key: str) -> Spool:
        """The spool of a job's file of `size` bytes, to be entered: what an earlier attempt left of it, or a new one.

        Entering raises SpoolBusy while another attempt holds it, and SpoolFull when there is no room, even without the
        spools that nobody holds, of which the oldest have to go first.
        """
        file = SpooledFile(job_id=job_id, document_id=document_id, size=size, key=key, part_bytes=self._part_bytes)
        return Spool(file, partial(self.acquire, file), self._threads)

    async def discard(self, job_id: str) -> BegunUpload | None:
        """The job is dead, or was finished elsewhere: remove its spool, if there is one and nobody holds it.

        Returns the upload that was begun from it, which somebody must abort.
        """
        return await to_thread.run_sync(self._discard, spool_name(job_id))

    def sweep(self) -> int:
        """Remove what nobody will go on with, but no spool that somebody holds; returns how many. Blocking.

        A folder that cannot be made or read is left for whoever needs it next, who can say so to somebody.
        """
        removed = 0
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            for path in self._folder.glob("*" + OLD_SUFFIX):
                removed += remove_unless_held(path)
            for name in self._names():
                with suppress(OSError, SpoolBusy):
                    removed += self._remove_if_useless(name)
        return removed

    def acquire(self, file: SpooledFile) -> SpoolFile:
        """What entering a spool does, blocking."""
        with translated(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            held = HeldSpool.hold(self._folder, spool_name(file.job_id))
            try:
                return self._open(held, file)
            except BaseException:
                held.close()
                raise

    def _open(self, held: HeldSpool, file: SpooledFile) -> SpoolFile:
        boot_id = self._boot()
        history = _history(held, file, boot_id)
        try:
            with self._allotting:
                self._make_room(held, file.size)
                background = self._background()
                return SpoolFile(held, file, history, boot_id=boot_id, background=background, clock=self._clock)
        except BaseException:
            if history is None:  # nothing is lost with it
                held.remove()
            raise

    def _discard(self, name: str) -> BegunUpload | None:
        begun: BegunUpload | None = None
        try:
            if name in self._names():
                held = HeldSpool.hold(self._folder, name)
                try:
                    with suppress(UnusableJournal):
                        begun = held.history(None).upload
                    held.remove()
                finally:
                    held.close()
        except FileNotFoundError:
            return None
        except (OSError, SpoolBusy) as error:
            _LOG.info("the spool %s stays for now: %s", name, error)
        return begun

    def _names(self) -> list[str]:
        suffixes = (DATA, JOURNAL)
        return sorted({path.name[: -len(path.suffix)] for path in self._folder.iterdir() if path.suffix in suffixes})

    def _remove_if_useless(self, name: str) -> bool:
        held = HeldSpool.hold(self._folder, name)
        try:
            why = self._useless(held)
            if why is not None:
                _LOG.info("the spool %s is removed: %s", name, why)
                held.remove()
            return why is not None
        finally:
            held.close()

    def _useless(self, held: HeldSpool) -> str | None:
        try:
            history = held.history(None)
        except UnusableJournal as error:
            return str(error)
        if history.done:
            return "its job is done"
        age = time.time() - held.journal_path.stat().st_mtime
        return f"nobody came back for it in {age:.0f} s" if age > self._keep_seconds else None

    def _make_room(self, own: HeldSpool, size: int) -> None:
        """Remove kept spools, the oldest first, until there is room for `size` bytes. Raises SpoolFull."""
        need = _lacking(os.fstat(own.data), size)
        others = [other for other in self._others() if other.name != own.name]
        disk = os.statvfs(self._folder)
        free = disk.f_bavail * disk.f_frsize
        if free - sum(other.lacking for other in others) >= need:
            return  # without a look at who holds what, which could come in the way of somebody who wants to
        kept = [other for other in others if not self._is_held(other.name)]
        reserved = sum(other.lacking for other in others if other not in kept)
        short = need + reserved - free
        if short > sum(other.taken for other in kept):
            raise SpoolFull(
                f"the spool {self._folder} has {free} bytes free, {reserved} of them for other files on their way;"
                f" this one needs {need}"
            )
        for other in sorted(kept, key=lambda other: other.written_at):
            if short <= 0:
                return
            _LOG.warning("the spool %s gives way to another job's file", other.name)
            self._discard(other.name)
            short -= other.taken

    def _others(self) -> Iterator[_Other]:
        for path in self._folder.glob("*" + DATA):
            with suppress(FileNotFoundError):
                found = path.stat()
                if stat.S_ISREG(found.st_mode):
                    taken, lacking = found.st_blocks * _BLOCK, _lacking(found, found.st_size)
                    yield _Other(path.name.removesuffix(DATA), found.st_mtime, taken, lacking)

    def _is_held(self, name: str) -> bool:
        try:
            HeldSpool.hold(self._folder, name, create=False).close()
        except SpoolBusy:
            return True
        except FileNotFoundError:
            return False
        return False


def _history(held: HeldSpool, file: SpooledFile, boot_id: str | None) -> History | None:
    """What an earlier attempt left of this very file; anything else is cleared away."""
    try:
        history = held.history(boot_id)
        if history.done:
            raise UnusableJournal("it was finished")
        if history.file != file:
            others = [
                each.name for each in fields(file) if getattr(file, each.name) != getattr(history.file, each.name)
            ]
            raise UnusableJournal(f"it has another {' and '.join(others)}")
    except UnusableJournal as reason:
        if held.journal_path.exists():
            _LOG.warning("the spool of job %s is begun anew: %s", file.job_id, reason)
        held.clear()
        return None
    return history


def _lacking(found: os.stat_result, size: int) -> int:
    """How many bytes of the disk a file takes yet until it is `size` bytes without a hole."""
    return max(0, size - found.st_blocks * _BLOCK)
