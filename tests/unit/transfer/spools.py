"""Spools to try out: small parts, content that can be told apart, and a clock and checkpoints in the test's hands."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any, TypeVar

from teltubby.messages.transfer import BegunUpload, PartReceipt
from teltubby.transfer.journal import SpooledFile
from teltubby.transfer.spool_file import SpoolFile
from teltubby.transfer.spool_folder import SpoolFolder

R = TypeVar("R")

PART = 64
KEEP_SECONDS = 1000.0


class ByHand(Executor):
    """Runs what it was given when the test says so, or when it is shut down."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def submit(self, work: Callable[..., R], /, *args: Any, **kwargs: Any) -> Future[R]:
        future: Future[R] = Future()

        def run() -> None:
            try:
                future.set_result(work(*args, **kwargs))
            except Exception as error:  # noqa: BLE001 - whoever asks for the result gets it
                future.set_exception(error)

        self.waiting.append(run)
        return future

    def run(self) -> None:
        """Do all of it now."""
        while self.waiting:
            self.waiting.pop(0)()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        del wait, cancel_futures
        self.run()


def spooled(document: int = 0, *, size: int = 6 * PART - 5, part_bytes: int = PART, job_id: str = "job") -> SpooledFile:
    """A file of six parts, if not told otherwise."""
    return SpooledFile(job_id=job_id, document_id=document, size=size, key=f"key-{document}", part_bytes=part_bytes)


def part(file: SpooledFile, index: int) -> bytes:
    """The bytes of a part: no two parts, of no two documents, are alike anywhere."""
    seed = f"{file.document_id}:{index}".encode()
    return hashlib.shake_256(seed).digest(file.part_size(index))


def content(file: SpooledFile) -> bytes:
    return b"".join(part(file, index) for index in range(file.parts))


def put(disk: SpoolFile, *indexes: int) -> None:
    """Write these parts of its file."""
    for index in indexes:
        disk.put(index, memoryview(part(disk.file, index)))


def verify(disk: SpoolFile) -> set[int]:
    """The parts that it says are there, after a look at each."""
    for index in disk.present:
        length = disk.file.part_size(index)
        assert disk.read(index * disk.file.part_bytes, length) == part(disk.file, index), f"part {index} is not there"
    return set(disk.present)


def folder(place: Path, boot: Callable[[], str | None] = lambda: "a boot", **options: Any) -> SpoolFolder:
    """The spools of one process; another has a folder of its own over the same place."""
    return SpoolFolder(place, **{"keep_seconds": KEEP_SECONDS, "part_bytes": PART, "boot": boot, **options})


def begun(upload_id: str = "up", *, receipts: int = 0) -> BegunUpload:
    return BegunUpload(
        key="key-0",
        upload_id=upload_id,
        part_size=2 * PART,
        receipts=tuple(receipt(number) for number in range(1, receipts + 1)),
    )


def receipt(number: int) -> PartReceipt:
    return PartReceipt(number=number, etag=f'"{number}"', size=2 * PART, sha256=f"{number:064x}")
