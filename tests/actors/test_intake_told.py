"""What somebody hands in is archived whole, or he is told what of it is not: live photos, paid media, what is newer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from teltubby.actors.phrases import intake as words
from teltubby.adapters.bot_updates import parse_update
from teltubby.messages.chat import Incoming
from teltubby.messages.media import RawUpdate
from tests.actors.bot_wing import STRANGER, bot_wing
from tests.actors.stage import ANNA, restarts
from tests.actors.updates import edited, pressed, raw, sent, update
from tests.actors.world import World, assert_true
from tests.virtual_time import until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

BROKEN = {"file_id": 7}
"""A file as no version of the Bot API describes it."""


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(folder=tmp_path)


def live(world: World, number: int, video: bytes = b"moving") -> dict[str, Any]:
    """The fields of a live photo; the still picture is the photo of that number."""
    world.telegram.files[f"live-{number}"] = video
    file = {"file_id": f"live-{number}", "file_unique_id": f"live-{number}", "file_size": len(video)}
    return {"live_photo": {**file, "width": 9, "height": 9, "duration": 3, "mime_type": "video/mp4"}}


def broken(update_id: int, **fields: Any) -> RawUpdate:
    """A document that this version cannot read."""
    return update(update_id, document=BROKEN, **fields)


# -- live photos


async def test_a_live_photo_is_archived_with_its_video(world: World) -> None:
    still = sent(world.telegram, "photo", 1)
    async with bot_wing(world) as wing:
        await wing.receives(update(10, still, caption="us", **live(world, 1)))
        assert sorted(world.files()) == sorted([still.body, b"moving"])
        (said,) = wing.said()
        assert "Archived 2 files (photo, video)" in said and "Album" not in said
        telegram = world.artifact()["telegram"]
        assert [(item["type"], item["message_id"]) for item in telegram["items"]] == [("photo", "10"), ("video", "10")]
        assert telegram["caption_plain"] == "us" and "captions" not in telegram
        assert_true(world)


async def test_of_a_live_photo_each_half_is_told_as_what_it_is_after_a_crash(world: World) -> None:
    """What was recorded and not told is read back from the artifact: each file has its own outcome there."""
    still = sent(world.telegram, "photo", 1)
    async with bot_wing(world) as wing:
        await wing.receives(update(10, still))
        wing.ledger_script.fail("Acknowledged", RuntimeError("a bug"))
        await wing.receives(update(11, still, **live(world, 1)))
        assert wing.said()[-1].count("♻️ Item 1 (photo)") == 1 and "Archived 1 file (video)" in wing.said()[-1]
        assert_true(world)


async def test_a_live_photo_joins_its_album_late_with_both_files(world: World) -> None:
    first, still = sent(world.telegram, "photo", 1), sent(world.telegram, "photo", 2)
    async with bot_wing(world) as wing:
        await wing.receives(update(10, first, group="g"))
        await wing.receives(update(11, still, group="g", caption="us", **live(world, 2)))
        assert sorted(world.files()) == sorted([first.body, still.body, b"moving"])
        items = world.artifact()["telegram"]["items"]
        assert [(item["message_id"], item["type"]) for item in items[1:]] == [("11", "photo"), ("11", "video")]
        assert "Items 2, 3 joined the album" in wing.said()[-1]
        assert_true(world)


async def test_a_large_video_of_a_live_photo_is_a_job(world: World) -> None:
    still = sent(world.telegram, "photo", 1)
    async with bot_wing(world) as wing:
        await wing.receives(update(10, still, **live(world, 1, b"x" * 100_000)))
        assert world.files() == [still.body]
        assert [item["status"] for item in world.artifact()["telegram"]["items"]] == ["stored", "queued"]
        assert len(wing.said()) == 2


# -- files that bots cannot reach

PAID = {"star_count": 1, "paid_media": [{"type": "preview"}]}
RICH = {"blocks": [{"type": "document", "document": {"file_id": "f", "file_unique_id": "u"}}]}


@pytest.mark.parametrize(
    "fields", [{"paid_media": PAID}, {"rich_message": RICH}, {"story": {"chat": {"id": 1, "type": "private"}, "id": 2}}]
)
async def test_of_files_that_bots_cannot_reach_it_is_said_that_they_are_not_archived(
    world: World, fields: dict[str, Any]
) -> None:
    async with bot_wing(world) as wing:
        await wing.receives(update(10, **fields))
        assert wing.said() == [words.OUT_OF_REACH]
        assert wing.telegram.bubbles[0].reply_to == 10


async def test_what_cannot_be_reached_beside_a_file_is_told_beside_its_acknowledgement(world: World) -> None:
    file = sent(world.telegram, "document", 1)
    async with bot_wing(world) as wing:
        await wing.receives(update(10, file, of_tomorrow=RICH))
        assert world.files() == [file.body]
        assert "Archived 1 file" in wing.said()[0] and wing.said()[1:] == [words.PARTLY_OUT_OF_REACH]


async def test_a_member_of_an_album_that_cannot_be_reached_is_told(world: World) -> None:
    file = sent(world.telegram, "photo", 1)
    async with bot_wing(world) as wing:
        await wing.receives(update(10, file, group="g"), update(11, group="g", paid_media=PAID))
        assert world.files() == [file.body]
        assert [(bubble.reply_to, bubble.text) for bubble in wing.telegram.bubbles][1:] == [(11, words.OUT_OF_REACH)]


# -- what is newer than this version


async def test_a_forward_from_an_origin_of_tomorrow_is_archived(world: World) -> None:
    file, origin = sent(world.telegram, "document", 1), {"type": "community", "date": 1}
    async with bot_wing(world) as wing:
        await wing.receives(update(10, file, forward_origin=origin, reply_to_message={"gift": 1}))
        assert world.files() == [file.body]
        assert world.artifact()["telegram"]["forward_origin"] == origin
        assert_true(world)


async def test_a_message_that_cannot_be_read_is_told_once(world: World) -> None:
    async with bot_wing(world) as wing:
        await wing.receives(broken(10), within=5)
    async with bot_wing(world) as wing:
        await wing.receives(update(11, text="/help"))
        assert wing.said().count(words.UNREADABLE) == 1 and len(wing.said()) == 2
        assert wing.telegram.bubbles[0].reply_to == 10
        assert restarts(wing.tree) == {} and world.at_rest()


async def test_in_an_album_it_is_told_which_one_cannot_be_read(world: World) -> None:
    file = sent(world.telegram, "document", 1)
    async with bot_wing(world) as wing:
        await wing.receives(broken(10, group="g"), update(11, file, group="g"))
        assert world.files() == [file.body]
        told = {bubble.reply_to: bubble.text for bubble in wing.telegram.bubbles}
        assert told[10] == words.UNREADABLE and "Archived 1 file" in told[11]


async def test_an_edit_and_a_button_that_cannot_be_read_are_told(world: World) -> None:
    file = sent(world.telegram, "photo", 1)
    async with bot_wing(world) as wing:
        await wing.receives(update(10, file))
        query = json.loads(pressed(12, "queue:0").payload)["callback_query"]
        await wing.receives(edited(11, 10, None, document=BROKEN), raw(12, {"callback_query": {**query, "data": 7}}))
        assert wing.said()[1:] == [words.EDIT_UNREADABLE]
        assert [press.text for press in wing.telegram.presses] == [words.PRESS_UNREADABLE]


@pytest.mark.parametrize("fields", [{"user": STRANGER}, {"chat": -5, "chat_type": "group"}])
async def test_what_cannot_be_read_of_strangers_and_groups_is_refused(world: World, fields: dict[str, Any]) -> None:
    async with bot_wing(world) as wing:
        await wing.receives(broken(10, **fields), within=5)
        assert wing.telegram.bubbles == [] and wing.counted("refused_updates") == 1
        assert [row["update_id"] for row in world.facts("SELECT update_id FROM inbox WHERE payload != ''")] == []
        (line,) = world.facts("SELECT user_id, command FROM commands WHERE kind = 'stranger'")
        assert line["user_id"] == fields.get("user", ANNA) and line["command"].startswith("message in ")


async def test_what_meets_a_bug_of_the_parser_stops_nobody_after_a_restart(world: World) -> None:
    """Updates that were open when the process died are looked at before anything else."""

    def parse(payload: str) -> Incoming | None:
        if "poison" in payload:
            raise RuntimeError("a bug in the parser")
        return parse_update(payload)

    async with bot_wing(world, parse=parse) as wing:
        wing.telegram.deliver(update(10, text="poison"))
        await until(lambda: world.facts("SELECT 1 FROM inbox"))
    assert not world.at_rest()
    async with bot_wing(world, parse=parse) as wing:
        await wing.receives(update(11, text="/mode"))
        assert len(wing.said()) == 1 and restarts(wing.tree) == {}
