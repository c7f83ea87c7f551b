"""Which channels are tracked, and the outbox of their files: durable, and each told once."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teltubby.collector.filters import filter_from_json, filter_to_json
from teltubby.collector.pages import Cursor, Page
from teltubby.collector.repositories import CollectorStore
from teltubby.collector.tracking import POSTS_AT_ONCE, FoundPeer
from teltubby.errors import DatabaseUnavailable
from teltubby.messages.channels import ChannelRef
from teltubby.messages.collected import CollectedMedia, CollectedMessage, MediaFacts, Post
from teltubby.messages.collector import MediaFilter
from tests.unit.collector.world import CHANNEL, NOON, channel, hours, post, store_with

VIDEO = MediaFacts(kind=CollectedMedia.VIDEO, document_id=9, size_bytes=1000)
VIDEOS = MediaFilter(kinds=(CollectedMedia.VIDEO,))
REF = ChannelRef(CHANNEL, -(2**63))
MOMENTS = st.datetimes(min_value=datetime(2013, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC))
SIZES = st.none() | st.integers(0, 4 << 30)
FILTERS = st.builds(
    MediaFilter,
    kinds=st.lists(st.sampled_from(CollectedMedia), unique=True).map(tuple),
    max_bytes=SIZES,
    min_bytes=SIZES,
    since=st.none() | MOMENTS,
    until=st.none() | MOMENTS,
    words=st.lists(st.text(max_size=8)).map(tuple),
    topics=st.lists(st.integers(1, 2**31)).map(tuple),
)


def films(*msg_ids: int) -> tuple[CollectedMessage, ...]:
    return tuple(CollectedMessage(post=post(msg_id, media=VIDEO), metrics=None) for msg_id in msg_ids)


def every(one: Post) -> bool:
    del one
    return True


def fits_of(*msg_ids: int) -> Callable[[Post], bool]:
    return lambda one: one.msg_id in msg_ids


@given(FILTERS)
def test_any_filter_comes_back_as_it_was(media: MediaFilter) -> None:
    assert filter_from_json(filter_to_json(media)) == media


def test_channels_are_tracked_in_order_each_once() -> None:
    with store_with() as store:
        tracking = store.tracking
        assert tracking.add("@news", user_id=7, at=NOON)
        assert tracking.add("@talk", user_id=None, at=NOON + hours(1), media=VIDEOS)
        assert not tracking.add("@news", user_id=8, at=NOON + hours(2)), "nothing is another than before"
        assert [(one.peer, one.user_id, one.added_at, one.media) for one in tracking.all()] == [
            ("@news", 7, NOON, None),
            ("@talk", None, NOON + hours(1), VIDEOS),
        ]
        assert tracking.add("@news", user_id=8, at=NOON, media=VIDEOS)
        assert tracking.add("@talk", user_id=None, at=NOON)
        assert [(one.peer, one.user_id, one.media) for one in tracking.all()] == [
            ("@news", 8, VIDEOS),
            ("@talk", None, None),
        ]
        assert tracking.remove("@news") and not tracking.remove("@news")
        assert [one.peer for one in tracking.all()] == ["@talk"]


def test_what_is_known_of_a_peer_stays_when_it_is_tracked_no_longer() -> None:
    with store_with() as store:
        tracking = store.tracking
        assert tracking.known("@news") == FoundPeer(peer="@news")
        tracking.trouble("@news", "it is private", NOON)
        tracking.trouble("@news", "it is private", NOON + hours(1))
        assert tracking.known("@news") == FoundPeer(peer="@news", trouble="it is private", trouble_at=NOON)
        tracking.found("@news", REF, 77)
        tracking.add("@news", user_id=7, at=NOON)
        found = FoundPeer(peer="@news", ref=REF, account_id=77)
        assert tracking.known("@news") == found == tracking.all()[0].found
        tracking.trouble("@news", "it is gone", NOON)
        tracking.trouble("@news", None, NOON)
        tracking.remove("@news")
        assert tracking.known("@news") == found


def test_files_are_wanted_with_their_page_and_told_once() -> None:
    with store_with() as store:
        store.tracking.found("@news", REF, 77)
        store.tracking.add("@news", user_id=7, at=NOON, media=VIDEOS)
        page = Page(channel_id=CHANNEL, seen_at=NOON, messages=films(3, 4, 5), wanted=(5, 3))
        store.record(page)
        store.record(page)
        rows = store.tracking.wanted(10)
        assert [(row.post.msg_id, row.post.media, row.user_id, row.title) for row in rows] == [
            (5, VIDEO, 7, channel().title),
            (3, VIDEO, 7, channel().title),
        ]
        assert [row.post.msg_id for row in store.tracking.wanted(1)] == [5]
        store.tracking.sent(rows[:1], at=NOON)
        assert [row.post.msg_id for row in store.tracking.wanted(10)] == [3]
        store.record(page)
        assert [row.post.msg_id for row in store.tracking.wanted(10)] == [3], "what was told is not told again"


def test_a_page_that_is_refused_wants_nothing() -> None:
    with store_with() as store:
        broken = Page(
            channel_id=CHANNEL, seen_at=NOON, messages=films(3), wanted=(3, 99), cursor=Cursor(newest=3)
        )  # 99 is stored nowhere
        with pytest.raises(Exception, match="FOREIGN KEY"):
            store.record(broken)
        assert store.tracking.wanted(10) == () and store.posts.find(CHANNEL, 3) is None
        assert store.channels.cursor(CHANNEL).newest is None


def test_nothing_more_is_archived_of_what_is_tracked_no_longer() -> None:
    with store_with() as store:
        store.tracking.found("@news", REF, 77)
        store.tracking.add("@news", user_id=7, at=NOON, media=VIDEOS)
        store.record(Page(channel_id=CHANNEL, seen_at=NOON, messages=films(1, 2), wanted=(1, 2)))
        store.tracking.remove("@news")
        assert store.tracking.wanted(10) == ()


def test_stored_posts_are_swept_page_by_page_until_the_filter_changes() -> None:
    last = POSTS_AT_ONCE + 20
    with store_with() as store:
        tracking = store.tracking
        tracking.add("@news", user_id=7, at=NOON, media=VIDEOS)
        tracking.found("@news", REF, 77)
        plain = CollectedMessage(post=post(last + 1), metrics=None)
        messages = (*films(*range(1, last + 1)), plain)
        store.record(Page(channel_id=CHANNEL, seen_at=NOON, messages=messages, deleted=(2,)))
        fits = fits_of(1, 2, last, last + 1)
        after: int | None = -1
        steps = []
        while after is not None:
            after = tracking.sweep(CHANNEL, fits, after=after, at=NOON)
            steps.append(after)
        assert steps == [POSTS_AT_ONCE + 1, last, None]
        assert [row.post.msg_id for row in tracking.wanted(10)] == [1, last], "no deleted ones, and none without a file"
        assert not tracking.all()[0].is_swept
        tracking.swept("@news", MediaFilter(kinds=(CollectedMedia.PHOTO,)))
        assert not tracking.all()[0].is_swept, "it was another filter that was swept with"
        tracking.swept("@news", VIDEOS)
        assert tracking.all()[0].is_swept
        tracking.sent(tracking.wanted(10), at=NOON)
        assert tracking.sweep(CHANNEL, every, after=-1, at=NOON) is not None
        assert {1, last}.isdisjoint(row.post.msg_id for row in tracking.wanted(last))
        tracking.add("@news", user_id=7, at=NOON)
        assert not tracking.all()[0].is_swept


def test_channels_are_tracked_beside_the_owner_and_before_there_is_one(tmp_path: Path) -> None:
    path = tmp_path / "collector.db"
    with closing(CollectorStore.open_to_track(path)) as beside:
        assert beside.tracking.add("@news", user_id=None, at=NOON)
    with closing(CollectorStore.open(path)) as owner, closing(CollectorStore.open_to_track(path)) as beside:
        assert [one.peer for one in owner.tracking.all()] == ["@news"]
        assert beside.tracking.add("@talk", user_id=None, at=NOON + timedelta(seconds=1))
        assert [one.peer for one in owner.tracking.all()] == ["@news", "@talk"]
        with pytest.raises(DatabaseUnavailable, match="Another process"):
            CollectorStore.open(path)
