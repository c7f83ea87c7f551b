"""Desk: every command has its answer, from the house as it is, and does what it says."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from teltubby.actors import phrases
from teltubby.actors.lookups import JOBS_PAGE
from teltubby.actors.phrases import orders
from teltubby.errors import BrokerUnavailable, DatabaseUnavailable
from teltubby.messages.jobs import JobFailed, JobState
from teltubby.messages.ledger_jobs import ApplyEvent, FindJob
from tests.actors.bot_wing import BotWing, bot_wing
from tests.actors.counter import answer, hands_in, says, starts
from tests.actors.stage import ANNA
from tests.actors.updates import sent, update
from tests.actors.world import World
from tests.virtual_time import BEGINNING, until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

BORIS = 8


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(folder=tmp_path)


async def state_of(wing: BotWing, job_id: str) -> JobState:
    view = await wing.ledger.ask(FindJob(job_id=job_id), within=60)
    assert view is not None
    return view.state


async def fails(wing: BotWing, job_id: str, reason: str) -> None:
    """A worker gave it up, as far as the ledger is told."""
    event = JobFailed(job_id=job_id, worker="box-1", attempt=1, at=BEGINNING, reason=reason)
    await wing.ledger.ask(ApplyEvent(event=event), within=60)


# -- what is asked


async def test_every_command_of_the_menu_is_answered(world: World) -> None:
    async with bot_wing(world) as wing:
        for name in phrases.COMMANDS:
            for text in (f"/{name}", f"/{name.upper()}", f"/{name}@archive_bot", f"  /{name}  ", f"/{name}\n"):
                html = await says(wing, text)
                assert html and html != phrases.NOT_UNDERSTOOD, text


@pytest.mark.parametrize(
    "text", ["/", "/nonsense", "/startt", "//start x", "/ start", "/\N{SNOWMAN}", "/jobs\nx", "/\n"]
)
async def test_other_commands_are_answered_too(world: World, text: str) -> None:
    async with bot_wing(world) as wing:
        assert await says(wing, text)


@pytest.mark.parametrize(
    ("text", "usage"),
    [
        ("/retry", orders.RETRY_USAGE),
        ("/retry a b", orders.RETRY_USAGE),
        ("/cancel", orders.CANCEL_USAGE),
        ("/cancel a b", orders.CANCEL_USAGE),
        ("/priority", orders.PRIORITY_USAGE),
        ("/priority 12345678", orders.PRIORITY_USAGE),
        ("/priority 12345678 soon", orders.PRIORITY_USAGE),
        ("/find", orders.FIND_USAGE),
        ("/find \u202e", orders.FIND_USAGE),
        ("/stats many", orders.STATS_USAGE),
        ("/stats 1", orders.STATS_USAGE),
        ("/stats ٣٠", orders.STATS_USAGE),
        ("/stats 9999999999", orders.STATS_USAGE),
        ("/purge", orders.PURGE_USAGE),
        ("/purge confirm now", orders.PURGE_USAGE),
    ],
)
async def test_wrong_arguments_explain_the_usage(world: World, text: str, usage: str) -> None:
    async with bot_wing(world) as wing:
        assert await says(wing, text) == usage


async def test_a_locked_database_is_the_askers_to_wait_out(world: World) -> None:
    async with bot_wing(world) as wing:
        wing.ledger_script.fail("ReadOverview", DatabaseUnavailable("locked"))
        with pytest.raises(DatabaseUnavailable):
            await says(wing, "/status")


async def test_the_chat_is_shown_that_work_goes_on(world: World) -> None:
    async with bot_wing(world) as wing:
        wing.ledger_script.slow("MaintainDatabase", 10)
        assert "The database is sound." in await says(wing, "/db_maint")
        assert wing.gateway.script.asked("show_typing") == [ANNA] * 3
        await anyio.sleep(20)
        assert wing.gateway.script.count("show_typing") == 3


# -- jobs


async def test_jobs_are_found_by_their_beginning(world: World) -> None:
    async with bot_wing(world) as wing:
        ids = await hands_in(wing, 1, 2)
        assert f"<code>{ids[0]}</code>" in await says(wing, f"/jobs {ids[0]}")
        assert f"<code>{ids[1]}</code>" in await says(wing, f"/jobs  {ids[1][:8]} ")
        for unknown in ("00000000", "<script>%_*", "1"):
            for command in (f"/jobs {unknown}", f"/retry {unknown}", f"/cancel {unknown}", f"/priority {unknown} high"):
                assert "There is no job" in await says(wing, command)
        queue = await says(wing, "/queue")
        assert "2 open" in queue and all(one[:8] in queue for one in ids)


async def test_a_history_is_told_whole(world: World) -> None:
    async with bot_wing(world) as wing:
        (job_id,) = await hands_in(wing, 1)
        await starts(wing, job_id)
        await fails(wing, job_id, "message 1 carries no document")
        assert "waits in the queue again" in await says(wing, f"/retry {job_id[:8]}", user=BORIS)
        told = await answer(wing, f"/jobs {job_id[:8]}")
        for part in ("PENDING", "PROCESSING", "FAILED", "box-1", "carries no document", "memory://teltubby/"):
            assert part in told.html, part
        assert f"retry by <code>{BORIS}</code>" in told.html, "who commanded it"
        assert [button.data for row in told.keyboard for button in row] == [
            f"job:status:{job_id}",
            f"job:cancel:{job_id}",
        ]


async def test_long_queues_come_in_pages(world: World) -> None:
    async with bot_wing(world) as wing:
        ids = await hands_in(wing, *range(1, JOBS_PAGE + 3))
        told = await answer(wing, "/queue")
        assert f"{JOBS_PAGE + 2} open" in told.html
        assert told.html.index(ids[0][:8]) < told.html.index(ids[1][:8]), "in their turn"
        assert ids[-1][:8] not in told.html
        data = [button.data for row in told.keyboard for button in row]
        assert data == [*(f"job:status:{one}" for one in ids[:JOBS_PAGE]), f"queue:{JOBS_PAGE}"]


async def test_everybody_sees_their_own_jobs_and_may_touch_all(world: World) -> None:
    async with bot_wing(world) as wing:
        (of_anna,), (of_boris,) = await hands_in(wing, 1), await hands_in(wing, 2, user=BORIS)
        mine = await says(wing, "/jobs", user=BORIS)
        assert of_boris[:8] in mine and of_anna[:8] not in mine
        assert "taken out of the queue" in await says(wing, f"/cancel {of_anna}", user=BORIS)
        assert await state_of(wing, of_anna) is JobState.CANCELLED
        (row,) = world.facts("SELECT user_id, command, accepted FROM commands WHERE kind = 'command'")
        assert (row["user_id"], row["command"], row["accepted"]) == (BORIS, "cancel", 1)


async def test_what_a_jobs_state_forbids_is_explained(world: World) -> None:
    async with bot_wing(world) as wing:
        (job_id,) = await hands_in(wing, 1)
        assert "waits in the queue" in await says(wing, f"/retry {job_id}")
        assert "urgent" in await says(wing, f"/priority {job_id} URGENT")
        assert "urgent" in await says(wing, f"/jobs {job_id}")
        await says(wing, f"/cancel {job_id}")
        assert await says(wing, f"/cancel {job_id}") == f"film 1.mp4 · job <code>{job_id[:8]}</code> is cancelled"


# -- the house


async def test_the_status_is_the_houses(world: World) -> None:
    async with bot_wing(world) as wing:
        (old,) = await hands_in(wing, 4)
        await fails(wing, old, "long ago")
        with closing(sqlite3.connect(world.folder / "ledger.db")) as database, database:
            database.execute("UPDATE jobs SET updated_at = '2026-11-19T11:59:00+00:00'")
        await wing.receives(update(11, sent(world.telegram, "photo", 1, body=b"x" * 1500)))
        running, failed = await hands_in(wing, 2, 3)
        await starts(wing, running)
        await fails(wing, failed, "message 3 carries no document")
        status = await says(wing, "/status")
        for part in (
            "1 file, 1.5 KB",
            "memory://",
            "no worker has said anything",
            "1 processing",
            "2 failed",
            "<b>Queue</b>: 3 normal",
            "film 2.mp4",
            "box-1",
            "1 job failed in the last day",
            "film 3.mp4",
            "there is no file in it any more",
        ):
            assert part in status, part
        assert "film 4.mp4" not in status
        assert "1.5 KB" in await says(wing, "/quota") and "No quota" in await says(wing, "/quota")
        assert "polling" in await says(wing, "/mode")


async def test_a_broker_that_is_away_is_no_reason_for_no_answer(world: World) -> None:
    async with bot_wing(world) as wing:
        wing.broker.script.break_down("open", BrokerUnavailable("away"))
        await until(lambda: wing.broker.script.count("questions") == 1)
        await wing.broker.lose()
        await anyio.sleep(5)
        assert "The broker is away" in await says(wing, "/status")


# -- search and statistics


async def test_what_was_archived_is_found_with_its_keys(world: World) -> None:
    async with bot_wing(world) as wing:
        photo = sent(world.telegram, "photo", 1, body=b"x")
        await wing.receives(update(11, photo, caption="A night in <Lisbon>"))
        (key,) = [key for key in world.objects if not key.endswith(".json")]
        for words in ("lisbon", "NIGHT  lisbon", "lis"):
            told = await says(wing, f"/find {words}")
            assert f"<code>{key}</code>" in told and "A night in &lt;Lisbon&gt;" in told, words
        for words in ("porto", "night porto", '"', "* OR NEAR(", "a-b:c", "x" * 500):
            assert "Nothing was found" in await says(wing, f"/find {words}"), words


async def test_statistics_come_with_a_picture(world: World) -> None:
    async with bot_wing(world) as wing:
        told = await answer(wing, "/stats")
        assert told.picture == b"a picture of 14 days" and "The last 14 days" in told.html
        assert (await answer(wing, "/stats 30")).picture == b"a picture of 30 days"
        await wing.receives(update(11, text="/stats"))
        (bubble,) = [bubble for bubble in world.telegram.bubbles if bubble.picture]
        assert "The last 14 days" in bubble.text and bubble.reply_to == 11
