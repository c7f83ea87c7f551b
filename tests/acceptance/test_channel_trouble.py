"""Files of a collected channel arrive once each, whatever is away in the middle and whoever is killed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from functools import partial

import pytest

from teltubby.actors.collector_work import FILES_AT_ONCE, FILES_WAITING
from teltubby.simulator.files import File, FileKind
from teltubby.simulator.people import Chat
from tests.acceptance.archives import BucketArchive, sha256
from tests.acceptance.backends import ON_ASYNCIO, ON_TRIO
from tests.acceptance.household import Household
from tests.acceptance.polling import eventually
from tests.acceptance.product import Product
from tests.acceptance.queues import EVENTS, Queues
from tests.acceptance.test_channel_media import archived, collecting, posted
from tests.acceptance.test_duplicates import anew, objects
from tests.servers.tcp_proxy import TcpProxy

MIB = 1 << 20
ARCHIVED_WITHIN = 120.0
MORE_THAN_WAIT = FILES_WAITING + FILES_AT_ONCE + 5
"""Files of which some have to wait at the worker."""


def album(house: Household, chat: Chat, *files: File) -> dict[int, File]:
    """Ada posts them as one album; by their ids."""
    world, group = house.telegram.world, house.ada.new_album()
    return {
        house.in_world(partial(world.send, house.ada.user, chat, "", media=file, grouped_id=group)).id: file
        for file in files
    }


def await_each_once(house: Household, posts: Mapping[int, File]) -> None:
    """Return when each post's file is archived whole; none is twice, and each was one job."""

    def completed() -> set[int]:
        return {number for (number,) in house.rows("SELECT message_id FROM jobs WHERE state = 'COMPLETED'")}

    eventually(lambda: completed() >= set(posts), within=ARCHIVED_WITHIN, what="jobs of all posts to be completed")
    for number, file in posts.items():
        [item] = archived(house, number)["telegram"]["items"]
        assert item["status"] == "stored" and item["sha256"] == file.sha256(), number
        assert sha256(house.archive, item["s3_key"]) == file.sha256()
    assert house.rows("SELECT count(*), count(DISTINCT message_id) FROM jobs") == [(len(posts),) * 2]
    assert len(objects(house)) == len(posts) and house.archive.unfinished() == []


def unsent(house: Household) -> int:
    """Files that wait in the collector's own outbox."""
    return outbox(house, "sent_at IS NULL")


def told(house: Household) -> int:
    """Files that the broker has confirmed."""
    return outbox(house, "sent_at IS NOT NULL")


def outbox(house: Household, which: str) -> int:
    """How many rows of it are such."""
    with closing(sqlite3.connect(f"file:{house.home / 'collector.db'}?mode=ro", uri=True)) as connection:
        return int(connection.execute(f"SELECT count(*) FROM media_wanted WHERE {which}").fetchone()[0])


def of_role(house: Household, role: str) -> Product:
    """The process that does this."""
    return next(process for process in house.processes if process.role == role)


@pytest.fixture
def broker_wire(wings: Household, rabbit_proxy: TcpProxy) -> Iterator[TcpProxy]:
    """The worker reaches RabbitMQ through it, and the bot, too."""
    wings.settings["RABBITMQ_PORT"] = str(rabbit_proxy.port)
    yield rabbit_proxy
    wings.stop()  # before the wire goes


@ON_TRIO
def test_an_album_while_the_store_is_away(s3_box: Household, bucket: BucketArchive, store_wire: TcpProxy) -> None:
    """Its artifacts and its files come when the store is back; what the filter does not want stays where it is."""
    bucket.create()
    chat = collecting(s3_box, "run")
    s3_box.answer(s3_box.ada.send_text("/track @the_news media=photo,video"), "The News")
    new, faults = s3_box.ada.new_file, s3_box.telegram.world.faults
    s3_box.in_world(lambda: setattr(faults, "shared_bandwidth", 6 * MIB))
    photos = new(FileKind.PHOTO, 200_000, width=1280, height=960), new(FileKind.PHOTO, 90_000, width=640, height=480)
    video, paper = new(FileKind.VIDEO, 22 * MIB, name="film.mp4"), new(FileKind.DOCUMENT, 5000, name="paper.pdf")
    posts = album(s3_box, chat, photos[0], video, paper, photos[1])
    (unwanted,) = [number for number, file in posts.items() if file is paper]
    eventually(s3_box.archive.unfinished, within=60, what="the upload of the film to begin")
    store_wire.refuse()
    store_wire.cut()
    posts |= album(s3_box, chat, new(FileKind.PHOTO, 70_000, width=320, height=240))
    s3_box.in_world(lambda: setattr(faults, "shared_bandwidth", None))
    of_role(s3_box, "run").wait_logged("comes again in", within=60)
    store_wire.accept()
    del posts[unwanted]
    await_each_once(s3_box, posts)
    groups = {archived(s3_box, number)["telegram"]["media_group_id"] for number in list(posts)[:3]}
    assert len(groups) == 1 and None not in groups, "they are known to belong together"
    assert s3_box.spooled() == []


@ON_ASYNCIO
def test_the_bot_is_away_for_a_while(wings: Household, queues: Queues) -> None:
    """The worker tells as much as the broker may hold of it, keeps the rest, and every post arrives once."""
    chat = collecting(wings, "bot", "worker")
    wings.answer(wings.ada.send_text("/track @the_news media=document"), "The News")
    files = [wings.ada.new_file(FileKind.DOCUMENT, 4000 + number, name=f"{number}.txt") for number in range(4)]
    posts = album(wings, chat, files[0])
    await_each_once(wings, posts)
    of_role(wings, "bot").stop()
    again = {posted(wings, chat, files[0]) for _ in range(MORE_THAN_WAIT)}  # known by its id: no job of its own
    posts |= album(wings, chat, *files[1:])
    eventually(lambda: told(wings) > FILES_WAITING, within=ARCHIVED_WITHIN, what="the broker to have enough of it")
    assert unsent(wings) > 0 and queues.depth(EVENTS) >= FILES_WAITING
    wings.start("bot")
    await_each_once(wings, posts)
    eventually(lambda: unsent(wings) == 0, within=ARCHIVED_WITHIN)
    assert {number for (number,) in wings.rows("SELECT message_id FROM messages")} >= again | set(posts)
    artifacts = [key for key in wings.archive.stored() if "/the_news/" in key and key.endswith("/message.json")]
    assert len(artifacts) == len(again | set(posts))


@ON_TRIO
def test_a_worker_killed_between_the_page_and_its_publishing(wings: Household, broker_wire: TcpProxy) -> None:
    """The broker is away: pages are committed, nothing can be told, and then the worker dies."""
    chat = collecting(wings, "bot", "worker")
    wings.answer(wings.ada.send_text("/track @the_news media=all"), "The News")
    new = wings.ada.new_file
    posts = album(wings, chat, new(FileKind.DOCUMENT, 4000, name="before.txt"))
    await_each_once(wings, posts)
    broker_wire.refuse()
    assert broker_wire.cut() >= 2
    posts |= album(wings, chat, *(new(FileKind.PHOTO, 50_000 + size, width=640, height=480) for size in range(3)))
    eventually(lambda: unsent(wings) == 3, within=ARCHIVED_WITHIN, what="the page")
    of_role(wings, "worker").kill()
    posts |= album(wings, chat, new(FileKind.VOICE, 30_000))
    wings.launch("worker")
    eventually(lambda: unsent(wings) == 4, within=ARCHIVED_WITHIN, what="what was posted meanwhile")
    broker_wire.accept()
    await_each_once(wings, posts)
    assert unsent(wings) == 0


@ON_TRIO
def test_the_same_bytes_from_a_curator_and_in_the_channel(box: Household) -> None:
    """Under other ids, whichever comes first: stored once, and the other artifact points to the first copy."""
    chat, ada = collecting(box, "run"), box.ada
    first, second = (ada.new_file(FileKind.DOCUMENT, size, name="a.bin") for size in (90_000, 80_000))
    handed_in = ada.send_document(first)
    box.answer(handed_in, "Archived 1 file")
    box.answer(ada.send_text("/track @the_news media=document"), "The News")
    known = posted(box, chat, anew(box, first))
    new = posted(box, chat, second)
    [original] = box.settled(handed_in, "stored")
    artifact = archived_as_duplicate(box, known)
    assert artifact["duplicate_of"] == original["s3_key"] and artifact["dedup_reason"] == "sha256"
    (stored,) = archived(box, new)["telegram"]["items"]
    assert stored["status"] == "stored"
    forwarded = ada.send_document(anew(box, second))
    assert stored["s3_key"] in box.answer(forwarded, "archived already")
    [item] = box.settled(forwarded, "duplicate")
    assert (item["s3_key"], item["dedup_reason"]) == (stored["s3_key"], "sha256")
    assert sorted(objects(box)) == sorted([original["s3_key"], stored["s3_key"]])
    assert box.archive.unfinished() == [] and box.spooled() == []


def archived_as_duplicate(house: Household, number: int) -> dict[str, object]:
    """The artifact of that post, once its file is known for another's."""
    eventually(
        lambda: archived(house, number)["telegram"]["items"][0]["status"] == "duplicate",
        within=ARCHIVED_WITHIN,
        what=f"post {number} to be a duplicate",
    )
    return archived(house, number)
