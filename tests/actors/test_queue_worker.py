"""ConsumingQueueActor: every job is settled exactly once, and nothing is spent or lost for what is not its fault."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from teltubby.adapters.base import Destination
from teltubby.archive.lifecycle import next_state
from teltubby.errors import (
    BrokerUnavailable,
    FileGone,
    FloodWait,
    SessionNotReady,
    StoreUnavailable,
    TelegramUnavailable,
    TopologyConflict,
    Unauthorised,
)
from teltubby.messages.jobs import JobCompleted, JobEvent, JobFailed, JobRetrying, JobStarted, JobState, Priority
from teltubby.messages.transfer import MailboxPlace
from tests.actors.clerk import clerk_at
from tests.actors.queues import Queue, names, queue_at
from tests.actors.stage import MIB, large_job, noise, restarts, sha256
from tests.actors.worker_wing import WorkerWing, worker_wing
from tests.mtproto_twins import SessionTwin
from tests.twins import BrokerTwin
from tests.virtual_time import until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

BODY = noise(2 * MIB + 77)
JOBS, DEAD, RETRY, EVENTS = Destination.JOBS, Destination.DEAD, Destination.RETRY, Destination.EVENTS


@asynccontextmanager
async def line(
    tmp_path: Path, *, concurrency: int = 2, retry_seconds: float = 60.0, session: SessionTwin | None = None
) -> AsyncIterator[tuple[WorkerWing, Queue, BrokerTwin]]:
    async with queue_at(tmp_path / "queue.db") as queue, clerk_at(queue):
        broker = queue.twin()
        async with worker_wing(
            tmp_path / "spool", broker=broker, concurrency=concurrency, retry_seconds=retry_seconds, session=session
        ) as wing:
            yield wing, queue, broker


async def assert_quiet(queue: Queue) -> None:
    """No job waits, none is held, none is dead."""
    for destination in (JOBS, Destination.PRIORITY, RETRY, DEAD):
        assert await queue.depth(destination) == 0, destination


# -- the good way


async def test_a_job_is_performed_reported_and_gone(tmp_path: Path) -> None:
    job = large_job(size=len(BODY))
    async with line(tmp_path) as (wing, queue, _):
        wing.hand_in(job, BODY)
        await queue.put_job(job)
        await until(lambda: wing.store.objects)
        await queue.settle(EVENTS, 2)
        started, completed = await queue.events()
        assert isinstance(started, JobStarted) and started.attempt == 1
        assert isinstance(completed, JobCompleted) and completed.sha256 == sha256(BODY)
        assert wing.store.objects == {job.target.key: BODY}
    async with queue_at(tmp_path / "queue.db") as queue:
        await assert_quiet(queue)


async def test_urgent_jobs_come_first(tmp_path: Path) -> None:
    jobs = [large_job(number) for number in (1, 2, 3)]
    async with queue_at(tmp_path / "queue.db") as queue:
        for job in jobs:
            await queue.put_job(job)
        urgent = large_job(9, priority=Priority.URGENT)
        await queue.put_job(urgent, Destination.PRIORITY)
    async with line(tmp_path, concurrency=1) as (wing, queue, _):
        for job in (*jobs, urgent):
            wing.hand_in(job, BODY)
        await until(lambda: len(wing.store.objects) == 4)
        places = [place for place in wing.session.script.asked("locate") if isinstance(place, MailboxPlace)]
        assert [place.message_id for place in places] == [9, 1, 2, 3]


@pytest.mark.parametrize("concurrency", [1, 3])
async def test_at_most_so_many_jobs_at_once(tmp_path: Path, concurrency: int) -> None:
    async with line(tmp_path, concurrency=concurrency) as (wing, queue, _):
        gate = wing.session.script.hold("locate")
        for number in range(1, 7):
            wing.hand_in(large_job(number), BODY)
            await queue.put_job(large_job(number))
        await anyio.sleep(30)
        assert wing.session.script.count("locate") == concurrency
        assert await queue.depth(JOBS) == 6 - concurrency, "what is not worked on is left to other workers"
        gate.set()
        await until(lambda: len(wing.store.objects) == 6)


# -- the session


async def test_without_a_session_nothing_is_consumed(tmp_path: Path) -> None:
    session = SessionTwin()
    session.script.break_down("open", Unauthorised("no"))
    job = large_job()
    async with line(tmp_path, session=session) as (wing, queue, broker):
        wing.hand_in(job, BODY)
        await queue.put_job(job)
        await anyio.sleep(500)
        assert await queue.depth(JOBS) == 1
        assert broker.script.count("consume") == 0
        session.script.repair("open")
        await until(lambda: wing.store.objects)
        await queue.settle(EVENTS, 2)
        assert names(await queue.events()) == ["started", "completed"]


async def test_a_session_lost_at_once_gives_the_job_back_unspent(tmp_path: Path) -> None:
    job = large_job()
    async with line(tmp_path, concurrency=1) as (wing, queue, _):
        wing.hand_in(job, BODY)
        wing.session.script.fail("locate", SessionNotReady("signed out"))
        await queue.put_job(job)
        await until(lambda: wing.store.objects)
        await queue.settle(EVENTS, 3)
        events = await queue.events()
        assert names(events) == ["started", "started", "completed"]
        assert {event.attempt for event in events} == {1}, "no attempt was spent"
        await assert_quiet(queue)


async def test_a_session_lost_in_the_middle_gives_the_job_back_unspent(tmp_path: Path) -> None:
    job = large_job()
    async with line(tmp_path, concurrency=1) as (wing, queue, _):
        remote = wing.hand_in(job, BODY)
        remote.script.fail("read", SessionNotReady("signed out"))
        await queue.put_job(job)
        await until(lambda: wing.store.objects)
        await queue.settle(EVENTS, 3)
        assert {event.attempt for event in await queue.events()} == {1}
        await assert_quiet(queue)


async def test_while_the_session_is_away_jobs_wait_in_the_queue(tmp_path: Path) -> None:
    async with line(tmp_path, concurrency=1) as (wing, queue, _):
        first, second = large_job(1), large_job(2)
        wing.hand_in(first, BODY)
        wing.hand_in(second, BODY)
        await queue.put_job(first)
        await until(lambda: len(wing.store.objects) == 1)
        wing.session.script.break_down("open", SessionNotReady("signed out"))
        wing.session.lose()
        await anyio.sleep(10)
        await queue.put_job(second)
        await anyio.sleep(100)
        assert await queue.depth(JOBS) == 1
        wing.session.script.repair("open")
        await until(lambda: len(wing.store.objects) == 2)


async def test_a_job_under_way_survives_that_the_session_reconnects(tmp_path: Path) -> None:
    """What the download needs it has; only new jobs wait."""
    job = large_job()
    async with line(tmp_path, concurrency=1) as (wing, queue, _):
        wing.hand_in(job, BODY).script.slow("read", 5)
        await queue.put_job(job)
        await until(lambda: wing.session.script.count("locate") == 1)
        wing.session.lose()
        await until(lambda: wing.store.objects)
        await queue.settle(EVENTS, await queue.depth(EVENTS))
        await until(lambda: not wing.spooled())
        await assert_quiet(queue)


# -- failures


async def test_passing_trouble_is_tried_again_later_with_one_attempt_less(tmp_path: Path) -> None:
    job = large_job(max_retries=3)
    async with line(tmp_path, retry_seconds=60) as (wing, queue, _):
        wing.hand_in(job, BODY)
        wing.session.script.fail("locate", TelegramUnavailable("away"), TelegramUnavailable("still away"))
        await queue.put_job(job)
        await until(lambda: wing.store.objects)
        await queue.settle(EVENTS, 6)
        events = await queue.events()
        assert names(events) == ["started", "retrying", "started", "retrying", "started", "completed"]
        assert [event.attempt for event in events] == [1, 1, 2, 2, 3, 3]
        delays = [event.delay_seconds for event in events if isinstance(event, JobRetrying)]
        assert 30 <= delays[0] <= 60 <= delays[1] <= 120
        first, second, third = wing.session.script.times("locate")
        assert second - first == pytest.approx(delays[0], abs=2)
        assert third - second == pytest.approx(delays[1], abs=2)
        await assert_quiet(queue)


async def test_a_long_delay_holds_up_no_other_job(tmp_path: Path) -> None:
    async with line(tmp_path, concurrency=1, retry_seconds=3600) as (wing, queue, _):
        wing.session.script.fail("locate", TelegramUnavailable("away"))
        for number in (1, 2):
            wing.hand_in(large_job(number), BODY)
            await queue.put_job(large_job(number))
        await until(lambda: large_job(2).target.key in wing.store.objects, within=100)
        assert await queue.depth(RETRY) == 1


async def test_when_the_attempts_are_used_up_the_job_is_dead_with_the_reason(tmp_path: Path) -> None:
    job = large_job(max_retries=2)
    async with line(tmp_path) as (wing, queue, _):
        wing.session.script.break_down("locate", TelegramUnavailable("always away"))
        await queue.put_job(job)
        await queue.settle(DEAD, 1)
        events = await queue.events()
        assert names(events) == ["started", "retrying", "started", "retrying", "started", "failed"]
        assert isinstance(events[-1], JobFailed) and events[-1].reason == "always away" and events[-1].attempt == 3
        (dead,) = await queue.take(DEAD)
        assert "always away" in str(dead.headers)
        await assert_quiet(queue)


@pytest.mark.parametrize("max_retries", [0, 3])
async def test_what_can_never_work_is_dead_at_once(tmp_path: Path, max_retries: int) -> None:
    async with line(tmp_path) as (wing, queue, _):
        wing.session.script.fail("locate", FileGone("message 1 no longer exists"))
        await queue.put_job(large_job(max_retries=max_retries))
        await queue.settle(DEAD, 1)
        assert names(await queue.events()) == ["started", "failed"]


async def test_no_retries_means_one_attempt(tmp_path: Path) -> None:
    async with line(tmp_path) as (wing, queue, _):
        wing.session.script.fail("locate", TelegramUnavailable("away"))
        await queue.put_job(large_job(max_retries=0))
        await queue.settle(DEAD, 1)
        assert names(await queue.events()) == ["started", "failed"]


async def test_a_flood_wait_parks_the_job_for_its_time_and_spends_no_attempt(tmp_path: Path) -> None:
    job = large_job(max_retries=1)
    async with line(tmp_path, concurrency=1) as (wing, queue, _):
        remote = wing.hand_in(job, BODY)
        remote.script.fail("read", FloodWait(900), FloodWait(300), FloodWait(10))
        await queue.put_job(job)
        await queue.settle(RETRY, 1)
        wing.hand_in(large_job(2), BODY)
        await queue.put_job(large_job(2))
        await queue.settle(RETRY, 2)
        await until(lambda: {job.target.key, large_job(2).target.key} == set(wing.store.objects))
        first, *others = remote.script.times("read")
        assert min(at for at in others if at > first) - first >= 900, (
            "nothing is asked for while the account is flooded"
        )
        await queue.settle(RETRY, 0)
        assert await queue.depth(DEAD) == 0


async def test_a_parked_job_is_seen_to_go_on(tmp_path: Path) -> None:
    """By the ledger's own table, the reports of a parked job lead through PROCESSING to the end."""
    job = large_job(max_retries=1)
    async with line(tmp_path, concurrency=1) as (wing, queue, _):
        wing.hand_in(job, BODY).script.fail("read", FloodWait(900))
        await queue.put_job(job)
        await until(lambda: wing.store.objects)
        await queue.settle(EVENTS, 4)
        states = [state for state, _ in walked(await queue.events())]
    assert states == [JobState.PROCESSING, JobState.RETRYING, JobState.PROCESSING, JobState.COMPLETED]


def walked(events: list[JobEvent]) -> list[tuple[JobState, int]]:
    """Where the job stands after each of the reports, as the ledger keeps it."""
    state, attempt, found = JobState.PENDING, 0, []
    for event in events:
        state = next_state(state, event, known_attempt=attempt)
        attempt = max(attempt, event.attempt)
        found.append((state, attempt))
    return found


@pytest.mark.parametrize(
    ("body", "schema", "reason"),
    [
        (b"not json", "1.0", "not JSON"),
        (b"{}", "1.0", "missing"),
        (b"\xff\xfe", "1.0", "UTF-8"),
        (b"[]", "1.0", "object"),
        (b"{}", "7.3", "7.3"),
        (b"{}", None, "no schema version"),
    ],
)
async def test_a_malformed_job_is_dead_with_the_reason_and_the_next_one_runs(
    tmp_path: Path, body: bytes, schema: str | None, reason: str
) -> None:
    job = large_job()
    async with line(tmp_path, concurrency=1) as (wing, queue, _):
        wing.hand_in(job, BODY)
        await queue.put(JOBS, body, schema=schema)
        await queue.put_job(job)
        await until(lambda: wing.store.objects)
        await queue.settle(DEAD, 1)
        (dead,) = await queue.take(DEAD)
        assert dead.body == body
        assert reason in json.dumps(dict(dead.headers))
        assert restarts(wing.tree) == {}


async def test_a_bug_in_one_job_leaves_the_others_alone(tmp_path: Path) -> None:
    poison, healthy = large_job(1, max_retries=1), large_job(2)
    async with line(tmp_path, concurrency=2) as (wing, queue, _):
        wing.hand_in(healthy, BODY).script.slow("read", 1)
        poisoned: Any = SimpleNamespace(document_id=1001)  # it has no size: a bug in what uses it
        wing.hand_in(poison, BODY).location = poisoned
        await queue.put_job(poison)
        await queue.put_job(healthy)
        await until(lambda: wing.store.objects)
        await queue.settle(DEAD, 1)
        assert wing.store.objects == {healthy.target.key: BODY}
        assert restarts(wing.tree) == {}


async def test_time_that_is_up_is_no_internal_error(tmp_path: Path) -> None:
    async with line(tmp_path) as (wing, queue, _):
        wing.session.script.hold("locate")
        await queue.put_job(large_job(max_retries=0))
        await queue.settle(DEAD, 1)
        (*_, failed) = await queue.events()
        assert isinstance(failed, JobFailed)
        assert "internal error" not in failed.reason and failed.reason, "it says that Telegram did not answer"


# -- the broker


async def test_a_broker_that_is_away_at_the_start_is_waited_for(tmp_path: Path) -> None:
    job = large_job()
    async with line(tmp_path) as (wing, queue, broker):
        broker.script.fail("open", *[BrokerUnavailable("away")] * 5)
        wing.hand_in(job, BODY)
        await queue.put_job(job)
        await until(lambda: wing.store.objects)
        assert restarts(wing.tree) == {}


async def test_a_topology_conflict_is_looked_at_again_seldom(tmp_path: Path) -> None:
    async with line(tmp_path) as (wing, queue, broker):
        await until(lambda: broker.script.count("consume") == 1)
        broker.script.break_down("open", TopologyConflict("other arguments"))
        await broker.lose()
        await anyio.sleep(600)
        assert 5 <= broker.script.count("open") <= 13
        assert restarts(wing.tree) == {}
        broker.script.repair("open")
        wing.hand_in(large_job(), BODY)
        await queue.put_job(large_job())
        await until(lambda: wing.store.objects)


@pytest.mark.parametrize("nth", [1, 2], ids=["the start", "the end"])
async def test_a_report_that_cannot_be_published_is_told_over_the_next_connection(tmp_path: Path, nth: int) -> None:
    """Without its start told nothing is begun; the delivery is acknowledged after its end is confirmed, never before.

    What else a lost connection does to a job is in test_jobs_outlive_connections.
    """
    job = large_job()
    async with line(tmp_path) as (wing, queue, broker):
        wing.hand_in(job, BODY)
        broker.script.fail("publish", *[None] * (nth - 1), BrokerUnavailable("cut"))
        await queue.put_job(job)
        await until(lambda: wing.store.objects)
        await queue.settle(EVENTS, await queue.depth(EVENTS))
        await queue.settle(JOBS, 0)
        await until(lambda: not wing.spooled() and broker.script.count("consume") >= 2)
        await anyio.sleep(30)
        assert names(await queue.events()) == ["started", "completed"]
        assert wing.store.objects == {job.target.key: BODY}
        assert wing.session.script.count("locate") == 1
        await assert_quiet(queue)


async def test_a_connection_that_fails_right_after_it_was_made_is_not_hammered(tmp_path: Path) -> None:
    async with line(tmp_path) as (_, _, broker):
        await until(lambda: broker.script.count("consume") == 1)
        broker.script.break_down("consume", BrokerUnavailable("the broker is short of memory"))
        before = broker.script.count("open")
        await broker.lose()
        for _ in range(2000):  # not a sleep: without any pause no time would pass
            await anyio.lowlevel.checkpoint()
        assert broker.script.count("open") - before < 20
        await anyio.sleep(60)
        assert broker.script.count("open") - before < 40


# -- the end


async def test_a_stop_lets_running_jobs_finish_and_takes_no_others(tmp_path: Path) -> None:
    jobs = [large_job(number) for number in (1, 2)]
    async with line(tmp_path, concurrency=1) as (wing, queue, _):
        for job in jobs:
            wing.hand_in(job, BODY).script.slow("read", 2)
            await queue.put_job(job)
        await until(lambda: wing.session.script.count("locate") == 1)
        store = wing.store
    assert store.objects == {jobs[0].target.key: BODY}
    async with queue_at(tmp_path / "queue.db") as queue:
        assert [job.job_id for job in await queue.jobs()] == [jobs[1].job_id]
        assert names(await queue.events()) == ["started", "completed"]


async def test_a_job_cut_off_by_the_stop_goes_back(tmp_path: Path) -> None:
    job = large_job()
    async with line(tmp_path, concurrency=1) as (wing, queue, _):
        wing.hand_in(job, BODY).script.slow("read", 100)
        await queue.put_job(job)
        await until(lambda: wing.session.script.count("locate") == 1)
        store = wing.store
    assert store.objects == {}
    async with queue_at(tmp_path / "queue.db") as queue:
        (again,) = await queue.jobs()
        assert again == replace(job, telegram_context=again.telegram_context)
        assert again.job_metadata.retry_count == 0, "no attempt was spent"


async def test_trouble_with_the_store_is_tried_again(tmp_path: Path) -> None:
    job = large_job()
    async with line(tmp_path) as (wing, queue, _):
        wing.hand_in(job, BODY)
        wing.store.script.fail("open", StoreUnavailable("away"))
        wing.store.script.fail("put_part", StoreUnavailable("away"))
        await queue.put_job(job)
        await until(lambda: wing.store.objects)
        assert wing.store.uploads == {}
        assert restarts(wing.tree) == {}
