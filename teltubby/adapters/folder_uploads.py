"""Multipart uploads in a folder: one file that takes every part at its place, and a record beside it.

They survive restarts. After `complete` the record stays for a while and says which file came of the upload, so that
completing again, by somebody who never heard the first answer, is answered the same. Blocking; called in threads.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from teltubby.adapters.base import UnfinishedUpload
from teltubby.adapters.folder_files import opened, publish, sync_folder, write_at, write_new
from teltubby.errors import ContentMismatch, Permanent, UploadVanished
from teltubby.messages.transfer import PartReceipt

_LOG = logging.getLogger(__name__)

STALE_AFTER = 7 * 24 * 3600.0
"""Seconds after which what nobody will ask for again is removed: leftovers of a kill, records of finished uploads."""

_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Record:
    key: str
    content_type: str
    begun_at: str
    part_size: int
    inode: int | None = None
    """Of the object, once there is one."""


class FolderUploads:
    """The uploads under `folder`, which lies in the same file system as the objects under `root`."""

    def __init__(self, folder: Path, root: Path) -> None:
        self._folder = folder
        self._root = root

    def begin(self, key: str, content_type: str, part_size: int) -> str:
        """A new upload's id. The record comes last: without one there is no upload."""
        upload_id = uuid.uuid4().hex
        home = self._folder / upload_id
        home.mkdir(mode=0o700)
        write_new(home / "data", b"")
        begun_at = datetime.now(UTC).isoformat()
        self._write(home, _Record(key=key, content_type=content_type, begun_at=begun_at, part_size=part_size))
        sync_folder(self._folder)
        return upload_id

    def put_part(self, key: str, upload_id: str, number: int, body: bytes, part_size: int) -> None:
        """Write a part at its place, durably. Raises UploadVanished, also for one begun with another part size."""
        home, record = self._unfinished(key, upload_id)
        if record.part_size != part_size:
            raise UploadVanished(f"the upload of {key} was begun with parts of {record.part_size} bytes")
        if number < 1 or len(body) > part_size:
            raise ValueError(f"part {number} of {len(body)} bytes: parts have 1 to {part_size} bytes, numbers from 1")
        try:
            with opened(home / "data", os.O_WRONLY) as descriptor:
                write_at(descriptor, body, (number - 1) * part_size)
        except FileNotFoundError as exc:
            raise UploadVanished(f"the upload of {key} ended meanwhile") from exc

    def complete(self, key: str, upload_id: str, parts: Sequence[PartReceipt], target: Path) -> int:
        """Make the file the object at `target` and return its size. Raises ObjectExists, ContentMismatch."""
        home, record = self._find(key, upload_id)
        if record.inode is not None:
            return self._size_of_completed(key, record, target)
        size = _checked_size(key, parts, record.part_size)
        try:
            with opened(home / "data", os.O_RDWR) as descriptor:
                stat = os.fstat(descriptor)
                if stat.st_size < size:
                    raise ContentMismatch(f"the upload of {key} has {stat.st_size} bytes instead of {size}")
                os.ftruncate(descriptor, size)  # a last part that was longer at first
                os.fsync(descriptor)
            publish(home / "data", target, self._root)
        except FileNotFoundError as exc:
            if (home / "data").exists():
                raise
            raise UploadVanished(f"the upload of {key} ended meanwhile") from exc
        self._write(home, replace(record, inode=stat.st_ino))
        (home / "data").unlink(missing_ok=True)
        return size

    def abort(self, key: str, upload_id: str) -> None:
        """Drop an unfinished upload; others are left alone."""
        with suppress(UploadVanished):
            home, _ = self._unfinished(key, upload_id)
            (home / "upload").unlink(missing_ok=True)  # first: from here on there is no upload
            shutil.rmtree(home)
            sync_folder(self._folder)

    def unfinished(self, prefix: str) -> list[UnfinishedUpload]:
        """Uploads under `prefix` that were neither completed nor aborted."""
        found = [
            UnfinishedUpload(key=record.key, upload_id=home.name, begun_at=datetime.fromisoformat(record.begun_at))
            for home, record in self._records()
            if record.inode is None and record.key.startswith(prefix)
        ]
        return sorted(found, key=lambda upload: (upload.key.encode(), upload.upload_id))

    def sweep(self) -> None:
        """Remove what a kill left behind and what was finished long ago, but no unfinished upload."""
        before = time.time() - STALE_AFTER
        wanted = {home.name for home, record in self._records() if record.inode is None}
        for entry in list(os.scandir(self._folder)):
            if entry.name in wanted or entry.stat(follow_symlinks=False).st_mtime > before:
                continue
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)
            else:
                Path(entry.path).unlink(missing_ok=True)

    def _records(self) -> Iterator[tuple[Path, _Record]]:
        for home in sorted(self._folder.iterdir()):
            if _ID.fullmatch(home.name) and (record := _read(home)) is not None:
                yield home, record

    def _find(self, key: str, upload_id: str) -> tuple[Path, _Record]:
        home = self._folder / upload_id
        record = _read(home) if _ID.fullmatch(upload_id) else None
        if record is None or record.key != key:
            self._folder.stat()  # an unmounted folder is another matter than a forgotten upload
            raise UploadVanished(f"there is no upload {upload_id} of {key}")
        return home, record

    def _unfinished(self, key: str, upload_id: str) -> tuple[Path, _Record]:
        home, record = self._find(key, upload_id)
        if record.inode is not None:
            raise UploadVanished(f"the upload {upload_id} of {key} is completed")
        return home, record

    def _size_of_completed(self, key: str, record: _Record, target: Path) -> int:
        with suppress(FileNotFoundError):
            stat = target.stat()
            if stat.st_ino == record.inode:
                return stat.st_size
        raise UploadVanished(f"the upload of {key} was completed, but the object is gone")

    def _write(self, home: Path, record: _Record) -> None:
        fresh = home / f"upload-{uuid.uuid4().hex}"
        write_new(fresh, json.dumps(asdict(record)).encode())
        fresh.replace(home / "upload")
        sync_folder(home)


def _read(home: Path) -> _Record | None:
    """The upload's record; None where there is none, or a damaged disk made it unreadable: it is begun again then."""
    try:
        found = json.loads((home / "upload").read_bytes())
    except FileNotFoundError:
        return None  # begun or aborted halfway
    except (ValueError, RecursionError):
        found = None
    match found:
        case {
            "key": str(key),
            "content_type": str(content_type),
            "begun_at": str(begun_at),
            "part_size": int(part_size),
            "inode": int() | None as inode,
        } if part_size > 0 and _is_moment(begun_at):
            return _Record(key=key, content_type=content_type, begun_at=begun_at, part_size=part_size, inode=inode)
    _LOG.warning("the record of the upload in %s cannot be read; what it was for is uploaded anew", home)
    return None


def _is_moment(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _checked_size(key: str, parts: Sequence[PartReceipt], part_size: int) -> int:
    """The object's size, if the parts are 1 to n, all but the last full."""
    ordered = sorted(parts, key=lambda part: part.number)
    if not ordered:
        raise Permanent(f"complete {key}: an upload has at least one part")
    if [part.number for part in ordered] != list(range(1, len(ordered) + 1)):
        raise ContentMismatch(f"complete {key}: parts are missing")
    if any(part.size != part_size for part in ordered[:-1]) or ordered[-1].size > part_size:
        raise ContentMismatch(f"complete {key}: a part has another size than {part_size} bytes")
    return sum(part.size for part in ordered)
