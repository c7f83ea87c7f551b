"""The object store over S3: aioboto3's low-level client, one request per call, no retries of its own.

Works with stores that honour `If-None-Match: *` (then nothing can be overwritten) and with those that ignore or reject
it (then a HEAD before writing is all the protection there is).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from botocore.exceptions import ClientError

from teltubby.adapters.base import ObjectInfo, UnfinishedUpload
from teltubby.adapters.object_keys import check_key
from teltubby.adapters.s3_body import in_place
from teltubby.adapters.s3_connection import S3Connection
from teltubby.adapters.s3_errors import code_of, status_of
from teltubby.adapters.s3_identity import StoredObject, made_of
from teltubby.adapters.s3_signing import checksum
from teltubby.errors import ContentMismatch, ObjectExists, StoreUnavailable, UploadVanished
from teltubby.flavour import asyncio_hosted
from teltubby.messages.transfer import PartReceipt

if TYPE_CHECKING:
    from types_aiobotocore_s3.type_defs import CompletedMultipartUploadTypeDef
    from types_aiobotocore_s3.type_defs import ListMultipartUploadsRequestTypeDef as UploadsQuery
    from types_aiobotocore_s3.type_defs import ListObjectsV2RequestTypeDef as ObjectsQuery

_COMPLETE_PATIENCE = 5
"""Completing may take minutes (S3 says so); it gets this many times the ordinary timeout."""


class _Condition(TypedDict, total=False):
    IfNoneMatch: str


class S3Store:
    """Objects in one bucket of an S3 store; `timeout` in seconds per request, more for large bodies.

    With `ca_file` only what that authority signed is trusted; with `tls_skip_verify` the connection is encrypted but
    the certificate is not checked. Raises as `ObjectStore` says.
    """

    def __init__(
        self,
        *,
        bucket: str,
        endpoint: str | None,
        region: str | None,
        access_key_id: str,
        secret_access_key: str,
        force_path_style: bool = True,
        tls_skip_verify: bool = False,
        ca_file: Path | None = None,
        part_size: int,
        timeout: float,
        page_size: int = 1000,
    ) -> None:
        self._bucket = bucket
        self._part_size = part_size
        self._page_size = page_size
        self._conditional = True
        self.connection = S3Connection(
            endpoint=endpoint,
            region=region,
            access_key_id=access_key_id,
            secret_access_key=secret_access_key,
            force_path_style=force_path_style,
            tls_skip_verify=tls_skip_verify,
            ca_file=ca_file,
            timeout=timeout,
        )

    @property
    def part_size(self) -> int:
        return self._part_size

    @property
    def bucket(self) -> str:
        return self._bucket

    def location(self, key: str) -> str:
        return f"s3://{self._bucket}/{key}"

    @asyncio_hosted
    async def open(self) -> None:
        await self.connection.open()
        await self.check()

    @asyncio_hosted
    async def aclose(self) -> None:
        await self.connection.aclose()

    @asyncio_hosted
    async def check(self) -> None:
        async with self.connection.request("look at the bucket") as s3:
            await s3.head_bucket(Bucket=self._bucket)

    @asyncio_hosted
    async def head(self, key: str) -> ObjectInfo | None:
        found = await self._look(check_key(key))
        if found is None:
            await self.check()  # HEAD answers 404 for a missing bucket, too
            return None
        return found.info

    @asyncio_hosted
    async def get(self, key: str) -> bytes:
        return await self._fetch(check_key(key), "bytes=0-", 0)

    @asyncio_hosted
    async def read(self, key: str, offset: int, length: int) -> bytes:
        return await self._fetch(check_key(key), f"bytes={offset}-{offset + length - 1}", length)

    @asyncio_hosted
    async def put(self, key: str, body: bytes, *, content_type: str, sha256: str, replace: bool = False) -> None:
        if not replace and await self._look(check_key(key)) is not None:
            raise ObjectExists(f"put {key}: the key is taken")
        try:
            await self._put(check_key(key), body, content_type, sha256, replace)
        except (StoreUnavailable, ObjectExists):
            # The answer may have been lost after the work was done; aiohttp, too, repeats a PUT whose pooled connection
            # broke (RFC 9112, 9.3.1), and the repetition finds the key taken.
            found = await self._look(key)
            if found is None or found.info.size != len(body) or await self.get(key) != body:
                raise

    @asyncio_hosted
    async def begin(self, key: str, *, content_type: str) -> str:
        async with self.connection.request(f"begin {check_key(key)}") as s3:
            answer = await s3.create_multipart_upload(
                Bucket=self._bucket, Key=key, ContentType=content_type, ChecksumAlgorithm="SHA256"
            )
            return answer["UploadId"]

    @asyncio_hosted
    async def put_part(self, key: str, upload_id: str, number: int, body: bytes, *, sha256: str) -> PartReceipt:
        async with self.connection.request(f"put part {number} of {check_key(key)}", moving=len(body)) as s3:
            answer = await s3.upload_part(
                Bucket=self._bucket,
                Key=key,
                UploadId=upload_id,
                PartNumber=number,
                Body=in_place(body),
                ContentLength=len(body),
                ChecksumSHA256=checksum(sha256),
            )
            return PartReceipt(number=number, etag=answer["ETag"], size=len(body), sha256=sha256)

    @asyncio_hosted
    async def complete(self, key: str, upload_id: str, parts: Sequence[PartReceipt]) -> ObjectInfo:
        """Make the object visible. Again after success it returns the same, where the store can prove it ours."""
        found = await self._look(check_key(key))
        if found is not None:
            if made_of(found, parts):
                return found.info
            raise ObjectExists(f"complete {key}: the key is taken")
        size = sum(part.size for part in parts)
        try:
            await self._complete(key, upload_id, parts)
        except (StoreUnavailable, ObjectExists, UploadVanished) as exc:
            # The request may have done its work before its answer was lost: there was nothing a moment ago.
            found = await self._look(key)
            ours = found is not None and made_of(found, parts)
            if found is None or not (isinstance(exc, StoreUnavailable) if ours is None else ours):
                raise
            return found.info
        found = await self._look(key)
        if found is None:
            raise StoreUnavailable(f"complete {key}: the store says it is done, but has no such object")
        if found.info.size != size:
            raise ContentMismatch(f"complete {key}: the store has {found.info.size} bytes instead of {size}")
        return found.info

    @asyncio_hosted
    async def abort(self, key: str, upload_id: str) -> None:
        async with self.connection.request(f"abort {check_key(key)}") as s3:
            try:
                await s3.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload_id)
            except ClientError as exc:
                if code_of(exc) not in ("NoSuchUpload", "NoSuchKey"):
                    raise

    @asyncio_hosted
    async def delete(self, key: str) -> None:
        async with self.connection.request(f"delete {check_key(key)}") as s3:
            try:
                await s3.delete_object(Bucket=self._bucket, Key=key)
            except ClientError as exc:
                if code_of(exc) != "NoSuchKey":
                    raise

    async def list(self, prefix: str) -> AsyncIterator[ObjectInfo]:
        page, token = await self._page(prefix, None)
        while True:
            for info in page:
                yield info
            if token is None:
                return
            page, token = await self._page(prefix, token)

    async def unfinished(self, prefix: str) -> AsyncIterator[UnfinishedUpload]:
        page, after = await self._unfinished_page(prefix, None)
        while True:
            for upload in page:
                yield upload
            if after is None:
                return
            page, after = await self._unfinished_page(prefix, after)

    # -- one request each ----------------------------------------------------------------------------------------

    @asyncio_hosted
    async def _page(self, prefix: str, token: str | None) -> tuple[Sequence[ObjectInfo], str | None]:
        query: ObjectsQuery = {"Bucket": self._bucket, "Prefix": prefix, "MaxKeys": self._page_size}
        if token is not None:
            query["ContinuationToken"] = token
        async with self.connection.request(f"list {prefix}") as s3:
            answer = await s3.list_objects_v2(**query)
        page = [ObjectInfo(key=entry["Key"], size=entry["Size"]) for entry in answer.get("Contents", ())]
        return page, answer.get("NextContinuationToken") if answer.get("IsTruncated") else None

    @asyncio_hosted
    async def _unfinished_page(
        self, prefix: str, after: tuple[str, str] | None
    ) -> tuple[Sequence[UnfinishedUpload], tuple[str, str] | None]:
        query: UploadsQuery = {"Bucket": self._bucket, "Prefix": prefix, "MaxUploads": self._page_size}
        if after is not None:
            query["KeyMarker"], query["UploadIdMarker"] = after
        async with self.connection.request(f"list unfinished uploads of {prefix}") as s3:
            answer = await s3.list_multipart_uploads(**query)
        page = [
            UnfinishedUpload(key=entry["Key"], upload_id=entry["UploadId"], begun_at=entry.get("Initiated"))
            for entry in answer.get("Uploads", ())
        ]
        return page, (answer["NextKeyMarker"], answer["NextUploadIdMarker"]) if answer.get("IsTruncated") else None

    async def _look(self, key: str) -> StoredObject | None:
        async with self.connection.request(f"look at {key}") as s3:
            try:
                answer = await s3.head_object(Bucket=self._bucket, Key=key, ChecksumMode="ENABLED")
            except ClientError as exc:
                if status_of(exc) == 404:
                    return None
                raise
        info = ObjectInfo(key=key, size=answer["ContentLength"])
        return StoredObject(info=info, etag=answer.get("ETag", ""), checksum=answer.get("ChecksumSHA256"))

    async def _fetch(self, key: str, span: str, length: int) -> bytes:
        async with self.connection.request(f"get {key}", moving=length) as s3:
            try:
                answer = await s3.get_object(Bucket=self._bucket, Key=key, Range=span)
            except ClientError as exc:
                if status_of(exc) == 416:  # there is nothing where the span begins
                    return b""
                raise
            async with answer["Body"] as body:
                return await body.read()

    async def _put(self, key: str, body: bytes, content_type: str, sha256: str, replace: bool) -> None:
        async with self.connection.request(f"put {key}", moving=len(body)) as s3:

            async def send(condition: _Condition) -> None:
                await s3.put_object(
                    Bucket=self._bucket,
                    Key=key,
                    Body=in_place(body),
                    ContentLength=len(body),
                    ContentType=content_type,
                    ChecksumSHA256=checksum(sha256),
                    **condition,
                )

            await (send({}) if replace else self._unless_taken(send))

    async def _complete(self, key: str, upload_id: str, parts: Sequence[PartReceipt]) -> None:
        upload: CompletedMultipartUploadTypeDef = {
            "Parts": [
                {"PartNumber": part.number, "ETag": part.etag, "ChecksumSHA256": checksum(part.sha256)}
                for part in sorted(parts, key=lambda part: part.number)
            ]
        }
        async with self.connection.request(f"complete {key}", patience=_COMPLETE_PATIENCE) as s3:

            async def send(condition: _Condition) -> None:
                await s3.complete_multipart_upload(
                    Bucket=self._bucket, Key=key, UploadId=upload_id, MultipartUpload=upload, **condition
                )

            await self._unless_taken(send)

    async def _unless_taken(self, send: Callable[[_Condition], Awaitable[None]]) -> None:
        """Send a write that must not replace; a store that knows no conditions (501) is asked for none from then on."""
        try:
            await send({"IfNoneMatch": "*"} if self._conditional else {})
        except ClientError as exc:
            if not self._conditional or status_of(exc) != 501:
                raise
            self._conditional = False
            await send({})
