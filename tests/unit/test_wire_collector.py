"""The codec of what collectors tell: golden messages, round trips, sizes, and what is refused."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teltubby.errors import MalformedMessage
from teltubby.messages.collected import CollectedMedia, ForwardFacts, Link, MediaFacts, Post
from teltubby.messages.collector import (
    ChannelMediaFound,
    ChannelStanding,
    ChannelsTold,
    CollectorReport,
    MediaFilter,
    ReportTold,
    TrackTold,
)
from teltubby.messages.wire import (
    JOB_TYPE,
    SCHEMA,
    collector_report_type,
    decode_collector_report,
    encode_collector_report,
    is_collector_report,
    is_worker_report,
)
from teltubby.messages.wire_collector import PAGE_BYTES, PICTURE_BYTES, REPORT_BYTES
from tests.unit.wire_samples import JSON, MOMENT

TRACKED, CHANNELS = "teltubby.collector.tracked", "teltubby.collector.channels"
REPORT, FOUND = "teltubby.collector.report", "teltubby.collector.media_found"
FILTER = MediaFilter(
    kinds=(CollectedMedia.PHOTO, CollectedMedia.VIDEO),
    max_bytes=500_000_000,
    since=MOMENT,
    words=("cats", "👨‍👩‍👧"),
    topics=(1, 2),
)
STANDING = ChannelStanding(
    peer="@news",
    channel_id=1234567890,
    title="Новости",
    username="news",
    posts=1200,
    total=1300,
    complete_at=MOMENT,
    media=FILTER,
)
TOLD = TrackTold(
    worker="host:1:ab", order_id="o-1", at=MOMENT, peer="@news", changed=True, channel=STANDING, was_collected=True
)
LIST = ChannelsTold(worker="host:1:ab", order_id="o-2", at=MOMENT, channels=(STANDING,), following=True)
DRAWN = ReportTold(
    worker="host:1:ab",
    order_id="o-3",
    at=MOMENT,
    peer="@news",
    title="News",
    file_name="news.html",
    summary="12 posts\n34 views",
    page=b64encode(b"<html>").decode(),
    picture=b64encode(b"png").decode(),
)
POST = Post(
    channel_id=1234567890,
    msg_id=7,
    date=MOMENT,
    text="a 🎉",
    entities=({"type": "bold", "offset": 0, "length": 1},),
    links=(Link(url="https://a.example", offset=0, length=1),),
    mentions=("@b",),
    media=MediaFacts(kind=CollectedMedia.VIDEO, document_id=-(2**62), size_bytes=30 << 20, duration=1.5),
    grouped_id=99,
    forward=ForwardFacts(from_id=-100123, date=MOMENT),
)
MEDIA = ChannelMediaFound(worker="host:1:ab", at=MOMENT, post=POST, title="News", username=None, user_id=42)
GOLDEN_TOLD = (
    b'{"worker":"host:1:ab","order_id":"o-1","at":"2025-01-27T10:11:12Z","peer":"@news","refusal":null,"changed":true,'
    b'"channel":{"peer":"@news","channel_id":1234567890,"title":"\\u041d\\u043e\\u0432\\u043e\\u0441\\u0442\\u0438",'
    b'"username":"news","posts":1200,"total":1300,"backfill_done":false,"complete_at":"2025-01-27T10:11:12Z",'
    b'"trouble":null,"media":{"kinds":["photo","video"],"max_bytes":500000000,"min_bytes":null,'
    b'"since":"2025-01-27T10:11:12Z","until":null,'
    b'"words":["cats","\\ud83d\\udc68\\u200d\\ud83d\\udc69\\u200d\\ud83d\\udc67"],"topics":[1,2]},'
    b'"is_configured":false,"to_read_again":0},"was_collected":true,"media_before":null}'
)


def refused(body: bytes, *, type: str = TRACKED, schema: str | None = SCHEMA) -> str:
    """Why the message is; always one short line."""
    with pytest.raises(MalformedMessage) as caught:
        decode_collector_report(body, type, schema)
    text = str(caught.value)
    assert text.isprintable() and 0 < len(text) < 450
    return text


def changed(report: CollectorReport, **fields: object) -> bytes:
    """The report's message with these fields in place of its own; `a__b` is b in a."""
    message: dict[str, Any] = json.loads(encode_collector_report(report))
    for name, value in fields.items():
        *path, last = name.split("__")
        place = message
        for step in path:
            place = place[step]
        place[last] = value
    return json.dumps(message).encode()


@pytest.mark.parametrize(
    ("type_name", "report"),
    [(TRACKED, TOLD), (CHANNELS, LIST), (REPORT, DRAWN), (FOUND, MEDIA)],
    ids=["tracked", "channels", "report", "media"],
)
def test_reports_come_back_as_they_went(type_name: str, report: CollectorReport) -> None:
    assert collector_report_type(report) == type_name
    assert is_collector_report(type_name) and not is_worker_report(type_name)
    assert decode_collector_report(encode_collector_report(report), type_name) == report


def test_the_golden_message() -> None:
    assert encode_collector_report(TOLD) == GOLDEN_TOLD
    assert decode_collector_report(GOLDEN_TOLD, TRACKED, "1.0") == TOLD


TIMES = st.datetimes(min_value=datetime(2000, 1, 1), timezones=st.just(UTC))
LABELS = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=255)
WORDS = st.text(st.characters(categories=["L", "N", "P", "Zs"]), max_size=400).filter(str.isprintable)
TITLES = st.text(max_size=255)
COUNTS = st.integers(0, 2**62)
FILTERS = st.builds(
    MediaFilter,
    kinds=st.lists(st.sampled_from(CollectedMedia)).map(tuple),
    max_bytes=st.none() | COUNTS,
    min_bytes=st.none() | COUNTS,
    since=st.none() | TIMES,
    until=st.none() | TIMES,
    words=st.lists(st.text(min_size=1, max_size=64), max_size=20).map(tuple),
    topics=st.lists(st.integers(1, 2**31), max_size=100).map(tuple),
)
STANDINGS = st.builds(
    ChannelStanding,
    peer=LABELS,
    channel_id=st.none() | st.integers(1, 2**40),
    title=st.none() | TITLES,
    username=st.none() | LABELS,
    posts=COUNTS,
    total=st.none() | COUNTS,
    complete_at=st.none() | TIMES,
    trouble=st.none() | WORDS,
    media=st.none() | FILTERS,
)
LISTS: st.SearchStrategy[CollectorReport] = st.builds(
    ChannelsTold,
    worker=LABELS,
    order_id=LABELS,
    at=TIMES,
    channels=st.lists(STANDINGS, max_size=3).map(tuple),
    collector=st.none() | WORDS,
)
POSTS = st.builds(
    Post,
    channel_id=st.integers(1, 2**40),
    msg_id=st.integers(1, 2**31),
    date=TIMES,
    text=st.text(),
    entities=st.lists(st.dictionaries(st.text(), st.text() | st.integers(0, 2**60) | st.booleans())).map(tuple),
    links=st.just(()),
    media=st.none() | st.builds(MediaFacts, document_id=st.integers(-(2**63), 2**63 - 1), size_bytes=COUNTS),
    forward=st.none() | st.builds(ForwardFacts, date=st.none() | TIMES),
    edited_at=st.none() | TIMES,
    deleted_at=st.none() | TIMES,
)
FOUNDS: st.SearchStrategy[CollectorReport] = st.builds(
    ChannelMediaFound,
    worker=LABELS,
    at=TIMES,
    post=POSTS,
    title=TITLES,
    username=st.none() | LABELS,
    user_id=st.integers(1, 2**60),
)


@given(LISTS | FOUNDS)
def test_any_report_comes_back_as_it_went(report: CollectorReport) -> None:
    assert decode_collector_report(encode_collector_report(report), collector_report_type(report)) == report


def test_unknown_keys_are_tolerated_and_what_is_new_may_be_missing() -> None:
    assert decode_collector_report(changed(MEDIA, of_the_future=1, post__of_the_future=1), FOUND) == MEDIA
    least = {"channel_id": 5, "msg_id": 6, "date": "2025-01-27T10:11:12"}
    found = decode_collector_report(changed(MEDIA, post=least), FOUND)
    assert found == replace(MEDIA, post=Post(channel_id=5, msg_id=6, date=MOMENT))


def test_words_are_made_fit_to_be_shown_and_a_summary_keeps_its_lines() -> None:
    told = decode_collector_report(changed(DRAWN, summary="a\x00b\n" * 99, title="x\ny" + "z" * 600), REPORT)
    assert isinstance(told, ReportTold) and told.summary is not None and told.title is not None
    assert told.summary.splitlines() == ["a\N{REPLACEMENT CHARACTER}b"] * 40
    assert told.title == ("x\ny" + "z" * 600)[:500], "who shows it makes one line of it"


def test_figures_and_families_stay_together_in_what_people_read() -> None:
    told_of = "Views: 12\u202f345, 3.2\u202f% "
    told_of += "\U0001f468\u200d\U0001f469\u200d\U0001f467 \u0646\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"
    told = decode_collector_report(changed(DRAWN, summary=told_of), REPORT)
    assert isinstance(told, ReportTold) and told.summary == told_of


def test_the_largest_report_is_read_and_a_larger_one_is_not_written() -> None:
    page, picture = b64encode(b"p" * PAGE_BYTES).decode(), b64encode(b"q" * PICTURE_BYTES).decode()
    largest = replace(DRAWN, page=page, picture=picture)
    body = encode_collector_report(largest)
    assert len(body) <= REPORT_BYTES and decode_collector_report(body, REPORT) == largest
    for name, most in (("page", PAGE_BYTES), ("picture", PICTURE_BYTES)):
        larger = b64encode(b"p" * (most + 1)).decode()
        with pytest.raises(MalformedMessage, match=f"{name}: {most + 1} bytes are more than {most}"):
            encode_collector_report(replace(DRAWN, page=larger) if name == "page" else replace(DRAWN, picture=larger))
    with pytest.raises(MalformedMessage, match="the message would have"):
        encode_collector_report(replace(LIST, collector="x" * REPORT_BYTES))


def test_what_is_in_a_report_is_not_in_a_repr() -> None:
    assert DRAWN.page is not None and DRAWN.page not in repr(DRAWN)


@pytest.mark.parametrize("type_name", ["", "teltubby.collector", "teltubby.worker.standing", JOB_TYPE, "x\n" * 500])
def test_reports_of_unknown_type(type_name: str) -> None:
    assert not is_collector_report(type_name)
    assert "is not the type of what a collector tells" in refused(GOLDEN_TOLD, type=type_name)


@pytest.mark.parametrize(("schema", "expected"), [(None, "no schema version"), ("2.0", "schema version '2.0'")])
def test_reports_of_another_schema(schema: str | None, expected: str) -> None:
    assert expected in refused(GOLDEN_TOLD, schema=schema)


@pytest.mark.parametrize(
    ("type_name", "body", "expected"),
    [
        (TRACKED, b"", "not JSON: "),
        (TRACKED, b"{}", "Field required"),
        (TRACKED, b" " * (REPORT_BYTES + 1), f"more than {REPORT_BYTES}"),
        (TRACKED, changed(TOLD, worker=""), "worker: empty"),
        (TRACKED, changed(TOLD, order_id="a\nb"), "order_id: "),
        (TRACKED, changed(TOLD, at="soon"), "at: 'soon' is not a time"),
        (TRACKED, changed(TOLD, peer="x" * 256), "peer: "),
        (TRACKED, changed(TOLD, channel=[]), "channel: not an object"),
        (TRACKED, changed(TOLD, channel__posts=-1), "channel: posts: -1 is negative"),
        (TRACKED, changed(TOLD, channel__complete_at=7), "channel: complete_at: not a time"),
        (TRACKED, changed(TOLD, channel__media__kinds=["cat"]), "channel.media.kinds.0"),
        (TRACKED, changed(TOLD, channel__media__words=["x" * 65]), "channel: media: words: "),
        (TRACKED, changed(TOLD, channel__media__words=["x"] * 101), "not a list of 100 at most"),
        (TRACKED, changed(TOLD, channel__media__topics=[0]), "topics: 0 is less than 1"),
        (CHANNELS, changed(LIST, channels={}), "channels: not a list"),
        (CHANNELS, changed(LIST, channels=[7]), "channels: not an object"),
        (REPORT, changed(DRAWN, page="<html>"), "page: not base64"),
        (REPORT, changed(DRAWN, picture="ä"), "picture: not base64"),
        (REPORT, changed(DRAWN, page=7), "page: not a string"),
        (REPORT, changed(DRAWN, file_name="../x.html"), "is no file name"),
        (REPORT, changed(DRAWN, file_name="x" * 121), "is no file name"),
        (REPORT, changed(DRAWN, file_name="a\nb"), "file_name: "),
        (FOUND, changed(MEDIA, post=None), "post: "),
        (FOUND, changed(MEDIA, post__msg_id=0), "post: msg_id: 0 is less than 1"),
        (FOUND, changed(MEDIA, post__date="x"), "post: date: 'x' is not a time"),
        (FOUND, changed(MEDIA, post__media__size_bytes=-1), "post: media: size_bytes: -1 is negative"),
        (FOUND, changed(MEDIA, post__media__document_id=1 << 63), "document_id: more than 64 bits"),
        (FOUND, changed(MEDIA, post__media__kind="cat"), "post.media.kind"),
        (FOUND, changed(MEDIA, post__forward__date=7), "post: forward: date: not a time"),
        (FOUND, changed(MEDIA, user_id="x"), "user_id: not an integer"),
    ],
)
def test_what_cannot_be_acted_on(type_name: str, body: bytes, expected: str) -> None:
    assert expected in refused(body, type=type_name)


@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_refused_with_a_reason(body: bytes) -> None:
    assert all(refused(body, type=name) for name in (TRACKED, CHANNELS, REPORT, FOUND))
