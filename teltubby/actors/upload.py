"""UploadActor: the only way into the object store."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import assert_never

import anyio

from teltubby.actors.leftovers import find_leftover
from teltubby.actors.store_prefixes import measure_prefix, purge_prefix
from teltubby.adapters.base import ObjectStore
from teltubby.adapters.metrics import Metrics
from teltubby.archive.artifact import same_submission
from teltubby.archive.newer_items import newer_items, with_items
from teltubby.errors import ObjectExists, Transient
from teltubby.messages.stages import Stage
from teltubby.messages.transfer import (
    AbortUpload,
    DropObject,
    FindLeftover,
    FindObject,
    MeasurePrefix,
    PrefixSize,
    PurgePrefix,
    StoreArtifact,
    Stored,
    StoreFile,
    StorePreview,
    UploadMessage,
)
from teltubby.supervision import Pool
from teltubby.transfer.upload import FirstCopy, Upload, abort_unfinished

_LOG = logging.getLogger(__name__)

PARALLEL_PARTS = 2
"""Parts of one file on their way up at once."""


@dataclass(slots=True)
class _Turn:
    """A request that works on a key, and the means to end it."""

    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    over: anyio.Event = field(default_factory=anyio.Event)


class UploadActor(Pool[UploadMessage]):
    """Stores files and artifacts; `first_copy` decides duplicates before an object becomes visible.

    Files of at least `multipart_bytes` go up in parts while their source still grows: up to `parallel` parts at once,
    and one more in memory. Does not retry: whoever asked knows how long trying again makes sense.
    """

    def __init__(
        self,
        store: ObjectStore,
        *,
        width: int,
        multipart_bytes: int,
        first_copy: FirstCopy,
        parallel: int = PARALLEL_PARTS,
        metrics: Metrics | None = None,
    ) -> None:
        self.width = width
        self._store = store
        self._metrics = metrics or Metrics()
        self._multipart_bytes = multipart_bytes
        self._parallel = parallel
        self._first_copy = first_copy
        self._opening = anyio.Lock()
        self._is_open = False
        self._turns: dict[str, _Turn] = {}

    async def teardown(self) -> None:
        await self._store.aclose()

    async def handle(self, message: UploadMessage, /) -> object:
        await self._open()
        match message:
            case StoreFile():
                return await self._store_file(message)
            case StoreArtifact():
                return await self._store_artifact(message)
            case StorePreview():
                await self._store_preview(message)
                return None
            case FindObject(key=key):
                found = await self._store.head(key)
                return None if found is None else found.size
            case FindLeftover(key=key):
                return await find_leftover(self._store, key)
            case DropObject(key=key):
                await self._store.delete(key)
                return None
            case AbortUpload(key=key, upload_id=upload_id):
                async with self._turn(key):
                    await self._abort(key, upload_id)
                return None
            case MeasurePrefix(prefix=prefix):
                return await measure_prefix(self._store, prefix)
            case PurgePrefix(prefix=prefix):
                return await purge_prefix(self._store, prefix)
            case _:
                assert_never(message)

    async def _open(self) -> None:
        """Open the store with the first request: one that is away at the start is the asker's trouble, not a crash."""
        async with self._opening:
            if not self._is_open:
                await self._store.open()
                self._is_open = True

    async def _store_file(self, request: StoreFile) -> Stored:
        upload = Upload(
            self._store,
            request,
            multipart_bytes=self._multipart_bytes,
            parallel=self._parallel,
            first_copy=self._first_copy,
            metrics=self._metrics,
        )
        async with self._turn(request.key):
            with self._metrics.timed(Stage.STORE):
                return await upload.run()

    async def _abort(self, key: str, upload_id: str | None) -> None:
        if upload_id is not None:
            await self._store.abort(key, upload_id)
        elif await self._store.head(key) is None:
            await abort_unfinished(self._store, key)

    async def _store_artifact(self, request: StoreArtifact) -> PrefixSize:
        """Answers by how much the store grew."""
        try:
            await self._put_artifact(request.key, request.body)
        except ObjectExists:
            older = await self._store.get(request.key)
            if same_submission(older, request.body):
                body = await self._with_newer_items(request.body, older)
                await self._put_artifact(request.key, body, replace=True)
                return PrefixSize(used_bytes=len(body) - len(older), objects=0)
            beside = await self._store.head(request.beside)
            await self._put_artifact(request.beside, request.body, replace=True)
            if beside is not None:
                return PrefixSize(used_bytes=len(request.body) - beside.size, objects=0)
        return PrefixSize(used_bytes=len(request.body), objects=1)

    async def _put_artifact(self, key: str, body: bytes, *, replace: bool = False) -> None:
        digest = hashlib.sha256(body).hexdigest()
        await self._store.put(key, body, content_type="application/json", sha256=digest, replace=replace)

    async def _with_newer_items(self, body: bytes, older: bytes) -> bytes:
        """A ledger that was restored does not know what was archived since: the artifact goes on naming what is there.

        Nothing else would name it, and `teltubby reindex` reads it from there.
        """
        newer = newer_items(body, older)
        places = [place for place, key in newer.items() if key is None or await self._store.head(key) is not None]
        if not places:
            return body
        _LOG.warning("the ledger is behind %s: run `teltubby reindex`", json.loads(body)["base_path"])
        return with_items(body, older, places)

    async def _store_preview(self, request: StorePreview) -> None:
        digest = hashlib.sha256(request.body).hexdigest()
        try:
            await self._store.put(request.key, request.body, content_type="image/jpeg", sha256=digest)
        except ObjectExists:  # an earlier run's, or not ours
            there = await self._store.head(request.key)
            if there is None or there.size != len(request.body) or await self._store.get(request.key) != request.body:
                raise

    @asynccontextmanager
    async def _turn(self, key: str) -> AsyncIterator[None]:
        """One request at a time works on a key. An older one is ended: its asker has gone, or would not ask again.

        Left to itself it would answer an upload that is aborted under its hands by beginning another one.
        """
        while (older := self._turns.get(key)) is not None:
            older.scope.cancel()
            await older.over.wait()
        turn = self._turns[key] = _Turn()
        try:
            with turn.scope:
                yield
        finally:
            del self._turns[key]
            turn.over.set()
        if turn.scope.cancelled_caught:
            raise Transient(f"{key} was asked for again, or given up, before it was stored")
