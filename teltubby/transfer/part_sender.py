"""Parts on their way up: read in order, hashed once, sent some at a time, and written into the log in order."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import anyio
from anyio import to_thread

from teltubby.adapters.base import ObjectStore
from teltubby.errors import ContentMismatch, UploadVanished
from teltubby.messages.transfer import BegunUpload, ByteSource, PartReceipt, StoreFile


class PartSender:
    """Sends what a begun upload lacks of its file; `receipts` are those of all parts from the first, without a gap.

    Part n + `parallel` is not begun before part n has its receipt in the log: a process that is killed leaves at most
    `parallel` parts behind that have to be sent again, and as many are in memory at most.
    """

    def __init__(self, store: ObjectStore, request: StoreFile, begun: BegunUpload, *, parallel: int) -> None:
        self.receipts = list(begun.receipts)
        self.hashing_seconds = 0.0
        self._store = store
        self._request = request
        self._begun = begun
        self._early: dict[int, PartReceipt] = {}
        self._slots = anyio.Semaphore(parallel)
        self._up = sum(receipt.size for receipt in begun.receipts)
        self._failures: list[Exception] = []

    async def send(self) -> str:
        """Return the SHA-256 of the whole file once the store has every part of it.

        Parts that have a receipt are read and hashed, but not sent. Raises what the source, the store and the log
        raise, and UploadVanished also when the source has other bytes than a receipt says.
        """
        whole = hashlib.sha256()
        self._request.stored(self._up)
        async with anyio.create_task_group() as tasks:
            with self._kept(tasks.cancel_scope):
                for number, offset in enumerate(range(0, self._request.source.size, self._begun.part_size), start=1):
                    if number > len(self._begun.receipts):
                        await self._slots.acquire()
                    body = await read_exactly(self._request.source, offset, self._begun.part_size)
                    began = anyio.current_time()
                    digest = await to_thread.run_sync(_digest, body, whole)
                    self.hashing_seconds += anyio.current_time() - began
                    if number > len(self._begun.receipts):
                        tasks.start_soon(self._put, number, body, digest, tasks.cancel_scope)
                    elif digest != self._begun.receipts[number - 1].sha256:
                        raise UploadVanished(f"part {number} of {self._begun.key} went up with other bytes than these")
                    del body  # it is large, and whoever sends it lets it go before the next one is read
        if self._failures:
            raise self._failures[0]
        return whole.hexdigest()

    async def _put(self, number: int, body: bytes, digest: str, scope: anyio.CancelScope) -> None:
        with self._kept(scope):
            key, upload_id = self._begun.key, self._begun.upload_id
            receipt = await self._store.put_part(key, upload_id, number, body, sha256=digest)
            del body
            self._early[number] = receipt
            self._up += receipt.size
            self._request.stored(self._up)
            await self._note()

    async def _note(self) -> None:
        """Write the receipts into the log that now have no gap before them, and let as many parts begin."""
        while (receipt := self._early.pop(len(self.receipts) + 1, None)) is not None:
            if self._request.log is not None:
                with anyio.CancelScope(shield=True):  # the part is up: whoever goes on must not send it again
                    await self._request.log.add(receipt)
            self.receipts.append(receipt)
            self._slots.release()

    @contextmanager
    def _kept(self, scope: anyio.CancelScope) -> Iterator[None]:
        """Keep the first thing that goes wrong and end the rest: `send` raises it without a group around it."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - raised again by `send`
            self._failures.append(error)
            scope.cancel()


async def read_exactly(source: ByteSource, offset: int, length: int) -> bytes:
    """`length` bytes of the source, fewer only at its end. Raises ContentMismatch when it gives another number."""
    due = min(length, source.size - offset)
    body = await source.read(offset, due)
    if len(body) != due:
        raise ContentMismatch(f"the spool gave {len(body)} bytes at offset {offset}, {due} were due")
    return body


def _digest(body: bytes, whole: hashlib._Hash) -> str:
    """Both digests on one way to a thread."""
    whole.update(body)
    return hashlib.sha256(body).hexdigest()
