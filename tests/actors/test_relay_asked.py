"""How a worker asks for a copy in the relay: the bot's answer, or that there is none now."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from teltubby.actors.relay_asked import PATIENCE_SECONDS, relay_copies
from teltubby.messages.questions import FirstCopyTold, RelayAsked, RelayTold
from teltubby.messages.wire import decode_question, encode_answer
from tests.actors.queues import Queue, queue_at
from tests.actors.stage import large_job

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

JOB_ID = large_job().job_id
COPY = RelayTold(job_id=JOB_ID, chat_id=-1000000000031, message_id=31)


@asynccontextmanager
async def bot(queue: Queue, answer: Callable[[RelayAsked], bytes]) -> AsyncIterator[list[RelayAsked]]:
    """Somebody who answers so; yields what was asked."""
    asked: list[RelayAsked] = []
    broker = queue.client()
    await broker.open()

    async def work() -> None:
        async with await broker.questions() as questions:
            async for question in questions:
                found = decode_question(question.body, question.type)
                assert isinstance(found, RelayAsked)
                asked.append(found)
                await question.answer(answer(found))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work)
        yield asked
        tasks.cancel_scope.cancel()
    await broker.aclose()


@pytest.mark.parametrize("lost", [None, 30])
@pytest.mark.parametrize("told", [COPY, RelayTold(job_id=JOB_ID, reason="its content is protected")])
async def test_the_bots_answer_is_told(tmp_path: Path, told: RelayTold, lost: int | None) -> None:
    async with queue_at(tmp_path / "queue.db") as queue, bot(queue, lambda asked: encode_answer(told)) as asked:
        broker = queue.client()
        await broker.open()
        assert await relay_copies(broker, worker="host:1")(JOB_ID, lost) == told
        await broker.aclose()
    assert asked == [RelayAsked(job_id=JOB_ID, worker="host:1", lost=lost)]


@pytest.mark.parametrize(
    "answer",
    [
        b"{}",
        encode_answer(RelayTold(job_id=large_job(2).job_id, chat_id=-1000000000031, message_id=31)),
        encode_answer(FirstCopyTold(sha256="0" * 64, key=None)),
    ],
    ids=["nothing", "another job's", "of another kind"],
)
async def test_an_answer_that_is_none_is_no_copy_now(tmp_path: Path, answer: bytes) -> None:
    async with queue_at(tmp_path / "queue.db") as queue, bot(queue, lambda asked: answer):
        broker = queue.client()
        await broker.open()
        told = await relay_copies(broker, worker="host:1")(JOB_ID, None)
        await broker.aclose()
    assert (told.job_id, told.message_id, told.passing) == (JOB_ID, None, True) and told.reason


async def test_where_nobody_answers_there_is_no_copy_now(tmp_path: Path) -> None:
    async with queue_at(tmp_path / "queue.db") as queue:
        broker = queue.client()
        await broker.open()
        told = await relay_copies(broker, worker="host:1")(JOB_ID, None)
        assert anyio.current_time() == pytest.approx(PATIENCE_SECONDS, abs=1)
        await broker.aclose()
        closed = await relay_copies(broker, worker="host:1")(JOB_ID, None)
    for answer in (told, closed):
        assert (answer.job_id, answer.message_id, answer.passing) == (JOB_ID, None, True) and answer.reason
