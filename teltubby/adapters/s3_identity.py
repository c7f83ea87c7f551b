"""Whether an object that the store has consists of the parts that we sent."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from teltubby.adapters.base import ObjectInfo
from teltubby.messages.transfer import PartReceipt

_MD5 = re.compile(r"[0-9a-f]{32}")
_MULTIPART_ETAG = re.compile(r"[0-9a-f]{32}-[0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """What HEAD tells: the object, its ETag, and its checksum if the store keeps one."""

    info: ObjectInfo
    etag: str
    checksum: str | None


def made_of(stored: StoredObject, parts: Sequence[PartReceipt]) -> bool | None:
    """True or False where the store's answer proves it, None where it proves nothing.

    A checksum of a multipart object is the digest of its parts' digests, with their number; so is its ETag, of MD5s,
    except with some ways of encryption (docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html).
    """
    if stored.info.size != sum(part.size for part in parts):
        return False
    ordered = sorted(parts, key=lambda part: part.number)
    if stored.checksum is not None and "-" in stored.checksum:
        whole = hashlib.sha256(b"".join(bytes.fromhex(part.sha256) for part in ordered)).digest()
        return stored.checksum == f"{base64.b64encode(whole).decode('ascii')}-{len(ordered)}"
    etags = [part.etag.strip('"') for part in ordered]
    etag = stored.etag.strip('"')
    if not _MULTIPART_ETAG.fullmatch(etag) or not all(_MD5.fullmatch(each) for each in etags):
        return None
    md5 = hashlib.md5(b"".join(map(bytes.fromhex, etags)), usedforsecurity=False).hexdigest()
    return etag == f"{md5}-{len(etags)}"
