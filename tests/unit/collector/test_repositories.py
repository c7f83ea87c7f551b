"""What is recorded of channels and posts is read back exactly, and nothing that is known gets lost."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import count

import pytest
from hypothesis import given, settings

from teltubby.collector.metrics import Thinning
from teltubby.collector.pages import Cursor, Page, Recorded
from teltubby.messages.collected import (
    ChannelKind,
    CollectedMedia,
    CollectedMessage,
    ForwardFacts,
    Link,
    MediaFacts,
    UnreadableMessage,
)
from tests.unit.archive.samples import ANY_TEXT
from tests.unit.collector.world import CHANNEL, NOON, channel, check_search, counted, hours, page, post, store_with

REACTIONS = {"👍": 3, "❤": 1, "custom_5368324170671202286": 2, "paid": 9}


def test_a_post_with_everything_and_its_reactions_come_back_as_they_were() -> None:
    whole = post(
        5,
        "😀 see https://a.example and here",
        entities=({"type": "url", "offset": 7, "length": 17}, {"type": "bold", "offset": 0, "length": 2}),
        links=(
            Link(url="https://a.example", offset=7, length=17),
            Link(url="https://b.example", offset=29, length=4, shown="here"),
        ),
        mentions=("@anna",),
        hashtags=("#космос",),
        media=MediaFacts(
            kind=CollectedMedia.VIDEO,
            document_id=-(2**63),
            mime_type="video/mp4",
            file_name="Ёлка.mp4",
            size_bytes=5_000_000_000,
            duration=1.5,
            width=1920,
            height=1080,
        ),
        grouped_id=2**63 - 1,
        reply_to=4,
        topic_id=2,
        forward=ForwardFacts(from_id=-100123, from_name="Jo", message_id=9, date=NOON),
        author="Bo",
        protected=True,
        restrictions=("copyright",),
        edited_at=NOON + hours(7),
    )
    service = post(6, service="messageActionPinMessage", forward=ForwardFacts())
    metrics = counted(5, NOON, 100, forwards=2, replies=0, comments=7, reactions=REACTIONS)
    messages = (CollectedMessage(post=whole, metrics=metrics), CollectedMessage(post=service, metrics=None))
    with store_with() as store:
        told = store.record(Page(channel_id=CHANNEL, seen_at=NOON, messages=messages))
        assert told == Recorded(new=2)
        assert store.posts.find(CHANNEL, 5) == whole
        assert store.posts.find(CHANNEL, 6) == service
        assert store.metrics.series(CHANNEL, 5) == (metrics,)
        assert store.metrics.latest(CHANNEL, [5, 6]) == {5: metrics}
        assert store.posts.find(CHANNEL, 7) is None
        (row,) = store.file.read("SELECT * FROM post_metrics")
        assert row["reactions_json"] == '{"custom_5368324170671202286":2,"paid":9,"❤":1,"👍":3}'
        assert (row["reactions_count"], row["replies_count"]) == (15, 0)
        (row,) = store.file.read("SELECT links_json FROM posts WHERE msg_id = 5")
        assert row["links_json"] == '["https://a.example","https://b.example"]'


def test_any_text_is_recorded() -> None:
    with store_with() as store:
        moments = count()

        @settings(max_examples=60)
        @given(ANY_TEXT, ANY_TEXT)
        def holds(text: str, name: str) -> None:
            told = post(1, text, author=name, links=(Link(url=name, offset=0, length=1),))
            metrics = counted(1, NOON, reactions={name: 1})
            store.record(
                page(told, post(2, "beside"), seen_at=NOON + timedelta(seconds=next(moments)), metrics=(metrics,))
            )
            held = store.posts.find(CHANNEL, 1)
            assert held is not None
            assert held.text == text.encode("utf-8", "replace").decode()
            check_search(store)

        holds()


def test_an_edit_keeps_what_was_there_and_a_reaction_is_no_edit() -> None:
    first = post(1, "one", links=(Link(url="https://a.example", offset=0, length=3),))
    with store_with() as store:
        store.record(page(first))
        told = store.record(page(replace(first, edited_at=NOON + hours(2)), seen_at=NOON + hours(2)))
        assert (told.edited, store.posts.versions(CHANNEL, 1)) == (0, ())
        edited = replace(first, text="two", links=(), edited_at=NOON + hours(3))
        assert store.record(page(edited, seen_at=NOON + hours(3))) == Recorded(edited=1)
        assert store.record(page(first, seen_at=NOON + hours(9))) == Recorded(), "what comes late is no edit"
        assert store.posts.find(CHANNEL, 1) == edited
        versions = store.posts.versions(CHANNEL, 1)
        assert [(version.text, version.edited_at) for version in versions] == [("one", None), ("two", NOON + hours(3))]
        assert store.file.read("SELECT * FROM links") == []


def test_a_post_is_marked_as_gone_and_stays() -> None:
    with store_with() as store:
        store.record(page(post(1, "one"), post(2, "two")))
        assert store.record(page(seen_at=NOON + hours(4), deleted=(1, 3, 1))) == Recorded(deleted=1)
        assert store.record(page(seen_at=NOON + hours(5), deleted=(1,))) == Recorded()
        gone = store.posts.find(CHANNEL, 1)
        assert gone is not None
        assert (gone.text, gone.deleted_at) == ("one", NOON + hours(4))
        store.record(page(post(1, "one"), post(3, "three"), seen_at=NOON + hours(6)))
        for msg_id in (1, 3):
            held = store.posts.find(CHANNEL, msg_id)
            assert held is not None
            assert held.deleted_at == NOON + hours(4), "also of a post that became known later"


def test_a_message_that_cannot_be_read_is_kept_as_it_came() -> None:
    message = UnreadableMessage(channel_id=CHANNEL, msg_id=4, reason="an unknown type", raw={"_": "messageX", "id": 4})
    with store_with() as store:
        store.record(page(post(5), unreadable=(message,)))
        assert store.posts.unreadable(CHANNEL) == (message,)
        assert [row["reason"] for row in store.file.read("SELECT * FROM unreadable_overview")] == ["an unknown type"]


def test_cursors_only_move_on_and_only_with_their_page() -> None:
    with store_with() as store:
        assert store.channels.cursor(CHANNEL) == Cursor()
        store.record(page(cursor=Cursor(oldest=50, newest=90, pts=7)))
        store.record(page(cursor=Cursor(oldest=20, complete_at=NOON)))
        store.record(page(cursor=Cursor(oldest=60, newest=80, pts=3, backfill_done=True)))
        store.record(page(cursor=Cursor()))
        told = Cursor(oldest=20, newest=90, pts=7, backfill_done=True, complete_at=NOON)
        assert store.channels.cursor(CHANNEL) == told
        with pytest.raises(ValueError, match=r"holds something of channels"):
            store.record(page(post(1), post(2, channel_id=5), cursor=Cursor(oldest=1)))
        assert store.channels.cursor(CHANNEL) == told
        assert store.posts.find(CHANNEL, 1) is None


def test_a_channel_is_as_it_was_seen_last() -> None:
    with store_with() as store:
        full = channel(subscribers=10, about="all of it", linked_chat_id=77, seen_at=NOON + hours(1))
        store.channels.record(full)
        store.channels.record(channel(title="Renamed", username=None, seen_at=NOON + hours(2)))
        store.channels.record(channel(title="Stale", subscribers=1, seen_at=NOON))
        told = replace(full, title="Renamed", username=None, seen_at=NOON + hours(2))
        assert store.channels.find(CHANNEL) == told
        store.channels.record(channel(2, kind=ChannelKind.FORUM, migrated_from=5))
        assert [one.channel_id for one in store.channels.all()] == [CHANNEL, 2]
        assert store.channels.find(3) is None


def test_subscribers_are_a_series() -> None:
    with store_with() as store:
        for minutes, number in ((0, 10), (30, 12), (20, 11), (90, 9)):
            store.channels.record(channel(subscribers=number, seen_at=NOON + timedelta(minutes=minutes)))
        told = store.metrics.subscribers(CHANNEL, NOON, NOON + hours(5))
        assert told == ((NOON + hours(0.5), 12), (NOON + hours(1.5), 9))
        assert store.metrics.subscribers(CHANNEL, NOON, NOON + hours(1)) == told[:1]


def test_old_snapshots_are_thinned_and_the_newest_stays() -> None:
    with store_with() as store:
        readings = [counted(1, NOON + hours(number), number) for number in range(72)]
        store.record(page(post(1), post(2), metrics=(*readings, counted(2, NOON, 5))))
        rules = [Thinning(age=hours(24), step=hours(6)), Thinning(age=hours(48), step=hours(24))]
        now = NOON + hours(72)
        assert store.metrics.thin(rules, now) > 0
        kept = [metrics.views for metrics in store.metrics.series(CHANNEL, 1)]
        assert kept == [11, 23, 29, 35, 41, 47, *range(48, 72)]
        assert store.metrics.thin(rules, now) == 0
        assert store.metrics.thin(rules, now + hours(9999)) > 0
        assert [metrics.views for metrics in store.metrics.series(CHANNEL, 1)] == [11, 35, 59, 71]
        assert [metrics.views for metrics in store.metrics.series(CHANNEL, 2)] == [5]
