"""The files of a collected channel's posts are archived as curators' files are, and nobody is told of it."""

from __future__ import annotations

import json
from typing import Any

from teltubby.simulator.files import File, FileKind
from teltubby.simulator.people import Chat, ChatKind
from tests.acceptance.accounts import Person, person, sign_in_by_qr, start_unsigned
from tests.acceptance.archives import read_json, sha256
from tests.acceptance.backends import ON_ASYNCIO, ON_TRIO
from tests.acceptance.household import Household
from tests.acceptance.polling import eventually

MIB = 1 << 20
ARCHIVED_WITHIN = 90.0


def newsroom(house: Household, reader: Person) -> Chat:
    """A public channel in which Ada posts and that person reads."""
    world = house.telegram.world
    chat: Chat = house.in_world(
        lambda: world.add_chat(
            ChatKind.CHANNEL,
            "The News",
            username="the_news",
            members=(reader.user, house.ada.user),
            admins=(house.ada.user,),
        )
    )
    return chat


def posted(house: Household, chat: Chat, file: File, text: str = "Look at this") -> int:
    """Ada posts it there."""
    return int(house.in_world(lambda: house.telegram.world.send(house.ada.user, chat, text, media=file).id))


def collecting(house: Household, *roles: str) -> Chat:
    """Start a product that collects channels on order, with a person signed in; what it says of files is not waited
    for. MTPROTO_ROUTES has no way over the person's account.
    """
    reader = person(house)
    chat = newsroom(house, reader)
    house.settings |= {
        "MTPROTO_ENABLED": "true",
        "MTPROTO_HISTORY_ENABLED": "true",
        "MTPROTO_UPDATES_ENABLED": "true",
        "MTPROTO_DATABASE_PATH": str(house.home / "collector.db"),
        "MTPROTO_SYNC_INTERVAL": "2",
        "MTPROTO_ROUTES": "bot",
    }
    start_unsigned(house, *roles)
    sign_in_by_qr(house, reader)
    return chat


def archived(house: Household, number: int) -> dict[str, Any]:
    """The artifact of that post, once its file is stored."""

    def key() -> str | None:
        ending = f"/the_news/{number}/message.json"
        return next((key for key in house.archive.stored() if key.endswith(ending)), None)

    def done() -> bool:
        known = key()
        return known is not None and read_json(house.archive, known)["files_count"] == 1

    eventually(done, within=ARCHIVED_WITHIN, what=f"the file of post {number} in the archive")
    found = key()
    assert found is not None
    return read_json(house.archive, found)


def look_at(house: Household, chat: Chat, number: int, file: File) -> None:
    """Post and file are in the archive, whole, and the artifact says what it is of."""
    artifact = archived(house, number)
    (item,) = artifact["telegram"]["items"]
    assert (item["status"], item["route"], item["via"]) == ("stored", "mtproto_user", "origin")
    assert item["type"] == file.kind.value and item["size_bytes"] == file.size
    assert sha256(house.archive, item["s3_key"]) == file.sha256() == item["sha256"]
    assert item["file_unique_id"] == file.unique_id
    origin = artifact["telegram"]["forward_origin"]
    assert (origin["chat"]["id"], origin["message_id"]) == (chat.bot_api_id, number)
    assert (artifact["telegram"]["chat_title"], artifact["telegram"]["caption_plain"]) == ("The News", "Look at this")


@ON_ASYNCIO
def test_a_channels_photo_and_video_are_archived_in_a_folder(box: Household) -> None:
    archives_a_channel(box, "run")


@ON_TRIO
def test_a_channels_photo_and_video_are_archived_in_a_bucket(wings: Household) -> None:
    archives_a_channel(wings, "bot", "worker")


def archives_a_channel(home: Household, *roles: str) -> None:
    """What was posted before, and what is posted then; what the filter does not want stays where it is."""
    chat = collecting(home, *roles)
    new_file = home.ada.new_file
    photo = new_file(FileKind.PHOTO, 700_000, width=1280, height=960)
    video = new_file(FileKind.VIDEO, 30 * MIB, name="film.mp4", width=640, height=360)
    other = new_file(FileKind.DOCUMENT, 5000, name="paper.pdf")
    before = posted(home, chat, photo), posted(home, chat, video), posted(home, chat, other)
    asked = home.ada.send_text("/track @the_news media=photo,video max=100MB")
    home.answer(asked, "The News")
    look_at(home, chat, before[0], photo)
    look_at(home, chat, before[1], video)
    again, later = new_file(FileKind.PHOTO, 300_000, width=800, height=600), posted(home, chat, video)
    new = posted(home, chat, again)
    look_at(home, chat, new, again)
    twice = archived(home, later)
    assert twice["dedup_reason"] == "file_unique_id", "the archive has that file"
    assert [key for key in home.archive.stored() if key.endswith(f"/the_news/{before[2]}/message.json")] == []
    jobs = home.rows("SELECT message_id, state, user_id FROM jobs ORDER BY message_id")
    assert jobs == [(number, "COMPLETED", home.ada.user.id) for number in (*before[:2], new)]
    told = [line for line in home.ada.conversation() if line.from_bot and line.message_id > asked]
    assert [line.text for line in told if line.reply_to != asked] == []
    assert home.telegram.mtproto_server.served.repeated(video.id) == 0


@ON_TRIO
def test_a_worker_killed_in_the_middle_goes_on(wings: Household) -> None:
    chat = collecting(wings, "bot", "worker")
    video = wings.ada.new_file(FileKind.VIDEO, 60 * MIB, name="film.mp4")
    number = posted(wings, chat, video)
    wings.answer(wings.ada.send_text("/track @the_news media=all"), "The News")
    spool = wings.home / "spool" / "large"
    eventually(lambda: spool.exists() and any(spool.iterdir()), within=60, what="the beginning of the file")
    worker = next(process for process in wings.processes if process.role == "worker")
    worker.kill()
    wings.start("worker")
    look_at(wings, chat, number, video)
    assert len(wings.rows("SELECT 1 FROM jobs")) == 1


@ON_ASYNCIO
def test_what_curators_handed_in_is_known_in_the_channel(box: Household) -> None:
    """The photo that Ada sent to the bot is the one that she posts: its name at the Bot API is derived, not read."""
    chat = collecting(box, "run")
    photo = box.ada.new_file(FileKind.PHOTO, 200_000, width=1280, height=960)
    message = box.ada.send_media(photo)
    box.answer(message, "Archived")
    number = posted(box, chat, photo)
    box.answer(box.ada.send_text("/track @the_news media=photo"), "The News")
    artifact = archived(box, number)
    assert artifact["dedup_reason"] == "file_unique_id"
    assert box.rows("SELECT count(*) FROM jobs") == [(0,)]
    assert json.dumps(artifact).count(photo.unique_id) == 1
