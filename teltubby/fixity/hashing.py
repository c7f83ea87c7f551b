"""Reads objects again and compares their SHA-256 with the one that they were stored with."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial

from teltubby.adapters.sqlite_comparison import Comparison
from teltubby.adapters.sqlite_file import SqlRow
from teltubby.errors import FileGone
from teltubby.fixity.findings import Kind
from teltubby.fixity.reading import Reader
from teltubby.fixity.survey import InTurn, side_by_side

PIECE_BYTES = 4 << 20
LEAST_PIECE_BYTES = 64 << 10
AT_ONCE = 4
"""Objects that are read at once, a piece of each in memory."""


def piece_bytes(rate: float | None) -> int:
    """How much is read in one request: with a limit about a quarter of a second's worth."""
    return PIECE_BYTES if rate is None else max(LEAST_PIECE_BYTES, min(PIECE_BYTES, int(rate / 4)))


class Hashing:
    """Works off what the comparison has planned. What was read is kept at once, so that nothing is read twice."""

    def __init__(
        self,
        reader: Reader,
        comparison: Comparison,
        *,
        in_turn: InTurn,
        piece: int,
        done: Callable[[], None],
    ) -> None:
        self._reader = reader
        self._comparison = comparison
        self._in_turn = in_turn
        self._piece = piece
        self._done = done

    async def run(self) -> None:
        """Read everything that is left. Raises what the store and the file raise."""
        pages = self._comparison.to_hash()
        while (page := await self._in_turn(partial(next, pages, None))) is not None:
            await side_by_side(page, self._one, width=AT_ONCE)

    async def _one(self, row: SqlRow) -> None:
        finding, size = await self._look(row["key"], row["sha256"], row["size"])
        await self._in_turn(partial(self._comparison.hashed, row["key"], finding, size))
        self._done()

    async def _look(self, key: str, sha256: str, size: int) -> tuple[tuple[str, str] | None, int | None]:
        """What is wrong with it, as kind and detail; and its size, None where it is gone."""
        digest, offset = hashlib.sha256(), 0
        try:
            while offset < size:
                body = await self._reader.read(key, offset, min(self._piece, size - offset))
                if not body:
                    return (Kind.SIZE, f"{offset} bytes instead of {size}"), offset
                digest.update(body)
                offset += len(body)
        except FileGone:
            return (Kind.MISSING, "it is gone since it was listed"), None
        except ValueError as error:
            return (Kind.CONTENT, f"it cannot be read: {error}"), size
        found = digest.hexdigest()
        return None if found == sha256 else (Kind.CONTENT, f"SHA-256 {found} instead of {sha256}"), size
