"""The words of `/track`: what they mean, what is refused, and which posts fit."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teltubby.archive.media_filter import EXAMPLE, FILES, LARGEST, accepts, describe, read_filter
from teltubby.messages.collected import CollectedMedia, MediaFacts, Post
from teltubby.messages.collector import MediaFilter

NOON = datetime(2024, 6, 1, 12, tzinfo=UTC)
FACTS = MediaFacts(kind=CollectedMedia.VIDEO, document_id=7, size_bytes=1000)
POST = Post(channel_id=1, msg_id=2, date=NOON, text="Größe und CATS", media=FACTS, topic_id=5)
VIDEOS = MediaFilter(kinds=(CollectedMedia.VIDEO,))


def test_the_example_is_read() -> None:
    assert read_filter(EXAMPLE.split()) == MediaFilter(
        kinds=(CollectedMedia.PHOTO, CollectedMedia.VIDEO),
        max_bytes=500_000_000,
        min_bytes=10_000,
        since=datetime(2024, 1, 1, tzinfo=UTC),
        until=datetime(2025, 1, 1, tzinfo=UTC),
        words=("cats", "dogs"),
        topics=(1, 2),
    )


def test_nothing_written_is_no_filter() -> None:
    assert read_filter([]) is None


@pytest.mark.parametrize(
    ("written", "kinds"),
    [
        ("media=all", FILES),
        ("MEDIA=Photos,VIDEO", (CollectedMedia.PHOTO, CollectedMedia.VIDEO)),
        ("media=video,photo,video", (CollectedMedia.PHOTO, CollectedMedia.VIDEO)),
        ("media=video-note,,animations", (CollectedMedia.VIDEO_NOTE, CollectedMedia.ANIMATION)),
    ],
)
def test_kinds(written: str, kinds: tuple[CollectedMedia, ...]) -> None:
    assert read_filter([written]) == MediaFilter(kinds=kinds)


@pytest.mark.parametrize(
    ("written", "count"),
    [
        ("0", 0),
        ("1234", 1234),
        ("500MB", 500_000_000),
        ("500m", 500_000_000),
        ("1.5gb", 1_500_000_000),
        ("20MiB", 20 << 20),
        ("1.5KiB", 1536),
        ("12B", 12),
    ],
)
def test_sizes(written: str, count: int) -> None:
    read = read_filter(["media=all", f"max={written}"])
    assert read is not None and read.max_bytes == count


@pytest.mark.parametrize(
    ("written", "since"),
    [
        ("2024-01-31T12:00", datetime(2024, 1, 31, 12, tzinfo=UTC)),
        ("2024-01-31T12:00:05+02:00", datetime(2024, 1, 31, 10, 0, 5, tzinfo=UTC)),
    ],
)
def test_times_of_day(written: str, since: datetime) -> None:
    read = read_filter(["media=all", f"since={written}", "until=2030-01-01"])
    assert read is not None and read.since == since


@pytest.mark.parametrize(
    "words",
    [
        ["media"],
        ["photos"],
        ["kind=photo"],
        ["media="],
        ["media=poll"],
        ["media=,"],
        ["max=5MB"],
        ["media=all", "media=photo"],
        ["media=all", "max=-5"],
        ["media=all", "max=5XB"],
        ["media=all", "max=5iB"],
        ["media=all", "max=٣MB"],
        ["media=all", "max=9999999999999TB"],
        ["media=all", "min=2MB", "max=1MB"],
        ["media=all", "since=yesterday"],
        ["media=all", "since=2024-13-01"],
        ["media=all", "since=0001-01-01"],
        ["media=all", "until=9999-12-31"],
        ["media=all", "since=2024-02-01", "until=2024-01-01"],
        ["media=all", "topics=0"],
        ["media=all", "topics=-1"],
        ["media=all", "topics=²"],
        ["media=all", f"topics={LARGEST + 1}"],
        ["media=all", "topics=" + ",".join(map(str, range(1, 102)))],
        ["media=all", "words=" + "a" * 65],
        ["media=all", "words=" + ",".join(map(str, range(21)))],
        ["media=all", "x" * 5000],
    ],
)
def test_what_cannot_be_meant_is_refused_in_a_sentence(words: list[str]) -> None:
    with pytest.raises(ValueError) as refusal:
        read_filter(words)
    assert 10 < len(str(refusal.value)) < 300
    assert not str(refusal.value).endswith(".")


@given(st.lists(st.text(max_size=12) | st.sampled_from(["media=all", "max=", "since=", "words="]), max_size=4))
def test_any_words_are_read_or_refused(words: list[str]) -> None:
    try:
        read = read_filter(words)
    except ValueError:
        return
    assert (read is None) == (not words)


_MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
_WORD = st.text("abcäß语", min_size=1, max_size=8)


@st.composite
def filters(draw: st.DrawFn) -> MediaFilter:
    low, high = sorted(draw(st.lists(st.integers(0, 2**62), min_size=2, max_size=2)))
    since, until = sorted(draw(st.lists(_MOMENTS, min_size=2, max_size=2, unique=True)))
    chosen = draw(st.sets(st.sampled_from(FILES), min_size=1))
    return MediaFilter(
        kinds=tuple(kind for kind in FILES if kind in chosen),
        min_bytes=draw(st.sampled_from((None, low))),
        max_bytes=draw(st.sampled_from((None, high))),
        since=draw(st.sampled_from((None, since))),
        until=draw(st.sampled_from((None, until))),
        words=tuple(draw(st.lists(_WORD, max_size=3, unique=True))),
        topics=tuple(draw(st.lists(st.integers(1, LARGEST), max_size=3, unique=True))),
    )


@given(filters())
def test_every_filter_can_be_written(wanted: MediaFilter) -> None:
    words = ["media=" + ",".join(wanted.kinds)]
    for name, limit in (("min", wanted.min_bytes), ("max", wanted.max_bytes)):
        words += [] if limit is None else [f"{name}={limit}"]
    for name, moment in (("since", wanted.since), ("until", wanted.until)):
        words += [] if moment is None else [f"{name}={moment.isoformat()}"]
    words += ["words=" + ",".join(wanted.words)] if wanted.words else []
    words += ["topics=" + ",".join(map(str, wanted.topics))] if wanted.topics else []
    assert read_filter(words) == wanted


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        (VIDEOS, True),
        (MediaFilter(kinds=(CollectedMedia.PHOTO,)), False),
        (replace(VIDEOS, max_bytes=1000), True),
        (replace(VIDEOS, max_bytes=999), False),
        (replace(VIDEOS, min_bytes=1000), True),
        (replace(VIDEOS, min_bytes=1001), False),
        (replace(VIDEOS, since=NOON), True),
        (replace(VIDEOS, since=NOON + timedelta(seconds=1)), False),
        (replace(VIDEOS, until=NOON), False),
        (replace(VIDEOS, until=NOON + timedelta(seconds=1)), True),
        (replace(VIDEOS, words=("dogs", "cats")), True),
        (replace(VIDEOS, words=("GRÖSSE",)), True),
        (replace(VIDEOS, words=("dogs",)), False),
        (replace(VIDEOS, topics=(4, 5)), True),
        (replace(VIDEOS, topics=(4,)), False),
    ],
)
def test_what_fits(wanted: MediaFilter, fits: bool) -> None:
    assert accepts(wanted, POST) is fits


@pytest.mark.parametrize(
    "post",
    [
        replace(POST, media=None),
        replace(POST, protected=True),
        replace(POST, deleted_at=NOON),
        replace(POST, media=replace(FACTS, document_id=None)),
        replace(POST, media=MediaFacts(kind=CollectedMedia.POLL, document_id=7)),
    ],
)
def test_no_filter_takes_what_has_no_file_or_may_not_be_kept(post: Post) -> None:
    assert not accepts(MediaFilter(kinds=tuple(CollectedMedia)), post)


def test_an_unknown_size_fits_no_limit() -> None:
    unknown = replace(POST, media=replace(FACTS, size_bytes=None))
    assert accepts(VIDEOS, unknown)
    assert not accepts(replace(VIDEOS, max_bytes=10**12), unknown)
    assert not accepts(replace(VIDEOS, min_bytes=0), unknown)


def test_a_filter_in_words() -> None:
    wanted = read_filter(EXAMPLE.split())
    assert wanted is not None
    assert describe(wanted) == (
        "photo, video · from 10 KB · up to 500 MB · since 2024-01-01 · until 2024-12-31 · with “cats” or “dogs” · "
        "topics 1, 2"
    )
    assert describe(MediaFilter(kinds=FILES, since=NOON, until=NOON + timedelta(hours=1), topics=(3,))) == (
        "all files · since 2024-06-01 12:00:00 UTC · before 2024-06-01 13:00:00 UTC · topic 3"
    )
    assert describe(replace(VIDEOS, max_bytes=1_234_567_890, min_bytes=1_500_000)) == (
        "video · from 1.5 MB · up to 1234567.89 KB"
    )


@given(filters())
def test_every_filter_is_told_in_one_line(wanted: MediaFilter) -> None:
    assert describe(wanted) and "\n" not in describe(wanted)
