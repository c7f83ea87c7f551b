"""What an attempt's time went by with: the report, the ledger and the metric have the same numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import anyio
import pytest

from teltubby.actors.effort import Effort
from teltubby.adapters.base import Destination
from teltubby.adapters.metrics import Metrics
from teltubby.errors import FloodWait, StoreUnavailable
from teltubby.messages.history import Attempt
from teltubby.messages.jobs import Job, JobEvent, JobRetrying, JobStarted
from teltubby.messages.ledger_jobs import ReadHistory
from teltubby.messages.stages import Stage
from tests.actors.bot_wing import BotWing, bot_wing
from tests.actors.clerk import clerk_at
from tests.actors.queues import queue_at
from tests.actors.stage import MIB, large_job, noise
from tests.actors.test_news import BODY as SMALL
from tests.actors.test_news import completed, failed, queued, read, retrying, started, tells
from tests.actors.worker_wing import worker_wing
from tests.actors.world import World
from tests.virtual_time import wall_clock

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

BODY = noise(5 * MIB)
E = TypeVar("E", JobStarted, JobRetrying)


def measured(metrics: Metrics) -> Mapping[Stage, float]:
    """The sums of the metric, of stages that took place."""
    found = {}
    for stage in Stage:
        labels = {"stage": stage.value}
        if metrics.registry.get_sample_value("teltubby_stage_seconds_count", labels):
            found[stage] = metrics.registry.get_sample_value("teltubby_stage_seconds_sum", labels) or 0.0
    return found


async def test_an_attempt_that_succeeds(tmp_path: Path) -> None:
    job, metrics, events = large_job(size=len(BODY)), Metrics(), list[JobEvent]()

    async def emit(event: JobEvent) -> None:
        await anyio.lowlevel.checkpoint()
        events.append(event)

    async def first_copy(digest: str) -> str | None:
        await anyio.sleep(0.5)
        return None

    async with worker_wing(tmp_path / "spool", first_copy=first_copy, metrics=metrics) as wing:
        await wing.ready()
        wing.session.script.slow("locate", 2.0)
        wing.store.script.slow("complete", 3.0)
        wing.hand_in(job, BODY).script.fail("read", FloodWait(5), FloodWait(4))
        effort = Effort()
        await anyio.sleep(7)
        done = await wing.run.perform(job, 1, emit, effort)
    (begun,) = [event for event in events if isinstance(event, JobStarted)]
    assert begun.stages == {Stage.TURN: pytest.approx(7, abs=0.1)}
    assert set(done.stages) == set(Stage) - {
        Stage.OUTBOX,
        Stage.PARKED,
        Stage.QUEUE,
        Stage.FETCH_SMALL,
        Stage.ARTIFACT,
        Stage.TELL,
    }
    took = {Stage.TURN: 7, Stage.WAY: 2, Stage.FLOOD: 5, Stage.FIRST_COPY: 0.5, Stage.COMPLETE: 3}
    assert {stage: done.stages[stage] for stage in took} == pytest.approx(took, abs=0.3), "floods at once count once"
    assert done.stages[Stage.FETCH_LARGE] >= done.stages[Stage.FLOOD]
    parts = done.stages[Stage.HASH] + done.stages[Stage.FIRST_COPY] + done.stages[Stage.COMPLETE]
    assert done.seconds >= done.stages[Stage.STORE] >= parts
    assert measured(metrics) == pytest.approx(done.stages)


async def test_an_attempt_that_fails_tells_it_too(tmp_path: Path) -> None:
    job = large_job(size=len(BODY))
    async with (
        queue_at(tmp_path / "queue.db") as queue,
        clerk_at(queue),
        worker_wing(tmp_path / "spool", broker=queue.twin()) as wing,
    ):
        wing.session.script.slow("locate", 2.0)
        wing.store.script.fail("begin", StoreUnavailable("away"))
        wing.hand_in(job, BODY)
        await queue.put_job(job)
        await queue.settle(Destination.RETRY, 1)
        begun, parked = await queue.events()
    assert isinstance(begun, JobStarted) and isinstance(parked, JobRetrying)
    assert parked.stages[Stage.WAY] == pytest.approx(2, abs=0.1) and Stage.STORE in parked.stages
    assert Stage.COMPLETE not in parked.stages


# -- the bot's part


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(folder=tmp_path)


async def attempts(wing: BotWing, job: Job) -> tuple[Attempt, ...]:
    history = await wing.ledger.ask(ReadHistory(job_id=job.job_id), within=100)
    assert history is not None
    return history.attempts


async def test_the_ledger_keeps_what_both_sides_measured(world: World) -> None:
    async with bot_wing(world) as wing:
        job = await queued(wing)
        wing.store.objects[job.target.key] = SMALL
        await anyio.sleep(60)
        begun = now(started(job))
        await tells(wing, replace(begun, stages={Stage.TURN: 4.0}))
        wing.store.script.slow("put", 3.0)
        wing.gateway.script.slow("edit", 2.0)
        await tells(wing, replace(completed(job), stages={Stage.TURN: 4.0, Stage.FETCH_LARGE: 11.0}))
        (attempt,) = await attempts(wing, job)
    assert set(attempt.stages) == {
        Stage.OUTBOX,
        Stage.QUEUE,
        Stage.TURN,
        Stage.FETCH_LARGE,
        Stage.ARTIFACT,
        Stage.TELL,
    }
    assert attempt.stages[Stage.QUEUE] + attempt.stages[Stage.OUTBOX] == pytest.approx(60 - 4, abs=5)
    assert (attempt.stages[Stage.TURN], attempt.stages[Stage.FETCH_LARGE]) == (4.0, 11.0)
    assert attempt.stages[Stage.ARTIFACT] >= 3 and attempt.stages[Stage.TELL] >= 2
    mine = measured(wing.metrics)
    for stage in (Stage.OUTBOX, Stage.QUEUE, Stage.TELL):
        assert mine[stage] == pytest.approx(attempt.stages[stage], abs=0.001), stage


async def test_a_report_that_comes_twice_is_measured_once(world: World) -> None:
    async with bot_wing(world) as wing:
        job = await queued(wing)
        begun = now(started(job))
        for _ in range(3):
            await tells(wing, begun)
        labels = {"stage": "queue"}
        assert wing.metrics.registry.get_sample_value("teltubby_stage_seconds_count", labels) == 1


async def test_what_is_parked_and_comes_again_has_waited_for_that(world: World) -> None:
    async with bot_wing(world) as wing:
        job = await queued(wing)
        await tells(wing, now(started(job)), now(retrying(job)))
        await anyio.sleep(100)
        await tells(wing, now(started(job, 2)), failed(job, 2))
        _, again = await attempts(wing, job)
    assert again.stages[Stage.PARKED] == pytest.approx(60, abs=5)
    assert again.stages[Stage.PARKED] + again.stages[Stage.QUEUE] == pytest.approx(110, abs=15)
    assert Stage.OUTBOX not in again.stages


@pytest.mark.parametrize("off", [timedelta(days=-400), timedelta(days=400)], ids=["slow", "fast"])
async def test_a_worker_whose_clock_is_wrong_takes_and_gives_no_time(world: World, off: timedelta) -> None:
    async with bot_wing(world) as wing:
        job = await queued(wing)
        await anyio.sleep(60)
        begun = now(started(job))
        await tells(wing, replace(begun, at=begun.at + off))
        (attempt,) = await attempts(wing, job)
    assert 50 <= attempt.stages[Stage.OUTBOX] + attempt.stages[Stage.QUEUE] <= 70


async def test_a_ledger_that_cannot_note_it_has_no_report_come_again(world: World) -> None:
    async with bot_wing(world) as wing:
        job = await queued(wing)
        wing.store.objects[job.target.key] = SMALL
        await tells(wing, now(started(job)))
        wing.ledger_script.fail("NoteStages", StoreUnavailable("no room"))
        await tells(wing, completed(job))
        await read(wing)
        assert wing.counted("jobs_completed") == 1 and wing.ledger_script.count("ApplyEvent") == 2
        (attempt,) = await attempts(wing, job)
        assert Stage.TELL not in attempt.stages


def now(event: E) -> E:
    """The report, told by a clock that goes as the ledger's."""
    return replace(event, at=wall_clock())
