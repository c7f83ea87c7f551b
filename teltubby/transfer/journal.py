"""The journal of a spool: what is known of the file on disk, one line per fact; readable after any kill or power cut.

A line is `CHECKSUM JSON` and a newline. The checksum (8 hex digits) is the CRC-32 of the JSON, begun with the checksum
of the line before, so that no line left over from another history can follow. Reading ends at the first line that is
torn or wrong; what stands before it holds. The facts, in version 1:

=============================================== ====================================================================
`{"spool": 1, "job_id": …, "document_id": …,    The first line: which file this is. A journal of another file, size,
"size": …, "key": …, "part_bytes": …}`          key or part size is never used.
`{"session": "…"}`                              A process goes on from here, under this boot of the machine (null:
                                                unknown). Parts that were only in memory before another boot are gone.
`{"part": 17}`                                  All bytes of part 17 were handed to the operating system.
`{"synced": 8812}`                              The parts in the first 8812 bytes of this journal are on the disk.
`{"upload": "id", "key": …, "part_size": …}`    A multipart upload was begun, in place of any other.
`{"stored": 3, "etag": …, "size": …,            The store has part 3 of it; the parts before it stand before.
"sha256": …}`
`{"forgotten": true}`                           There is no upload any more.
`{"done": true}`                                Nothing of this is needed any more.
=============================================== ====================================================================
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, assert_never

from teltubby.messages.transfer import PART_BYTES, BegunUpload, PartReceipt

VERSION = 1
MAX_JOURNAL_BYTES = 16 << 20
"""More is not read: the largest file needs less than 1 MiB."""


class UnusableJournal(ValueError):
    """The journal says nothing about this file; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpooledFile:
    """The file that a spool is for; `size` in bytes."""

    job_id: str
    document_id: int
    size: int
    key: str
    part_bytes: int = PART_BYTES

    @property
    def parts(self) -> int:
        """How many parts the file has."""
        return -(-self.size // self.part_bytes)

    def part_size(self, index: int) -> int:
        """The bytes of part `index`."""
        return min(self.part_bytes, self.size - index * self.part_bytes)


@dataclass(frozen=True, slots=True)
class Session:
    """A process goes on from here; None when the machine does not tell its boots apart."""

    boot_id: str | None


@dataclass(frozen=True, slots=True)
class PartWritten:
    """A part is with the operating system, whole."""

    index: int


@dataclass(frozen=True, slots=True)
class Synced:
    """The parts within the first `covered` bytes of the journal are on the disk."""

    covered: int


@dataclass(frozen=True, slots=True)
class UploadBegun:
    """An upload without receipts."""

    upload: BegunUpload


@dataclass(frozen=True, slots=True)
class UploadPartStored:
    """The store has the next part."""

    receipt: PartReceipt


@dataclass(frozen=True, slots=True)
class UploadForgotten:
    """There is no upload any more."""


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing of the spool is needed any more."""


Fact = Session | PartWritten | Synced | UploadBegun | UploadPartStored | UploadForgotten | Done


@dataclass(slots=True, kw_only=True)
class History:
    """What a journal tells. `end` bytes of it are intact, `checksum` is that of the last intact line."""

    file: SpooledFile
    end: int
    checksum: int
    boot_id: str | None = None
    synced: set[int] = field(default_factory=set)
    unsynced: dict[int, int] = field(default_factory=dict)
    """Part → where its line ends."""
    sure: tuple[int, int] = (0, 0)
    """Where the first of these lines begins, and the checksum of the line before it."""
    upload: BegunUpload | None = None
    done: bool = False

    @property
    def present(self) -> set[int]:
        """The parts that are there, byte for byte."""
        return self.synced | self.unsynced.keys()


def first_line(file: SpooledFile) -> tuple[bytes, int]:
    """The line that a journal begins with, and its checksum."""
    return _seal({"spool": VERSION, **asdict(file)}, 0)


def line(fact: Fact, checksum: int) -> tuple[bytes, int]:
    """The line of a fact after the line with this checksum, and its own checksum."""
    return _seal(_members(fact), checksum)


def read_journal(body: bytes, *, boot_id: str | None) -> History:
    """What holds of a journal when it is read under the boot `boot_id`. Raises UnusableJournal."""
    lines = _intact(body)
    members, end, checksum = next(lines, ({}, 0, 0))
    history = History(file=_file(members), end=end, checksum=checksum)
    for members, end, checksum in lines:
        if not _apply(members, end, history):
            break
        history.end, history.checksum = end, checksum
    if boot_id is None or history.boot_id != boot_id:
        history.unsynced.clear()
    return history


def _members(fact: Fact) -> dict[str, object]:
    match fact:
        case PartWritten(index=index):
            return {"part": index}
        case Synced(covered=covered):
            return {"synced": covered}
        case Session(boot_id=boot_id):
            return {"session": boot_id}
        case UploadBegun(upload=upload):
            return {"upload": upload.upload_id, "key": upload.key, "part_size": upload.part_size}
        case UploadPartStored(receipt=receipt):
            return {"stored": receipt.number, "etag": receipt.etag, "size": receipt.size, "sha256": receipt.sha256}
        case UploadForgotten():
            return {"forgotten": True}
        case Done():
            return {"done": True}
        case _:
            assert_never(fact)


def _seal(members: dict[str, object], checksum: int) -> tuple[bytes, int]:
    text = json.dumps(members).encode("ascii")
    checksum = zlib.crc32(text, checksum)
    return b"%08x %b\n" % (checksum, text), checksum


def _intact(body: bytes) -> Iterator[tuple[dict[str, Any], int, int]]:
    """The members of each line, where it ends, and its checksum, as far as lines are whole and follow each other."""
    start, checksum = 0, 0
    while (newline := body.find(b"\n", start)) >= 0:
        text = body[start + 9 : newline]
        checksum = zlib.crc32(text, checksum)
        if body[start : start + 9] != b"%08x " % checksum:
            return
        try:
            members = json.loads(text)
        except (ValueError, RecursionError):
            return
        if not isinstance(members, dict):
            return
        start = newline + 1
        yield members, start, checksum


def _file(members: dict[str, Any]) -> SpooledFile:
    match members:
        case {
            "spool": int(version),
            "job_id": str(job_id),
            "document_id": int(document_id),
            "size": int(size),
            "key": str(key),
            "part_bytes": int(part_bytes),
        } if size >= 0 and part_bytes > 0:
            if version != VERSION:
                raise UnusableJournal(f"its journal has version {version}, not {VERSION}")
            return SpooledFile(job_id=job_id, document_id=document_id, size=size, key=key, part_bytes=part_bytes)
        case {"spool": int(version)} if version != VERSION:
            raise UnusableJournal(f"its journal has version {version}, not {VERSION}")
        case _:
            raise UnusableJournal("the first line of its journal cannot be read")


def _apply(members: dict[str, Any], end: int, history: History) -> bool:
    """Take in the fact that ends at `end`; False when it is none that can stand here."""
    upload = history.upload
    match members:
        case {"part": int(index)} if 0 <= index < history.file.parts:
            if not history.unsynced:
                history.sure = history.end, history.checksum
            history.unsynced.setdefault(index, end)
        case {"synced": int(covered)}:
            reached = [index for index, place in history.unsynced.items() if place <= covered]
            history.synced.update(reached)
            for index in reached:
                del history.unsynced[index]
        case {"session": str() | None as boot_id}:
            if boot_id is None or boot_id != history.boot_id:
                history.unsynced.clear()
            history.boot_id = boot_id
        case {"upload": str(upload_id), "key": str(key), "part_size": int(part_size)}:
            history.upload = BegunUpload(key=key, upload_id=upload_id, part_size=part_size)
        case {"stored": int(number), "etag": str(etag), "size": int(size), "sha256": str(sha256)} if (
            upload is not None and number == len(upload.receipts) + 1
        ):
            receipt = PartReceipt(number=number, etag=etag, size=size, sha256=sha256)
            history.upload = with_receipt(upload, receipt)
        case {"forgotten": True}:
            history.upload = None
        case {"done": True}:
            history.done = True
        case _:
            return False
    return True


def with_receipt(upload: BegunUpload, receipt: PartReceipt) -> BegunUpload:
    """The upload with one more part. Raises ValueError when it is not the next one."""
    if receipt.number != len(upload.receipts) + 1:
        raise ValueError(f"part {receipt.number} was stored, but part {len(upload.receipts) + 1} is the next")
    return BegunUpload(
        key=upload.key,
        upload_id=upload.upload_id,
        part_size=upload.part_size,
        receipts=(*upload.receipts, receipt),
    )
