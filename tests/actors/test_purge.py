"""`/purge`: asks twice, deletes exactly what lies under the archive's prefix, and leaves no lie behind."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from teltubby.actors.phrases import orders
from teltubby.actors.purge import VALID_SECONDS
from teltubby.archive.artifact import dumps
from teltubby.archive.claims import read_artifact
from teltubby.errors import StoreUnavailable
from tests.actors.bot_wing import BotWing, bot_wing
from tests.actors.counter import answer, hands_in, presses, says, starts
from tests.actors.stage import ANNA
from tests.actors.test_desk import BORIS
from tests.actors.updates import edited, sent, update
from tests.actors.world import World

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

OTHERS = {"other/file.bin": b"not ours", "teltubby": b"no folder of ours", "teltubbyx/a": b"neither"}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(folder=tmp_path, objects=dict(OTHERS))


async def archives(wing: BotWing, *numbers: int) -> None:
    """Photos of 1000 bytes."""
    for number in numbers:
        photo = sent(wing.telegram, "photo", number, body=bytes([number]) * 1000)
        await wing.receives(update(number, photo))


async def asked(wing: BotWing, user: int = ANNA) -> str:
    """The first step; the code of the second."""
    told = await answer(wing, "/purge confirm", user=user)
    ((button,),) = told.keyboard
    code = button.data.removeprefix("purge:")
    assert f"<code>/purge {code}</code>" in told.html
    return code


async def test_the_question_names_count_and_bytes_and_deletes_nothing(world: World) -> None:
    async with bot_wing(world) as wing:
        await archives(wing, 1, 2)
        ours = {key: body for key, body in world.objects.items() if key not in OTHERS}
        told = await says(wing, "/purge confirm")
        assert f"{len(ours)} objects" in told and len(ours) == 4
        assert f"{sum(map(len, ours.values())) / 1000:.1f} KB" in told
        assert ours.keys() <= world.objects.keys()


async def test_the_second_step_deletes_what_is_under_the_prefix_and_nothing_else(world: World) -> None:
    async with bot_wing(world) as wing:
        await archives(wing, 1, 2)
        told = await says(wing, f"/purge {await asked(wing)}")
        assert "Deleted 4 objects" in told and "2 files forgotten" in told
        assert world.objects == OTHERS
        assert "0 files, 0 B" in await says(wing, "/status")
        assert world.facts("SELECT 1 FROM files") == []
        (row,) = world.facts("SELECT user_id, command FROM commands WHERE kind = 'command' GROUP BY user_id, command")
        assert (row["user_id"], row["command"]) == (ANNA, "purge")


async def test_what_was_deleted_is_archived_again_when_it_is_sent_again(world: World) -> None:
    async with bot_wing(world) as wing:
        await archives(wing, 1)
        await says(wing, f"/purge {await asked(wing)}")
        again = sent(wing.telegram, "photo", 1, body=bytes([1]) * 1000)
        await wing.receives(update(50, again))
        assert bytes([1]) * 1000 in world.objects.values()
        assert wing.said()[-1].startswith("✅ Archived 1 file")


async def test_an_artifact_that_is_written_again_names_nothing_that_was_deleted(world: World) -> None:
    photo = sent(world.telegram, "photo", 1)
    async with bot_wing(world) as wing:
        await wing.receives(update(1, photo, caption="old"))
        before = world.artifact()
        await says(wing, f"/purge {await asked(wing)}")
        await wing.receives(edited(51, 1, photo, caption="new"))
        artifact = world.artifact()
        (item,) = artifact["telegram"]["items"]
        assert artifact["telegram"]["edits"][0]["caption_plain"] == "new"
        assert (item["status"], item["reason"], item["s3_key"]) == ("skipped", "purged", None)
        assert item["sha256"] == before["telegram"]["items"][0]["sha256"], "what was there is still told"
        assert (artifact["files_count"], artifact["total_bytes_uploaded"], artifact["keys"]) == (0, 0, [])
        claimed = read_artifact(before["base_path"] + "message.json", dumps(artifact))
        assert (claimed.claims, claimed.others) == ((), ())


async def test_the_usage_is_corrected(world: World) -> None:
    async with bot_wing(world) as wing:
        await archives(wing, 1, 2)
        await anyio.sleep(60)
        assert "in 4 objects" in await says(wing, "/quota")
        await says(wing, f"/purge {await asked(wing)}")
        await anyio.sleep(60)
        assert "0 B in 0 objects" in await says(wing, "/quota")


async def test_the_button_does_it_and_says_what_came_of_it(world: World) -> None:
    async with bot_wing(world) as wing:
        await archives(wing, 1)
        await wing.receives(update(50, text="/purge confirm"))
        question = world.telegram.bubbles[-1]
        assert (await presses(wing, question.buttons[0], message_id=question.message_id)).text == ""
        assert "Deleted 2 objects" in wing.said()[-1]
        await anyio.sleep(5)
        assert question.text == orders.PURGE_BEGINS and question.buttons == [], "it cannot be pressed again"
        assert world.objects == OTHERS


@pytest.mark.parametrize("by_button", [False, True])
async def test_a_confirmation_is_good_once_for_two_minutes_and_for_who_was_asked(world: World, by_button: bool) -> None:
    async def confirms(code: str, user: int) -> str:
        if not by_button:
            return await says(wing, f"/purge {code}", user=user)
        await presses(wing, f"purge:{code}", user=user, chat_id=user)
        return wing.said(user)[-1]

    async with bot_wing(world) as wing:
        await archives(wing, 1)
        before = dict(world.objects)
        late = await asked(wing)
        await anyio.sleep(VALID_SECONDS + 0.1)
        assert await confirms(late, ANNA) == orders.PURGE_EXPIRED
        code = await asked(wing)
        for wrong, user in ((code, BORIS), ("0badcafe", ANNA), (late, ANNA)):
            assert await confirms(wrong, user) == orders.PURGE_EXPIRED
        newer = await asked(wing)
        assert await confirms(code, ANNA) == orders.PURGE_EXPIRED, "only the newest question counts"
        assert world.objects == before
        assert "Deleted" in await confirms(newer, ANNA)
        await archives(wing, 2)
        assert await confirms(newer, ANNA) == orders.PURGE_EXPIRED
        assert len(world.objects) == len(OTHERS) + 2


async def test_a_job_that_runs_forbids_it_at_both_steps(world: World) -> None:
    async with bot_wing(world) as wing:
        await archives(wing, 1)
        first, second = await hands_in(wing, 20, 21)
        before = dict(world.objects)
        code = await asked(wing)
        await starts(wing, first)
        await starts(wing, second)
        assert await says(wing, f"/purge {code}") == orders.purge_running(2)
        assert await says(wing, "/purge confirm") == orders.purge_running(2)
        assert world.objects == before
        assert await says(wing, f"/purge {code}") == orders.PURGE_EXPIRED


async def test_an_empty_archive_needs_no_confirmation(world: World) -> None:
    async with bot_wing(world) as wing:
        told = await answer(wing, "/purge confirm")
        assert told.html == orders.PURGE_NOTHING and not told.keyboard


async def test_a_store_that_cannot_be_listed_is_told(world: World) -> None:
    async with bot_wing(world) as wing:
        wing.store.script.break_down("list", StoreUnavailable("the object store cannot be reached"))
        assert await says(wing, "/purge confirm") == orders.purge_impossible("the object store cannot be reached")


async def test_a_deletion_that_stops_in_the_middle_leaves_no_lie(world: World) -> None:
    async with bot_wing(world) as wing:
        await archives(wing, 1, 2)
        code = await asked(wing)
        wing.store.script.fail("delete", StoreUnavailable("cut off"), skip=2)
        assert await says(wing, f"/purge {code}") == orders.purge_stopped("cut off")
        assert world.facts("SELECT 1 FROM files") == [], "nothing counts as archived that may be gone"
        assert await says(wing, f"/purge {await asked(wing)}") != orders.purge_stopped("cut off")
        assert world.objects == OTHERS
