"""The object store in a folder: for a single box, with the same promises as S3.

An object appears under its key by a hard link to a file that is complete and on disk: it is there whole or not at all,
and a taken key is noticed by the file system itself, whoever else writes. Unfinished work lies in the same folder:

    .uploads/put-<random>          a body that `put` is writing
    .uploads/<upload id>/data      parts, each at its place in the file
    .uploads/<upload id>/upload    JSON: what the upload is for; after `complete`, which file came of it

Objects are private (files 0600, folders 0700). Digests are the caller's: what it hands over is written as it is.
"""

from __future__ import annotations

import os
import stat
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import ParamSpec, TypeVar

import anyio
import anyio.to_thread

from teltubby.adapters.base import ObjectInfo, UnfinishedUpload
from teltubby.adapters.folder_files import publish, sync_folder, translate, write_new
from teltubby.adapters.folder_uploads import FolderUploads
from teltubby.adapters.object_keys import check_key
from teltubby.errors import FileGone, ObjectExists, StoreRefused
from teltubby.messages.transfer import PartReceipt

UPLOADS = ".uploads"
"""The one name under the folder that no key may begin with."""

_THREADS = 4

P = ParamSpec("P")
R = TypeVar("R")


class FolderStore:
    """Objects as files under `root`, which must exist (an unmounted disk is not to be filled by accident)."""

    def __init__(self, root: Path, *, part_size: int) -> None:
        self._root = root.absolute()
        self._part_size = part_size
        self._uploads = FolderUploads(self._root / UPLOADS, self._root)
        self._limiter = anyio.CapacityLimiter(_THREADS)

    @property
    def part_size(self) -> int:
        return self._part_size

    @property
    def bucket(self) -> str:
        return self._root.name

    def location(self, key: str) -> str:
        return str(self._root / key)

    async def open(self) -> None:
        """Make room for uploads and remove old leftovers. Raises StoreRefused, StoreUnavailable."""
        await self._run("open the folder store", self._open)

    async def aclose(self) -> None:
        """There is nothing to let go of."""

    async def check(self) -> None:
        await self._run("look at the folder", self._check)

    async def head(self, key: str) -> ObjectInfo | None:
        return await self._run(f"look at {key}", self._head, key, self._target(key))

    async def get(self, key: str) -> bytes:
        return await self._run(f"get {key}", self._read, key, self._target(key))

    async def read(self, key: str, offset: int, length: int) -> bytes:
        return await self._run(f"read {key}", self._read, key, self._target(key), offset, length)

    async def put(self, key: str, body: bytes, *, content_type: str, sha256: str, replace: bool = False) -> None:
        await self._run(f"put {key}", self._put, self._target(key), body, replace)

    async def begin(self, key: str, *, content_type: str) -> str:
        self._target(key)
        return await self._run(f"begin {key}", self._uploads.begin, key, content_type, self._part_size)

    async def put_part(self, key: str, upload_id: str, number: int, body: bytes, *, sha256: str) -> PartReceipt:
        doing = f"put part {number} of {key}"
        await self._run(doing, self._uploads.put_part, key, upload_id, number, body, self._part_size)
        return PartReceipt(number=number, etag=sha256, size=len(body), sha256=sha256)

    async def complete(self, key: str, upload_id: str, parts: Sequence[PartReceipt]) -> ObjectInfo:
        target = self._target(key)
        size = await self._run(f"complete {key}", self._uploads.complete, key, upload_id, parts, target)
        return ObjectInfo(key=key, size=size)

    async def abort(self, key: str, upload_id: str) -> None:
        await self._run(f"abort {key}", self._uploads.abort, key, upload_id)

    async def delete(self, key: str) -> None:
        await self._run(f"delete {key}", self._delete, self._target(key))

    async def list(self, prefix: str) -> AsyncIterator[ObjectInfo]:
        pending: list[ObjectInfo | str] = [""]
        while pending:
            match pending.pop():
                case ObjectInfo() as info:
                    yield info
                case folder:
                    pending.extend(reversed(await self._run(f"list {prefix}", self._scan, folder, prefix)))

    async def unfinished(self, prefix: str) -> AsyncIterator[UnfinishedUpload]:
        for upload in await self._run("list unfinished uploads", self._unfinished, prefix):
            yield upload

    # -- blocking, in threads ------------------------------------------------------------------------------------

    async def _run(self, doing: str, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        def blocking() -> R:
            try:
                return function(*args, **kwargs)
            except OSError as exc:
                raise translate(exc, doing, self._root) from exc

        return await anyio.to_thread.run_sync(blocking, limiter=self._limiter)

    def _target(self, key: str) -> Path:
        if check_key(key).split("/")[0] == UPLOADS:
            raise ValueError(f"not an object key: {UPLOADS}/ is reserved")
        return self._root / key

    def _open(self) -> None:
        (self._root / UPLOADS).mkdir(mode=0o700, exist_ok=True)
        self._check()
        self._uploads.sweep()

    def _check(self) -> None:
        for folder in (self._root, self._root / UPLOADS):
            folder.stat()
            if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
                raise StoreRefused(f"the folder {folder} is not readable and writable for us: change its owner or mode")

    def _head(self, key: str, target: Path) -> ObjectInfo | None:
        try:
            found = target.stat()
        except (FileNotFoundError, NotADirectoryError):
            self._root.stat()
            return None
        return ObjectInfo(key=key, size=found.st_size) if stat.S_ISREG(found.st_mode) else None

    def _read(self, key: str, target: Path, offset: int = 0, length: int = -1) -> bytes:
        try:
            with target.open("rb") as file:
                file.seek(offset)
                return file.read(length)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as exc:
            self._root.stat()
            raise FileGone(f"read {key}: there is no such object") from exc

    def _put(self, target: Path, body: bytes, replace: bool) -> None:
        if not replace and target.exists():
            raise ObjectExists(f"the name {target.relative_to(self._root)} is taken")
        fresh = self._root / UPLOADS / f"put-{uuid.uuid4().hex}"
        try:
            write_new(fresh, body)
            publish(fresh, target, self._root, replace=replace)
        finally:
            with suppress(OSError):  # a leftover is swept at the next start; the first error is the one to tell
                fresh.unlink(missing_ok=True)

    def _delete(self, target: Path) -> None:
        with suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
            target.unlink()
            sync_folder(target.parent)
        self._root.stat()

    def _unfinished(self, prefix: str) -> Sequence[UnfinishedUpload]:
        """None where the folder was never opened to be written to."""
        self._root.stat()
        return self._uploads.unfinished(prefix) if (self._root / UPLOADS).exists() else ()

    def _scan(self, folder: str, prefix: str) -> Sequence[ObjectInfo | str]:
        """What `folder` ("" or "a/b/") has under `prefix`, in key order: objects, and names of folders."""
        found: list[ObjectInfo | str] = []
        with os.scandir(self._root / folder) as entries:
            for entry in entries:
                name = folder + entry.name
                if entry.is_dir():
                    name += "/"
                    if name != f"{UPLOADS}/" and (name.startswith(prefix) or prefix.startswith(name)):
                        found.append(name)
                elif name.startswith(prefix):
                    with suppress(FileNotFoundError):  # deleted while we look
                        found.append(ObjectInfo(key=name, size=entry.stat().st_size))
        return sorted(found, key=lambda item: os.fsencode(item if isinstance(item, str) else item.key))
