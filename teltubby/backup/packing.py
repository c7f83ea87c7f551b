"""Files on their way into a backup and out of it: gzip, then the seal; in pieces, whatever their size. Blocking."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO

from teltubby.adapters.backup_key import CHUNK_BYTES, NotSealedSo, Sealing, Unsealing

_GZIP = 31
"""zlib's window bits for the largest window in gzip's format: `gunzip` opens what is not sealed."""
_LEVEL = 4
"""Twice as fast as the default, and databases are hardly larger by it."""


class WronglyPacked(ValueError):
    """It is not what was packed."""


class Packer:
    """Packs what is read from `source`; `size` and `sha256` are those of what was read, once it has `ended`."""

    def __init__(self, source: BinaryIO, sealing: Sealing | None) -> None:
        self._source = source
        self._sealing = sealing
        self._gzip = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
        self._digest = hashlib.sha256()
        self._out = bytearray()
        self._read_all = False
        self.size = 0

    @property
    def ended(self) -> bool:
        """Whether everything was taken."""
        return self._read_all and not self._out

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def take(self, size: int) -> bytes:
        """The next `size` bytes; fewer at the end."""
        while len(self._out) < size and not self._read_all:
            chunk = self._source.read(CHUNK_BYTES)
            self._digest.update(chunk)
            self.size += len(chunk)
            self._read_all = not chunk
            packed = self._gzip.compress(chunk) if chunk else self._gzip.flush()
            if self._sealing is not None:
                packed = self._sealing.feed(packed) + (b"" if chunk else self._sealing.finish())
            self._out += packed
        taken = bytes(self._out[:size])
        del self._out[:size]
        return taken


class Unpacker:
    """Unpacks at most `most` bytes and hands them to `write`. Raises WronglyPacked."""

    def __init__(self, unsealing: Unsealing | None, *, most: int, write: Callable[[bytes], object]) -> None:
        self._unsealing = unsealing
        self._gzip = zlib.decompressobj(_GZIP)
        self._most = most
        self._write = write
        self._digest, self._stored = hashlib.sha256(), hashlib.sha256()
        self.size = self.stored_size = 0

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    @property
    def stored_sha256(self) -> str:
        return self._stored.hexdigest()

    def feed(self, stored: bytes) -> None:
        """Take the next bytes of the object."""
        self._stored.update(stored)
        self.stored_size += len(stored)
        try:
            self._inflate(stored if self._unsealing is None else self._unsealing.feed(stored))
        except NotSealedSo as error:
            raise WronglyPacked from error

    def finish(self) -> None:
        """That was all of it."""
        try:
            self._inflate(b"" if self._unsealing is None else self._unsealing.finish())
        except NotSealedSo as error:
            raise WronglyPacked from error
        if not self._gzip.eof or self._gzip.unused_data:
            raise WronglyPacked

    def _inflate(self, packed: bytes) -> None:
        for content in self._inflated(packed):
            self.size += len(content)
            if self.size > self._most:
                raise WronglyPacked
            self._digest.update(content)
            self._write(content)

    def _inflated(self, packed: bytes) -> Iterator[bytes]:
        """In pieces, however much is in it."""
        try:
            while packed and not self._gzip.eof:
                yield self._gzip.decompress(packed, CHUNK_BYTES)
                packed = self._gzip.unconsumed_tail
        except zlib.error as error:
            raise WronglyPacked from error
        if packed:
            raise WronglyPacked
