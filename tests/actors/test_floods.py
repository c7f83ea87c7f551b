"""A thousand messages in a minute: all of them archived and acknowledged once, and nobody waits behind them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import anyio
import pytest

from teltubby.actors import phrases
from teltubby.actors.backlog import AT_ONCE, Lane
from teltubby.actors.queue_bot import OUTBOX_LOOK_SECONDS
from teltubby.adapters.base import Destination
from teltubby.errors import FloodWait
from teltubby.messages.media import RawUpdate
from tests.actors.bot_wing import BORIS, KIB, bot_wing
from tests.actors.stage import ANNA, noise, restarts
from tests.actors.updates import edited, pressed, sent, update
from tests.actors.world import World, assert_true
from tests.virtual_time import until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

MANY = 1000


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(folder=tmp_path)


def flood(world: World, count: int, *, user: int = ANNA, first: int = 1) -> list[RawUpdate]:
    files = [sent(world.telegram, "photo", first + number) for number in range(count)]
    return [update(file.number, file, user=user) for file in files]


async def test_a_thousand_messages_are_each_acknowledged_once(world: World) -> None:
    updates = flood(world, MANY)
    async with bot_wing(world) as wing:
        wing.telegram.deliver(*updates, *updates[:100])
        await wing.rests()
        assert Counter(bubble.reply_to for bubble in wing.telegram.bubbles) == Counter(range(1, MANY + 1))
        assert len(world.files()) == MANY
        assert wing.ledger_script.count("OpenGroups") < MANY / 5, "the inbox is not read anew for every message"
        assert restarts(wing.tree) == {}


async def test_commands_and_buttons_overtake_a_flood(world: World) -> None:
    async with bot_wing(world) as wing:
        wing.downloads.script.slow("download", 5)
        wing.telegram.deliver(*flood(world, 300))
        await until(lambda: wing.downloads.script.count("download") >= 4)
        asked = anyio.current_time()
        wing.telegram.deliver(update(5000, text="/help"), pressed(5001, "queue:0"))
        await until(lambda: phrases.help_text() in wing.said() and wing.telegram.presses)
        assert anyio.current_time() - asked < 60
        assert len(world.files()) < 150


async def test_the_flood_of_one_curator_does_not_hold_up_another(world: World) -> None:
    """Telegram holds back what is said to the first: hers may wait, his may not."""
    async with bot_wing(world) as wing:
        wing.gateway.script.fail("send", FloodWait(1800))
        wing.telegram.deliver(*flood(world, 200))
        await until(lambda: wing.gateway.script.count("send") == 1)
        photo = sent(world.telegram, "photo", 5000)
        wing.telegram.deliver(update(5000, photo, user=BORIS))
        await until(lambda: wing.said(BORIS), within=900)
        await wing.rests()
        assert len(wing.said(ANNA)) == 200


async def test_a_job_does_not_wait_for_its_curators_chat(world: World) -> None:
    """Telegram holds back the line that says it is queued: a worker may have it all the same."""
    film = sent(world.telegram, "video", 1, size=300 * KIB)
    async with bot_wing(world) as wing:
        wing.gateway.script.fail("send", FloodWait(1800))
        began = anyio.current_time()
        wing.telegram.deliver(update(1, film))
        await wing.queue.settle(Destination.JOBS, 1)
        assert anyio.current_time() - began < OUTBOX_LOOK_SECONDS / 2
        assert wing.said() == []
        await wing.rests()
        (line,) = wing.said()
        assert line.startswith("⏳ File queued")


async def test_only_so_many_are_under_way_at_once(world: World) -> None:
    async with bot_wing(world, width=4) as wing:
        wing.gateway.script.fail("send", FloodWait(1800))
        wing.telegram.deliver(*flood(world, 200))
        await anyio.sleep(1000)
        assert len(world.files()) <= AT_ONCE[Lane.FILES]
        await wing.rests()
        assert len(world.files()) == 200


async def test_the_same_file_many_times_at_one_moment_is_stored_once(world: World) -> None:
    body = noise(700, seed=3)
    same = sent(world.telegram, "photo", 1, body=body)
    copies = [sent(world.telegram, "photo", number, body=body) for number in range(2, 12)]
    async with bot_wing(world, width=8) as wing:
        await wing.receives(
            *[update(10 + number, same) for number in range(10)],
            *[update(30 + number, copy, user=BORIS) for number, copy in enumerate(copies)],
        )
        assert world.files() == [body]
        assert len(world.artifacts()) == 20
        assert len(wing.said(ANNA)) == len(wing.said(BORIS)) == 10
        assert_true(world)


async def test_updates_out_of_order_and_twice(world: World) -> None:
    """As a webhook may bring them: albums from the back, edits first, everything again."""
    files = [sent(world.telegram, "photo", number) for number in range(1, 7)]
    updates = [
        edited(27, 11, files[1], caption="edited"),
        update(26, files[2], message_id=12, group="g"),
        update(25, files[1], message_id=11, group="g"),
        update(24, files[0], message_id=10, group="g"),
        update(23, files[3], message_id=9),
        update(22, text="/help", message_id=8),
    ]
    async with bot_wing(world) as wing:
        await wing.receives(*updates, *reversed(updates))
        album = next(made for made in world.artifacts().values() if made["telegram"]["media_group_id"] == "g")
        assert [item["message_id"] for item in album["telegram"]["items"]] == ["10", "11", "12"]
        assert [entry["caption_plain"] for entry in album["telegram"]["edits"]] == ["edited"]
        assert len(wing.said()) == 3
        assert_true(world)
