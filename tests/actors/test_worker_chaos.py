"""Two workers, connections cut, one worker dies, jobs are cancelled: each job ends once, and as told."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from teltubby.actors.signs_of_life import LIVE_SECONDS, SignsOfLife
from teltubby.adapters.base import Destination
from teltubby.archive.lifecycle import after_command, next_state
from teltubby.archive.turns import turn_of
from teltubby.messages.jobs import Job, JobCommand, JobCompleted, JobEvent, JobProgress, JobStarted, JobState
from teltubby.messages.ledger_jobs import JobView
from teltubby.messages.questions import Turn, TurnAsked
from teltubby.messages.wire import decode_event, is_worker_report
from tests.actors.clerk import Clerk
from tests.actors.queues import Queue, queue_at
from tests.actors.stage import MIB, large_job, noise
from tests.actors.worker_wing import worker_wing
from tests.twins import BrokerTwin, MemoryStore
from tests.virtual_time import BEGINNING, until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

BODY = noise(3 * MIB + 77)
PLACES = (Destination.JOBS, Destination.RETRY, Destination.DEAD)


class Ledger:
    """What the bot keeps of the jobs, by its own rules, in memory."""

    def __init__(self, jobs: list[Job]) -> None:
        self.state = {job.job_id: JobState.PENDING for job in jobs}
        self.attempt = {job.job_id: 0 for job in jobs}
        self.completions: list[JobCompleted] = []
        self.signs = SignsOfLife()
        self._jobs = {job.job_id: job for job in jobs}
        self._workers: dict[str, str] = {}

    def turn(self, asked: TurnAsked) -> Turn:
        state = self.state[asked.job_id]
        view = JobView(
            job=self._jobs[asked.job_id],
            state=state,
            previous=state,
            changed=False,
            attempt=self.attempt[asked.job_id],
            last_error=None,
            notice_message_id=None,
            created_at=BEGINNING,
            updated_at=BEGINNING,
            submission_chat_id=7,
            submission_message_id=1,
            worker=self._workers.get(asked.job_id),
        )
        return turn_of(view, asked, self.signs.heard(asked.job_id, within=LIVE_SECONDS, apart_from=asked.worker))

    def apply(self, event: JobEvent) -> None:
        job_id = event.job_id
        self.signs.hear(event)
        self.state[job_id] = next_state(self.state[job_id], event, known_attempt=self.attempt[job_id])
        self.attempt[job_id] = max(self.attempt[job_id], event.attempt)
        self._workers[job_id] = event.worker
        if isinstance(event, JobCompleted):
            self.completions.append(event)

    def cancel(self, job_id: str) -> None:
        self.state[job_id] = after_command(self.state[job_id], JobCommand.CANCEL) or self.state[job_id]

    @property
    def over(self) -> bool:
        return all(state in (JobState.COMPLETED, JobState.CANCELLED) for state in self.state.values())


@asynccontextmanager
async def bot(queue: Queue, ledger: Ledger) -> AsyncIterator[Clerk]:
    """Answers questions, reads reports, and orders what is cancelled and still runs to stop, again and again."""
    broker = queue.client()
    await broker.open()
    clerk = Clerk(broker, ledger.turn)

    async def read() -> None:
        ledger.signs.listen()
        async with await broker.consume([Destination.EVENTS], prefetch=10) as reports:
            async for report in reports:
                if is_worker_report(report.type):
                    await report.ack()
                    continue
                event = decode_event(report.body, type=report.type)
                ledger.apply(event)
                await report.ack()
                if ledger.state[event.job_id] is JobState.CANCELLED and isinstance(event, JobStarted | JobProgress):
                    await clerk.order(event.job_id)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(clerk.work)
        tasks.start_soon(read)
        yield clerk
        tasks.cancel_scope.cancel()
    await broker.aclose()


@pytest.mark.parametrize("seed", range(15))
async def test_whatever_happens_each_job_ends_once_and_as_told(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    jobs = [large_job(number, size=len(BODY)) for number in range(1, 7)]
    cancelled = [job.job_id for job in rng.sample(jobs, 2)]
    ledger, kept = Ledger(jobs), MemoryStore(part_size=MIB)
    brokers: dict[str, BrokerTwin] = {}
    stores: list[MemoryStore] = []

    async def work(name: str, lives: list[float]) -> None:
        """As long as each life lasts; what it left is on its disk."""
        for seconds in lives:
            store = MemoryStore(part_size=MIB)
            store.objects = kept.objects
            stores.append(store)
            brokers[name] = queue.twin()
            with anyio.move_on_after(seconds):
                async with worker_wing(
                    tmp_path / name, broker=brokers[name], concurrency=2, worker=f"{name}:{seconds}", store=store
                ) as wing:
                    for job in jobs:
                        wing.hand_in(job, BODY).script.slow("read", 4)
                    await anyio.sleep_forever()

    async def cut() -> None:
        while True:
            await anyio.sleep(rng.uniform(0, 12))
            await rng.choice(list(brokers.values())).lose()

    async def cancel(job_id: str) -> None:
        await anyio.sleep(rng.uniform(0, 40))
        ledger.cancel(job_id)
        if ledger.state[job_id] is JobState.CANCELLED:
            await clerk.order(job_id)

    async with queue_at(tmp_path / "queue.db") as queue, bot(queue, ledger) as clerk:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(work, "steady", [1e9])
            tasks.start_soon(work, "mortal", [rng.uniform(5, 20), 1e9])
            await until(lambda: len(brokers) == 2)
            tasks.start_soon(cut)
            for job in jobs:
                await queue.put_job(job)
            for job_id in cancelled:
                tasks.start_soon(cancel, job_id)
            await until(lambda: ledger.over)
            for place in PLACES:
                await queue.settle(place, 0)
            await anyio.sleep(60)
            tasks.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            for place in PLACES:
                assert await queue.depth(place) == 0, place
    completed = {event.job_id for event in ledger.completions}
    assert completed == {job_id for job_id, state in ledger.state.items() if state is JobState.COMPLETED}
    assert set(kept.objects) == {job.target.key for job in jobs if job.job_id in completed}
    assert set(ledger.state) - completed <= set(cancelled)
    assert len(ledger.completions) == len(completed), "nothing was done twice"
    assert list((tmp_path / "steady").glob("*")) == [], "what the dead one left is swept in time"
