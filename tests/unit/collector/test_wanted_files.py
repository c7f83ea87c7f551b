"""The outbox of files: by document, so that a post's other file is told of too, and by who still wants any."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

from teltubby.adapters.sqlite_file import SqliteFile
from teltubby.archive.media_filter import accepts
from teltubby.collector.pages import Page
from teltubby.collector.repositories import CollectorStore
from teltubby.collector.schema import MIGRATIONS, SCHEMA_VERSION
from teltubby.messages.channels import ChannelRef
from teltubby.messages.collected import CollectedMedia, CollectedMessage, MediaFacts
from teltubby.messages.collector import MediaFilter
from tests.unit.collector.world import CHANNEL, NOON, hours, post, store_with

VIDEO = MediaFacts(kind=CollectedMedia.VIDEO, document_id=9, size_bytes=1000)
OTHER = replace(VIDEO, document_id=10)
PHOTO = MediaFacts(kind=CollectedMedia.PHOTO, document_id=12)
VIDEOS = MediaFilter(kinds=(CollectedMedia.VIDEO,))


def page(msg_id: int, media: MediaFacts, *, hour: int = 0) -> Page:
    """The post, read and edited so many hours after noon, whose file is wanted."""
    edited_at = NOON + hours(hour) if hour else None
    message = CollectedMessage(post=post(msg_id, media=media, edited_at=edited_at), metrics=None)
    return Page(channel_id=CHANNEL, seen_at=NOON + hours(hour), messages=(message,), wanted=(msg_id,))


def documents(store: CollectorStore) -> list[int | None]:
    return [row.document_id for row in store.tracking.wanted(10)]


def test_another_file_of_a_post_is_wanted_once() -> None:
    with store_with() as store:
        tracking = store.tracking
        for one in (page(1, VIDEO), page(1, VIDEO, hour=1)):
            store.record(one)
            assert documents(store) == [9]
        tracking.sent(tracking.wanted(10), at=NOON)
        store.record(page(1, VIDEO, hour=2))
        assert documents(store) == [] and tracking.unsent() == 0
        store.record(page(1, OTHER, hour=3))
        assert documents(store) == [10] and tracking.unsent() == 1
        store.record(page(1, VIDEO))
        assert documents(store) == [10], "an older reading brings nothing back"
        tracking.sent(tracking.wanted(10), at=NOON)
        assert documents(store) == []


def test_a_file_that_was_exchanged_while_it_was_told_of_is_told_again() -> None:
    with store_with() as store:
        store.record(page(1, VIDEO))
        told = store.tracking.wanted(10)
        store.record(page(1, OTHER, hour=1))
        store.tracking.sent(told, at=NOON)
        assert documents(store) == [10]


def test_files_of_channels_of_which_nobody_wants_any_are_let_go() -> None:
    with store_with() as store:
        store.tracking.found("@news", ChannelRef(CHANNEL, 1), 77)
        store.tracking.add("@news", user_id=7, at=NOON, media=VIDEOS)
        store.record(page(1, VIDEO))
        store.tracking.let_go()
        assert documents(store) == [9]
        store.tracking.remove("@news")
        store.record(page(2, VIDEO))  # it was on its way
        store.tracking.let_go()
        assert documents(store) == []


def test_an_earlier_file_learns_which_documents_were_wanted(tmp_path: Path) -> None:
    path = tmp_path / "collector.db"
    with closing(SqliteFile.open(path, newest=SCHEMA_VERSION)) as file, file.write() as connection:
        for migration in MIGRATIONS[:1]:
            migration(connection)
        connection.execute("PRAGMA user_version = 1")
    with store_with() as now:
        now.record(page(1, VIDEO))
        row = dict(now.file.read("SELECT * FROM posts")[0])
        other = dict(now.file.read("SELECT * FROM channels")[0])
    with closing(SqliteFile.open(path, newest=SCHEMA_VERSION)) as file, file.write() as connection:
        for table, values in (("channels", other), ("posts", row)):
            names, marks = ", ".join(values), ", ".join("?" * len(values))
            connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(values.values()))
        connection.execute("INSERT INTO media_wanted (channel_id, msg_id, wanted_at) VALUES (?, 1, '')", (CHANNEL,))
    with closing(CollectorStore.open(path)) as store:
        assert documents(store) == [9]


def look_through(store: CollectorStore) -> None:
    """As a round does: stored posts of channels whose filter was not yet applied to them."""
    for tracked in store.tracking.all():
        if tracked.media is not None and not tracked.is_swept:
            store.tracking.sweep(CHANNEL, partial(accepts, tracked.media), after=-1, at=NOON)
            store.tracking.swept(tracked.peer, tracked.media)


def test_a_filter_that_is_replaced_wants_what_fits_the_new_one_alone() -> None:
    with store_with() as store:
        tracking = store.tracking
        tracking.add(
            "@space", user_id=5, at=NOON, media=MediaFilter(kinds=(CollectedMedia.VIDEO, CollectedMedia.PHOTO))
        )
        tracking.found("@space", ChannelRef(CHANNEL, 7), 5)
        for one in (page(1, VIDEO), page(2, PHOTO), page(3, replace(VIDEO, document_id=11))):
            store.record(one)
        look_through(store)
        tracking.sent(tracking.wanted(1), at=NOON)
        tracking.add("@space", user_id=5, at=NOON, media=MediaFilter(kinds=(CollectedMedia.PHOTO,)))
        look_through(store)
        assert documents(store) == [PHOTO.document_id]
        tracking.add("@space", user_id=5, at=NOON, media=VIDEOS)
        look_through(store)
        assert documents(store) == [11], "the first one was told of"


def test_what_another_name_of_the_channel_wants_stays_wanted() -> None:
    with store_with() as store:
        tracking = store.tracking
        for peer in ("@space", f"-100{CHANNEL}"):
            tracking.add(peer, user_id=5, at=NOON, media=VIDEOS)
            tracking.found(peer, ChannelRef(CHANNEL, 7), 5)
        store.record(page(1, VIDEO))
        look_through(store)
        tracking.remove("@space")
        look_through(store)
        assert documents(store) == [9]
        tracking.remove(f"-100{CHANNEL}")
        look_through(store)
        assert documents(store) == []
