"""The body of a request, sent out of the memory that it lies in.

Given bytes or a `BytesIO`, aiohttp copies all of them at once and then again piece by piece: 16 MiB more for each part
under way, and three times the CPU. `aiohttp.payload.Payload` is its public seam for other kinds of bodies.
"""

from __future__ import annotations

from typing import IO, cast

from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload

_SLICE = 1 << 18
"""Bytes per write. Before Python 3.12 asyncio copies what the socket does not take at once: all of it is too much."""


def in_place(body: bytes) -> IO[bytes]:
    """The body for a request of botocore's, which takes what has `read` for a file."""
    return cast("IO[bytes]", _InPlace(body))


class _InPlace(Payload):
    """May be sent again: every sending begins at the beginning."""

    def __init__(self, body: bytes) -> None:
        super().__init__(body)
        self._body = body

    @property
    def size(self) -> int:
        return len(self._body)

    @property
    def autoclose(self) -> bool:
        """There is nothing to close."""
        return True

    def read(self) -> bytes:
        """All of it, for whoever has to hash it."""
        return self._body

    def seek(self, offset: int) -> int:
        """Botocore rewinds before it sends a request to the bucket's own region."""
        return offset

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return self._body.decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        view = memoryview(self._body)
        for start in range(0, len(view), _SLICE):
            await writer.write(view[start : start + _SLICE])
