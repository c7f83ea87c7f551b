"""The TCP transports of MTProto: packets in a byte stream (core.telegram.org/mtproto/mtproto-transports)."""

from __future__ import annotations

import asyncio
import os
import random
import struct
from collections.abc import Sequence
from typing import Protocol
from zlib import crc32

from teltubby.simulator.mtproto.crypto import CtrCipher

# The largest packet that makes sense: a container of 1 MiB uploads. Anything longer is a client out of step.
MAX_PACKET = 4 * 1024 * 1024
ABRIDGED_TAG = b"\xef"
INTERMEDIATE_TAG = b"\xee\xee\xee\xee"
PADDED_TAG = b"\xdd\xdd\xdd\xdd"
HTTP_STARTS = (b"GET ", b"POST", b"HEAD", b"OPTI")


class TransportViolation(Exception):
    """The byte stream breaks the rules of its transport; the connection is closed without a word."""


class Stream:
    """The bytes of one connection, with what was read ahead and, if obfuscated, AES-256-CTR in both directions."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._ahead = b""
        self._decryptor: CtrCipher | None = None
        self._encryptor: CtrCipher | None = None

    async def read(self, length: int) -> bytes:
        """Exactly `length` bytes; asyncio.IncompleteReadError at the end of the stream."""
        ahead, self._ahead = self._ahead[:length], self._ahead[length:]
        if len(ahead) == length:
            return ahead
        data = ahead + await self._reader.readexactly(length - len(ahead))
        return self._decryptor.apply(data) if self._decryptor else data

    def unread(self, data: bytes) -> None:
        """Give bytes back to be read again."""
        self._ahead = data + self._ahead

    def write(self, pieces: Sequence[bytes | memoryview]) -> None:
        """Queue bytes for sending; pieces are not joined, so a large one is not copied."""
        for piece in pieces:
            self._writer.write(self._encryptor.apply(bytes(piece)) if self._encryptor else piece)

    def obfuscate(self, head: bytes) -> bytes:
        """Switch to obfuscated2 by its 64-byte header; returns the transport's tag from inside it."""
        backward = head[55:7:-1]
        self._decryptor = CtrCipher(head[8:40], head[40:56])
        self._encryptor = CtrCipher(backward[:32], backward[32:48])
        return self._decryptor.apply(head)[56:60]


class Transport(Protocol):
    """One way of framing packets, with its own state per connection."""

    async def read(self, stream: Stream) -> bytes:
        """The next packet's payload; raises TransportViolation."""
        ...

    def frame(self, pieces: Sequence[bytes]) -> list[bytes]:
        """The bytes that carry a packet given in pieces whose total is a multiple of four."""
        ...


class Abridged:
    """One length byte counting 4-byte words, or 0x7f and three bytes. The quick-ack bit is accepted and ignored."""

    async def read(self, stream: Stream) -> bytes:
        """The next packet's payload; raises TransportViolation."""
        words = (await stream.read(1))[0] & 0x7F
        if words == 0x7F:
            words = int.from_bytes(await stream.read(3), "little")
        return await stream.read(_checked(words * 4))

    def frame(self, pieces: Sequence[bytes]) -> list[bytes]:
        """The bytes that carry a packet given in pieces whose total is a multiple of four."""
        words = sum(map(len, pieces)) // 4
        head = bytes((words,)) if words < 0x7F else b"\x7f" + words.to_bytes(3, "little")
        return [head, *pieces]


class Intermediate:
    """Four length bytes. The quick-ack bit is accepted and ignored."""

    async def read(self, stream: Stream) -> bytes:
        """The next packet's payload; raises TransportViolation."""
        (length,) = struct.unpack("<I", await stream.read(4))
        length = _checked(length & 0x7FFFFFFF)
        if length % 4:
            raise TransportViolation(f"intermediate packet of {length} bytes")
        return await stream.read(length)

    def frame(self, pieces: Sequence[bytes]) -> list[bytes]:
        """The bytes that carry a packet given in pieces whose total is a multiple of four."""
        return [struct.pack("<I", sum(map(len, pieces))), *pieces]


class PaddedIntermediate:
    """As intermediate, with 0 to 15 random bytes after the payload, so that lengths say less."""

    async def read(self, stream: Stream) -> bytes:
        """The next packet's payload, its padding still on: only the payload itself knows where it ends."""
        (length,) = struct.unpack("<I", await stream.read(4))
        return await stream.read(_checked(length & 0x7FFFFFFF))

    def frame(self, pieces: Sequence[bytes]) -> list[bytes]:
        """The bytes that carry a packet given in pieces whose total is a multiple of four."""
        # Clients that strip only the remainder of four would keep more; the docs allow any length up to 15.
        padding = os.urandom(random.randrange(4))
        return [struct.pack("<I", sum(map(len, pieces)) + len(padding)), *pieces, padding]


class Full:
    """Length, sequence number and CRC32 around each packet; both sides count from zero."""

    def __init__(self) -> None:
        self._received = 0
        self._sent = 0

    async def read(self, stream: Stream) -> bytes:
        """The next packet's payload; raises TransportViolation on a wrong number or checksum."""
        head = await stream.read(8)
        length, number = struct.unpack("<Ii", head)
        if length % 4:
            raise TransportViolation(f"full packet of {length} bytes")
        body = await stream.read(_checked(length - 12) + 4)
        if number != self._received:
            raise TransportViolation(f"packet number {number} instead of {self._received}")
        self._received += 1
        (checksum,) = struct.unpack("<I", body[-4:])
        if crc32(body[:-4], crc32(head)) != checksum:
            raise TransportViolation("wrong CRC32")
        return body[:-4]

    def frame(self, pieces: Sequence[bytes]) -> list[bytes]:
        """The bytes that carry a packet given in pieces whose total is a multiple of four."""
        head = struct.pack("<Ii", sum(map(len, pieces)) + 12, self._sent)
        self._sent += 1
        checksum = crc32(head)
        for piece in pieces:
            checksum = crc32(piece, checksum)
        return [head, *pieces, struct.pack("<I", checksum)]


_BY_TAG: dict[bytes, type[Abridged] | type[Intermediate] | type[PaddedIntermediate]] = {
    ABRIDGED_TAG * 4: Abridged,
    INTERMEDIATE_TAG: Intermediate,
    PADDED_TAG: PaddedIntermediate,
}


async def detect(stream: Stream) -> Transport:
    """The transport that a client announces with its first bytes; raises TransportViolation for anything else."""
    head = await stream.read(1)
    if head == ABRIDGED_TAG:
        return Abridged()
    head += await stream.read(3)
    if head in HTTP_STARTS:
        raise TransportViolation("HTTP is not served")
    if head in (INTERMEDIATE_TAG, PADDED_TAG):
        return _BY_TAG[head]()
    head += await stream.read(4)
    if head[4:] == bytes(4):
        # Only the full transport has no tag: it starts with a length and packet number 0, which obfuscated2 avoids.
        stream.unread(head)
        return Full()
    head += await stream.read(56)
    tag = stream.obfuscate(head)
    if tag not in _BY_TAG:
        raise TransportViolation(f"unknown transport tag {tag.hex()}")
    return _BY_TAG[tag]()


def _checked(length: int) -> int:
    if not 4 <= length <= MAX_PACKET:
        raise TransportViolation(f"packet of {length} bytes")
    return length
