"""The archive as somebody sees it who does not use our adapters: the folder by the file system, S3 by boto3."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import boto3
from botocore.config import Config

from tests.servers.swift import SwiftNode

READ_BYTES = 1 << 20


class Archive(Protocol):
    """A view of what is stored."""

    name: str

    def stored(self) -> list[str]:
        """Every object, sorted."""
        ...

    def chunks(self, key: str) -> Iterator[bytes]:
        """An object's bytes."""
        ...

    def unfinished(self) -> list[str]:
        """Uploads that were begun and neither completed nor aborted."""
        ...

    def location(self, key: str) -> str:
        """How people are told where a key lies."""
        ...

    def close(self) -> None: ...


class FolderArchive:
    """A folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.name = root.name

    def stored(self) -> list[str]:
        found = (path.relative_to(self.root).as_posix() for path in self.root.rglob("*") if path.is_file())
        return sorted(key for key in found if not key.startswith(".uploads/"))

    def chunks(self, key: str) -> Iterator[bytes]:
        with (self.root / key).open("rb") as file:
            while chunk := file.read(READ_BYTES):
                yield chunk

    def unfinished(self) -> list[str]:
        records = self.root.glob(".uploads/*/upload")  # what has no record was never begun, and is swept one day
        return [str(record.parent) for record in records if json.loads(record.read_bytes())["inode"] is None]

    def location(self, key: str) -> str:
        return str(self.root / key)

    def close(self) -> None:
        """Nothing to let go of."""


class BucketArchive:
    """A bucket."""

    def __init__(self, node: SwiftNode, bucket: str) -> None:
        self.name = bucket
        self.client: Any = boto3.client(
            "s3",
            endpoint_url=node.endpoint,
            region_name="us-east-1",
            aws_access_key_id=node.access_key_id,
            aws_secret_access_key=node.secret_access_key,
            config=Config(s3={"addressing_style": "path"}, request_checksum_calculation="when_required"),
        )

    def create(self) -> None:
        """Make the bucket."""
        self.client.create_bucket(Bucket=self.name)

    def stored(self) -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name)
        return sorted(entry["Key"] for page in pages for entry in page.get("Contents", ()))

    def chunks(self, key: str) -> Iterator[bytes]:
        body = self.client.get_object(Bucket=self.name, Key=key)["Body"]
        with body:
            yield from body.iter_chunks(READ_BYTES)

    def unfinished(self) -> list[str]:
        return [upload["Key"] for upload in self.client.list_multipart_uploads(Bucket=self.name).get("Uploads", ())]

    def location(self, key: str) -> str:
        return f"s3://{self.name}/{key}"

    def close(self) -> None:
        self.client.close()


def sha256(archive: Archive, key: str) -> str:
    """The digest of what is really there."""
    digest = hashlib.sha256()
    for chunk in archive.chunks(key):
        digest.update(chunk)
    return digest.hexdigest()


def read_json(archive: Archive, key: str) -> dict[str, Any]:
    """An object that is JSON."""
    return dict(json.loads(b"".join(archive.chunks(key))))
