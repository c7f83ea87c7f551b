"""Desk: every command has its answer, from the ledger as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from teltubby.actors import phrases
from teltubby.actors.desk import Desk
from teltubby.errors import DatabaseUnavailable
from tests.actors.bot_wing import KIB, BotWing, World, bot_wing
from tests.actors.updates import sent, update

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]


async def large_files() -> str:
    return "MTProto session ready: signed in as <bot>"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(folder=tmp_path)


def desk(wing: BotWing, *, quota_bytes: int = 0) -> Desk:
    return Desk(ledger=wing.ledger, storage="s3://b/", quota_bytes=quota_bytes, mode="polling", large_files=large_files)


async def test_every_command_of_the_menu_is_answered(world: World) -> None:
    async with bot_wing(world) as wing:
        for name in phrases.COMMANDS:
            for text in (f"/{name}", f"/{name.upper()}", f"/{name}@archive_bot", f"  /{name}  "):
                answer = await desk(wing).answer(text)
                assert answer and answer != phrases.NOT_UNDERSTOOD, text


@pytest.mark.parametrize("text", ["/", "/nonsense", "/startt", "//start x", "/ start", "/\N{SNOWMAN}", "/jobs\nx"])
async def test_other_commands_are_answered_too(world: World, text: str) -> None:
    async with bot_wing(world) as wing:
        assert await desk(wing).answer(text)


async def test_jobs_are_found_by_their_beginning(world: World) -> None:
    async with bot_wing(world) as wing:
        for number in (1, 2):
            await wing.receives(update(10 + number, sent(world.telegram, "video", number, size=300 * KIB)))
        ids = [row["job_id"] for row in world.facts("SELECT job_id FROM jobs ORDER BY rowid")]
        here = desk(wing)
        assert f"<code>{ids[0]}</code>" in await here.answer(f"/jobs {ids[0]}")
        assert f"<code>{ids[1]}</code>" in await here.answer(f"/jobs  {ids[1][:8]} ")
        assert "There is no job" in await here.answer("/jobs 00000000")
        assert "There is no job" in await here.answer("/jobs <script>%_*")
        assert "Which job?" in await here.answer("/jobs")
        queue = await here.answer("/queue")
        assert "2 open" in queue and all(one[:8] in queue for one in ids)
        assert "No large file" not in queue


async def test_the_status_and_the_quota_are_the_ledgers(world: World) -> None:
    async with bot_wing(world) as wing:
        photo = sent(world.telegram, "photo", 1, body=b"x" * 1500)
        await wing.receives(update(11, photo), update(12, sent(world.telegram, "video", 2, size=300 * KIB)))
        here = desk(wing, quota_bytes=3000)
        status = await here.answer("/status")
        assert "1 file, 1.5 KB" in status and "1 pending" in status and "signed in as &lt;bot&gt;" in status
        assert "50% of the quota" in await here.answer("/quota")
        assert "polling" in await here.answer("/mode")


async def test_the_mtproto_side_is_shown_as_telegram_takes_it(world: World) -> None:
    """What it says came from outside: it is escaped like everything else."""
    async with bot_wing(world) as wing:
        assert "signed in as &lt;bot&gt;" in await desk(wing).answer("/mtstatus")


async def test_a_locked_database_is_the_askers_to_wait_out(world: World) -> None:
    async with bot_wing(world) as wing:
        wing.ledger_script.fail("ReadOverview", DatabaseUnavailable("locked"))
        with pytest.raises(DatabaseUnavailable):
            await desk(wing).answer("/status")
