"""A job goes on when the connection to the broker is lost: performed once, reported once, and its message is gone."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from teltubby.adapters.base import Destination
from teltubby.adapters.broker_rules import ATTEMPT_HEADER, REASON_HEADER
from teltubby.errors import BrokerUnavailable, FileGone, TelegramUnavailable
from teltubby.messages.jobs import Job, JobRetrying, Priority
from teltubby.messages.questions import Turn
from teltubby.transfer.upload import FirstCopy
from tests.actors.clerk import Clerk, clerk_at
from tests.actors.queues import Queue, names, queue_at
from tests.actors.stage import MIB, large_job, noise, restarts, sha256
from tests.actors.worker_wing import WorkerWing, nobody_knows, worker_wing
from tests.twins import BrokerTwin, MemoryStore
from tests.virtual_time import until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

BODY = noise(4 * MIB + 77)
SECONDS = 30
"""What a job takes here at least: three rounds of two parts."""
JOBS, DEAD, RETRY, EVENTS = Destination.JOBS, Destination.DEAD, Destination.RETRY, Destination.EVENTS
PLACES = (JOBS, Destination.PRIORITY, RETRY, Destination.RETRY_PRIORITY)


class Line:
    """A worker on a queue, and the clerk of that queue."""

    def __init__(self, wing: WorkerWing, queue: Queue, broker: BrokerTwin, clerk: Clerk) -> None:
        self.wing, self.queue, self.broker, self.clerk = wing, queue, broker, clerk

    async def hand_in(self, *jobs: Job, seconds: float = SECONDS) -> None:
        """These are to be fetched, each in about so many seconds."""
        for job in jobs:
            self.wing.hand_in(job, BODY).script.slow("read", seconds / 3)
            await self.queue.put_job(job)

    @property
    def begun(self) -> int:
        """How many attempts there were."""
        return self.wing.session.script.count("locate")

    def away(self) -> None:
        """The broker cannot be reached until it is `back`."""
        self.broker.script.break_down("open", BrokerUnavailable("away"))

    def back(self) -> None:
        self.broker.script.repair("open")

    async def quiet(self) -> None:
        """Wait until no message of a job is anywhere, in hand or in the queue."""
        for place in PLACES:
            await self.queue.settle(place, 0)
        await anyio.sleep(60)
        for place in PLACES:
            assert await self.queue.depth(place) == 0, place
        assert restarts(self.wing.tree) == {}


@asynccontextmanager
async def line(tmp_path: Path, *, concurrency: int = 1, first_copy: FirstCopy = nobody_knows) -> AsyncIterator[Line]:
    async with queue_at(tmp_path / "queue.db") as queue, clerk_at(queue) as clerk:
        broker = queue.twin()
        async with worker_wing(
            tmp_path / "spool", broker=broker, concurrency=concurrency, first_copy=first_copy
        ) as wing:
            yield Line(wing, queue, broker, clerk)
    async with queue_at(tmp_path / "queue.db") as queue:  # whatever was in hand is back in it
        for place in PLACES:
            assert await queue.depth(place) == 0, place


@pytest.mark.parametrize("concurrency", [1, 2])
@pytest.mark.parametrize("cuts", [1, 3])
async def test_a_job_goes_on_while_the_connection_is_lost_and_made_again(
    tmp_path: Path, concurrency: int, cuts: int
) -> None:
    job = large_job(size=len(BODY))
    async with line(tmp_path, concurrency=concurrency) as here:
        await here.hand_in(job)
        await until(lambda: here.begun)
        for _ in range(cuts):
            await anyio.sleep(4)
            await here.broker.lose()
        await until(lambda: here.wing.store.objects)
        await here.queue.settle(EVENTS, await here.queue.depth(EVENTS))
        await here.quiet()
        assert here.begun == 1
        assert names(await here.queue.events()) == ["started", "completed"]
        assert here.wing.spooled() == []


@pytest.mark.parametrize("concurrency", [1, 2])
async def test_the_end_is_told_when_the_broker_is_back_after_an_hour(tmp_path: Path, concurrency: int) -> None:
    job = large_job(size=len(BODY))
    async with line(tmp_path, concurrency=concurrency) as here:
        await here.hand_in(job)
        await until(lambda: here.begun)
        here.away()
        await here.broker.lose()
        await anyio.sleep(3600)
        assert here.wing.store.objects == {job.target.key: BODY}
        assert await here.queue.depth(JOBS) == 1, "the message went back when the connection was lost"
        here.back()
        await here.quiet()
        assert here.begun == 1
        assert names(await here.queue.events()) == ["started", "completed"]


async def test_new_jobs_are_taken_when_the_broker_is_back_and_others_run_on(tmp_path: Path) -> None:
    first, second, third = (large_job(number) for number in (1, 2, 3))
    other = noise(MIB, seed=2)
    known = anyio.Event()

    async def first_copy(digest: str) -> str | None:
        if digest == sha256(other):
            await known.wait()
        return None

    async with line(tmp_path, concurrency=2, first_copy=first_copy) as here:
        here.wing.hand_in(first, other)
        await here.queue.put_job(first)
        await until(lambda: here.begun)
        await here.broker.lose()
        await here.hand_in(second, third)
        await until(lambda: {second.target.key, third.target.key} == set(here.wing.store.objects))
        known.set()
        await until(lambda: len(here.wing.store.objects) == 3)
        await here.quiet()
        assert here.begun == 3


@pytest.mark.parametrize("concurrency", [1, 2])
async def test_what_runs_without_its_delivery_still_has_its_place(tmp_path: Path, concurrency: int) -> None:
    """Another worker got the messages, and would keep them; this one takes up no more jobs than it has places."""
    running = [large_job(number, size=len(BODY)) for number in range(1, concurrency + 1)]
    others = [large_job(number + 10, size=len(BODY)) for number in range(1, concurrency + 1)]
    async with line(tmp_path, concurrency=concurrency) as here:
        gate = here.wing.store.script.hold("complete")
        await here.hand_in(*running, seconds=1)
        await until(lambda: here.wing.store.script.count("complete") == concurrency)
        here.away()
        await here.broker.lose()
        assert {job.job_id for job in await here.queue.jobs()} == {job.job_id for job in running}
        await here.hand_in(*others, seconds=1)
        here.back()
        await until(lambda: here.broker.script.count("listen") == 2)
        await anyio.sleep(60)
        assert here.begun == concurrency and await here.queue.depth(JOBS) == concurrency
        gate.set()
        await until(lambda: len(here.wing.store.objects) == 2 * concurrency)
        await here.quiet()
        assert here.begun == 2 * concurrency


@pytest.mark.parametrize("seed", range(3))
async def test_there_are_never_more_jobs_at_once_and_each_is_performed_once(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    jobs = [large_job(number, size=len(BODY)) for number in range(1, 6)]
    most = 0
    async with line(tmp_path, concurrency=2) as here, anyio.create_task_group() as tasks:

        async def watch() -> None:
            nonlocal most
            while True:
                most = max(most, len({name.partition(".")[0] for name in here.wing.spooled()}))
                await anyio.sleep(0.5)

        async def cut() -> None:
            for _ in range(8):
                await anyio.sleep(rng.uniform(0, 5))
                await here.broker.lose()

        tasks.start_soon(watch)
        tasks.start_soon(cut)
        await here.hand_in(*jobs, seconds=6)
        await until(lambda: len(here.wing.store.objects) == len(jobs))
        tasks.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await here.quiet()
            events = names(await here.queue.events())
    assert most == 2
    assert here.begun == len(jobs), "no job was performed twice"
    assert events.count("completed") == len(jobs)


@pytest.mark.parametrize("concurrency", [1, 2])
@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_connection_lost_with_the_final_event_costs_nothing(
    tmp_path: Path, moment: str, concurrency: int
) -> None:
    """Lost before the broker has the event, it is told again; lost after it and before the ack, that comes later."""
    lost: list[str] = []

    async def lose(call: str) -> None:
        if call == f"publish {moment}" and not lost and here.wing.store.objects:
            lost.append(call)
            await broker.lose()

    async with queue_at(tmp_path / "queue.db") as queue, clerk_at(queue) as clerk:
        broker = queue.twin(lose)
        async with worker_wing(tmp_path / "spool", broker=broker, concurrency=concurrency) as wing:
            here = Line(wing, queue, broker, clerk)
            await here.hand_in(large_job(size=len(BODY)), seconds=1)
            await until(lambda: lost)
            await here.quiet()
            assert here.begun == 1
            assert names(await queue.events()) == ["started", "completed"]


async def test_a_start_that_cannot_be_told_begins_nothing_and_the_job_comes_again(tmp_path: Path) -> None:
    async with line(tmp_path) as here:
        here.broker.script.fail("publish", BrokerUnavailable("cut"))
        await here.hand_in(large_job(size=len(BODY)))
        await until(lambda: here.wing.store.objects)
        await here.quiet()
        assert here.begun == 1 and here.broker.script.count("open") == 2
        assert names(await here.queue.events()) == ["started", "completed"]


async def test_a_retry_decided_without_a_connection_is_sent_once(tmp_path: Path) -> None:
    job = large_job(size=len(BODY))
    async with line(tmp_path) as here:
        here.wing.session.script.hold("locate").set()
        here.wing.session.script.slow("locate", 20)
        here.wing.session.script.fail("locate", TelegramUnavailable("no"))
        await here.hand_in(job)
        await until(lambda: here.begun)
        here.away()
        await here.broker.lose()
        await anyio.sleep(100)
        assert here.begun == 1
        here.back()
        await until(lambda: here.wing.store.objects)
        await here.quiet()
        events = await here.queue.events()
        assert names(events) == ["started", "retrying", "started", "completed"]
        assert [event.attempt for event in events] == [1, 1, 2, 2]


async def test_a_failure_without_a_connection_is_one_dead_letter(tmp_path: Path) -> None:
    job = large_job(size=len(BODY))
    async with line(tmp_path) as here:
        here.wing.session.script.slow("locate", 20)
        here.wing.session.script.fail("locate", FileGone("message 1 is gone"))
        await here.hand_in(job)
        await until(lambda: here.begun)
        here.away()
        await here.broker.lose()
        await anyio.sleep(100)
        here.back()
        await here.quiet()
        assert names(await here.queue.events()) == ["started", "failed"]
        (dead,) = await here.queue.take(DEAD)
        assert dead.message_id == job.job_id and dead.headers["schema"] == "1.0"
        assert (dead.headers[REASON_HEADER], dead.headers[ATTEMPT_HEADER]) == ("message 1 is gone", 1)


async def test_a_stop_without_a_connection_is_quick_and_the_job_comes_again(tmp_path: Path) -> None:
    job = large_job(size=len(BODY))
    async with queue_at(tmp_path / "queue.db") as queue, clerk_at(queue) as clerk:
        broker = queue.twin()
        async with worker_wing(tmp_path / "spool", broker=broker) as wing:
            here = Line(wing, queue, broker, clerk)
            await here.hand_in(job, seconds=120)
            await until(lambda: len(wing.session.documents[7, 1].script.times("read")) > 2)
            here.away()
            await broker.lose()
            await anyio.sleep(1)
            began = anyio.current_time()
        assert anyio.current_time() - began < 2
        assert wing.store.objects == {} and wing.spooled() != [], "the next worker goes on from there"
        assert [again.job_id for again in await queue.jobs()] == [job.job_id]


# -- copies


@pytest.mark.parametrize("concurrency", [1, 3])
async def test_copies_of_a_message_are_performed_once(tmp_path: Path, concurrency: int) -> None:
    """The outbox is published at least once."""
    job = large_job(size=len(BODY))
    async with line(tmp_path, concurrency=concurrency) as here:
        await here.hand_in(job)
        for _ in range(3):
            await here.queue.put_job(job)
        await until(lambda: here.wing.store.objects)
        await here.quiet()
        assert here.begun == 1
        assert names(await here.queue.events()) == ["started", "completed"]


async def test_the_last_copy_is_kept_until_the_job_is_done(tmp_path: Path) -> None:
    """Were both acknowledged while it runs, the job would die with its worker."""
    job = large_job(size=len(BODY))
    async with queue_at(tmp_path / "queue.db") as queue, clerk_at(queue) as clerk:
        broker = queue.twin()
        async with worker_wing(tmp_path / "spool", broker=broker, concurrency=2) as wing:
            here = Line(wing, queue, broker, clerk)
            await here.hand_in(job, seconds=120)
            await until(lambda: here.begun)
            await queue.put_job(job)
            await anyio.sleep(5)
            assert await queue.depth(JOBS) == 0
        assert [again.job_id for again in await queue.jobs()] == [job.job_id]


@pytest.mark.parametrize("verdict", [Turn.GO, Turn.OVER])
async def test_a_later_message_of_a_running_job_waits_for_its_end(tmp_path: Path, verdict: Turn) -> None:
    job = large_job(size=len(BODY))
    later = replace(job, job_metadata=replace(job.job_metadata, ticket=1, times_parked=1))
    async with line(tmp_path, concurrency=2) as here:
        await here.hand_in(job, seconds=10)
        await until(lambda: here.begun)
        await here.queue.put_job(later)
        await anyio.sleep(5)
        assert here.begun == 1 and [asked.ticket for asked in here.clerk.asked] == [0]
        here.clerk.turns[job.job_id] = verdict
        await until(lambda: here.wing.store.objects)
        await here.quiet()
        assert [asked.ticket for asked in here.clerk.asked] == [0, 1]
        assert here.begun == (2 if verdict is Turn.GO else 1)


async def test_an_earlier_message_of_a_running_job_is_void(tmp_path: Path) -> None:
    job = large_job(size=len(BODY))
    later = replace(job, job_metadata=replace(job.job_metadata, ticket=1, times_parked=1))
    async with line(tmp_path, concurrency=2) as here:
        await here.hand_in(later)
        await until(lambda: here.begun)
        await here.queue.put_job(job)
        await anyio.sleep(5)
        assert await here.queue.depth(JOBS) == 0 and len(here.clerk.asked) == 1
        await until(lambda: here.wing.store.objects)
        await here.quiet()
        assert here.begun == 1


@pytest.mark.parametrize("priority", list(Priority))
async def test_retries_come_back_to_the_queue_they_belong_to(tmp_path: Path, priority: Priority) -> None:
    job = large_job(size=len(BODY), priority=priority)
    source = JOBS if priority is Priority.NORMAL else Destination.PRIORITY
    async with line(tmp_path) as here:
        here.wing.hand_in(job, BODY)
        here.wing.session.script.fail("locate", TelegramUnavailable("no"))
        await here.queue.put_job(job, source)
        await until(lambda: here.begun)
        waits = RETRY if priority is Priority.NORMAL else Destination.RETRY_PRIORITY
        await here.queue.settle(waits, 1)
        await until(lambda: here.wing.store.objects)
        await here.quiet()
        (_, retrying, *_) = await here.queue.events()
        assert isinstance(retrying, JobRetrying) and retrying.route is None and retrying.transferred_bytes == 0


# -- several workers


async def test_workers_share_the_work_and_what_a_dead_one_left_is_done_by_another(tmp_path: Path) -> None:
    jobs = [large_job(number, size=len(BODY)) for number in range(1, 5)]
    kept = MemoryStore(part_size=MIB)
    async with queue_at(tmp_path / "queue.db") as queue, clerk_at(queue), anyio.create_task_group() as tasks:
        begun: dict[str, WorkerWing] = {}

        async def work(name: str, scope: anyio.CancelScope) -> None:
            store = MemoryStore(part_size=MIB)
            store.objects = kept.objects
            with scope:
                async with worker_wing(
                    tmp_path / name, broker=queue.twin(), concurrency=1, worker=name, store=store
                ) as wing:
                    begun[name] = wing
                    for job in jobs:
                        wing.hand_in(job, BODY).script.slow("read", 4)
                    await anyio.sleep_forever()

        doomed, other = anyio.CancelScope(), anyio.CancelScope()
        tasks.start_soon(work, "doomed", doomed)
        tasks.start_soon(work, "other", other)
        await until(lambda: len(begun) == 2)
        for job in jobs:
            await queue.put_job(job)
        await until(lambda: len(kept.objects) == 2)
        await anyio.sleep(3)
        doomed.cancel()
        await until(lambda: len(kept.objects) == len(jobs))
        await queue.settle(JOBS, 0)
        other.cancel()
    assert begun["doomed"].session.script.count("locate") == 2, "one was done, one begun"
    assert begun["other"].session.script.count("locate") == 3
    async with queue_at(tmp_path / "queue.db") as queue:
        assert await queue.depth(JOBS) == 0
        completed = [event.job_id for event in await queue.events() if names([event]) == ["completed"]]
        assert sorted(completed) == [job.job_id for job in jobs]


async def test_a_message_that_reaches_another_worker_is_put_off_while_the_first_one_runs(tmp_path: Path) -> None:
    job = large_job(size=len(BODY))
    async with line(tmp_path) as here:
        await here.hand_in(job, seconds=120)
        await until(lambda: here.begun)
        here.clerk.turns[job.job_id] = Turn.WAIT
        async with worker_wing(tmp_path / "other", broker=here.queue.twin(), worker="host:2") as other:
            other.hand_in(job, BODY)
            await here.broker.lose()
            await here.queue.settle(RETRY, 1)
            await until(lambda: here.wing.store.objects)
            here.clerk.turns[job.job_id] = Turn.OVER
            await here.quiet()
            assert other.session.script.count("locate") == 0
        assert here.begun == 1
        assert names(await here.queue.events()) == ["started", "completed"]
