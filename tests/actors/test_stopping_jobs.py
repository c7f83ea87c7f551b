"""An order stops a job wherever it is: transfer ended, upload aborted, spool removed; unless it completes first."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import anyio
import pytest

from teltubby.actors.job_run import STOP_SECONDS
from teltubby.adapters.base import Destination
from teltubby.errors import SessionNotReady
from teltubby.messages.jobs import Job, JobCancelled, JobEvent
from teltubby.messages.media import Route
from teltubby.messages.questions import Turn
from teltubby.transfer.pacing import Limits
from tests.actors.clerk import Clerk, clerk_at
from tests.actors.queues import Queue, names, queue_at
from tests.actors.stage import MIB, large_job, noise, restarts
from tests.actors.worker_wing import WorkerWing, worker_wing
from tests.mtproto_twins import RemoteTwin
from tests.twins import BrokerTwin
from tests.virtual_time import until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

BODY = noise(4 * MIB + 77)
ONE_BY_ONE = Limits(connections=1, window=1, parts_in_flight=1)
PLACES = (Destination.JOBS, Destination.PRIORITY, Destination.RETRY, Destination.RETRY_PRIORITY, Destination.DEAD)


@dataclass
class Line:
    """A worker on a queue, and the clerk of that queue."""

    wing: WorkerWing
    queue: Queue
    broker: BrokerTwin
    clerk: Clerk

    async def hand_in(self, job: Job, *, seconds: float = 1) -> RemoteTwin:
        """It is to be fetched part by part, each in so many seconds."""
        remote = self.wing.hand_in(job, BODY)
        remote.script.slow("read", seconds)
        await self.queue.put_job(job)
        return remote

    async def over(self) -> list[JobEvent]:
        """Wait until no message is left; answers what was reported."""
        await anyio.sleep(60)
        for place in PLACES:
            await self.queue.settle(place, 0)
        assert restarts(self.wing.tree) == {}
        return await self.queue.events()

    def assert_nothing_left(self) -> None:
        assert self.wing.store.objects == {} and self.wing.store.uploads == {}
        assert self.wing.spooled() == []


@asynccontextmanager
async def line(tmp_path: Path, *, concurrency: int = 2) -> AsyncIterator[Line]:
    async with queue_at(tmp_path / "queue.db") as queue, clerk_at(queue) as clerk:
        broker = queue.twin()
        async with worker_wing(tmp_path / "spool", broker=broker, concurrency=concurrency, limits=ONE_BY_ONE) as wing:
            yield Line(wing, queue, broker, clerk)
    async with queue_at(tmp_path / "queue.db") as queue:  # whatever was in hand is back in it
        for place in PLACES:
            assert await queue.depth(place) == 0, place


async def test_a_running_job_is_stopped_and_leaves_nothing_behind(tmp_path: Path) -> None:
    job = large_job(size=len(BODY))
    async with line(tmp_path) as here:
        remote = await here.hand_in(job, seconds=2)
        await until(lambda: remote.script.count("read") == 4 and here.wing.store.uploads)
        began = anyio.current_time()
        await here.clerk.cancel(job.job_id)
        await until(lambda: not here.wing.spooled() and not here.wing.store.uploads)
        assert anyio.current_time() - began < 3
        started, cancelled = await here.over()
        assert names([started]) == ["started"] and isinstance(cancelled, JobCancelled)
        assert (cancelled.attempt, cancelled.worker, cancelled.route) == (1, "host:1", Route.MTPROTO_BOT)
        assert 2 * MIB <= cancelled.transferred_bytes <= 4 * MIB and 5 < cancelled.seconds < 12
        assert remote.script.count("read") <= 5, "nothing more is fetched"
        here.assert_nothing_left()


@pytest.mark.parametrize("pause", [0.0, 5.0])
async def test_what_was_given_back_and_cancelled_meanwhile_is_told_as_stopped(tmp_path: Path, pause: float) -> None:
    """The curator read that its worker is told to stop, and nothing runs any more that could say that it did."""
    job = large_job(size=len(BODY))
    async with line(tmp_path) as here:
        remote = await here.hand_in(job)
        here.wing.session.script.break_down("open", SessionNotReady("signed out"))
        remote.script.fail("read", SessionNotReady("signed out"))
        here.wing.session.script.fail("check", SessionNotReady("signed out"))
        await until(lambda: remote.script.count("read"))
        here.wing.session.lose()
        await anyio.sleep(pause)
        await here.clerk.cancel(job.job_id)
        await anyio.sleep(10)
        here.wing.session.script.repair("open")
        started, stopped = await here.over()
        assert names([started]) == ["started"] and isinstance(stopped, JobCancelled)
        assert (stopped.attempt, stopped.worker) == (1, "host:1")
        here.assert_nothing_left()


async def test_what_never_began_is_let_go_of_without_a_word(tmp_path: Path) -> None:
    job = large_job(size=len(BODY))
    async with line(tmp_path) as here:
        here.clerk.turns[job.job_id] = Turn.CANCELLED
        await here.hand_in(job)
        assert await here.over() == []
        here.assert_nothing_left()


@pytest.mark.parametrize("tenths", range(0, 100, 7))
async def test_at_any_moment_it_is_stopped_or_complete_and_never_between(tmp_path: Path, tenths: int) -> None:
    job = large_job(size=len(BODY))
    async with line(tmp_path) as here:
        here.wing.store.script.slow("put_part", 0.7)
        here.wing.store.script.slow("complete", 1.5)
        await until(lambda: here.wing.session.is_open)
        remote = await here.hand_in(job)
        await until(lambda: remote.script.count("read"))
        await anyio.sleep(tenths / 10)
        await here.clerk.order(job.job_id)
        here.clerk.turns[job.job_id] = Turn.CANCELLED  # the answer to an order that comes so late is the same
        ends = names(await here.over())
        if here.wing.store.objects:
            assert here.wing.store.objects == {job.target.key: BODY} and ends == ["started", "completed"]
        else:
            assert ends == ["started", "cancelled"]
        assert here.wing.store.uploads == {} and here.wing.spooled() == []


async def test_a_completion_under_way_wins(tmp_path: Path) -> None:
    job = large_job(size=len(BODY))
    async with line(tmp_path) as here:
        gate = here.wing.store.script.hold("complete")
        await here.hand_in(job)
        await until(lambda: here.wing.store.script.count("complete"))
        await here.clerk.cancel(job.job_id)
        await anyio.sleep(STOP_SECONDS / 2)
        gate.set()
        assert names(await here.over()) == ["started", "completed"]
        assert here.wing.store.objects == {job.target.key: BODY} and here.wing.spooled() == []


@pytest.mark.parametrize("method", ["put_part", "complete"])
async def test_a_store_that_does_not_answer_holds_up_no_stop(tmp_path: Path, method: str) -> None:
    job = large_job(size=len(BODY))
    async with line(tmp_path) as here:
        gate = here.wing.store.script.hold(method)
        await here.hand_in(job)
        await until(lambda: here.wing.store.script.count(method))
        began = anyio.current_time()
        await here.clerk.cancel(job.job_id)
        await until(lambda: not here.wing.spooled())
        assert anyio.current_time() - began < STOP_SECONDS + 5
        gate.set()
        assert names(await here.over()) == ["started", "cancelled"]
        here.assert_nothing_left()


async def test_a_job_that_is_looked_for_is_stopped_at_once(tmp_path: Path) -> None:
    job = large_job()
    async with line(tmp_path) as here:
        here.wing.session.script.hold("locate")
        await here.hand_in(job)
        await until(lambda: here.wing.session.script.count("locate"))
        began = anyio.current_time()
        await here.clerk.cancel(job.job_id)
        await here.queue.settle(Destination.EVENTS, 2 + int(anyio.current_time() - began))
        assert anyio.current_time() - began < 3
        (_, cancelled) = await here.over()
        assert isinstance(cancelled, JobCancelled)
        assert (cancelled.transferred_bytes, cancelled.route) == (0, None)


async def test_an_order_before_the_job_comes_is_told_again_by_the_question(tmp_path: Path) -> None:
    job = large_job()
    async with line(tmp_path) as here:
        await until(lambda: here.wing.session.is_open)
        await here.clerk.cancel(job.job_id)
        await here.hand_in(job)
        assert await here.over() == [] and here.wing.session.script.count("locate") == 0


async def test_a_job_that_waits_for_its_turn_is_dropped_at_once(tmp_path: Path) -> None:
    job = large_job()
    async with line(tmp_path) as here:
        here.clerk.turns[job.job_id] = Turn.WAIT
        await here.hand_in(job)
        await until(lambda: len(here.clerk.asked) == 2)
        await here.clerk.cancel(job.job_id)
        await anyio.sleep(0.5)
        asked = len(here.clerk.asked)
        assert await here.over() == [] and len(here.clerk.asked) == asked


async def test_another_job_goes_on(tmp_path: Path) -> None:
    stopped, other = large_job(1), large_job(2)
    async with line(tmp_path) as here:
        for job in (stopped, other):
            await here.hand_in(job)
        await until(lambda: here.wing.session.script.count("locate") == 2)
        await here.clerk.cancel(stopped.job_id)
        await here.clerk.cancel(large_job(9).job_id)
        events = await here.over()
        assert names([event for event in events if event.job_id == other.job_id]) == ["started", "completed"]
        assert set(here.wing.store.objects) == {other.target.key}


@pytest.mark.parametrize("turn", [Turn.GO, Turn.WAIT])
async def test_a_late_order_does_not_stop_a_job_that_was_retried_meanwhile(tmp_path: Path, turn: Turn) -> None:
    job = large_job()
    async with line(tmp_path) as here:
        await here.hand_in(job)
        await until(lambda: here.wing.session.script.count("locate"))
        here.clerk.turns[job.job_id] = turn
        await here.clerk.order(job.job_id)
        assert names(await here.over()) == ["started", "completed"]


async def test_an_order_is_obeyed_when_nobody_can_be_asked(tmp_path: Path) -> None:
    job = large_job(size=len(BODY))
    async with line(tmp_path) as here:
        remote = await here.hand_in(job, seconds=20)
        await until(lambda: remote.script.count("read"))
        here.clerk.answers = False
        await here.clerk.order(job.job_id)
        assert names(await here.over()) == ["started", "cancelled"]
        here.assert_nothing_left()


@pytest.mark.parametrize("concurrency", [1, 2])
async def test_a_job_that_was_cancelled_and_retried_goes_on_from_what_is_there(
    tmp_path: Path, concurrency: int
) -> None:
    """The order for the first message comes when the second one is good already."""
    job = large_job(size=len(BODY))
    again = replace(job, job_metadata=replace(job.job_metadata, ticket=1, times_parked=1))
    async with line(tmp_path, concurrency=concurrency) as here:
        remote = await here.hand_in(job)
        await until(lambda: remote.script.count("read") == 4)
        here.clerk.turns[job.job_id] = Turn.SUPERSEDED
        await here.clerk.order(job.job_id)
        await until(lambda: len(here.clerk.asked) == 2)
        here.clerk.turns[job.job_id] = Turn.GO
        await here.queue.put_job(again)
        events = await here.over()
        assert names(events) == ["started", "cancelled", "started", "completed"]
        assert [event.attempt for event in events] == [1, 1, 2, 2]
        assert remote.script.count("read") <= 6, "no part was fetched twice, but the one in flight"
        assert here.wing.store.objects == {job.target.key: BODY}


async def test_a_job_is_stopped_while_its_delivery_is_lost(tmp_path: Path) -> None:
    job = large_job(size=len(BODY))
    async with line(tmp_path, concurrency=1) as here:
        remote = await here.hand_in(job, seconds=20)
        await until(lambda: remote.script.count("read"))
        await here.broker.lose()
        await until(lambda: here.broker.script.count("listen") == 2)
        await anyio.sleep(1)
        await here.clerk.cancel(job.job_id)
        assert names(await here.over()) == ["started", "cancelled"]
        here.assert_nothing_left()


async def test_an_order_given_twice_is_obeyed_once(tmp_path: Path) -> None:
    job = large_job(size=len(BODY))
    async with line(tmp_path) as here:
        remote = await here.hand_in(job, seconds=5)
        await until(lambda: remote.script.count("read"))
        for _ in range(3):
            await here.clerk.cancel(job.job_id)
        assert names(await here.over()) == ["started", "cancelled"]
