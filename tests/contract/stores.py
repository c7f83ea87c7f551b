"""The stores that the contract runs over, and for each an independent way to see what it really holds."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from teltubby.adapters.base import ObjectStore
from teltubby.adapters.folder_store import FolderStore
from teltubby.adapters.s3_store import S3Store
from teltubby.messages.transfer import PartReceipt
from tests.servers.swift import SwiftNode

MIB = 1024 * 1024
PART = 5 * MIB
"""The smallest part that S3 allows."""


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


class StoreWorld(Protocol):
    """One kind of store: new adapters to the same objects, and a view past the adapter."""

    @asynccontextmanager
    def store(self) -> AsyncIterator[ObjectStore]:
        """An adapter of its own, open."""
        ...

    def read(self, key: str) -> bytes | None:
        """What the store holds under the key, read without our adapters."""
        ...


class FolderWorld:
    """A folder, looked at through the file system."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()

    @asynccontextmanager
    async def store(self) -> AsyncIterator[FolderStore]:
        store = FolderStore(self.root, part_size=PART)
        await store.open()
        yield store
        await store.aclose()

    def read(self, key: str) -> bytes | None:
        path = self.root / key
        return path.read_bytes() if path.is_file() else None


class S3World:
    """A bucket of the real S3 server, looked at through boto3."""

    def __init__(self, node: SwiftNode, bucket: str) -> None:
        self.node = node
        self.bucket = bucket
        self.client = boto3.client(
            "s3",
            endpoint_url=node.endpoint,
            region_name="us-east-1",
            aws_access_key_id=node.access_key_id,
            aws_secret_access_key=node.secret_access_key,
            config=Config(s3={"addressing_style": "path"}, request_checksum_calculation="when_required"),
        )
        self.client.create_bucket(Bucket=bucket)

    def adapter(self, **other: Any) -> S3Store:
        """An adapter with `other` settings than the right ones; not open."""
        settings: dict[str, Any] = {
            "bucket": self.bucket,
            "endpoint": self.node.endpoint,
            "region": "us-east-1",
            "access_key_id": self.node.access_key_id,
            "secret_access_key": self.node.secret_access_key,
            "part_size": PART,
            "timeout": 30.0,
            "page_size": 2,
        }
        return S3Store(**{**settings, **other})

    @asynccontextmanager
    async def store(self, **other: Any) -> AsyncIterator[S3Store]:
        store = self.adapter(**other)
        try:
            await store.open()
            yield store
        finally:
            await store.aclose()

    def read(self, key: str) -> bytes | None:
        try:
            body: bytes = self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        except ClientError as exc:
            if exc.response["Error"]["Code"] != "NoSuchKey":
                raise
            return None
        return body

    def close(self) -> None:
        self.client.close()


async def put(store: ObjectStore, key: str, body: bytes, *, replace: bool = False) -> None:
    """A put with its right digest."""
    await store.put(key, body, content_type="text/plain", sha256=digest(body), replace=replace)


async def put_parts(store: ObjectStore, key: str, upload_id: str, bodies: Sequence[bytes]) -> list[PartReceipt]:
    """Parts 1, 2, … of an upload."""
    return [
        await store.put_part(key, upload_id, number, body, sha256=digest(body))
        for number, body in enumerate(bodies, start=1)
    ]


async def begin(store: ObjectStore, key: str, bodies: Sequence[bytes]) -> tuple[str, list[PartReceipt]]:
    """An upload with these parts, to be completed."""
    upload_id = await store.begin(key, content_type="video/mp4")
    return upload_id, await put_parts(store, key, upload_id, bodies)
