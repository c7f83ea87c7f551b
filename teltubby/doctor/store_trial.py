"""Every operation that an archive needs, once, under a prefix of doctor's own, which is empty again at the end."""

from __future__ import annotations

import hashlib
import logging
import secrets
from contextlib import suppress

import anyio

from teltubby.adapters.base import ObjectStore
from teltubby.errors import TeltubbyError
from teltubby.transfer.upload import abort_unfinished

_LOG = logging.getLogger(__name__)

BODY_BYTES = 4096
TIDY_SECONDS = 6.0


class Broken(Exception):
    """The store confirmed what is not so."""


class StoreTrial:
    """What is done is said in words; raises Broken, and what the store raises. `tidy_up` removes what is left."""

    def __init__(self, store: ObjectStore, prefix: str) -> None:
        self._store = store
        self._prefix = prefix
        self.key = f"{prefix}object"
        self.body = secrets.token_bytes(BODY_BYTES)
        self.sha256 = hashlib.sha256(self.body).hexdigest()
        self._keys: list[str] = []
        self._begun: list[str] = []

    async def put_and_read(self) -> str:
        """A small object."""
        self._keys.append(self.key)
        await self._store.put(self.key, self.body, content_type="application/octet-stream", sha256=self.sha256)
        await self._must_hold(self.key)
        return f"an object of {BODY_BYTES} bytes came back as it was"

    async def upload(self) -> str:
        """An upload of one part, which may be as small as it likes, for it is the last one."""
        key = f"{self._prefix}upload"
        upload_id = await self._begin(key)
        receipt = await self._store.put_part(key, upload_id, 1, self.body, sha256=self.sha256)
        self._keys.append(key)
        await self._store.complete(key, upload_id, [receipt])
        self._begun.remove(key)
        await self._must_hold(key)
        return "begun, one part stored, completed, and read back"

    async def abort_and_list(self) -> str:
        """An upload that is given up, and listings of both kinds."""
        key = f"{self._prefix}given-up"
        upload_id = await self._begin(key)
        begun = [upload.key async for upload in self._store.unfinished(self._prefix)]
        await self._store.abort(key, upload_id)
        self._begun.remove(key)
        listed = [info.key async for info in self._store.list(self._prefix)]
        if sorted(listed) != sorted(self._keys):
            raise Broken(f"the listing has {len(listed)} objects of {len(self._keys)}")
        if key not in begun:
            raise Broken("an upload that was begun is not in the listing of unfinished uploads")
        return f"{len(listed)} objects and the unfinished upload were listed, and that was dropped"

    async def delete(self) -> str:
        """All of it."""
        for key in tuple(self._keys):
            await self._store.delete(key)
            if await self._store.head(key) is not None:
                raise Broken("an object that was deleted is still there (versions, or a lock on objects?)")
            self._keys.remove(key)
        return "the objects are gone again"

    async def tidy_up(self) -> None:
        """Remove what is left, as far as the store lets us; also when everything else was cancelled."""
        with anyio.move_on_after(TIDY_SECONDS, shield=True):
            for key in self._keys:
                with suppress(TeltubbyError):
                    await self._store.delete(key)
            for key in self._begun:
                with suppress(TeltubbyError):
                    await abort_unfinished(self._store, key)

    async def _begin(self, key: str) -> str:
        self._begun.append(key)  # first: cut off before its id is told, an upload is there all the same
        return await self._store.begin(key, content_type="application/octet-stream")

    async def _must_hold(self, key: str) -> None:
        if await self._store.get(key) != self.body:
            raise Broken(f"other bytes came back than were stored under {key}")
