"""Laws of recording on a real file: order, repetition, and being stopped anywhere change nothing of the outcome."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from teltubby.collector.pages import Cursor, Page, Sweep
from teltubby.collector.repositories import CollectorStore
from teltubby.messages.collected import CollectedMedia, CollectedMessage, Link, MediaFacts, Post, UnreadableMessage
from tests.unit.collector.world import (
    CHANNEL,
    NOON,
    channel,
    check_search,
    counted,
    hours,
    page,
    post,
    store_with,
    tables,
)

MINUTES = st.integers(0, 200)
MSG_IDS = st.integers(1, 4)
TEXTS = st.sampled_from(["", "one", "two", "И\u0306од https://a.example"])
COUNT = st.none() | st.integers(0, 5)


def links_of(text: str) -> tuple[Link, ...]:
    return (Link(url="https://a.example", offset=6, length=17),) if "https" in text else ()


@st.composite
def posts(draw: st.DrawFn) -> Post:
    """Contents vary with everything; what is derived from them does not vary by itself."""
    text = draw(TEXTS)
    edited = draw(st.none() | MINUTES)
    photo = draw(st.booleans())
    return post(
        draw(MSG_IDS),
        text,
        links=links_of(text),
        media=MediaFacts(kind=CollectedMedia.PHOTO, document_id=7) if photo else None,
        edited_at=None if edited is None else NOON + timedelta(minutes=edited),
        deleted_at=draw(st.sampled_from([None, None, None, NOON + hours(5)])),
    )


@st.composite
def pages(draw: st.DrawFn) -> Page:
    seen_at = NOON + timedelta(minutes=draw(MINUTES))
    found = draw(st.lists(posts(), max_size=4))
    readings = [
        counted(
            one.msg_id, seen_at, draw(COUNT), forwards=draw(COUNT), reactions=draw(st.sampled_from([{}, {"👍": 2}]))
        )
        for one in found
    ]
    messages = zip(found, readings, strict=True)
    late = st.builds(
        lambda msg_id, minutes, views: counted(msg_id, NOON + timedelta(minutes=minutes), views),
        MSG_IDS,
        MINUTES,
        COUNT,
    )
    return Page(
        channel_id=CHANNEL,
        seen_at=seen_at,
        messages=tuple(CollectedMessage(post=one, metrics=reading) for one, reading in messages),
        metrics=tuple(draw(st.lists(late, max_size=3))),
        deleted=tuple(draw(st.sets(MSG_IDS, max_size=1))),
        unreadable=tuple(
            UnreadableMessage(channel_id=CHANNEL, msg_id=msg_id, reason="new layer", raw={"id": msg_id})
            for msg_id in draw(st.sets(MSG_IDS, max_size=1))
        ),
        cursor=draw(
            st.none()
            | st.builds(
                Cursor,
                oldest=st.none() | MSG_IDS,
                newest=st.none() | MSG_IDS,
                backfill_done=st.booleans(),
                pts=st.none() | st.integers(1, 99),
            )
        ),
        sweep=draw(st.none() | st.builds(Sweep, number=st.integers(1, 3), below=st.integers(0, 4))),
    )


def recorded(many: list[Page]) -> dict[str, list[tuple[Any, ...]]]:
    with store_with() as store:
        for one in many:
            store.record(one)
        check_search(store)
        return tables(store)


@settings(max_examples=60)
@given(st.lists(pages(), max_size=5), st.randoms(use_true_random=False))
def test_any_order_and_repetition_gives_the_same_tables(many: list[Page], rng: random.Random) -> None:
    shuffled = many * 2
    rng.shuffle(shuffled)
    assert recorded(shuffled) == recorded(many)


@settings(max_examples=25)
@given(
    st.lists(
        st.builds(
            lambda one, n, s, t: replace(one, subscribers=n, seen_at=NOON + hours(s), title=t),
            st.just(channel()),
            COUNT,
            st.integers(0, 3),
            st.sampled_from("ab"),
        ),
        max_size=5,
    ),
    st.randoms(use_true_random=False),
)
def test_channels_too(seen: list[Any], rng: random.Random) -> None:
    outcomes = []
    for _ in range(2):
        with store_with() as store:
            for one in seen:
                store.channels.record(one)
            outcomes.append(tables(store))
        seen = seen * 2
        rng.shuffle(seen)
    assert outcomes[0] == outcomes[1]


def stopping_once() -> Callable[[], int]:
    """A progress handler that stops one statement, and not the rollback after it too."""
    answers = iter([1])
    return lambda: next(answers, 0)


@settings(max_examples=25)
@given(st.lists(pages(), min_size=1, max_size=4), st.data())
def test_a_page_that_is_cut_off_anywhere_leaves_nothing_and_can_come_again(
    many: list[Page], data: st.DataObject
) -> None:
    with store_with() as store:
        connection = store.file.db.conn
        for one in many:
            before = tables(store)
            connection.set_progress_handler(stopping_once(), data.draw(st.integers(1, 3000)))
            try:
                store.record(one)
            except sqlite3.OperationalError:
                connection.set_progress_handler(None, 0)
                assert tables(store) == before
                store.record(one)
            connection.set_progress_handler(None, 0)
        outcome = tables(store)
        check_search(store)
    assert outcome == recorded(many)


@settings(max_examples=15)
@given(st.integers(0, 40), st.integers(1, 7), st.lists(st.integers(1, 4), max_size=6))
def test_a_backfill_that_dies_between_pages_loses_and_repeats_nothing(size: int, length: int, lives: list[int]) -> None:
    """The collector lives for some pages, dies, and goes on from the cursor alone; the last one lives to the end."""
    with TemporaryDirectory() as folder:
        asked: list[int] = []
        for pages_to_live in [*lives, 1000]:
            with closing(CollectorStore.open(Path(folder) / "collected.db")) as store:
                store.file.db.conn.execute("PRAGMA synchronous = OFF")
                store.channels.record(channel())
                for _ in range(pages_to_live):
                    cursor = store.channels.cursor(CHANNEL)
                    if cursor.backfill_done:
                        break
                    top = size if cursor.oldest is None else cursor.oldest - 1
                    ids = list(range(top, max(top - length, 0), -1))
                    asked += ids
                    moved = Cursor(oldest=ids[-1], newest=ids[0]) if ids else Cursor(backfill_done=True)
                    told = store.record(page(*(post(msg_id, f"post {msg_id}") for msg_id in ids), cursor=moved))
                    assert told.new == len(ids), "nothing is stored twice"
        with closing(CollectorStore.open(Path(folder) / "collected.db")) as store:
            stored = [row["msg_id"] for row in store.file.read("SELECT msg_id FROM posts ORDER BY msg_id")]
            check_search(store)
        assert stored == sorted(asked) == list(range(1, size + 1))
