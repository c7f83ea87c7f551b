"""What `teltubby doctor` asks an S3 store beside what the archive itself needs."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum

from botocore.exceptions import ClientError

from teltubby.adapters.s3_errors import code_of, status_of
from teltubby.adapters.s3_signing import checksum
from teltubby.adapters.s3_store import S3Store
from teltubby.adapters.tls import tls_fault
from teltubby.errors import StoreRefused, TeltubbyError
from teltubby.flavour import asyncio_hosted


class StoreFault(StrEnum):
    """What an operator has to look at."""

    CREDENTIALS = "credentials"
    PERMISSIONS = "permissions"
    BUCKET = "bucket"
    CLOCK = "clock"
    CERTIFICATE = "certificate"
    REFUSED = "refused"
    FULL = "full"
    AWAY = "away"


class Condition(StrEnum):
    """What a store makes of `If-None-Match: *` on an object that is there."""

    HONOURED = "honoured"
    IGNORED = "ignored"
    UNKNOWN = "unknown"


_BY_CODE = {
    "InvalidAccessKeyId": StoreFault.CREDENTIALS,
    "SignatureDoesNotMatch": StoreFault.CREDENTIALS,
    "ExpiredToken": StoreFault.CREDENTIALS,
    "InvalidToken": StoreFault.CREDENTIALS,
    "AccessDenied": StoreFault.PERMISSIONS,
    "AllAccessDisabled": StoreFault.PERMISSIONS,
    "AccountProblem": StoreFault.PERMISSIONS,
    "NoSuchBucket": StoreFault.BUCKET,
    "InvalidBucketName": StoreFault.BUCKET,
    "RequestTimeTooSkewed": StoreFault.CLOCK,
    "QuotaExceeded": StoreFault.FULL,
    "InsufficientStorage": StoreFault.FULL,
    "XMinioStorageFull": StoreFault.FULL,
    "XMinioAdminBucketQuotaExceeded": StoreFault.FULL,
}
_BY_STATUS = {
    401: StoreFault.CREDENTIALS,
    403: StoreFault.PERMISSIONS,
    404: StoreFault.BUCKET,
    413: StoreFault.FULL,
    507: StoreFault.FULL,
}


def fault_of(error: TeltubbyError) -> StoreFault:
    """What lies behind an error of a store; answers to HEAD have no body, so only the status tells then."""
    answer = error.__cause__
    if isinstance(answer, ClientError):
        return _BY_CODE.get(code_of(answer)) or _BY_STATUS.get(status_of(answer)) or _kind(error)
    return StoreFault.CERTIFICATE if tls_fault(error) is not None else _kind(error)


@asyncio_hosted
async def open_for_a_look(store: S3Store) -> None:
    """Open the store by a request whose refusal says why, as that of a HEAD does not: an answer to it has no body."""
    await store.connection.open()
    async with store.connection.request("look into the bucket") as s3:
        await s3.list_objects_v2(Bucket=store.bucket, Prefix="teltubby/doctor/", MaxKeys=1)


@asyncio_hosted
async def store_time(store: S3Store) -> datetime | None:
    """What the store's clock says (whole seconds), refused or not; None where it says nothing."""
    try:
        async with store.connection.request("ask for the time") as s3:
            answer = await s3.head_bucket(Bucket=store.bucket)
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
    except TeltubbyError as error:
        if not isinstance(error.__cause__, ClientError):
            raise
        headers = error.__cause__.response["ResponseMetadata"]["HTTPHeaders"]
    date = headers.get("date")
    try:
        return None if date is None else parsedate_to_datetime(date).astimezone(UTC)
    except ValueError:
        return None


@asyncio_hosted
async def put_over(store: S3Store, key: str, body: bytes, *, sha256: str) -> Condition:
    """Put over an object that is there, on the condition that it is not. `sha256` is the body's hex digest."""
    try:
        async with store.connection.request(f"put over {key}") as s3:
            await s3.put_object(
                Bucket=store.bucket, Key=key, Body=body, ChecksumSHA256=checksum(sha256), IfNoneMatch="*"
            )
    except TeltubbyError as error:
        answer = error.__cause__
        status = status_of(answer) if isinstance(answer, ClientError) else 0
        if status in (409, 412):
            return Condition.HONOURED
        if status in (400, 501):
            return Condition.UNKNOWN
        raise
    return Condition.IGNORED


def _kind(error: TeltubbyError) -> StoreFault:
    return StoreFault.REFUSED if isinstance(error, StoreRefused) else StoreFault.AWAY
