"""What the house asks of an object store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from teltubby.messages.transfer import PartReceipt


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectInfo:
    """An object that the store has; size in bytes."""

    key: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UnfinishedUpload:
    """A multipart upload that was begun and neither completed nor aborted."""

    key: str
    upload_id: str
    begun_at: datetime | None


class ObjectStore(Protocol):
    """A flat, durable key → bytes store. An object is visible whole or not at all; writes never replace other content.

    Raises StoreUnavailable (try later), StoreRefused (credentials, permissions, bucket), ObjectExists, UploadVanished,
    ContentMismatch (the store received other bytes than were sent), and ValueError for what is no key (`..`, NUL, …).
    """

    @property
    def part_size(self) -> int:
        """Bytes in every part but the last."""
        ...

    @property
    def bucket(self) -> str:
        """Bucket name, or the folder's name."""
        ...

    def location(self, key: str) -> str:
        """Where a person finds the object: `s3://bucket/key` or an absolute path."""
        ...

    async def open(self) -> None:
        """Connect. Raises StoreUnavailable, StoreRefused."""

    async def aclose(self) -> None:
        """Let go of every connection; safe to call twice."""

    async def check(self) -> None:
        """Return if the bucket exists and accepts our credentials."""

    async def head(self, key: str) -> ObjectInfo | None:
        """The object's size, or None when there is no such object."""
        ...

    async def get(self, key: str) -> bytes:
        """A small object whole (artifacts). Raises FileGone when there is none."""
        ...

    async def read(self, key: str, offset: int, length: int) -> bytes:
        """`length` bytes of an object from `offset` (fewer only at its end). Raises FileGone when there is none."""
        ...

    async def put(self, key: str, body: bytes, *, content_type: str, sha256: str, replace: bool = False) -> None:
        """Store `body` durably in one request; `sha256` is its hex digest. Without `replace`, ObjectExists if taken."""

    async def begin(self, key: str, *, content_type: str) -> str:
        """Begin a multipart upload and return its id."""
        ...

    async def put_part(self, key: str, upload_id: str, number: int, body: bytes, *, sha256: str) -> PartReceipt:
        """Store part `number` (from 1). Raises UploadVanished when the store forgot the upload."""
        ...

    async def complete(self, key: str, upload_id: str, parts: Sequence[PartReceipt]) -> ObjectInfo:
        """Make the object visible, return what the store says of it; may be repeated. ObjectExists if it is taken."""
        ...

    async def abort(self, key: str, upload_id: str) -> None:
        """Drop an unfinished upload; unknown ids are fine."""

    async def delete(self, key: str) -> None:
        """Remove the object; absent keys are fine."""

    def list(self, prefix: str) -> AsyncIterator[ObjectInfo]:
        """Every object whose key starts with `prefix`, in key order."""
        ...

    def unfinished(self, prefix: str) -> AsyncIterator[UnfinishedUpload]:
        """Every unfinished upload under `prefix`."""
        ...
