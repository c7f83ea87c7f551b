"""What is inside a file: bytes that are computed on demand, so that 4 GB cost neither disk nor memory."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

BLOCK = 4096
PATTERN = 1024 * 1024
HASH_RANGE = 128 * 1024
STAMP = 8


class Content(Protocol):
    """Bytes of a known size that can be read from any place, in any thread."""

    @property
    def size(self) -> int:
        """Length in bytes."""
        ...

    def read(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`; fewer at the end, none beyond it."""
        ...

    def pieces(self, offset: int, length: int) -> Sequence[bytes | memoryview]:
        """The same bytes in pieces, for who copies them together with something else."""
        ...

    def __hash__(self) -> int:
        """Contents are values: equal ones have equal hashes."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedContent:
    """Bytes that follow from (seed, size): a random 1 MiB pattern, each 4 KiB block stamped with its number.

    The stamps make every block distinct, so that a part that lands at the wrong offset changes the hash.
    """

    size: int
    seed: int = 0

    def read(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`; fewer at the end, none beyond it."""
        end = min(offset + length, self.size)
        if offset < 0 or end <= offset:
            return b""
        first = offset // BLOCK
        blocks = b"".join(_blocks(self.seed, first, -(-end // BLOCK) - first))
        return blocks[offset - first * BLOCK : end - first * BLOCK]

    def pieces(self, offset: int, length: int) -> Sequence[bytes | memoryview]:
        """The same bytes in pieces, for who copies them together with something else."""
        if offset < 0 or offset % BLOCK or length % BLOCK or offset + length > self.size:
            return (self.read(offset, length),)
        return _blocks(self.seed, offset // BLOCK, length // BLOCK)


@dataclass(frozen=True, slots=True)
class LiteralContent:
    """Bytes given as they are, for small files that a test or an upload brings along."""

    data: bytes

    @property
    def size(self) -> int:
        """Length in bytes."""
        return len(self.data)

    def read(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`; fewer at the end, none beyond it."""
        return self.data[offset : offset + length] if offset >= 0 else b""

    def pieces(self, offset: int, length: int) -> Sequence[bytes | memoryview]:
        """The same bytes in pieces, for who copies them together with something else."""
        return (self.read(offset, length),)


@lru_cache(maxsize=16)
def _pattern(seed: int) -> list[memoryview]:
    """The 4 KiB blocks of the pattern, without the bytes that a stamp covers."""
    pattern = memoryview(hashlib.shake_128(b"teltubby simulator" + str(seed).encode()).digest(PATTERN))
    return [pattern[start + STAMP : start + BLOCK] for start in range(0, PATTERN, BLOCK)]


def _blocks(seed: int, first: int, count: int) -> list[bytes | memoryview]:
    """Stamp and rest of `count` whole blocks, in turns; nothing is copied but the stamps."""
    pattern = _pattern(seed)
    stamps = struct.pack(f">{count}Q", *range(first, first + count))
    blocks: list[bytes | memoryview] = [b""] * (2 * count)
    blocks[::2] = [stamps[start : start + STAMP] for start in range(0, len(stamps), STAMP)]
    blocks[1::2] = [pattern[number % len(pattern)] for number in range(first, first + count)]
    return blocks


def chunks(content: Content, size: int = PATTERN) -> Iterator[bytes]:
    """The whole content in order, `size` bytes at a time."""
    for offset in range(0, content.size, size):
        yield content.read(offset, size)


@lru_cache(maxsize=4096)
def sha256_of(content: Content) -> str:
    """SHA-256 of the whole content in hex; computed by streaming (about 3 s per GB), then remembered."""
    digest = hashlib.sha256()
    for chunk in chunks(content):
        digest.update(chunk)
    return digest.hexdigest()


def sha256_ranges(content: Content, offset: int, count: int = 8) -> list[tuple[int, int, bytes]]:
    """(offset, length, SHA-256) of `count` 128 KiB ranges from the one with `offset`, as upload.getFileHashes."""
    first = offset // HASH_RANGE * HASH_RANGE
    ranges = []
    for start in range(first, min(content.size, first + count * HASH_RANGE), HASH_RANGE):
        data = content.read(start, HASH_RANGE)
        ranges.append((start, len(data), hashlib.sha256(data).digest()))
    return ranges
