"""Which strings may be object keys: one rule for every store, so that what one archive holds fits into another."""

from __future__ import annotations

MAX_KEY_BYTES = 1024
"""S3's limit for a key in UTF-8."""

MAX_SEGMENT_BYTES = 255
"""What Linux file systems allow between two slashes."""


def check_key(key: str) -> str:
    """`key` itself if it is relative, without empty, `.` or `..` segments and NUL, and not too long; else ValueError.

    S3 would take more, but HTTP clients and proxies normalise such paths, and in a folder they would lead elsewhere.
    """
    segments = key.split("/")
    if any(segment in ("", ".", "..") for segment in segments):
        raise ValueError(f"not an object key: {key!r} has an empty, '.' or '..' segment")
    if "\0" in key:
        raise ValueError(f"not an object key: {key!r} contains NUL")
    if len(key.encode()) > MAX_KEY_BYTES:
        raise ValueError(f"not an object key: {key[:80]!r}… has more than {MAX_KEY_BYTES} bytes")
    if any(len(segment.encode()) > MAX_SEGMENT_BYTES for segment in segments):
        raise ValueError(f"not an object key: {key[:80]!r}… has a segment of more than {MAX_SEGMENT_BYTES} bytes")
    return key
