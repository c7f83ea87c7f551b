"""Edits: written into the artifact of what is archived, whenever and however often they come."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path
from typing import Any

import anyio
import pytest

from teltubby.actors import phrases
from teltubby.actors.dealing import EDIT_PATIENCE
from teltubby.actors.intake import BUG_TRIES
from teltubby.actors.phrases import intake as words
from teltubby.errors import DatabaseUnavailable, StoreUnavailable
from tests.actors.bot_wing import STRANGER, bot_wing
from tests.actors.stage import ANNA, restarts
from tests.actors.updates import edited, sent, update
from tests.actors.world import World, assert_true
from tests.virtual_time import until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(folder=tmp_path)


def edits(world: World) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = world.artifact()["telegram"].get("edits", [])
    return found


def captions(world: World) -> list[str]:
    return [entry["caption_plain"] for entry in edits(world)]


async def test_an_edited_caption_is_recorded_and_nothing_is_archived_anew(world: World) -> None:
    photo = sent(world.telegram, "photo", 1)
    bold = [{"type": "bold", "offset": 0, "length": 3}]
    async with bot_wing(world) as wing:
        await wing.receives(update(10, photo, caption="old"))
        await wing.receives(edited(11, 10, photo, caption="new", caption_entities=bold))
        (entry,) = edits(world)
        assert entry == {
            "message_id": "10",
            "edited_at": "2026-11-20T11:59:30Z",
            "caption_plain": "new",
            "caption_entities": bold,
        }
        assert world.artifact()["telegram"]["caption_plain"] == "old", "what was handed in stays"
        assert world.files() == [photo.body]
        assert len(wing.said()) == 1, "a curator who edits is not written to"
        assert wing.downloads.script.count("download") == 1
        assert_true(world)


async def test_an_edit_in_an_album_names_its_message(world: World) -> None:
    files = [sent(world.telegram, "photo", number) for number in (1, 2)]
    async with bot_wing(world) as wing:
        await wing.receives(update(10, files[0], group="g"), update(11, files[1], group="g"))
        await wing.receives(edited(12, 11, files[1], caption="second", group="g"))
        assert [(entry["message_id"], entry["caption_plain"]) for entry in edits(world)] == [("11", "second")]
        assert len(world.artifact()["telegram"]["items"]) == 2
        assert_true(world)


@pytest.mark.parametrize("order", list(permutations([1, 2, 3])), ids=str)
async def test_edits_in_any_order_and_twice_end_newest_last(world: World, order: tuple[int, ...]) -> None:
    photo = sent(world.telegram, "photo", 1)
    async with bot_wing(world) as wing:
        await wing.receives(update(10, photo))
        for number, edit in enumerate([*order, *order]):
            await wing.receives(edited(20 + number, 10, photo, at=10 * edit, caption=f"edit {edit}"))
        assert captions(world) == ["edit 1", "edit 2", "edit 3"]


async def test_an_edit_that_comes_with_its_message_waits_for_it(world: World) -> None:
    photo = sent(world.telegram, "photo", 1)
    async with bot_wing(world) as wing:
        await wing.receives(update(10, photo, caption="old"), edited(11, 10, photo, caption="new"))
        assert captions(world) == ["new"]


async def test_an_edit_while_its_message_is_being_archived_waits_for_it(world: World) -> None:
    photo = sent(world.telegram, "photo", 1)
    async with bot_wing(world) as wing:
        gate = wing.downloads.script.hold("download")
        wing.telegram.deliver(update(10, photo, caption="old"))
        await until(lambda: wing.downloads.script.count("download"))
        wing.telegram.deliver(edited(11, 10, photo, caption="new"))
        await anyio.sleep(10 * EDIT_PATIENCE)
        gate.set()
        await wing.rests()
        assert captions(world) == ["new"]
        assert_true(world)


async def test_an_edit_before_its_message_is_recorded_when_that_came(world: World) -> None:
    photo = sent(world.telegram, "photo", 1)
    async with bot_wing(world) as wing:
        wing.telegram.deliver(edited(11, 10, photo, caption="new"))
        await anyio.sleep(EDIT_PATIENCE / 2)
        wing.telegram.deliver(update(12, photo, message_id=10, caption="old"))
        await wing.rests()
        assert captions(world) == ["new"]
        assert_true(world)


async def test_an_edit_that_is_kept_over_a_restart_is_recorded(world: World) -> None:
    photo = sent(world.telegram, "photo", 1)
    async with bot_wing(world) as wing:
        wing.store.script.break_down("put", StoreUnavailable("away"))
        wing.telegram.deliver(update(10, photo), edited(11, 10, photo, caption="new"))
        await anyio.sleep(200)
    async with bot_wing(world) as wing:
        await wing.rests()
        assert captions(world) == ["new"]


@pytest.mark.parametrize("number", [10, 9], ids=["a text", "a message that was lost"])
async def test_an_edit_that_brings_a_file_where_none_is_archived_is_told(world: World, number: int) -> None:
    photo = sent(world.telegram, "photo", 1)
    async with bot_wing(world) as wing:
        await wing.receives(update(10, text="hello"), edited(11, 10, None, text="hello there"))
        assert len(wing.said()) == 1, "of a text nothing is said"
        await wing.receives(edited(12, number, photo))
        assert world.objects == {}
        assert wing.said()[1:] == [words.FILE_ADDED]
        assert wing.telegram.bubbles[1].reply_to == number
        assert restarts(wing.tree) == {}


async def test_an_edit_that_meets_a_bug_is_given_up_with_an_answer(world: World) -> None:
    old, new = sent(world.telegram, "photo", 1), sent(world.telegram, "photo", 2)
    async with bot_wing(world) as wing:
        await wing.receives(update(10, old))
        wing.ledger_script.fail("SaveArtifact", *[RuntimeError("a bug")] * BUG_TRIES)
        await wing.receives(edited(11, 10, new))
        assert phrases.INTERNAL_ERROR in wing.said()


async def test_an_edit_of_text_is_over_at_once(world: World) -> None:
    async with bot_wing(world) as wing:
        await wing.receives(update(10, text="/help"))
        await wing.receives(edited(11, 10, None, text="/status"), within=5)
        assert len(wing.said()) == 1


async def test_edits_of_strangers_are_counted_and_nothing_else(world: World) -> None:
    photo = sent(world.telegram, "photo", 1)
    async with bot_wing(world) as wing:
        await wing.receives(edited(11, 10, photo, user=STRANGER), within=5)
        assert wing.telegram.bubbles == []
        assert wing.counted("refused_updates") == 1


async def test_a_replaced_file_is_noted_and_the_curator_is_told_once(world: World) -> None:
    old, new = sent(world.telegram, "photo", 1), sent(world.telegram, "photo", 2)
    async with bot_wing(world) as wing:
        await wing.receives(update(10, old))
        await wing.receives(edited(11, 10, new), edited(12, 10, new, at=60, caption="look"), edited(13, 10, new))
        assert [entry["file_unique_id"] for entry in edits(world)] == [new.unique_id] * 2
        assert all("not archived" in entry["note"] for entry in edits(world))
        assert world.files() == [old.body]
        assert wing.said().count(words.FILE_REPLACED) == 1
        assert wing.telegram.bubbles[1].reply_to == 10
        assert_true(world)


async def test_an_edit_survives_a_store_and_a_ledger_that_are_away(world: World) -> None:
    old, new = sent(world.telegram, "photo", 1), sent(world.telegram, "photo", 2)
    async with bot_wing(world) as wing:
        await wing.receives(update(10, old))
        wing.store.script.fail("put", *[StoreUnavailable("away")] * 4)
        wing.ledger_script.fail("SaveArtifact", None, DatabaseUnavailable("locked"))
        await wing.receives(edited(11, 10, new))
        assert len(edits(world)) == 1
        assert wing.said(ANNA).count(words.FILE_REPLACED) == 1
        assert_true(world)


@pytest.mark.parametrize(
    "damage",
    [
        *("", "{", "[]", '{"telegram": 1}', '{"telegram": {}}', '{"telegram": {"items": [1]}}'),
        pytest.param("[" * 100_000, id="deep"),
    ],
)
async def test_an_edit_of_what_is_damaged_in_the_ledger_is_told_once(world: World, damage: str) -> None:
    photo = sent(world.telegram, "photo", 1)
    async with bot_wing(world) as wing:
        await wing.receives(update(10, photo))
    world.write("UPDATE messages SET artifact_json = ?", damage)
    async with bot_wing(world) as wing:
        await wing.receives(edited(11, 10, photo, caption="new"))
        await anyio.sleep(20)
        assert wing.said()[1:] == [words.EDIT_OF_DAMAGED]
        first, line = world.facts("SELECT detail FROM commands WHERE command = 'damaged' ORDER BY rowid")
        assert "is damaged in the ledger" in first["detail"] and "message 10" in line["detail"]
        assert restarts(wing.tree) == {} and world.at_rest()
