"""Reading and writing of TL objects; the only module here that knows whose TL layer it is (Telethon's)."""

from __future__ import annotations

import gzip
import struct
import zlib
from typing import Any

from telethon.errors import TypeNotFoundError
from telethon.extensions import BinaryReader
from telethon.tl import TLObject, TLRequest, functions, types
from telethon.tl.alltlobjects import LAYER
from telethon.tl.core import GzipPacked

__all__ = [
    "LAYER",
    "PLAIN_MESSAGE",
    "PLAIN_MESSAGE_EMPTY",
    "PLAIN_MESSAGE_SERVICE",
    "GzipPacked",
    "InvalidObject",
    "TLObject",
    "TLRequest",
    "UnknownConstructor",
    "encode",
    "functions",
    "gunzip",
    "gzip_packed",
    "parse",
    "parse_prefix",
    "tl_bytes",
    "types",
]

BOOL_TRUE = struct.pack("<I", 0x997275B5)
BOOL_FALSE = struct.pack("<I", 0xBC799737)
VECTOR = struct.pack("<I", 0x1CB5C415)
GZIP_PACKED = struct.pack("<I", 0x3072CFA1)
MAX_UNPACKED = 16 * 1024 * 1024


def _plain(kind: Any) -> Any:
    """Telethon replaces its message types at import by classes full of client conveniences: the TL type underneath."""
    return next(base for base in kind.__mro__ if base.__module__ == "telethon.tl.types")


PLAIN_MESSAGE = _plain(types.Message)
PLAIN_MESSAGE_EMPTY = _plain(types.MessageEmpty)
PLAIN_MESSAGE_SERVICE = _plain(types.MessageService)


class InvalidObject(Exception):
    """Bytes that are no TL object of this layer."""


class UnknownConstructor(InvalidObject):
    """A constructor number that this layer does not have."""


def parse_prefix(data: bytes) -> tuple[Any, int]:
    """The object at the start of `data` and its length; raises InvalidObject."""
    reader = BinaryReader(data)
    try:
        return reader.tgread_object(), reader.tell_position()
    except TypeNotFoundError as exc:
        raise UnknownConstructor(str(exc)) from exc
    # What Telethon's generated readers let through on truncated or malformed input; there is no common base.
    except (BufferError, struct.error, RuntimeError, ValueError, TypeError, AttributeError, OverflowError) as exc:
        raise InvalidObject(str(exc)) from exc
    except (EOFError, zlib.error, gzip.BadGzipFile) as exc:
        raise InvalidObject("broken gzip stream") from exc


def parse(data: bytes) -> Any:
    """The object at the start of `data`; raises InvalidObject."""
    return parse_prefix(data)[0]


def encode(value: Any) -> bytes:
    """The boxed form of an object, a Bool or a Vector (of objects, int as long, or str as string)."""
    if isinstance(value, bool):
        return BOOL_TRUE if value else BOOL_FALSE
    if isinstance(value, list):
        return VECTOR + struct.pack("<i", len(value)) + b"".join(map(_encode_element, value))
    return bytes(value)


def _encode_element(value: Any) -> bytes:
    return struct.pack("<q", value) if isinstance(value, int) else encode(value)


def tl_bytes(data: bytes) -> bytes:
    """The TL form of `bytes`: length, data, zeros up to a multiple of four."""
    head = tl_bytes_head(len(data))
    return head + data + bytes(-(len(head) + len(data)) % 4)


def tl_bytes_head(length: int) -> bytes:
    """The length that precedes `bytes` in TL: one byte below 254, else four."""
    return bytes((length,)) if length < 254 else struct.pack("<I", length << 8 | 254)


def gzip_packed(data: bytes) -> bytes:
    """`data` as gzip_packed."""
    return GZIP_PACKED + tl_bytes(gzip.compress(data, compresslevel=6, mtime=0))


def gunzip(data: bytes) -> bytes:
    """What a boxed gzip_packed holds, at most 16 MiB; raises InvalidObject."""
    try:
        packed: bytes = BinaryReader(data[4:]).tgread_bytes()
        decompressor = zlib.decompressobj(wbits=31)
        unpacked = decompressor.decompress(packed, MAX_UNPACKED)
    except (BufferError, struct.error, zlib.error) as exc:
        raise InvalidObject("broken gzip_packed") from exc
    if not decompressor.eof:
        raise InvalidObject("gzip_packed is truncated or too large")
    return unpacked
