"""An object store whose work tells how it stands, and is measured."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager

from teltubby.adapters.base import ObjectInfo, ObjectStore, UnfinishedUpload
from teltubby.adapters.dependencies import Dependency
from teltubby.adapters.metrics import Metrics
from teltubby.errors import StoreRefused, StoreUnavailable, TeltubbyError
from teltubby.messages.transfer import PartReceipt


class WatchedStore:
    """`store`, with every request counted; an answer that says no (FileGone, ObjectExists) is an answer."""

    def __init__(self, store: ObjectStore, dependency: Dependency, metrics: Metrics) -> None:
        self._store = store
        self._dependency = dependency
        self._metrics = metrics

    @property
    def part_size(self) -> int:
        return self._store.part_size

    @property
    def bucket(self) -> str:
        return self._store.bucket

    def location(self, key: str) -> str:
        return self._store.location(key)

    async def open(self) -> None:
        with self._watched():
            await self._store.open()

    async def aclose(self) -> None:
        await self._store.aclose()

    async def check(self) -> None:
        with self._watched():
            await self._store.check()

    async def head(self, key: str) -> ObjectInfo | None:
        with self._watched():
            return await self._store.head(key)

    async def get(self, key: str) -> bytes:
        with self._watched():
            return await self._store.get(key)

    async def read(self, key: str, offset: int, length: int) -> bytes:
        with self._watched():
            return await self._store.read(key, offset, length)

    async def put(self, key: str, body: bytes, *, content_type: str, sha256: str, replace: bool = False) -> None:
        with self._watched():
            await self._store.put(key, body, content_type=content_type, sha256=sha256, replace=replace)
        self._metrics.uploaded_bytes.inc(len(body))

    async def begin(self, key: str, *, content_type: str) -> str:
        with self._watched():
            return await self._store.begin(key, content_type=content_type)

    async def put_part(self, key: str, upload_id: str, number: int, body: bytes, *, sha256: str) -> PartReceipt:
        with self._watched():
            receipt = await self._store.put_part(key, upload_id, number, body, sha256=sha256)
        self._metrics.uploaded_bytes.inc(len(body))
        return receipt

    async def complete(self, key: str, upload_id: str, parts: Sequence[PartReceipt]) -> ObjectInfo:
        with self._watched():
            return await self._store.complete(key, upload_id, parts)

    async def abort(self, key: str, upload_id: str) -> None:
        with self._watched():
            await self._store.abort(key, upload_id)

    async def delete(self, key: str) -> None:
        with self._watched():
            await self._store.delete(key)

    async def list(self, prefix: str) -> AsyncIterator[ObjectInfo]:
        with self._told():
            async for info in self._store.list(prefix):
                yield info

    async def unfinished(self, prefix: str) -> AsyncIterator[UnfinishedUpload]:
        with self._told():
            async for upload in self._store.unfinished(prefix):
                yield upload

    @contextmanager
    def _watched(self) -> Iterator[None]:
        began = time.monotonic()
        with self._told():
            yield
        self._metrics.store_request_seconds.observe(time.monotonic() - began)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """How it ends tells how the store stands; of a listing that is given up nothing is told."""
        try:
            yield
        except StoreRefused as error:
            self._metrics.store_requests.labels(outcome="failed").inc()
            self._dependency.down(str(error))
            raise
        except StoreUnavailable as error:
            self._metrics.store_requests.labels(outcome="failed").inc()
            self._dependency.failed(str(error))
            raise
        except TeltubbyError:
            self._works()
            raise
        self._works()

    def _works(self) -> None:
        self._metrics.store_requests.labels(outcome="ok").inc()
        self._dependency.works(self._store.location(""))
