"""What a library says of its trouble is told to people and written down: never with a secret in it."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from teltubby import logs
from teltubby.adapters.base import Destination
from teltubby.config import LogSettings
from teltubby.errors import FileGone, Permanent, TelegramUnavailable
from teltubby.messages.jobs import JobFailed
from tests.actors.bot_wing import bot_wing
from tests.actors.clerk import clerk_at
from tests.actors.queues import queue_at
from tests.actors.stage import large_job
from tests.actors.updates import sent, update
from tests.actors.worker_wing import worker_wing
from tests.actors.world import World

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

SECRET = "kanarienvogel/7Qx!+Öl"
SAID = (f"https://u:{SECRET}@store/", "kanarienvogel%2F7Qx%21%2B%C3%96l", json.dumps(SECRET))


@pytest.fixture(autouse=True)
def _the_process_knows_its_secret() -> None:
    logs.configure(LogSettings(), [SECRET], stream=io.StringIO())


def assert_masked(text: str) -> None:
    assert "kanarienvogel" not in text and logs.MASK in text


@pytest.mark.parametrize("said", SAID)
@pytest.mark.parametrize(
    "kind", [FileGone, TelegramUnavailable, RuntimeError, KeyError], ids=["good", "tries", "bug", "quoted"]
)
async def test_reports_and_dead_letters_of_the_worker(tmp_path: Path, kind: type[Exception], said: str) -> None:
    async with (
        queue_at(tmp_path / "queue.db") as queue,
        clerk_at(queue),
        worker_wing(tmp_path / "spool", broker=queue.twin()) as wing,
    ):
        wing.session.script.fail("locate", kind(f"cannot reach {said}"))
        await queue.put_job(large_job(max_retries=0))
        await queue.settle(Destination.DEAD, 1)
        failed = (await queue.events())[-1]
        assert isinstance(failed, JobFailed)
        assert_masked(failed.reason)
        (dead,) = await queue.take(Destination.DEAD)
        assert_masked(str(dead.headers))


async def test_the_artifact_the_ledger_and_the_chat(tmp_path: Path) -> None:
    world = World(folder=tmp_path)
    async with bot_wing(world) as wing:
        wing.downloads.script.fail("download", Permanent(f"the bytes of {SAID[0]} are others"))
        await wing.receives(update(10, sent(world.telegram, "photo", 1)))
        (item,) = world.artifact()["telegram"]["items"]
        (kept,) = world.facts("SELECT artifact_json FROM messages")
        for text in (item["reason"], kept["artifact_json"], " ".join(wing.said())):
            assert_masked(text)
