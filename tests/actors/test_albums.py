"""Albums whose items come late: one submission, one artifact, whatever came between them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anyio
import pytest

from teltubby.adapters.base import Destination
from teltubby.errors import DatabaseUnavailable, FloodWait, StoreUnavailable
from teltubby.messages.jobs import JobCompleted
from teltubby.messages.media import Route
from tests.actors.bot_wing import ALBUM_SECONDS, KIB, bot_wing
from tests.actors.stage import ANNA, noise, restarts, sha256
from tests.actors.updates import Sent, sent, update
from tests.actors.world import World, assert_true
from tests.virtual_time import BEGINNING, until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

JOBS = Destination.JOBS
LARGE = 300 * KIB


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(folder=tmp_path)


def photos(world: World, *numbers: int) -> list[Sent]:
    return [sent(world.telegram, "photo", number) for number in numbers]


def items(world: World) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = world.artifact()["telegram"]["items"]
    return found


async def test_items_five_seconds_apart_are_one_album(world: World) -> None:
    files = photos(world, 1, 2, 3)
    async with bot_wing(world) as wing:
        for number, file in enumerate(files):
            wing.telegram.deliver(update(10 + number, file, group="g"))
            await anyio.sleep(5)
        await wing.rests()
        artifact = world.artifact()
        assert [item["message_id"] for item in items(world)] == ["10", "11", "12"]
        assert [item["ordinal"] for item in items(world)] == [1, 2, 3]
        assert [item.get("late", False) for item in items(world)] == [False, True, True]
        assert (artifact["telegram"]["message_id"], artifact["files_count"]) == ("10", 3)
        assert artifact["keys"] == [item["s3_key"] for item in items(world)]
        assert world.files() == [file.body for file in files]
        assert_true(world)


async def test_the_acknowledgement_is_extended_under_the_late_item(world: World) -> None:
    files = photos(world, 1, 2, 3)
    async with bot_wing(world) as wing:
        await wing.receives(update(10, files[0], group="g"), update(11, files[1], group="g"))
        await wing.receives(update(12, files[2], group="g"))
        first, second = wing.telegram.bubbles
        assert "Archived 2 files" in first.text and "Album: 2 items, 2 archived" in first.text
        assert first.reply_to == 10
        assert second.text.startswith("➕ Item 3 joined the album: 3 items, 3 archived; came late: 3")
        assert "Archived 1 file (photo)" in second.text
        assert second.reply_to == 12


async def test_items_out_of_order_keep_their_keys_and_the_album_s_order_is_told(world: World) -> None:
    files = photos(world, 1, 2, 3)
    async with bot_wing(world) as wing:
        await wing.receives(update(20, files[2], message_id=12, group="g"))
        before = items(world)[0]["s3_key"]
        await wing.receives(
            update(21, files[0], message_id=10, group="g"), update(22, files[1], message_id=11, group="g")
        )
        assert [item["message_id"] for item in items(world)] == ["12", "10", "11"]
        assert items(world)[0]["s3_key"] == before
        assert len({item["s3_key"] for item in items(world)}) == 3
        assert (
            "Items 2, 3 joined the album: 3 items, 3 archived; came late: 2, 3; in the album's order: 2, 3, 1"
            in (wing.said()[1])
        )
        assert_true(world)


async def test_a_straggler_after_a_restart_joins_the_album(world: World) -> None:
    files = photos(world, 1, 2)
    async with bot_wing(world) as wing:
        await wing.receives(update(10, files[0], group="g"))
    async with bot_wing(world) as wing:
        await wing.receives(update(11, files[1], group="g"))
        assert len(items(world)) == 2
        assert len(wing.said()) == 2
        assert_true(world)


async def test_a_straggler_after_a_restart_in_the_middle_joins_what_was_recorded(world: World) -> None:
    """The album's record is made, its updates are not closed, and one more member arrives."""
    first, late = photos(world, 1, 2)
    async with bot_wing(world) as wing:
        wing.gateway.script.hold("send")
        wing.telegram.deliver(update(10, first, group="g"))
        await until(lambda: wing.gateway.script.count("send") == 1)
    async with bot_wing(world) as wing:
        await wing.receives(update(11, late, group="g"))
        assert [item["status"] for item in items(world)] == ["stored", "stored"]
        assert [text[:1] for text in wing.said()] == ["✅", "➕"]
        assert_true(world)


async def test_a_straggler_while_the_album_is_being_archived_waits_for_its_turn(world: World) -> None:
    first, late = photos(world, 1, 2)
    async with bot_wing(world) as wing:
        gate = wing.downloads.script.hold("download")
        wing.telegram.deliver(update(10, first, group="g"))
        await until(lambda: wing.downloads.script.count("download") == 1)
        wing.telegram.deliver(update(11, late, group="g"))
        await anyio.sleep(60)
        assert wing.downloads.script.count("download") == 1
        gate.set()
        await wing.rests(within=60)
        assert len(items(world)) == 2
        assert_true(world)


async def test_a_mixed_album_in_pieces_is_true_at_every_moment(world: World) -> None:
    """Small ones at once, a large one as a job, late ones of both kinds, and the first job ends in between."""
    small = photos(world, 1, 2)
    large = [sent(world.telegram, "video", number, size=LARGE) for number in (3, 4)]
    body = noise(1000, seed=9)
    async with bot_wing(world) as wing:
        await wing.receives(update(10, small[0], group="g"), update(11, large[0], group="g"))
        assert_true(world)
        await wing.queue.settle(JOBS, 1)
        (job,) = await wing.queue.jobs()
        world.objects[job.target.key] = body
        await wing.queue.put_event(
            JobCompleted(
                job_id=job.job_id,
                worker="w",
                attempt=1,
                at=BEGINNING,
                key=job.target.key,
                size_bytes=len(body),
                sha256=sha256(body),
                route=Route.MTPROTO_BOT,
                seconds=1.0,
            )
        )
        wing.telegram.deliver(update(12, large[1], group="g"), update(13, small[1], group="g"))
        await wing.rests()
        await until(lambda: any(text.startswith("✅ Large") for text in wing.said()))
        assert [item["status"] for item in items(world)] == ["stored", "stored", "queued", "stored"]
        assert [item["ordinal"] for item in items(world)] == [1, 2, 3, 4]
        assert_true(world)
        await wing.queue.settle(JOBS, 1)
        (second,) = await wing.queue.jobs()
        assert second.target.key == items(world)[2]["s3_key"] and "_m12-gg_003" in second.target.key
        kinds = [text.split()[0] for text in wing.said()]
        assert sorted(kinds) == sorted(["✅", "✅", "➕", "⏳"])
        assert restarts(wing.tree) == {}


async def test_a_late_item_that_cannot_be_stored_yet_leaves_the_artifact_as_it_was(world: World) -> None:
    first, late = photos(world, 1, 2)
    async with bot_wing(world) as wing:
        await wing.receives(update(10, first, group="g"))
        wing.store.script.break_down("put", StoreUnavailable("away"))
        wing.telegram.deliver(update(11, late, group="g"))
        await anyio.sleep(600)
        assert len(items(world)) == 1
        assert_true_but_for_the_spool(world)
        wing.store.script.repair("put")
        await wing.rests()
        assert len(items(world)) == 2
        assert_true(world)


def assert_true_but_for_the_spool(world: World) -> None:
    for item in items(world):
        assert sha256(world.objects[item["s3_key"]]) == item["sha256"]


@pytest.mark.parametrize("request_name", ["ExtendSubmission", "FindAlbum", "Acknowledged", "CloseUpdates", "ReadPace"])
async def test_a_late_item_is_recorded_and_acknowledged_once_whatever_fails(world: World, request_name: str) -> None:
    first, late = photos(world, 1, 2)
    film = sent(world.telegram, "video", 3, size=LARGE)
    async with bot_wing(world) as wing:
        await wing.receives(update(10, first, group="g"))
        wing.ledger_script.fail(request_name, DatabaseUnavailable("locked"))
        await wing.receives(update(11, late, group="g"), update(12, film, group="g"))
        await wing.queue.settle(JOBS, 1)
        assert len(await wing.queue.jobs()) == 1
        joined = [text for text in wing.said() if text.startswith("➕")]
        assert len(joined) == 1
        assert sum(text.startswith("⏳") for text in wing.said()) == 1
        assert_true(world)


async def test_a_late_caption_is_the_album_s(world: World) -> None:
    files = photos(world, 1, 2, 3)
    async with bot_wing(world) as wing:
        await wing.receives(update(10, files[0], group="g"))
        await wing.receives(update(11, files[1], group="g", caption="what it shows"))
        assert world.artifact()["telegram"]["caption_plain"] == "what it shows"
        await wing.receives(update(12, files[2], group="g", caption="and more"))
        captions = world.artifact()["telegram"]["captions"]
        assert [(one["message_id"], one["caption_plain"]) for one in captions] == [
            ("11", "what it shows"),
            ("12", "and more"),
        ]


async def test_the_same_late_item_again_changes_nothing(world: World) -> None:
    """Telegram brings an update again under its id, and a message may come under another one."""
    files = photos(world, 1, 2)
    async with bot_wing(world) as wing:
        await wing.receives(update(10, files[0], group="g"))
        await wing.receives(update(11, files[1], group="g"))
        await wing.receives(update(50, files[1], message_id=11, group="g"), update(11, files[1], group="g"))
        assert len(items(world)) == 2
        assert len(wing.said()) == 2
        assert_true(world)


async def test_two_albums_do_not_wait_for_each_other(world: World) -> None:
    slow, fast = photos(world, 1, 2)
    async with bot_wing(world) as wing:
        await wing.receives(update(10, slow, group="g"), update(11, fast, group="h"))
        late_slow, late_fast = photos(world, 3, 4)
        wing.downloads.script.fail("download", FloodWait(3600))
        wing.telegram.deliver(update(12, late_slow, group="g"))
        await until(lambda: wing.downloads.script.count("download") == 3)
        wing.telegram.deliver(update(13, late_fast, group="h"))
        await until(lambda: any("m13" in key for key in world.objects), within=10 * ALBUM_SECONDS)


async def test_an_album_of_an_artifact_that_names_no_messages_grows_too(world: World) -> None:
    """Recorded by a version that came before; its items come first, in order."""
    files = photos(world, 1, 2, 3)
    async with bot_wing(world) as wing:
        await wing.receives(update(10, files[0], group="g"), update(11, files[1], group="g"))
    older = world.artifact()
    for item in older["telegram"]["items"]:
        del item["message_id"]
    text = json.dumps(older, ensure_ascii=False, indent=2) + "\n"
    world.write("UPDATE messages SET artifact_json = ? WHERE message_id = 10", text)
    (key,) = world.artifacts()
    world.objects[key] = text.encode()
    async with bot_wing(world) as wing:
        await wing.receives(update(12, files[2], group="g"))
        assert [item["ordinal"] for item in items(world)] == [1, 2, 3]
        assert wing.said()[1].startswith("➕ Item 3 joined the album: 3 items, 3 archived; came late: 3")
        assert list(world.artifacts()) == [key]
        assert_true(world)


async def test_a_curator_who_blocked_the_bot_has_his_album_archived(world: World) -> None:
    files = photos(world, 1, 2)
    world.telegram.blocked.add(ANNA)
    async with bot_wing(world) as wing:
        await wing.receives(update(10, files[0], group="g"))
        await wing.receives(update(11, files[1], group="g"))
        assert len(items(world)) == 2
        assert wing.said() == []
        assert_true(world)


async def test_the_curator_sees_the_bot_type_while_it_archives(world: World) -> None:
    async with bot_wing(world) as wing:
        gate = wing.downloads.script.hold("download")
        wing.telegram.deliver(update(10, photos(world, 1)[0]))
        await until(lambda: wing.telegram.typing)
        await anyio.sleep(12)
        shown = len(wing.telegram.typing)
        assert shown >= 3 and {chat for _, chat in wing.telegram.typing} == {ANNA}
        gate.set()
        await wing.rests()
        await anyio.sleep(30)
        assert len(wing.telegram.typing) <= shown + 1
