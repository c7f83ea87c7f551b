"""Alerts: admins are told once of trouble and once of its end, whatever is away meanwhile and whoever starts anew."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, time, timedelta
from pathlib import Path

import anyio
import pytest

from teltubby.actors.readiness import Outlook
from teltubby.adapters.base import Destination
from teltubby.adapters.dependencies import Dependencies
from teltubby.adapters.sqlite_file import to_text
from teltubby.archive.alerts import AlertRules, QuietHours
from teltubby.errors import DatabaseUnavailable, TelegramUnavailable
from teltubby.messages.health import DependencyState, Standing
from teltubby.messages.jobs import JobFailed
from teltubby.messages.queue import JobNews
from teltubby.supervision import State
from tests.actors.alert_stage import DEPTH
from tests.actors.bot_wing import BORIS, KIB, BotWing, bot_wing
from tests.actors.counter import says
from tests.actors.distant_worker import worker_at
from tests.actors.stage import ANNA, noise, restarts
from tests.actors.updates import sent, update
from tests.actors.world import World
from tests.virtual_time import until, wall_clock

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

MINUTE, HOUR = 60.0, 3600.0
RULES = AlertRules(group=timedelta(minutes=1), repeat=timedelta(0))
GIB = 1 << 30
TOLD = ("🚨 <b>", "❌ <b>", "✅ <b>Over", "⏳ <b>")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(folder=tmp_path)


def all_well() -> Outlook:
    outlook = Outlook(dependencies=Dependencies(wall_clock))
    for name in ("store", "broker", "ledger", "bot_api", "data_disk", "user_session"):
        outlook.dependencies.named(name).works()
    return outlook


def alerts(wing: BotWing, chat: int = ANNA) -> list[str]:
    """What this admin was told."""
    return [said for said in wing.said(chat) if said.startswith(TOLD)]


async def told(wing: BotWing, count: int, *, chat: int = ANNA) -> list[str]:
    """Wait until the admin was told so often, and not once more."""
    await until(lambda: len(alerts(wing, chat)) >= count, within=2 * HOUR)
    await anyio.sleep(30 * MINUTE)
    assert len(alerts(wing, chat)) == count, wing.said(chat)
    return alerts(wing, chat)


async def test_a_store_that_is_away_and_comes_back(world: World) -> None:
    outlook = all_well()
    async with bot_wing(world, alert_rules=RULES, outlook=outlook) as wing:
        await told(wing, 0)
        outlook.dependencies.named("store").down("connection <refused>")
        (began,) = await told(wing, 1)
        assert "The object store is away" in began and "connection &lt;refused&gt;" in began and "doctor" in began
        assert "The object store is away" in await says(wing, "/status")
        assert "The object store is away" in await says(wing, "/alerts")
        assert [fact["kind"] for fact in outlook.facts["alerts"]] == ["store"]  # type: ignore[attr-defined]
        outlook.dependencies.named("store").works()
        _, over = await told(wing, 2)
        assert over.startswith("✅ <b>Over") and "The object store is away" in over
        assert alerts(wing, BORIS) == [began, over], "everybody is told"
        assert "There is no open alert" in await says(wing, "/alerts")
        assert outlook.facts["alerts"] == []


async def test_a_failed_job_is_told_with_its_reason_and_those_before_are_not(world: World) -> None:
    async with bot_wing(world, alert_rules=None) as wing:
        await fails(wing, 1, "of old")
    async with bot_wing(world, alert_rules=RULES) as wing:
        await told(wing, 0)
        await fails(wing, 2, "no <such> file")
        await fails(wing, 3, "the same")
        (text_,) = await told(wing, 1)
        assert text_.startswith("❌ <b>2 large files could not be archived")
        assert "no &lt;such&gt; file" in text_ and "the same" in text_ and "/retry" in text_ and "of old" not in text_


async def fails(wing: BotWing, number: int, reason: str) -> None:
    """A large file is handed in, and its job fails."""
    before = {job.job_id for job in await wing.queue.jobs()}
    await wing.receives(update(10 + number, sent(wing.telegram, "video", number, size=300 * KIB)))
    await wing.queue.settle(Destination.JOBS, len(before) + 1)
    (job,) = [job for job in await wing.queue.jobs() if job.job_id not in before]
    event = JobFailed(job_id=job.job_id, worker="w", attempt=1, at=wall_clock(), reason=reason)
    await wing.news.ask(JobNews(event=event), within=100)


async def test_a_restart_of_the_bot_repeats_nothing_and_forgets_nothing(world: World) -> None:
    outlook = all_well()
    outlook.dependencies.named("store").down("away")
    async with bot_wing(world, alert_rules=RULES, outlook=outlook) as wing:
        await told(wing, 1)
    again = all_well()
    again.dependencies.named("store").down("not looked at yet")
    async with bot_wing(world, alert_rules=RULES, outlook=again) as wing:
        await told(wing, 1)
        again.dependencies.named("store").works()
        assert (await told(wing, 2))[1].startswith("✅ <b>Over")
    async with bot_wing(world, alert_rules=RULES, outlook=all_well()) as wing:
        await told(wing, 2)


async def test_telegram_or_the_ledger_away_it_is_told_later_and_once(world: World) -> None:
    outlook = all_well()
    async with bot_wing(world, alert_rules=RULES, outlook=outlook) as wing:
        await anyio.sleep(MINUTE)
        wing.gateway.script.break_down("send", TelegramUnavailable("away"))
        wing.ledger_script.break_down("WriteAlerts", DatabaseUnavailable("locked"))
        outlook.dependencies.named("store").down("away")
        await anyio.sleep(HOUR)
        assert alerts(wing) == []
        wing.gateway.script.repair("send")
        await told(wing, 1)
        wing.ledger_script.repair("WriteAlerts")
        await anyio.sleep(HOUR)
        assert restarts(wing.tree) == {}
    async with bot_wing(world, alert_rules=RULES, outlook=outlook) as wing:
        await told(wing, 1)


async def test_sessions_are_told_of_elsewhere_and_what_an_operator_must_do_is(world: World) -> None:
    outlook = all_well()
    async with bot_wing(world, alert_rules=RULES, outlook=outlook) as wing:
        outlook.dependencies.named("user_session").down("revoked")
        outlook.troubles.enter("user session", "sign in")
        await told(wing, 0)
        outlook.troubles.enter("backup", "no backup can be made")
        (began,) = await told(wing, 1)
        assert "An operator must act" in began and "no backup can be made" in began
        outlook.troubles.leave("backup")
        await told(wing, 2)


async def test_a_disk_has_to_be_well_to_be_well(world: World) -> None:
    outlook = all_well()
    disk = {"free_bytes": 2 * GIB, "size_bytes": 9 * GIB}
    outlook.facts["disks"] = {"data": disk}
    async with bot_wing(world, alert_rules=RULES, outlook=outlook) as wing:
        await told(wing, 0)
        disk["free_bytes"] = GIB - 1
        await told(wing, 1)
        disk["free_bytes"] = GIB + 1
        await told(wing, 1)
        disk["free_bytes"] = 2 * GIB
        await told(wing, 2)


async def test_a_new_figure_is_shown_and_not_written_down_each_time(world: World) -> None:
    outlook = all_well()
    disk = {"free_bytes": 1, "size_bytes": 9 * GIB}
    outlook.facts["disks"] = {"data": disk}
    async with bot_wing(world, alert_rules=RULES, outlook=outlook) as wing:
        await told(wing, 1)
        written = wing.ledger_script.count("WriteAlerts")
        for number in range(60):
            outlook.dependencies.named("data_disk").degraded(f"{number} MiB free")
            await anyio.sleep(10)
        assert "59 MiB free" in await says(wing, "/alerts")
        assert wing.ledger_script.count("WriteAlerts") == written


async def test_many_jobs_that_wait_and_one_that_waits_for_long(world: World) -> None:
    async with bot_wing(world, alert_rules=RULES) as wing:
        files = [sent(wing.telegram, "video", number, size=300 * KIB) for number in range(1, DEPTH + 1)]
        await wing.receives(*[update(10 + number, file) for number, file in enumerate(files)])
        (many,) = await told(wing, 1)
        assert f"{DEPTH} large files wait" in many
        await anyio.sleep(2 * HOUR)
        assert "the oldest large file has waited for" in alerts(wing)[1]


async def test_a_worker_tells_of_its_process_and_then_says_nothing(world: World) -> None:
    async with bot_wing(world, alert_rules=RULES) as wing, worker_at(wing) as worker:
        await worker.stand()
        await told(wing, 0)
        standing = Standing(name="spool_disk", state=DependencyState.DOWN, since=wall_clock(), detail="3 MiB free")
        worker.unwell = (standing,)
        (began,) = await told(wing, 1)
        assert "A disk has little room" in began and "3 MiB free" in began and worker.place in began
        worker.answers = False
        silent = (await told(wing, 2))[1]
        assert "A worker says nothing" in silent
        worker.answers, worker.unwell = True, ()
        over = "".join((await told(wing, 3))[2:])
        assert "A disk has little room" in over and "A worker says nothing" in over


async def test_a_worker_that_was_taken_away_is_forgotten(world: World) -> None:
    async with bot_wing(world, alert_rules=RULES) as wing:
        async with worker_at(wing) as worker:
            await worker.stand()
            await anyio.sleep(2 * MINUTE)
        await told(wing, 1)
    a_day_ago = wall_clock() + timedelta(minutes=10) - timedelta(days=1)  # in ten minutes
    world.write("UPDATE alerts SET since = ?", to_text(a_day_ago))
    async with bot_wing(world, alert_rules=RULES) as wing:
        await anyio.sleep(8 * MINUTE)
        assert len(alerts(wing)) == 1
        await told(wing, 2)


async def test_a_process_that_starts_again_and_again(world: World) -> None:
    for _ in range(2):
        async with bot_wing(world, alert_rules=RULES) as wing:
            await anyio.sleep(MINUTE)
            crashes(wing)
    async with bot_wing(world, alert_rules=RULES) as wing:
        first, second = await told(wing, 2)
        assert "A process starts again and again" in first and "3 starts within 10 min" in first
        assert second.startswith("✅ <b>Over")


async def test_a_bot_that_gives_up_has_not_ended_in_order(world: World) -> None:
    async with bot_wing(world, alert_rules=RULES) as wing:
        await anyio.sleep(MINUTE)
        wing.context.stop(drain=False)  # as the root of a tree that gives up has it
        await until(lambda: wing.tree.snapshot().state is State.STOPPED, within=HOUR)
    assert len(world.facts("SELECT 1 FROM process_starts")) == 1
    async with bot_wing(world, alert_rules=RULES) as wing:
        await anyio.sleep(MINUTE)
    assert len(world.facts("SELECT 1 FROM process_starts")) == 1


def crashes(wing: BotWing) -> None:
    """Its end is not told to the ledger."""
    wing.ledger_script.break_down("NoteEnd", DatabaseUnavailable("the process is dead"))


async def test_orderly_restarts_of_the_bot_and_of_a_worker_are_no_trouble(world: World) -> None:
    for _ in range(5):
        async with bot_wing(world, alert_rules=RULES) as wing, worker_at(wing) as worker:
            await worker.stand()
            await anyio.sleep(1.5 * MINUTE)
            assert {row["process"] for row in world.facts("SELECT process FROM process_starts")} == {
                "bot",
                f"@{worker.place}",
            }
            await worker.say(replace(worker.standing(), leaves=True))
            await anyio.sleep(5)
    async with bot_wing(world, alert_rules=RULES) as wing:
        await told(wing, 0)


async def test_a_worker_that_said_goodbye_is_not_waited_for_and_one_that_did_not_is(world: World) -> None:
    async with bot_wing(world, alert_rules=RULES) as wing, worker_at(wing) as worker:
        standing = Standing(name="spool_disk", state=DependencyState.DOWN, since=wall_clock(), detail="3 MiB free")
        worker.unwell = (standing,)
        await worker.stand()
        await told(wing, 1)
        worker.answers = False
        await worker.say(replace(worker.standing(), leaves=True))
        (_, over) = await told(wing, 2)
        assert over.startswith("✅ <b>Over") and "A disk has little room" in over
        worker.answers, worker.unwell = True, ()
        await worker.stand()
        await anyio.sleep(2 * MINUTE)
        worker.answers = False
        assert "A worker says nothing" in (await told(wing, 3))[2]


async def test_quiet_hours_end_with_what_they_held_back(world: World) -> None:
    """They began half an hour ago: the virtual clock begins at noon."""
    outlook = all_well()
    quiet = QuietHours(time(11, 30), time(13, 30), UTC)
    rules = AlertRules(group=timedelta(minutes=1), repeat=timedelta(0), quiet=quiet)
    async with bot_wing(world, alert_rules=rules, outlook=outlook) as wing:
        outlook.dependencies.named("store").down("away")
        await anyio.sleep(20 * MINUTE)
        outlook.dependencies.named("store").works()
        outlook.dependencies.named("broker").down("away")
        await anyio.sleep(60 * MINUTE)
        assert alerts(wing) == []
        (digest,) = await told(wing, 1)
        assert "The object store is away, from" in digest and "The broker is away, since" in digest


async def test_muted_for_a_while(world: World) -> None:
    outlook = all_well()
    async with bot_wing(world, alert_rules=RULES, outlook=outlook) as wing:
        assert "Nothing is told until 2026-11-20 14:00" in await says(wing, "/alerts mute 2h")
        outlook.dependencies.named("store").down("away")
        await anyio.sleep(HOUR)
        assert "Nothing is told until" in await says(wing, "/alerts")
    async with bot_wing(world, alert_rules=RULES, outlook=outlook) as wing:
        await anyio.sleep(40 * MINUTE)
        assert alerts(wing) == [], "also after a restart"
        for words in ("mute", "mute 8d", "mute 0h", "silence", "mute 1h 2h"):
            assert "/alerts mute 2h" in await says(wing, f"/alerts {words}")
        assert "told again" in await says(wing, "/alerts unmute")
        await anyio.sleep(2 * MINUTE)
        assert len(alerts(wing)) == 1
    commands = world.facts(
        "SELECT user_id, detail FROM commands WHERE command = 'alerts' AND kind = 'command' ORDER BY id"
    )
    assert [tuple(row) for row in commands] == [(ANNA, "mute 2h"), (ANNA, "unmute")]


async def test_switched_off(world: World) -> None:
    outlook = all_well()
    outlook.dependencies.named("store").down("away")
    async with bot_wing(world, alert_rules=None, outlook=outlook) as wing:
        await told(wing, 0)
        assert "ALERTS_ENABLE" in await says(wing, "/alerts")


async def test_small_files_are_archived_while_an_alert_waits_for_telegram(world: World) -> None:
    outlook = all_well()
    async with bot_wing(world, alert_rules=RULES, outlook=outlook) as wing:
        outlook.dependencies.named("broker").down("away")
        await anyio.sleep(MINUTE)
        await wing.receives(update(10, sent(wing.telegram, "photo", 1, body=noise(500))))
        assert len(world.files()) == 1
