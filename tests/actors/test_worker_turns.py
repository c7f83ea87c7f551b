"""Before a worker runs a job it asks whose turn it is, and does with the message what it is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from teltubby.actors.job_flow import HOLD_SECONDS, PUT_OFF_SECONDS
from teltubby.actors.turns import PATIENCE_SECONDS, turn_told
from teltubby.adapters.base import Destination, Outgoing
from teltubby.adapters.broker_rules import REASON_HEADER
from teltubby.errors import FloodWait
from teltubby.messages.jobs import Priority
from teltubby.messages.questions import Turn, TurnAsked
from teltubby.transfer.pacing import Limits
from tests.actors.clerk import Clerk, clerk_at
from tests.actors.queues import Queue, names, queue_at
from tests.actors.stage import MIB, large_job, noise, restarts
from tests.actors.worker_wing import WorkerWing, worker_wing
from tests.virtual_time import until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

BODY = noise(3 * MIB + 77)
JOBS, DEAD, RETRY, EVENTS = Destination.JOBS, Destination.DEAD, Destination.RETRY, Destination.EVENTS


@asynccontextmanager
async def line(tmp_path: Path) -> AsyncIterator[tuple[WorkerWing, Queue, Clerk]]:
    one_by_one = Limits(connections=1, window=1, parts_in_flight=1)
    async with (
        queue_at(tmp_path / "queue.db") as queue,
        clerk_at(queue) as clerk,
        worker_wing(tmp_path / "spool", broker=queue.twin(), concurrency=1, limits=one_by_one) as wing,
    ):
        yield wing, queue, clerk
        assert restarts(wing.tree) == {}


async def test_it_says_which_message_it_holds_and_who_it_is(tmp_path: Path) -> None:
    first = large_job(retry_count=1)
    job = replace(first, job_metadata=replace(first.job_metadata, ticket=4, times_parked=2))
    async with line(tmp_path) as (wing, queue, clerk):
        wing.hand_in(job, BODY)
        await queue.put_job(job)
        await until(lambda: wing.store.objects)
        assert clerk.asked == [TurnAsked(job_id=job.job_id, ticket=4, attempt=4, worker="host:1")]


@pytest.mark.parametrize("turn", [Turn.CANCELLED, Turn.OVER, Turn.SUPERSEDED])
async def test_a_void_message_is_dropped_and_nothing_is_said(tmp_path: Path, turn: Turn) -> None:
    job, other = large_job(1), large_job(2)
    async with line(tmp_path) as (wing, queue, clerk):
        clerk.turns[job.job_id] = turn
        for one in (job, other):
            wing.hand_in(one, BODY)
            await queue.put_job(one)
        await until(lambda: wing.store.objects)
        await queue.settle(EVENTS, 2)
        assert {event.job_id for event in await queue.events()} == {other.job_id}
        assert wing.session.script.count("locate") == 1 and wing.spooled() == []
    async with queue_at(tmp_path / "queue.db") as queue:
        assert [await queue.depth(place) for place in (JOBS, RETRY, DEAD)] == [0, 0, 0]


@pytest.mark.parametrize("turn", [Turn.CANCELLED, Turn.OVER, Turn.SUPERSEDED])
async def test_what_an_earlier_attempt_left_is_removed_unless_a_later_message_needs_it(
    tmp_path: Path, turn: Turn
) -> None:
    job = large_job(1)
    async with line(tmp_path) as (wing, queue, clerk):
        wing.hand_in(job, BODY).script.fail("read", FloodWait(900), skip=3)
        await queue.put_job(job)
        await queue.settle(RETRY, 1)
        assert wing.store.uploads and wing.spooled()
        clerk.turns[job.job_id] = turn
        await until(lambda: len(clerk.asked) == 2)
        if turn is Turn.SUPERSEDED:
            await anyio.sleep(60)
            assert wing.store.uploads and wing.spooled()
        else:
            await until(lambda: not wing.store.uploads and not wing.spooled())
        assert names(await queue.events()) == ["started", "retrying"] and wing.store.objects == {}


async def test_a_job_that_nobody_knows_is_a_dead_letter(tmp_path: Path) -> None:
    job = large_job()
    async with line(tmp_path) as (wing, queue, clerk):
        clerk.turns[job.job_id] = Turn.UNKNOWN
        wing.hand_in(job, BODY)
        await queue.put_job(job)
        await queue.settle(DEAD, 1)
        (dead,) = await queue.take(DEAD)
        assert dead.headers[REASON_HEADER] == "no ledger knows this job"
        assert await queue.events() == [] and wing.session.script.count("locate") == 0


@pytest.mark.parametrize("answers", [True, False])
async def test_a_bot_that_does_not_answer_costs_its_patience_and_no_more(tmp_path: Path, answers: bool) -> None:
    job = large_job()
    async with line(tmp_path) as (wing, queue, clerk):
        clerk.answers = answers
        await until(lambda: wing.session.is_open)
        wing.hand_in(job, BODY)
        await queue.put_job(job)
        await until(lambda: clerk.asked)
        began = anyio.current_time()
        await until(lambda: wing.session.script.count("locate"))
        waited = anyio.current_time() - began
        assert PATIENCE_SECONDS - 0.5 <= waited <= PATIENCE_SECONDS + 1 if not answers else waited < 1
        await until(lambda: wing.store.objects)


async def test_a_message_waits_a_little_for_the_other_worker_to_end(tmp_path: Path) -> None:
    job = large_job()
    async with line(tmp_path) as (wing, queue, clerk):
        clerk.turns[job.job_id] = Turn.WAIT
        wing.hand_in(job, BODY)
        await queue.put_job(job)
        await until(lambda: len(clerk.asked) == 4)
        clerk.turns[job.job_id] = Turn.GO
        await until(lambda: wing.store.objects)
        assert wing.session.script.times("locate")[0] < HOLD_SECONDS
        await queue.settle(EVENTS, await queue.depth(EVENTS))
        assert names(await queue.events())[:1] == ["started"] and await queue.depth(RETRY) == 0


async def test_a_message_that_waits_for_long_gives_its_place_to_another_and_comes_again_as_it_is(
    tmp_path: Path,
) -> None:
    job, other = large_job(1, max_retries=0), large_job(2)
    async with line(tmp_path) as (wing, queue, clerk):
        clerk.turns[job.job_id] = Turn.WAIT
        for one in (job, other):
            wing.hand_in(one, BODY)
            await queue.put_job(one)
        await queue.settle(RETRY, 1)
        put_off = anyio.current_time()
        assert HOLD_SECONDS <= put_off <= HOLD_SECONDS + 5
        await until(lambda: other.target.key in wing.store.objects)
        clerk.turns[job.job_id] = Turn.GO
        await until(lambda: job.target.key in wing.store.objects)
        second = wing.session.script.times("locate")[1]
        assert PUT_OFF_SECONDS - 1 <= second - put_off <= PUT_OFF_SECONDS + 5
        assert {asked.attempt for asked in clerk.asked} == {1}, "nothing was spent"
        await queue.settle(EVENTS, await queue.depth(EVENTS))
        assert "retrying" not in names(await queue.events()), "how the job stands is the other worker's to say"


async def test_an_urgent_message_is_put_off_to_the_priority_queue(tmp_path: Path) -> None:
    job = large_job(priority=Priority.URGENT)
    async with line(tmp_path) as (wing, queue, clerk):
        clerk.turns[job.job_id] = Turn.WAIT
        wing.hand_in(job, BODY)
        await queue.put_job(job, Destination.PRIORITY)
        await queue.settle(Destination.RETRY_PRIORITY, 1)
        assert await queue.depth(RETRY) == 0


async def test_a_stop_does_not_wait_for_a_turn(tmp_path: Path) -> None:
    job = large_job()
    async with line(tmp_path) as (wing, queue, clerk):
        clerk.turns[job.job_id] = Turn.WAIT
        wing.hand_in(job, BODY)
        await queue.put_job(job)
        await until(lambda: clerk.asked)
        began = anyio.current_time()
    assert anyio.current_time() - began < 2
    async with queue_at(tmp_path / "queue.db") as queue:
        assert [again.job_id for again in await queue.jobs()] == [job.job_id]


@pytest.mark.parametrize("answer", [b"", b"{}", b'{"job_id":"x","ticket":0,"turn":"go"}', b'{"turn":"perhaps"}'])
async def test_an_answer_that_cannot_be_acted_on_is_none(tmp_path: Path, answer: bytes) -> None:
    async with queue_at(tmp_path / "queue.db") as queue, anyio.create_task_group() as tasks:
        bot, worker = queue.twin(), queue.twin()
        asked = TurnAsked(job_id=large_job().job_id, ticket=0, attempt=1, worker="host:1")
        assert await turn_told(worker, asked) is None, "there is no connection"
        await bot.open()
        await worker.open()

        async def mislead() -> None:
            async for question in await bot.questions():
                await question.answer(answer)

        tasks.start_soon(mislead)
        assert await turn_told(worker, asked) is None
        tasks.cancel_scope.cancel()
        await bot.aclose()
        await worker.aclose()


async def test_an_order_that_cannot_be_read_harms_nobody(tmp_path: Path) -> None:
    job = large_job()
    async with line(tmp_path) as (wing, queue, clerk):
        await until(lambda: wing.session.is_open)
        own = queue.client()
        await own.open()
        for body, schema in ((b"not json", "1.0"), (b"{}", "1.0"), (b'{"job_id":"x"}', "7.0")):
            await own.broadcast(
                Outgoing(body=body, type="teltubby.control.stop_job", message_id="m", headers={"schema": schema})
            )
        await own.aclose()
        wing.hand_in(job, BODY)
        await queue.put_job(job)
        await until(lambda: wing.store.objects)
        assert len(clerk.asked) == 1
