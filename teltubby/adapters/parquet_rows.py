"""Rows as a Parquet file, written as they come; pyarrow is an extra of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO, Literal

from teltubby.adapters.sqlite_file import SqlValue
from teltubby.errors import ExtraNotInstalled

ROWS_AT_ONCE = 10_000
"""A row group: what is kept in memory before it is written."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of exported rows, and what of the database it is read from, where that has another name.

    A moment is text in ISO 8601 in UTC, JSON is text, and yes_no is 0 or 1.
    """

    name: str
    kind: Literal["integer", "number", "text", "moment", "json", "yes_no"]
    expression: str = ""

    @property
    def source(self) -> str:
        """As it is selected."""
        return self.expression or self.name


class ParquetRows:
    """A Parquet file of these columns. Raises ExtraNotInstalled; OSError where `into` cannot be written.

    Moments are timestamps in microseconds and UTC, JSON is text.
    """

    def __init__(self, into: BinaryIO, columns: Sequence[Column]) -> None:
        try:
            import pyarrow  # type: ignore[import-untyped]  # it has no types of its own
            from pyarrow import parquet
        except ImportError as error:
            raise ExtraNotInstalled(
                "Parquet needs pyarrow, which is not installed: pip install 'teltubby[parquet]' (csv, jsonl do without)"
            ) from error
        types = {
            "integer": pyarrow.int64(),
            "number": pyarrow.float64(),
            "moment": pyarrow.timestamp("us", tz="UTC"),
            "yes_no": pyarrow.bool_(),
        }
        self._pyarrow = pyarrow
        self._schema = pyarrow.schema([(column.name, types.get(column.kind, pyarrow.string())) for column in columns])
        self._file = parquet.ParquetWriter(_Counted(into), self._schema, compression="zstd")
        self._waiting: list[tuple[SqlValue, ...]] = []

    def write(self, rows: Sequence[tuple[SqlValue, ...]]) -> None:
        """Add rows, with their values in the order of the columns."""
        self._waiting += rows
        if len(self._waiting) >= ROWS_AT_ONCE:
            self._write_group()

    def finish(self) -> None:
        """Write what waits, and the end of the file, without which it is none."""
        if self._waiting:
            self._write_group()
        self._file.close()

    def _write_group(self) -> None:
        arrays = []
        for field, values in zip(self._schema, zip(*self._waiting, strict=True), strict=True):
            told = self._pyarrow.types
            if told.is_timestamp(field.type):
                arrays.append(self._pyarrow.array(values, self._pyarrow.string()).cast(field.type))
            elif told.is_boolean(field.type):
                arrays.append(self._pyarrow.array([None if value is None else bool(value) for value in values]))
            else:
                arrays.append(self._pyarrow.array(values, field.type))
        self._file.write_table(self._pyarrow.table(arrays, schema=self._schema))
        self._waiting = []


class _Counted:
    """A file that knows where it is, as Parquet asks and a pipe cannot say."""

    closed = False

    def __init__(self, into: BinaryIO) -> None:
        self._into = into
        self._written = 0

    def write(self, body: bytes) -> int:
        self._into.write(body)
        self._written += len(body)
        return len(body)

    def tell(self) -> int:
        return self._written

    def flush(self) -> None:
        self._into.flush()
