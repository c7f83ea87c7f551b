"""A file's way into the object store: whole or in parts, no stored part twice, visible only when it is right.

What is verified, and what is not. Every part and every whole body goes up under its SHA-256, as a checksum and in the
request's signature: a store that checks either refuses other bytes. Once it is done the store must report the expected
size. A store that checks no digest and silently keeps other bytes of the same number is not found out: its ETags say
which parts an object was made of, not that the parts hold what was sent, and nothing is read back except to prove that
an object which already lies under the key is this very file.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Awaitable, Callable

from anyio import move_on_after, to_thread

from teltubby.adapters.base import ObjectInfo, ObjectStore
from teltubby.adapters.metrics import Metrics
from teltubby.errors import (
    ContentMismatch,
    ObjectExists,
    Permanent,
    StoreUnavailable,
    TeltubbyError,
    UploadVanished,
)
from teltubby.messages.stages import Stage
from teltubby.messages.transfer import BegunUpload, PartReceipt, Stored, StoreFile
from teltubby.supervision import SupervisionError
from teltubby.transfer.part_sender import PartSender, read_exactly

_LOG = logging.getLogger(__name__)

FirstCopy = Callable[[str], Awaitable[str | None]]
"""Key of the object that holds the bytes of this SHA-256 already, or None."""

MAX_PARTS = 10_000
"""Parts that an S3 multipart upload has at most."""

BEGINNINGS = 3
"""So many uploads are tried for one request: a store that forgets each of them is in trouble."""

ABORT_SECONDS = 5.0
VERIFY_BYTES = 8 << 20


async def abort_unfinished(store: ObjectStore, key: str, *, but: str | None = None) -> None:
    """Drop every upload of this very key that was begun and not completed, except the one with the id `but`.

    Not beside a completed object: Swift would take its segments for those of an upload. Raises StoreUnavailable,
    StoreRefused.
    """
    for left in [found async for found in store.unfinished(key) if found.key == key]:
        if left.upload_id != but:
            _LOG.info("an unfinished upload of %s is dropped", key)
            await store.abort(key, left.upload_id)


class Upload:
    """One file on its way; files of at least `multipart_bytes` go up in parts, up to `parallel` of them at once.

    Who ends an upload that was begun: a duplicate's is aborted, as is one that can never succeed. Whatever else cuts it
    off leaves it in the store if there is a log to go on from; without one it is aborted. The log outlives success, so
    that a run whose answer was lost is answered again without a byte going up.
    """

    def __init__(
        self,
        store: ObjectStore,
        request: StoreFile,
        *,
        multipart_bytes: int,
        parallel: int,
        first_copy: FirstCopy,
        metrics: Metrics | None = None,
    ) -> None:
        self._store = store
        self._request = request
        self._key, self._source, self._log = request.key, request.source, request.log
        self._multipart_bytes = multipart_bytes
        self._parallel = parallel
        self._first_copy = first_copy
        self._metrics = metrics or Metrics()

    async def run(self) -> Stored:
        """Return once the store has confirmed the file, or the ledger knows an older copy.

        Raises what the source, the store and the log raise, ContentMismatch, and UploadVanished when the store forgets
        one upload after the other.
        """
        begun = None if self._log is None else self._log.begun
        if begun is None and self._source.size < max(self._multipart_bytes, 1):
            return await self._store_whole()
        return await self._store_in_parts(begun)

    async def _store_whole(self) -> Stored:
        body = await read_exactly(self._source, 0, self._source.size)
        with self._metrics.timed(Stage.HASH):
            digest = (await to_thread.run_sync(hashlib.sha256, body)).hexdigest()
        first = await self._older_copy(digest)
        if first is None:
            try:
                await self._store.put(self._key, body, content_type=self._request.content_type, sha256=digest)
            except ObjectExists as error:
                await self._adopt(digest, error)
            else:
                await self._confirm(self._store.head(self._key))
        self._request.stored(len(body))
        return self._stored(digest, first)

    async def _store_in_parts(self, begun: BegunUpload | None) -> Stored:
        if self._source.size > MAX_PARTS * self._store.part_size:
            raise Permanent(
                f"{self._source.size} bytes are more than {MAX_PARTS} parts of {self._store.part_size} bytes hold: "
                "raise S3_MULTIPART_PART_SIZE_MB"
            )
        if begun is not None and not self._fits(begun):
            await self._give_up(begun)
            begun = None
        await self._abort_leftovers(begun)
        tried = 0
        while True:
            is_new = begun is None
            begun = begun or await self._begin()
            tried += 1
            try:
                return await self._go_on(begun, is_new=is_new)
            except UploadVanished as error:
                await self._give_up(begun)
                if tried == BEGINNINGS:
                    raise
                _LOG.info("the upload of %s begins anew: %s", self._key, error)
                begun = None
            except BaseException as error:
                if self._log is None or isinstance(error, Permanent):
                    await self._give_up(begun)
                raise

    def _fits(self, begun: BegunUpload) -> bool:
        """Whether it is this file's, in parts of the size that is configured now."""
        up = sum(receipt.size for receipt in begun.receipts)
        return begun.key == self._key and begun.part_size == self._store.part_size and up <= self._source.size

    async def _begin(self) -> BegunUpload:
        upload_id = await self._store.begin(self._key, content_type=self._request.content_type)
        begun = BegunUpload(key=self._key, upload_id=upload_id, part_size=self._store.part_size)
        if self._log is not None:
            try:
                await self._log.begin(begun)
            except BaseException:
                await self._give_up(begun)
                raise
        return begun

    async def _go_on(self, begun: BegunUpload, *, is_new: bool) -> Stored:
        sender = PartSender(self._store, self._request, begun, parallel=self._parallel)
        try:
            sha256 = await sender.send()
        finally:
            self._metrics.took(Stage.HASH, sender.hashing_seconds)
        first = await self._older_copy(sha256)
        if first is not None:
            await self._abort(begun)
        elif is_new and await self._holds(sha256):
            # Another worker had the job meanwhile. Completed, this one would stay behind: the object is made of equal
            # parts, so the store would be said to have done it. Nobody completed it, for it is new: it can be aborted.
            await self._abort(begun)
        else:
            with self._metrics.timed(Stage.COMPLETE):
                await self._complete(begun, sender.receipts, sha256)
        return self._stored(sha256, first)

    async def _complete(self, begun: BegunUpload, receipts: list[PartReceipt], sha256: str) -> None:
        try:
            await self._confirm(self._store.complete(self._key, begun.upload_id, receipts))
        except ObjectExists as error:
            await self._adopt(sha256, error)
            await self._abort(begun)
        except UploadVanished:
            # Nobody else completes it: either an earlier run did, and its answer was lost, or it has expired.
            if await self._store.head(self._key) is None:
                raise
            await self._adopt(sha256, ObjectExists(f"the key {self._key} is taken"))

    async def _confirm(self, reported: Awaitable[ObjectInfo | None]) -> None:
        """Nothing counts as stored before the store has reported it with the right size."""
        try:
            info = await reported
            if info is None:
                raise StoreUnavailable(f"the store says that {self._key} is done, but has no such object")
            if info.size != self._source.size:
                raise ContentMismatch(f"the store reports {info.size} bytes of {self._source.size} under {self._key}")
        except ContentMismatch:
            await self._store.delete(self._key)  # it is ours and wrong, and would stand in the way of the next attempt
            raise

    async def _abort_leftovers(self, but: BegunUpload | None) -> None:
        """Drop what was begun under this key, which is one file's, as its job is now ours alone; `but` goes on."""
        await abort_unfinished(self._store, self._key, but=None if but is None else but.upload_id)

    async def _older_copy(self, sha256: str) -> str | None:
        try:
            with self._metrics.timed(Stage.FIRST_COPY):
                first = await self._first_copy(sha256)
        except (SupervisionError, TimeoutError) as error:
            _LOG.warning("duplicates are settled later, the ledger does not answer: %s", error)
            return None
        if first is None or first == self._key or await self._holds(sha256):
            # An earlier run that was cut off completed it under our key. To point elsewhere would leave that object to
            # nobody; reported as stored, it is settled by the ledger: the artifact first, then the copy deleted.
            return None
        return first

    async def _adopt(self, sha256: str, taken: ObjectExists) -> None:
        """Accept the object under a taken key when it is this very file: an earlier run stored it and was cut off."""
        if not await self._holds(sha256):
            raise taken

    async def _holds(self, sha256: str) -> bool:
        """Whether our key has this very file."""
        info = await self._store.head(self._key)
        if info is None or info.size != self._source.size:
            return False
        digest = hashlib.sha256()
        for offset in range(0, info.size, VERIFY_BYTES):
            await to_thread.run_sync(digest.update, await self._store.read(self._key, offset, VERIFY_BYTES))
        return digest.hexdigest() == sha256

    async def _give_up(self, begun: BegunUpload) -> None:
        """Nobody will go on with it: forget it first, so that no run goes on with what is aborted."""
        with move_on_after(ABORT_SECONDS, shield=True):
            if self._log is not None:
                try:
                    await self._log.forget()
                except TeltubbyError as error:
                    _LOG.warning("could not forget the upload of %s: %s", begun.key, error)
        await self._abort(begun)

    async def _abort(self, begun: BegunUpload) -> None:
        """Drop an unfinished upload, as far as the store lets us; what stays behind is swept later."""
        with move_on_after(ABORT_SECONDS, shield=True):
            try:
                await self._store.abort(begun.key, begun.upload_id)
            except TeltubbyError as error:
                _LOG.warning("could not abort the upload of %s: %s", begun.key, error)

    def _stored(self, sha256: str, first: str | None) -> Stored:
        return Stored(key=self._key, size_bytes=self._source.size, sha256=sha256, duplicate_of=first)
