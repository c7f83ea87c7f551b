"""Collected records for other programs: posts or snapshots of their counters, as CSV, JSON Lines or Parquet.

Rows are read a page at a time, by index, and written before the next page is: the memory that an export takes does not
depend on the size of a channel, and collecting goes on meanwhile. What is collected meanwhile may be part of it.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import BinaryIO, Protocol

from teltubby.adapters.parquet_rows import Column, ParquetRows
from teltubby.adapters.sqlite_file import SqliteFile, SqlRow, SqlValue, to_text
from teltubby.collector.export_choices import Format, Subject
from teltubby.collector.export_columns import METRICS, POSTS
from teltubby.collector.queries import BEGINNING, END
from teltubby.collector.repositories import CollectorStore

PAGE_ROWS = 1000

PAGE_OF_POSTS = (
    f"SELECT {', '.join(column.source for column in POSTS)} FROM posts INDEXED BY posts_date"
    " CROSS JOIN channels USING (channel_id) LEFT JOIN post_latest USING (channel_id, msg_id)"
    " WHERE posts.channel_id = ?1 AND (date, posts.msg_id) > (?2, ?3) AND date < ?4"
    " ORDER BY date, posts.msg_id LIMIT ?5"
)
PAGE_OF_METRICS = (
    f"SELECT {', '.join(column.source for column in METRICS)} FROM post_metrics"
    " WHERE channel_id = ?1 AND (msg_id, snapshot_time) > (?2, ?3) AND snapshot_time >= ?4 AND snapshot_time < ?5"
    " ORDER BY msg_id, snapshot_time LIMIT ?6"
)
_FORMULAS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")


class _Rows(Protocol):
    """Where rows go, in order; what was written is whole only after `finish`."""

    def write(self, rows: Sequence[tuple[SqlValue, ...]]) -> None: ...

    def finish(self) -> None: ...


def export(
    store: CollectorStore,
    subject: Subject,
    into: BinaryIO,
    *,
    form: Format,
    channels: Sequence[int],
    since: datetime | None = None,
    until: datetime | None = None,
) -> int:
    """Write all rows of these channels with `since ≤ moment < until`, and return how many they are.

    The moment is the date of a post, or the time of a snapshot; deleted posts are part of it. `into` need not be
    seekable. Blocking. Raises DatabaseUnavailable, ExtraNotInstalled (Parquet), and OSError where `into` cannot be
    written.
    """
    count = 0
    rows = _rows(form, POSTS if subject is Subject.POSTS else METRICS, into)
    begin, end = to_text(since or BEGINNING), to_text(until or END)
    pages = _posts if subject is Subject.POSTS else _metrics
    for channel_id in channels:
        for page in pages(store.file, channel_id, begin, end):
            rows.write([tuple(row) for row in page])
            count += len(page)
    rows.finish()
    return count


def csv_text(value: str) -> str:
    """A text as it stands in a CSV: with an apostrophe before it, if a spreadsheet would take it for a formula.

    So has one that begins with an apostrophe itself: whoever drops the first apostrophe of a text that begins with one
    has what was posted (https://owasp.org/www-community/attacks/CSV_Injection).
    """
    # White space before it does not keep every program from seeing the formula.
    return f"'{value}" if value.startswith("'") or value.lstrip().startswith(_FORMULAS) else value


def _posts(file: SqliteFile, channel_id: int, begin: str, end: str) -> Iterator[list[SqlRow]]:
    """Each page begins behind the last row of the one before, by the key in which they are ordered."""
    after = (begin, -1)
    while page := file.read(PAGE_OF_POSTS, channel_id, *after, end, PAGE_ROWS):
        yield page
        after = (page[-1]["date"], page[-1]["msg_id"])


def _metrics(file: SqliteFile, channel_id: int, begin: str, end: str) -> Iterator[list[SqlRow]]:
    after = (-1, "")
    while page := file.read(PAGE_OF_METRICS, channel_id, *after, begin, end, PAGE_ROWS):
        yield page
        after = (page[-1]["msg_id"], page[-1]["snapshot_time"])


def _rows(form: Format, columns: Sequence[Column], into: BinaryIO) -> _Rows:
    match form:
        case Format.CSV:
            return _CsvRows(into, columns)
        case Format.JSONL:
            return _JsonRows(into, columns)
        case Format.PARQUET:
            return ParquetRows(into, columns)


class _CsvRows:
    """RFC 4180 in UTF-8, with a header."""

    def __init__(self, into: BinaryIO, columns: Sequence[Column]) -> None:
        self._into = into
        self.write([tuple(column.name for column in columns)])

    def write(self, rows: Sequence[tuple[SqlValue, ...]]) -> None:
        text = io.StringIO(newline="")
        csv.writer(text).writerows(
            [[csv_text(value) if isinstance(value, str) else value for value in row] for row in rows]
        )
        self._into.write(text.getvalue().encode())

    def finish(self) -> None:
        self._into.flush()


class _JsonRows:
    """One JSON object per line. What is JSON in the database is JSON here, too, under its name without `_json`."""

    def __init__(self, into: BinaryIO, columns: Sequence[Column]) -> None:
        self._into = into
        self._columns = [(column.name.removesuffix("_json"), column.kind) for column in columns]

    def write(self, rows: Sequence[tuple[SqlValue, ...]]) -> None:
        lines = []
        for row in rows:
            fields = {name: _json_value(value, kind) for (name, kind), value in zip(self._columns, row, strict=True)}
            lines.append(json.dumps(fields, ensure_ascii=False, separators=(",", ":")))
        self._into.write("".join(f"{line}\n" for line in lines).encode())

    def finish(self) -> None:
        self._into.flush()


def _json_value(value: SqlValue, kind: str) -> object:
    if value is None:
        return None
    if kind == "json":
        return json.loads(str(value))
    return bool(value) if kind == "yes_no" else value
