"""UploadActor: the only way into the object store; hashes in order on the way up."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Awaitable, Callable
from typing import assert_never

import anyio
from anyio import move_on_after, to_thread

from teltubby.adapters.base import ObjectStore, PartReceipt
from teltubby.archive.artifact import same_submission
from teltubby.errors import ContentMismatch, ObjectExists, TeltubbyError
from teltubby.messages.transfer import ByteSource, DropObject, StoreArtifact, Stored, StoreFile, UploadMessage
from teltubby.supervision import Pool, SupervisionError

_LOG = logging.getLogger(__name__)

FirstCopy = Callable[[str], Awaitable[str | None]]
"""Key of the object that holds the bytes of this SHA-256 already, or None."""

ABORT_SECONDS = 5.0
VERIFY_BYTES = 8 << 20


class UploadActor(Pool[UploadMessage]):
    """Stores files and artifacts; `first_copy` decides duplicates before an object becomes visible.

    Files of at least `multipart_bytes` go up in parts while their source still grows; a part is in memory at a time.
    Does not retry: whoever asked knows how long trying again makes sense.
    """

    def __init__(self, store: ObjectStore, *, width: int, multipart_bytes: int, first_copy: FirstCopy) -> None:
        self.width = width
        self._store = store
        self._multipart_bytes = multipart_bytes
        self._first_copy = first_copy
        self._opening = anyio.Lock()
        self._is_open = False

    async def teardown(self) -> None:
        await self._store.aclose()

    async def handle(self, message: UploadMessage, /) -> object:
        await self._open()
        match message:
            case StoreFile():
                return await self._store_file(message)
            case StoreArtifact():
                await self._store_artifact(message)
                return None
            case DropObject(key=key):
                await self._store.delete(key)
                return None
            case _:
                assert_never(message)

    async def _open(self) -> None:
        """Open the store with the first request: one that is away at the start is the asker's trouble, not a crash."""
        async with self._opening:
            if not self._is_open:
                await self._store.open()
                self._is_open = True

    async def _store_file(self, request: StoreFile) -> Stored:
        if request.source.size < self._multipart_bytes:
            return await self._store_whole(request)
        return await self._store_in_parts(request)

    async def _store_artifact(self, request: StoreArtifact) -> None:
        digest = hashlib.sha256(request.body).hexdigest()
        kind = "application/json"
        try:
            await self._store.put(request.key, request.body, content_type=kind, sha256=digest)
        except ObjectExists:
            ours = same_submission(await self._store.get(request.key), request.body)
            key = request.key if ours else request.beside
            await self._store.put(key, request.body, content_type=kind, sha256=digest, replace=True)

    async def _store_whole(self, request: StoreFile) -> Stored:
        body = await _read(request.source, 0, request.source.size)
        digest = (await to_thread.run_sync(hashlib.sha256, body)).hexdigest()
        first = await self._older_copy(digest, request.key)
        if first is None:
            try:
                await self._store.put(request.key, body, content_type=request.content_type, sha256=digest)
            except ObjectExists as error:
                await self._adopt(request.key, len(body), digest, error)
        request.stored(len(body))
        return Stored(key=request.key, size_bytes=len(body), sha256=digest, duplicate_of=first)

    async def _store_in_parts(self, request: StoreFile) -> Stored:
        source, key = request.source, request.key
        await self._abort_leftovers(key)
        upload_id = await self._store.begin(key, content_type=request.content_type)
        try:
            whole = hashlib.sha256()
            parts: list[PartReceipt] = []
            for offset in range(0, source.size, self._store.part_size):
                body = await _read(source, offset, min(self._store.part_size, source.size - offset))
                digest = await to_thread.run_sync(_digest, body, whole)
                number = len(parts) + 1
                parts.append(await self._store.put_part(key, upload_id, number, body, sha256=digest))
                request.stored(offset + len(body))
            sha256 = whole.hexdigest()
            first = await self._older_copy(sha256, key)
            if first is not None:
                await self._abort(key, upload_id)
                return Stored(key=key, size_bytes=source.size, sha256=sha256, duplicate_of=first)
            try:
                info = await self._store.complete(key, upload_id, parts)
                if info.size != source.size:
                    raise ContentMismatch(f"the store reports {info.size} bytes of {source.size} under {key}")
            except ObjectExists as error:
                await self._adopt(key, source.size, sha256, error)
                await self._abort(key, upload_id)
            except ContentMismatch:
                await self._store.delete(key)  # it is ours and wrong, and would stand in the way of the next attempt
                raise
        except BaseException:
            await self._abort(key, upload_id)
            raise
        return Stored(key=key, size_bytes=source.size, sha256=sha256)

    async def _abort_leftovers(self, key: str) -> None:
        """Drop what a killed process had begun under this key, which is one file's, as its job is now ours alone."""
        for left in [found async for found in self._store.unfinished(key) if found.key == key]:
            _LOG.info("an unfinished upload of %s from an earlier run is dropped", key)
            await self._store.abort(key, left.upload_id)

    async def _older_copy(self, sha256: str, key: str) -> str | None:
        try:
            first = await self._first_copy(sha256)
        except (SupervisionError, TimeoutError) as error:
            _LOG.warning("duplicates are settled later, the ledger does not answer: %s", error)
            return None
        return None if first == key else first

    async def _adopt(self, key: str, size: int, sha256: str, taken: ObjectExists) -> None:
        """Accept the object under a taken key when it is this very file: an earlier run stored it and was cut off."""
        info = await self._store.head(key)
        if info is None or info.size != size:
            raise taken
        digest = hashlib.sha256()
        for offset in range(0, size, VERIFY_BYTES):
            await to_thread.run_sync(digest.update, await self._store.read(key, offset, VERIFY_BYTES))
        if digest.hexdigest() != sha256:
            raise taken

    async def _abort(self, key: str, upload_id: str) -> None:
        """Drop an unfinished upload, as far as the store lets us; what stays behind is swept later."""
        with move_on_after(ABORT_SECONDS, shield=True):
            try:
                await self._store.abort(key, upload_id)
            except TeltubbyError as error:
                _LOG.warning("could not abort the upload of %s: %s", key, error)


async def _read(source: ByteSource, offset: int, length: int) -> bytes:
    body = await source.read(offset, length)
    if len(body) != length:
        raise ContentMismatch(f"the spool gave {len(body)} bytes at offset {offset}, {length} were due")
    return body


def _digest(body: bytes, whole: hashlib._Hash) -> str:
    whole.update(body)
    return hashlib.sha256(body).hexdigest()
