"""What is exported: every row once, exactly, in each form, and in little memory."""

from __future__ import annotations

import csv
import io
import json
import sys
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, BinaryIO

import pyarrow  # type: ignore[import-untyped]
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from teltubby.collector import export as exporting
from teltubby.collector.export import PAGE_OF_METRICS, PAGE_OF_POSTS, PAGE_ROWS, csv_text, export
from teltubby.collector.export_choices import Format, Subject
from teltubby.collector.pages import Page
from teltubby.collector.repositories import CollectorStore
from teltubby.errors import ExtraNotInstalled
from teltubby.messages.collected import CollectedMedia, CollectedMessage, ForwardFacts, Link, MediaFacts, PostMetrics
from tests.unit.archive.samples import ANY_TEXT
from tests.unit.collector.world import CHANNEL, NOON, channel, counted, hours, page, post, store_with

OTHER = 77
FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "\r\n=1", "＝1", "'=1", "'", "=cmd|' /C calc'!A0"]
PLAIN = ["", "1,5", '"quoted"', "two\nlines", "two\r\nlines", "; a", "Космос 🚀", "\0", "a=b"]


def exported(store: CollectorStore, subject: Subject, form: Format, **span: Any) -> bytes:
    into = io.BytesIO()
    channels = span.pop("channels", [CHANNEL])
    count = export(store, subject, into, form=form, channels=channels, **span)
    assert count == len(rows_of(into.getvalue(), form))
    return into.getvalue()


def rows_of(body: bytes, form: Format) -> list[dict[str, Any]]:
    """As another program reads it; of a CSV every value is a text."""
    match form:
        case Format.CSV:
            return list(csv.DictReader(io.StringIO(body.decode(), newline="")))
        case Format.JSONL:
            return [json.loads(line) for line in body.decode().split("\n")[:-1]]
        case Format.PARQUET:
            found: list[dict[str, Any]] = parquet.read_table(io.BytesIO(body)).to_pylist()
            return found


def read(store: CollectorStore, subject: Subject, form: Format, **span: Any) -> list[dict[str, Any]]:
    return rows_of(exported(store, subject, form, **span), form)


@pytest.fixture(scope="module")
def store() -> Iterator[CollectorStore]:
    """Two channels: of the first a post with everything and a bare one that is deleted, of the other one post."""
    told = post(
        1,
        "=HYPERLINK(1)\nКосмос",
        links=(Link(url="https://a.example", offset=0, length=1),),
        media=MediaFacts(kind=CollectedMedia.VIDEO, document_id=2**62, size_bytes=5, duration=1.5),
        forward=ForwardFacts(from_name="Пётр"),
        protected=True,
        edited_at=NOON + hours(2),
    )
    readings = (counted(1, NOON + hours(2), 10, reactions={"👍": 2}), counted(1, NOON + hours(9), 30, comments=1))
    with store_with(channel(), channel(OTHER, username=None, title="-other")) as made:
        made.record(page(told, post(2), metrics=readings, deleted=(2,), seen_at=NOON + hours(10)))
        other = CollectedMessage(post=post(1, "elsewhere", channel_id=OTHER), metrics=None)
        made.record(Page(channel_id=OTHER, seen_at=NOON, messages=(other,)))
        yield made


def test_csv_is_safe_in_a_spreadsheet_and_has_the_names_of_the_tables(store: CollectorStore) -> None:
    body = exported(store, Subject.POSTS, Format.CSV, channels=[CHANNEL, OTHER])
    first, second, third = rows_of(body, Format.CSV)
    assert first["text"] == "'=HYPERLINK(1)\nКосмос" and third["title"] == "'-other"
    assert first["links_json"] == '["https://a.example"]'
    assert (first["date"], first["document_id"], first["protected"]) == ("2026-11-20T13:00:00.000000Z", str(2**62), "1")
    assert (first["views"], first["reactions_count"], second["views"], second["deleted_at"] != "") == (
        "30",
        "0",
        "",
        True,
    )
    assert body.decode().splitlines()[0].startswith("channel_id,username,title,msg_id,date,text,links_json,")


def test_json_lines_are_exact(store: CollectorStore) -> None:
    first, second, third = read(store, Subject.POSTS, Format.JSONL, channels=[CHANNEL, OTHER])
    assert first["text"] == "=HYPERLINK(1)\nКосмос" and third["title"] == "-other"
    assert (first["links"], first["forward"]["from_name"]) == (["https://a.example"], "Пётр")
    assert (first["duration"], first["protected"], second["protected"], second["forward"]) == (1.5, True, False, None)
    assert "\\u" not in exported(store, Subject.POSTS, Format.JSONL).decode(), "in the script in which it was written"


def test_parquet_has_types(store: CollectorStore) -> None:
    body = exported(store, Subject.POSTS, Format.PARQUET)
    told = parquet.read_table(io.BytesIO(body))
    assert told.schema.field("date").type == pyarrow.timestamp("us", tz="UTC")
    assert told.schema.field("views").type == pyarrow.int64() and told.schema.field("protected").type == pyarrow.bool_()
    first, second = told.to_pylist()
    assert (first["date"], first["edited_at"]) == (NOON + hours(1), NOON + hours(2))
    assert (first["document_id"], first["duration"], first["protected"]) == (2**62, 1.5, True)
    assert (second["views"], second["edited_at"], second["deleted_at"]) == (None, None, NOON + hours(10))


@pytest.mark.parametrize("form", Format)
def test_metrics_are_every_snapshot(store: CollectorStore, form: Format) -> None:
    first, second = read(store, Subject.METRICS, form)
    assert [int(row["views"]) for row in (first, second)] == [10, 30]
    assert [str(row["comments_count"] or "") for row in (first, second)] == ["", "1"]
    names = {"channel_id", "msg_id", "views", "forwards", "replies_count", "reactions_count", "ts", "snapshot_time"}
    assert names < set(first), "compatibility.md, Collector records"
    (later,) = read(store, Subject.METRICS, form, since=NOON + hours(3), until=NOON + hours(10))
    assert int(later["views"]) == 30


@pytest.mark.parametrize("form", Format)
def test_an_export_of_nothing_is_a_file_too(store: CollectorStore, form: Format) -> None:
    assert read(store, Subject.POSTS, form, since=NOON + hours(50)) == []
    assert read(store, Subject.METRICS, form, channels=[]) == []


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_is_a_formula(text: str) -> None:
    assert csv_text(text) == f"'{text}"


@pytest.mark.parametrize("text", PLAIN)
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert csv_text(text) == text


@given(ANY_TEXT)
def test_every_text_can_be_had_back_from_its_cell(text: str) -> None:
    cell = csv_text(text)
    assert (cell[1:] if cell.startswith("'") else cell) == text
    assert not cell.lstrip().startswith(("=", "+", "-", "@"))


MOMENTS = st.integers(0, 6).map(hours)


@settings(max_examples=30)
@given(
    st.lists(st.tuples(MOMENTS, ANY_TEXT), max_size=9),
    MOMENTS,
    MOMENTS,
    st.integers(1, 4),
    st.sampled_from([Format.CSV, Format.JSONL]),
)
def test_pages_of_any_size_have_every_post_of_the_span_once_and_in_order(
    posts: list[tuple[timedelta, str]], since: timedelta, until: timedelta, page_rows: int, form: Format
) -> None:
    texts = [text.encode("utf-8", "replace").decode() for _, text in posts]
    with store_with() as store, pytest.MonkeyPatch.context() as patch:
        patch.setattr(exporting, "PAGE_ROWS", page_rows)
        told = [post(number, text, date=NOON + posts[number][0]) for number, text in enumerate(texts)]
        store.record(page(*told))
        found = read(store, Subject.POSTS, form, since=NOON + since, until=NOON + until)
    within = [one for one in told if NOON + since <= one.date < NOON + until]
    within.sort(key=lambda one: (one.date, one.msg_id))
    expected = [csv_text(one.text) if form is Format.CSV else one.text for one in within]
    assert [row["text"] for row in found] == expected
    assert [int(row["msg_id"]) for row in found] == [one.msg_id for one in within]


@pytest.mark.parametrize("page_rows", [1, 2, 3, 50])
def test_snapshots_come_in_pages_too(monkeypatch: pytest.MonkeyPatch, page_rows: int) -> None:
    monkeypatch.setattr(exporting, "PAGE_ROWS", page_rows)
    with store_with() as store:
        readings = [counted(number, NOON + hours(hour), hour + 1) for number in (1, 2, 3) for hour in range(4)]
        store.record(page(post(1), post(2), post(3), metrics=tuple(readings)))
        found = read(store, Subject.METRICS, Format.JSONL)
    assert [(row["msg_id"], row["views"]) for row in found] == [(one.msg_id, one.views) for one in readings]


def test_memory_does_not_grow_with_the_number_of_posts() -> None:
    with store_with() as store:
        text = "hello " * 100
        store.record(page(*(post(number, text, date=NOON + timedelta(minutes=number)) for number in range(8000))))
        few, many = (peak_of(store, until) for until in (NOON + timedelta(minutes=2000), None))
    assert many < few * 1.5


def peak_of(store: CollectorStore, until: datetime | None) -> int:
    """Bytes of memory that an export of all these posts takes at most."""
    tracemalloc.start()
    try:
        with open("/dev/null", "wb") as into:  # noqa: PTH123 - a binary file that holds nothing
            export(store, Subject.POSTS, into, form=Format.JSONL, channels=[CHANNEL], until=until)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("form", Format)
def test_a_channel_of_more_than_a_page_into_what_cannot_be_sought(form: Format) -> None:
    class Pipe(io.BytesIO):
        def tell(self) -> int:
            raise OSError("a pipe")

        def seek(self, offset: int, whence: int = 0) -> int:
            raise OSError("a pipe")

    into = Pipe()
    with store_with() as store:
        store.record(page(*(post(number) for number in range(PAGE_ROWS + 5))))
        assert export(store, Subject.POSTS, into, form=form, channels=[CHANNEL]) == PAGE_ROWS + 5
    assert len(rows_of(into.getvalue(), form)) == PAGE_ROWS + 5


@pytest.mark.parametrize("form", Format)
def test_a_disk_that_fills_is_an_error_of_the_system(store: CollectorStore, form: Format) -> None:
    with open("/dev/full", "wb", buffering=0) as into, pytest.raises(OSError, match="No space"):  # noqa: PTH123
        export(store, Subject.POSTS, _binary(into), form=form, channels=[CHANNEL])


def _binary(file: Any) -> BinaryIO:
    assert file.writable()
    return file  # type: ignore[no-any-return]


def test_without_pyarrow_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, store: CollectorStore) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ExtraNotInstalled, match=r"teltubby\[parquet\]"):
        exported(store, Subject.POSTS, Format.PARQUET)
    assert len(read(store, Subject.POSTS, Format.CSV)) == 2


@pytest.mark.parametrize(("sql", "values"), [(PAGE_OF_POSTS, 5), (PAGE_OF_METRICS, 6)])
@pytest.mark.parametrize("analysed", [False, True])
def test_a_page_is_read_by_index_from_where_the_last_one_ended(sql: str, values: int, analysed: bool) -> None:
    with store_with(*(channel(CHANNEL + number) for number in range(60))) as store:
        if analysed:
            metrics = tuple(PostMetrics(channel_id=CHANNEL, msg_id=number, ts=NOON) for number in range(50))
            store.record(page(*(post(number) for number in range(50)), metrics=metrics))
            store.file.read("ANALYZE")
        steps = [row["detail"] for row in store.file.read(f"EXPLAIN QUERY PLAN {sql}", *([CHANNEL] * values))]
    assert "(date,msg_id)>(?,?)" in steps[0] or "(msg_id,snapshot_time)>(?,?)" in steps[0], steps
    assert all(step.startswith("SEARCH") for step in steps), steps


def test_dates_are_those_of_utc(store: CollectorStore) -> None:
    local = datetime.fromisoformat("2026-11-20T15:00:00+02:00")
    assert local == datetime(2026, 11, 20, 13, tzinfo=UTC)
    assert len(read(store, Subject.POSTS, Format.CSV, since=local)) == 2
    assert len(read(store, Subject.POSTS, Format.CSV, until=local)) == 0
