"""What S3 and its client report, and which of our errors that is.

Codes: docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html, and those that Ceph, MinIO and Swift add. A code is
looked up first, then the HTTP status: answers to HEAD have no body and thus no code, and an error inside a 200 answer
has the wrong status.
"""

from __future__ import annotations

import aiohttp
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ParamValidationError,
    ProfileNotFound,
)

from teltubby.adapters.tls import tls_fault
from teltubby.errors import (
    ContentMismatch,
    FileGone,
    ObjectExists,
    Permanent,
    StoreRefused,
    StoreUnavailable,
    TeltubbyError,
    UploadVanished,
)

Meaning = tuple[type[TeltubbyError], str]

_KEYS = "check S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY"

_DENIED: Meaning = (
    StoreRefused,
    "the object store denies access: allow this key to list, read, write and delete in S3_BUCKET",
)
_NO_BUCKET: Meaning = (StoreRefused, "the bucket does not exist: create it, or correct S3_BUCKET")
_BUSY: Meaning = (StoreUnavailable, "the object store is in trouble or asks to slow down")
_FULL: Meaning = (StoreUnavailable, "the object store has no room left, or the quota is used up")
_REGION: Meaning = (StoreRefused, "the bucket is in another region: correct S3_REGION or S3_ENDPOINT")
_VANISHED: Meaning = (UploadVanished, "the object store no longer knows the upload or one of its parts")
_MISMATCH: Meaning = (ContentMismatch, "the object store received other bytes than were announced")
_CONFLICT: Meaning = (StoreUnavailable, "another request for the same key was under way")
_TOO_LARGE: Meaning = (Permanent, "the object store takes no object or part of this size")

_BY_CODE: dict[str, Meaning] = {
    "NoSuchBucket": _NO_BUCKET,
    "InvalidBucketName": (StoreRefused, "the bucket's name is not a valid one: correct S3_BUCKET"),
    "InvalidAccessKeyId": (StoreRefused, f"the object store does not know the access key: {_KEYS}"),
    "SignatureDoesNotMatch": (StoreRefused, f"the object store rejects the signature: {_KEYS}"),
    "AccessDenied": _DENIED,
    "AllAccessDisabled": _DENIED,
    "AccountProblem": _DENIED,
    "ExpiredToken": (StoreRefused, f"the credentials have expired: {_KEYS}"),
    "InvalidToken": (StoreRefused, f"the object store rejects the credentials: {_KEYS}"),
    "RequestTimeTooSkewed": (StoreRefused, "the clocks differ too much: set the clock of this machine"),
    "AuthorizationHeaderMalformed": _REGION,
    "IllegalLocationConstraintException": _REGION,
    "PermanentRedirect": _REGION,
    "NotImplemented": (StoreRefused, "the object store lacks an operation that teltubby needs: use another one"),
    "NoSuchKey": (FileGone, "there is no such object"),
    "NoSuchUpload": _VANISHED,
    "InvalidPart": _VANISHED,
    "BadDigest": _MISMATCH,
    "XAmzContentSHA256Mismatch": _MISMATCH,
    "XAmzContentChecksumMismatch": _MISMATCH,
    "PreconditionFailed": (ObjectExists, "the key is taken"),
    "ConditionalRequestConflict": _CONFLICT,
    "OperationAborted": _CONFLICT,
    "EntityTooSmall": (
        Permanent,
        "the parts are smaller than the object store allows: raise S3_MULTIPART_PART_SIZE_MB",
    ),
    "EntityTooLarge": _TOO_LARGE,
    "KeyTooLongError": (Permanent, "the object store takes no key of this length"),
    "QuotaExceeded": _FULL,
    "InsufficientStorage": _FULL,
    "XMinioStorageFull": _FULL,
    "XMinioAdminBucketQuotaExceeded": _FULL,
    "InternalError": _BUSY,
    "ServiceUnavailable": _BUSY,
    "SlowDown": _BUSY,
    "RequestTimeout": _BUSY,
    "IncompleteBody": _BUSY,
    "TooManyRequests": _BUSY,
}

_BY_STATUS: dict[int, Meaning] = {
    301: _REGION,
    307: _REGION,
    400: (StoreRefused, "the object store rejects the request: check S3_REGION and the credentials"),
    401: (StoreRefused, f"the object store rejects the credentials: {_KEYS}"),
    403: (StoreRefused, f"the object store denies access: {_KEYS}, and what this key may do in S3_BUCKET"),
    404: _NO_BUCKET,
    405: (StoreRefused, "S3_ENDPOINT does not speak S3: correct it"),
    408: _BUSY,
    409: _CONFLICT,
    412: _BY_CODE["PreconditionFailed"],
    413: _TOO_LARGE,
    429: _BUSY,
    501: _BY_CODE["NotImplemented"],
    507: _FULL,
}


def code_of(error: ClientError) -> str:
    """S3's code, such as NoSuchKey; the HTTP status as text where the answer had no body."""
    return error.response.get("Error", {}).get("Code", "")


def status_of(error: ClientError) -> int:
    """The HTTP status of the answer."""
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)


def translate(error: Exception, doing: str) -> TeltubbyError:
    """Our error for what the client raised while `doing` (a few words, such as "put teltubby/a.jpg")."""
    match error:
        case ClientError():
            kind, sentence = _meaning(error)
            return kind(f"{doing}: {sentence} ({_answer(error)})")
        case BotoCoreError() | aiohttp.ClientError() if (fault := tls_fault(error)) is not None:
            return StoreRefused(
                f"{doing}: the object store is not trusted, or does not trust us: {fault}. Name its authority in "
                f"S3_CA_FILE, or set MINIO_TLS_SKIP_VERIFY=true"
            )
        case ProfileNotFound():
            return StoreRefused(f"{doing}: AWS_PROFILE names no profile: unset it ({error})")
        case ParamValidationError():
            return StoreRefused(f"{doing}: the client rejects the request: check S3_BUCKET ({error})")
        case TimeoutError():
            return StoreUnavailable(f"{doing}: the object store did not answer in time")
        case BotoCoreError() | aiohttp.ClientError() | OSError():
            return StoreUnavailable(f"{doing}: the object store cannot be reached ({error})")
        case _:
            raise TypeError(f"not an error of the S3 client: {error!r}") from error


def _meaning(error: ClientError) -> Meaning:
    code, status = code_of(error), status_of(error)
    if code in _BY_CODE:
        return _BY_CODE[code]
    if status == 400 and code != "400":
        # A code that nobody foresaw, with a body: the same request will not get better.
        return Permanent, "the object store does not accept the request"
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    return _BUSY if status >= 500 or status < 400 else (Permanent, "the object store does not accept the request")


def _answer(error: ClientError) -> str:
    details = error.response.get("Error", {})
    return f"{status_of(error)} {details.get('Code', '')}: {details.get('Message', '')}"
