"""The quota: counted, corrected, told of, and a full archive that keeps what arrives until there is room."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from teltubby.actors.phrases import intake as words
from teltubby.actors.quota import FULL_LIST_SECONDS, LIST_SECONDS, QuotaRules
from teltubby.adapters.base import Destination
from teltubby.errors import BrokerUnavailable, DatabaseUnavailable, FloodWait, StoreUnavailable
from teltubby.messages.history import Usage
from teltubby.messages.ledger_archive import ReadUsage
from tests.actors.bot_wing import BORIS, KIB, STRANGER, BotWing, bot_wing
from tests.actors.stage import ANNA, noise, restarts
from tests.actors.updates import Sent, edited, sent, update
from tests.actors.world import World, assert_true
from tests.virtual_time import until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

QUOTA = 100 * KIB
HOUR = 3600.0
RULES = QuotaRules(quota_bytes=QUOTA, threshold_pct=80, cooldown=timedelta(hours=1))
FOREIGN = "teltubby/2020/01/others/1/film.mp4"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(folder=tmp_path)


async def used(wing: BotWing) -> Usage:
    return await wing.ledger.ask(ReadUsage(), within=10)


def bytes_in(world: World) -> int:
    return sum(len(body) for body in world.objects.values())


def alerts(wing: BotWing, chat: int, mark: str) -> int:
    return sum(text.startswith(mark) for text in wing.said(chat))


def photo(world: World, number: int = 1, size: int = 500) -> Sent:
    return sent(world.telegram, "photo", number, body=noise(size, seed=number))


# -- counting and listing


async def test_every_object_of_ours_is_counted(world: World) -> None:
    """Files and artifacts, one of which grows; what is a duplicate takes no room."""
    files = [photo(world, 1), photo(world, 2, 30 * KIB), sent(world.telegram, "photo", 3, body=noise(500, seed=1))]
    async with bot_wing(world) as wing:
        await wing.receives(*[update(10 + number, file) for number, file in enumerate(files)])
        await wing.receives(edited(20, 10, files[0], caption="longer than before"))
        await anyio.sleep(60)
        counted = await used(wing)
        assert (counted.used_bytes, counted.objects) == (bytes_in(world), len(world.objects))
        assert wing.store.script.count("list") == 1, "by counting, not by listing"


async def test_copies_that_went_up_side_by_side_are_counted_down_again(world: World) -> None:
    body = noise(800, seed=9)
    copies = [sent(world.telegram, "photo", number, body=body) for number in (1, 2, 3)]
    async with bot_wing(world) as wing:
        gate = wing.store.script.hold("put")
        wing.telegram.deliver(*[update(10 + number, copy) for number, copy in enumerate(copies)])
        await until(lambda: wing.store.script.count("put") == 3)
        gate.set()
        await wing.rests()
        await anyio.sleep(60)
        counted = await used(wing)
        assert world.files() == [body]
        assert (counted.used_bytes, counted.objects) == (bytes_in(world), len(world.objects))


async def test_a_listing_at_the_start_and_every_six_hours_corrects_the_count(world: World) -> None:
    world.objects[FOREIGN] = noise(700)
    world.objects["not-ours/x"] = noise(10)
    async with bot_wing(world) as wing:
        await anyio.sleep(60)
        assert ((await used(wing)).used_bytes, (await used(wing)).objects) == (700, 1)
        del world.objects[FOREIGN]
        await anyio.sleep(LIST_SECONDS)
        assert ((await used(wing)).used_bytes, (await used(wing)).objects) == (0, 0)
        assert wing.store.script.count("list") == 2


async def test_what_is_being_written_down_is_not_forgotten_meanwhile(world: World) -> None:
    """A full archive does not seem to have room while the ledger is told of the last bytes."""
    world.objects[FOREIGN] = noise(QUOTA - 4 * KIB)
    async with bot_wing(world, quota_rules=RULES) as wing:
        await anyio.sleep(60)
        wing.ledger_script.slow("CountUsage", 30)
        await wing.receives(update(10, photo(world, 1, 5 * KIB)))
        for _ in range(300):
            wing.quotas[-1].count(0, 0)
            assert wing.quotas[-1].full
            await anyio.sleep(0.5)
        assert alerts(wing, BORIS, "✅ There is room") == 0


async def test_a_store_or_a_ledger_that_is_away_is_listed_later(world: World) -> None:
    world.objects[FOREIGN] = noise(700)
    async with bot_wing(world) as wing:
        wing.store.script.fail("list", *[StoreUnavailable("away")] * 3)
        wing.ledger_script.fail("SetUsage", DatabaseUnavailable("locked"), RuntimeError("a bug"))
        await wing.receives(update(10, photo(world)))
        await anyio.sleep(HOUR)
        assert (await used(wing)).used_bytes == bytes_in(world)
        assert restarts(wing.tree) == {"ledger": 1}


async def test_what_cannot_be_counted_now_fails_no_file(world: World) -> None:
    async with bot_wing(world) as wing:
        wing.ledger_script.fail("CountUsage", *[DatabaseUnavailable("locked")] * 3)
        await wing.receives(update(10, photo(world)))
        await anyio.sleep(120)
        assert (await used(wing)).used_bytes == bytes_in(world)
        assert len(wing.said()) == 1


# -- alerts


async def test_all_admins_are_told_at_the_threshold_once_in_the_cool_down(world: World) -> None:
    world.objects[FOREIGN] = noise(79 * KIB)
    async with bot_wing(world, quota_rules=RULES) as wing:
        await anyio.sleep(120)
        assert wing.telegram.bubbles == []
        await wing.receives(update(10, photo(world, size=2 * KIB)))
        await anyio.sleep(0.9 * HOUR)
        assert alerts(wing, ANNA, "⚠️ The archive is nearly full") == alerts(wing, BORIS, "⚠️") == 1
        assert "KB of 102.4 KB" in wing.said(BORIS)[0]
        await anyio.sleep(0.2 * HOUR)
        assert alerts(wing, ANNA, "⚠️") == alerts(wing, BORIS, "⚠️") == 2
        assert alerts(wing, STRANGER, "⚠️") == 0


async def test_the_cool_down_is_remembered_over_a_restart(world: World) -> None:
    world.objects[FOREIGN] = noise(85 * KIB)
    async with bot_wing(world, quota_rules=RULES) as wing:
        await until(lambda: alerts(wing, BORIS, "⚠️") == 1)
        await anyio.sleep(120)
    async with bot_wing(world, quota_rules=RULES) as wing:
        await anyio.sleep(HOUR / 2)
        assert alerts(wing, ANNA, "⚠️") == alerts(wing, BORIS, "⚠️") == 1


async def test_an_admin_who_cannot_be_told_does_not_keep_it_from_the_other(world: World) -> None:
    world.objects[FOREIGN] = noise(85 * KIB)
    world.telegram.blocked.add(ANNA)
    async with bot_wing(world, quota_rules=RULES) as wing:
        await anyio.sleep(HOUR / 2)
        assert alerts(wing, BORIS, "⚠️") == 1


async def test_a_flood_wait_delays_an_alert_and_does_not_double_it(world: World) -> None:
    world.objects[FOREIGN] = noise(85 * KIB)
    async with bot_wing(world, quota_rules=RULES) as wing:
        wing.gateway.script.fail("send", FloodWait(1800))
        await anyio.sleep(0.9 * HOUR)
        assert alerts(wing, ANNA, "⚠️") == alerts(wing, BORIS, "⚠️") == 1


async def test_without_a_quota_nobody_is_told_and_nothing_is_paused(world: World) -> None:
    world.objects[FOREIGN] = noise(200 * KIB)
    async with bot_wing(world) as wing:
        await wing.receives(update(10, photo(world)))
        await anyio.sleep(HOUR)
        assert len(wing.said()) == 1 and wing.said(BORIS) == []


# -- full


async def test_a_full_archive_keeps_what_arrives_and_goes_on_by_itself(world: World) -> None:
    world.objects[FOREIGN] = noise(QUOTA)
    files = [photo(world, number) for number in (1, 2, 3)]
    async with bot_wing(world, quota_rules=RULES) as wing:
        await until(lambda: alerts(wing, BORIS, "🛑 The archive is full") == 1)
        wing.telegram.deliver(*[update(10 + number, file) for number, file in enumerate(files)])
        await anyio.sleep(HOUR / 2)
        assert set(world.objects) == {FOREIGN}
        assert wing.said(ANNA).count(words.KEPT_WHILE_FULL) == 1, "not with every message"
        assert wing.telegram.bubbles[-1].reply_to in (10, 11, 12)
        assert alerts(wing, ANNA, "🛑") == 1
        del world.objects[FOREIGN]
        await wing.rests(within=2 * FULL_LIST_SECONDS)
        assert sorted(world.files()) == sorted(file.body for file in files)
        assert sum(text.startswith("✅ Archived") for text in wing.said(ANNA)) == 3
        await until(lambda: alerts(wing, BORIS, "✅ There is room in the archive again") == 1)
        assert_true(world)
        world.objects[FOREIGN] = noise(QUOTA)
        wing.quotas[-1].recount()
        await until(lambda: alerts(wing, BORIS, "🛑 The archive is full") == 2, within=2 * HOUR)
        wing.telegram.deliver(update(20, photo(world, 4)))
        await until(lambda: wing.said(ANNA).count(words.KEPT_WHILE_FULL) == 2)


async def test_what_is_kept_survives_a_restart_and_a_raised_quota_lets_it_in(world: World) -> None:
    world.objects[FOREIGN] = noise(QUOTA)
    file = photo(world)
    async with bot_wing(world, quota_rules=RULES) as wing:
        await until(lambda: alerts(wing, BORIS, "🛑") == 1)
        wing.telegram.deliver(update(10, file, group="g"))
        await until(lambda: words.KEPT_WHILE_FULL in wing.said(ANNA))
    raised = QuotaRules(quota_bytes=10 * QUOTA, threshold_pct=80, cooldown=RULES.cooldown)
    async with bot_wing(world, quota_rules=raised) as wing:
        await wing.rests(within=60)
        assert file.body in world.objects.values()
        await until(lambda: alerts(wing, BORIS, "✅ There is room") == 1)


async def test_while_it_is_full_commands_edits_and_questions_are_answered(world: World) -> None:
    file = photo(world)
    async with bot_wing(world, quota_rules=RULES) as wing:
        await wing.receives(update(10, file))
        world.objects[FOREIGN] = noise(QUOTA)
        wing.quotas[-1].recount()
        await until(lambda: alerts(wing, BORIS, "🛑") == 1)
        wing.telegram.deliver(update(11, photo(world, 2)))
        await until(lambda: words.KEPT_WHILE_FULL in wing.said(ANNA))
        said = len(wing.said(ANNA))
        wing.telegram.deliver(update(12, text="/mode"), edited(13, 10, file, caption="new"))
        await until(lambda: len(wing.said(ANNA)) == said + 1, within=30)
        await until(lambda: "edits" in world.artifact()["telegram"], within=30)


async def test_a_curator_is_reminded_that_it_is_kept_after_an_hour(world: World) -> None:
    world.objects[FOREIGN] = noise(QUOTA)
    async with bot_wing(world, quota_rules=RULES) as wing:
        await until(lambda: alerts(wing, BORIS, "🛑") == 1)
        wing.telegram.deliver(update(10, photo(world, 1)))
        await anyio.sleep(HOUR + 10)
        wing.telegram.deliver(update(11, photo(world, 2)), update(12, photo(world, 3), user=BORIS))
        await anyio.sleep(60)
        assert wing.said(ANNA).count(words.KEPT_WHILE_FULL) == 2
        assert wing.said(BORIS).count(words.KEPT_WHILE_FULL) == 1


async def test_it_is_noticed_at_once_when_counting_reaches_the_quota(world: World) -> None:
    world.objects[FOREIGN] = noise(QUOTA - 4 * KIB)
    async with bot_wing(world, quota_rules=RULES) as wing:
        await anyio.sleep(60)
        await wing.receives(update(10, photo(world, 1, 4 * KIB)))
        wing.telegram.deliver(update(11, photo(world, 2)))
        await until(lambda: words.KEPT_WHILE_FULL in wing.said(ANNA), within=60)
        assert wing.store.script.count("list") == 2, "what was counted is looked at"
        assert len(world.files()) == 2


async def test_jobs_that_were_queued_before_go_on(world: World) -> None:
    film = sent(world.telegram, "video", 1, size=300 * KIB)
    async with bot_wing(world, quota_rules=RULES) as wing:
        wing.broker.script.break_down("publish", BrokerUnavailable("away"))
        wing.telegram.deliver(update(10, film))
        await until(lambda: wing.said(ANNA))
        world.objects[FOREIGN] = noise(QUOTA)
        wing.quotas[-1].recount()
        await until(lambda: alerts(wing, BORIS, "🛑") == 1)
        wing.broker.script.repair("publish")
        await wing.queue.settle(Destination.JOBS, 1)


async def test_a_submission_that_was_recorded_is_acknowledged_though_it_is_full_now(world: World) -> None:
    async with bot_wing(world, quota_rules=RULES) as wing:
        wing.gateway.script.hold("send")
        wing.telegram.deliver(update(10, photo(world)))
        await until(lambda: wing.gateway.script.count("send") == 1)
        world.objects[FOREIGN] = noise(QUOTA)
    async with bot_wing(world, quota_rules=RULES) as wing:
        await wing.rests(within=HOUR)
        assert sum(text.startswith("✅ Archived") for text in wing.said(ANNA)) == 1
