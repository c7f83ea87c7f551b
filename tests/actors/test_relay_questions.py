"""Workers ask the bot for copies in the relay: answered when Telegram has answered, and nothing else waits for it."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from teltubby.actors.first_copy import asked_of_the_bot
from teltubby.actors.relay_asked import relay_copies
from teltubby.messages.questions import RelayTold
from teltubby.messages.relay import CopyForJob
from tests.actors.office import office
from tests.actors.stage import large_job, restarts, sha256
from tests.virtual_time import until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

FIRST = sha256(b"first")
JOB = large_job().job_id


async def test_a_worker_learns_where_its_copy_is(tmp_path: Path) -> None:
    """Also when Telegram takes its time."""
    wanted: list[CopyForJob] = []

    async def copier(request: CopyForJob) -> RelayTold:
        wanted.append(request)
        await anyio.sleep(20)
        return RelayTold(job_id=request.job_id, chat_id=-100, message_id=7)

    async with office(tmp_path, relay=copier) as here:
        worker = here.queue.twin()
        await worker.open()
        told = await relay_copies(worker, worker="box")(JOB, 6)
        assert told == RelayTold(job_id=JOB, chat_id=-100, message_id=7)
        assert wanted == [CopyForJob(job_id=JOB, lost=6)]
        await worker.aclose()
        assert restarts(here.tree) == {}


async def test_who_waits_for_a_copy_holds_up_nobody(tmp_path: Path) -> None:
    """And is told nothing after 25 s."""
    asked: list[float] = []
    told: list[RelayTold] = []

    async def hang(request: CopyForJob) -> RelayTold:
        asked.append(anyio.current_time())
        await anyio.sleep_forever()
        return RelayTold(job_id=request.job_id)

    async with office(tmp_path, relay=hang) as here, anyio.create_task_group() as tasks:
        worker = here.queue.twin()
        await worker.open()

        async def wait() -> None:
            told.append(await relay_copies(worker, worker="box")(JOB, None))

        for _ in range(3):
            tasks.start_soon(wait)
        await until(lambda: asked)
        began = anyio.current_time()
        for _ in range(5):
            assert await asked_of_the_bot(worker)(FIRST) is None
        assert anyio.current_time() - began < 1
        await until(lambda: len(told) == 3)
        assert 25 <= anyio.current_time() - began < 35
        assert all(answer.passing and answer.message_id is None for answer in told)
    assert restarts(here.tree) == {}


async def test_a_copy_that_crashes_its_maker_gets_no_answer(tmp_path: Path) -> None:
    crashes = [ValueError("a bug")]

    async def crash(request: CopyForJob) -> RelayTold:
        if crashes:
            raise crashes.pop()
        return RelayTold(job_id=request.job_id, reason="well again")

    async with office(tmp_path, relay=crash) as here:
        worker = here.queue.twin()
        await worker.open()
        assert (await relay_copies(worker, worker="box")(JOB, None)).passing
        assert (await relay_copies(worker, worker="box")(JOB, None)).reason == "well again"
        await worker.aclose()
        assert restarts(here.tree) == {"relay": 1}
