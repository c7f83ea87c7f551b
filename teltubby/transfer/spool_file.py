"""A spool on disk while it is filled: parts are written and journalled at once, and made durable now and then.

A part survives the death of the process when `put` returns, for the operating system has it. It survives a power cut
after the next checkpoint: the data are synced first, and then the journal says so. Until then the journal's word counts
only under the same boot of the machine. So no part waits for the disk, and a cut costs at most what the last checkpoint
did not cover. Blocking; called in threads, several at once.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from pathlib import Path

from teltubby.errors import SpoolClosed, Transient
from teltubby.messages.transfer import BegunUpload
from teltubby.transfer.journal import (
    Done,
    Fact,
    History,
    PartWritten,
    Session,
    SpooledFile,
    Synced,
    first_line,
    line,
)
from teltubby.transfer.spool_lock import HeldSpool, spool_full, sync_folder, translated, write_at

_LOG = logging.getLogger(__name__)

SYNC_SECONDS = 1.0
SYNC_BYTES = 64 << 20
"""A checkpoint begins when the last is so old, or so much was written since; one at a time."""

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
"""Another after every start of the machine (random(4))."""


def current_boot() -> str | None:
    """The boot that the machine is in, or None when it does not tell."""
    try:
        return BOOT_ID.read_text(encoding="ascii").strip() or None
    except (OSError, ValueError):
        return None


class SpoolFile:
    """The open data file and journal of `file`, going on from `history`, or begun anew.

    `present` (parts) and `upload` are what it went on from; whoever uses it keeps track of what comes to them.
    `background` runs checkpoints, one after the other; it belongs to the spool and is shut down with it. Raises
    SpoolFull when the disk takes no more, SpoolClosed when the files were removed.
    """

    def __init__(
        self,
        held: HeldSpool,
        file: SpooledFile,
        history: History | None,
        *,
        boot_id: str | None,
        background: Executor,
        clock: Callable[[], float],
    ) -> None:
        self.file = file
        self._held = held
        self._background = background
        self._clock = clock
        self._appending = threading.Lock()
        self._checkpoint: Future[None] | None = None
        self._trouble: Transient | None = None
        self._unsynced = 0
        self._done = False
        with translated(held.folder):
            if history is None:
                self._begin(boot_id)
            else:
                self._resume(history, boot_id)
        self._synced_at = clock()

    @property
    def path(self) -> Path:
        """The data file."""
        return self._held.data_path

    def _begin(self, boot_id: str | None) -> None:
        self.present: frozenset[int] = frozenset()
        self.upload: BegunUpload | None = None
        self._held.allot(self.file)
        self._journal = os.open(self._held.journal_path, os.O_RDWR | os.O_CLOEXEC | os.O_CREAT | os.O_EXCL, 0o600)
        with self._closed_on_error():
            head, self._checksum = first_line(self.file)
            write_at(self._journal, head, 0)
            self._end = len(head)
            self._append(Session(boot_id))
            os.fdatasync(self._journal)
            sync_folder(self._held.folder)
            self._sure = self._end, self._checksum

    def _resume(self, history: History, boot_id: str | None) -> None:
        self.present = frozenset(history.present)
        self.upload = history.upload
        self._journal = os.open(self._held.journal_path, os.O_RDWR | os.O_CLOEXEC)
        with self._closed_on_error():
            self._end, self._checksum = history.end, history.checksum
            os.ftruncate(self._journal, self._end)  # what cannot be read must not stand behind what is written now
            self._append(Session(boot_id))
            os.fdatasync(self._journal)
            sync_folder(self._held.folder)  # whoever made the files may have died before it did
            self._sure = history.sure if history.unsynced else (self._end, self._checksum)
            if history.unsynced:  # the first to sync is told if the kernel failed to write them meanwhile
                self.checkpoint()

    @contextmanager
    def _closed_on_error(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            os.close(self._journal)
            raise

    def put(self, index: int, body: memoryview) -> None:
        """Write part `index`, whole."""
        with translated(self._held.folder):
            write_at(self._held.data, body, index * self.file.part_bytes)
            with self._appending:
                self._check()
                self._append(PartWritten(index))
                self._unsynced += len(body)
                if self._is_due():
                    self._checkpoint = self._background.submit(self.checkpoint)

    def note(self, fact: Fact) -> None:
        """Write a fact into the journal that survives a power cut from now on."""
        with translated(self._held.folder):
            with self._appending:
                self._check()
                self._append(fact)
            os.fdatasync(self._journal)

    def read(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes. Raises SpoolClosed when they cannot be read, and what a checkpoint met."""
        if self._trouble is not None:  # after a failed sync the bytes in memory may be others than those written
            raise self._trouble
        try:
            body = os.pread(self._held.data, length, offset)
        except OSError as error:
            raise SpoolClosed(f"the spool file {self._held.data_path} cannot be read: {error.strerror}") from error
        if len(body) != length:
            raise SpoolClosed(f"the spool file {self._held.data_path} is shorter than it was made")
        return body

    def checkpoint(self) -> None:
        """Have what was written so far survive a power cut."""
        with self._appending:
            reached = self._end, self._checksum
            self._unsynced, self._synced_at = 0, self._clock()
        with translated(self._held.folder):
            try:
                self._held.require(self._journal)
            except SpoolClosed as error:
                self._trouble = error
                raise
            self._sync_data()
            with self._appending:
                self._append(Synced(reached[0]))
                self._sure = reached
            os.fdatasync(self._journal)

    def _sync_data(self) -> None:
        try:
            os.fdatasync(self._held.data)
        except OSError as error:
            with self._appending:
                self._trouble = spool_full(error, self._held.folder)
                # The kernel may drop what it could not write, and says so only once (fsync(2)): it counts no more.
                self._end, self._checksum = self._sure
                os.ftruncate(self._journal, self._end)
            raise

    def finish(self) -> None:
        """Nothing of this is needed any more: from now on no attempt goes on from it."""
        with translated(self._held.folder):
            self._held.require(self._journal)
            try:
                with self._appending:
                    self._append(Done())
                os.fdatasync(self._journal)
            except OSError:  # a disk that takes no more can still forget
                self._held.clear()
        self._done = True

    def close(self, *, keep: bool) -> None:
        """Close both files; remove them when `keep` is false or they are finished. What fails is left to a sweep."""
        self._background.shutdown(wait=True)
        try:
            if not keep or self._done:
                self._held.remove()
            else:
                self._check()
                if self._unsynced:
                    self.checkpoint()
        except (OSError, Transient) as error:
            _LOG.warning("the spool of job %s was not closed well: %s", self.file.job_id, error)
        finally:
            os.close(self._journal)
            self._held.close()

    def _append(self, fact: Fact) -> None:
        text, checksum = line(fact, self._checksum)
        write_at(self._journal, text, self._end)
        self._end, self._checksum = self._end + len(text), checksum  # not before all of it was written

    def _check(self) -> None:
        if self._trouble is not None:
            raise self._trouble
        if self._checkpoint is not None and self._checkpoint.done():
            self._checkpoint.result()

    def _is_due(self) -> bool:
        if self._checkpoint is not None and not self._checkpoint.done():
            return False
        return self._unsynced >= SYNC_BYTES or self._clock() - self._synced_at >= SYNC_SECONDS
