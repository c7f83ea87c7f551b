"""PublishingQueueActor: jobs go out in order and are marked after the confirm; reports come in and none is lost."""

from __future__ import annotations

import json
import random
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from teltubby.actors.ledger import LedgerActor
from teltubby.actors.letters import worker_report_letter
from teltubby.actors.queue_bot import PublishingQueueActor
from teltubby.actors.signs_of_life import SignsOfLife
from teltubby.adapters.base import Destination
from teltubby.adapters.sealed_boxes import SealedBoxes
from teltubby.errors import BadRequest, BrokerUnavailable, DatabaseUnavailable, StoreUnavailable, TopologyConflict
from teltubby.messages.jobs import JobFailed, JobProgress, JobStarted, Priority
from teltubby.messages.ledger import LedgerMessage
from teltubby.messages.queue import BotMessage, DescribeQueue
from teltubby.messages.relay import RelayMessage
from teltubby.messages.workers import WorkerStanding
from teltubby.supervision import ChildSpec, Mailbox
from tests.actors.office import office
from tests.actors.queues import queue_at
from tests.actors.stage import large_job, restarts, running
from tests.actors.worker_wing import BACKOFF, nobody_knows
from tests.virtual_time import BEGINNING, until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

JOBS, PRIORITY, DEAD, EVENTS = Destination.JOBS, Destination.PRIORITY, Destination.DEAD, Destination.EVENTS


def standing(minute: int) -> WorkerStanding:
    return WorkerStanding(
        worker="w",
        place="here",
        at=BEGINNING + timedelta(minutes=minute),
        public_key=SealedBoxes().public_key,
        routes=(),
        sessions=(),
    )


def started(number: int) -> JobStarted:
    return JobStarted(job_id=large_job(number).job_id, worker="w", attempt=1, at=BEGINNING)


# -- jobs going out


async def test_jobs_go_out_in_order_and_only_once(tmp_path: Path) -> None:
    jobs = [large_job(number) for number in range(1, 8)]
    async with office(tmp_path) as here:
        await here.submit(*jobs[:3])
        await here.submit(*jobs[3:])
        await here.queue.settle(JOBS, 7)
        await anyio.sleep(300)
        assert await here.queue.jobs() == jobs
        assert await here.unpublished() == []


async def test_urgent_jobs_take_the_other_queue(tmp_path: Path) -> None:
    urgent = [large_job(1, priority=Priority.URGENT), large_job(2, priority=Priority.HIGH)]
    async with office(tmp_path) as here:
        await here.submit(*urgent, large_job(3))
        await here.queue.settle(PRIORITY, 2)
        await here.queue.settle(JOBS, 1)
        assert await here.queue.jobs(PRIORITY) == urgent


async def test_more_jobs_than_one_batch(tmp_path: Path) -> None:
    jobs = [large_job(number) for number in range(1, 131)]
    async with office(tmp_path) as here:
        await here.submit(*jobs)
        await here.queue.settle(JOBS, 130)
        assert [job.job_id for job in await here.queue.jobs()] == [job.job_id for job in jobs]


async def test_the_outbox_is_looked_at_without_being_told(tmp_path: Path) -> None:
    async with office(tmp_path) as here:
        await anyio.sleep(5)
        await here.submit(large_job(), tell=False)
        await here.queue.settle(JOBS, 1)


async def test_what_was_left_at_the_end_goes_out_at_the_next_start(tmp_path: Path) -> None:
    async with office(tmp_path, broker_away=True) as here:
        await here.submit(large_job())
        await anyio.sleep(10)
    async with office(tmp_path) as here:
        await here.queue.settle(JOBS, 1)
        await until(lambda: here.ledger_script.count("MarkPublished") == 1)
        assert await here.unpublished() == []


async def test_a_broker_that_is_away_for_an_hour_is_waited_for(tmp_path: Path) -> None:
    """What is handed in meanwhile waits in the outbox, and goes out in the order in which it came."""
    jobs = [large_job(number) for number in range(1, 13)]
    async with office(tmp_path, broker_away=True) as here:
        for job in jobs:
            await here.submit(job)
            await anyio.sleep(300)
        assert await here.unpublished() == [job.job_id for job in jobs]
        assert "away" in await here.ref.ask(DescribeQueue(), within=5)
        here.broker.script.repair("open")
        await here.queue.settle(JOBS, len(jobs))
        assert [job.job_id for job in await here.queue.jobs()] == [job.job_id for job in jobs]
        assert await here.ref.ask(DescribeQueue(), within=5) == "connected"
        assert restarts(here.tree) == {}
        assert 100 < here.broker.script.count("open") < 1000, "it keeps trying, with pauses"


async def test_a_job_is_marked_only_after_the_confirm(tmp_path: Path) -> None:
    async with office(tmp_path) as here:
        gate = here.broker.script.hold("publish")
        await here.submit(large_job())
        await anyio.sleep(20)
        assert await here.unpublished() == [large_job().job_id]
        gate.set()
        await until(lambda: here.ledger_script.count("MarkPublished") == 1)
        await anyio.sleep(1)
        assert await here.unpublished() == []


async def test_a_publish_that_fails_is_done_again(tmp_path: Path) -> None:
    jobs = [large_job(number) for number in (1, 2, 3)]
    async with office(tmp_path) as here:
        here.broker.script.fail("publish", BrokerUnavailable("cut"), skip=1)
        await here.submit(*jobs)
        await here.queue.settle(JOBS, 3)
        assert await here.queue.jobs() == jobs
        assert restarts(here.tree) == {}


@pytest.mark.parametrize("error", [DatabaseUnavailable("locked"), TimeoutError()], ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("request_name", ["PendingOutbox", "MarkPublished"])
async def test_a_ledger_in_trouble_delays_and_loses_nothing(
    tmp_path: Path, error: Exception, request_name: str
) -> None:
    async with office(tmp_path) as here:
        await until(lambda: here.ledger_script.count("PendingOutbox") == 1)
        here.ledger_script.fail(request_name, error)
        await here.submit(large_job())
        await until(lambda: here.ledger_script.count(request_name) >= 2 and here.ledger_script.count("PendingOutbox"))
        await here.queue.settle(JOBS, await here.queue.depth(JOBS))
        await anyio.sleep(100)
        assert {job.job_id for job in await here.queue.jobs()} == {large_job().job_id}
        assert await here.unpublished() == []
        assert restarts(here.tree).get("queue") is None, "a crash of the ledger is not a crash of whoever asked it"


async def test_a_topology_conflict_is_a_state_and_no_crash(tmp_path: Path) -> None:
    async with office(tmp_path) as here:
        await until(lambda: here.broker.script.count("consume") == 1)
        here.broker.script.break_down("open", TopologyConflict("queue teltubby.large_files has other arguments"))
        await here.broker.lose()
        await anyio.sleep(600)
        assert "other arguments" in await here.ref.ask(DescribeQueue(), within=5)
        assert here.broker.script.count("open") < 15
        here.broker.script.repair("open")
        await here.submit(large_job())
        await here.queue.settle(JOBS, 1)
        assert restarts(here.tree) == {}


# -- reports coming in


async def test_reports_are_handed_on_in_order_and_acknowledged(tmp_path: Path) -> None:
    async with office(tmp_path) as here:
        for number in range(1, 60):
            await here.queue.put_event(started(number))
        await until(lambda: len(here.read) == 59)
        assert here.read == [started(number) for number in range(1, 60)]
        await here.broker.lose()
        await anyio.sleep(60)
        assert len(here.read) == 59, "what was acknowledged does not come again"


async def test_workers_reports_of_themselves_stay_in_order_and_hold_up_no_other(tmp_path: Path) -> None:
    told = [standing(minute) for minute in range(30)]
    async with office(tmp_path) as here:
        for report in told:
            letter = worker_report_letter(report)
            await here.queue.put(EVENTS, letter.body, type=letter.type, message_id=letter.message_id)
        await here.queue.put_event(started(1))
        await until(lambda: len(here.reports) == 30 and here.read)
        assert here.reports == told
        here.trouble.append(DatabaseUnavailable("locked"))
        await here.queue.put(EVENTS, letter.body, type=letter.type, message_id=letter.message_id)
        await until(lambda: len(here.reports) == 31)
        await here.queue.put(EVENTS, b"{}", type=letter.type)
        await here.queue.settle(DEAD, 1)
        assert await here.queue.depth(EVENTS) == 0 and restarts(here.tree) == {}


@pytest.mark.parametrize(
    "error",
    [DatabaseUnavailable("locked"), StoreUnavailable("away"), TimeoutError()],
    ids=lambda error: type(error).__name__,
)
async def test_a_report_that_was_not_handled_comes_again(tmp_path: Path, error: Exception) -> None:
    async with office(tmp_path) as here:
        here.trouble.append(error)
        await here.queue.put_event(started(1))
        await here.queue.put_event(started(2))
        await until(lambda: len(here.read) >= 2)
        await anyio.sleep(10)
        assert sorted(event.job_id for event in here.read) == [started(1).job_id, started(2).job_id]
        assert await here.queue.depth(EVENTS) == 0 and await here.queue.depth(DEAD) == 0
        assert restarts(here.tree).get("queue") is None


async def test_a_report_that_can_never_be_handled_does_not_stop_the_others(tmp_path: Path) -> None:

    async with office(tmp_path) as here:
        here.trouble.extend([BadRequest("never")] * 3)
        await here.queue.put_event(started(1))
        for number in (2, 3, 4, 5):
            await here.queue.put_event(started(number))
        await until(lambda: started(5) in here.read, within=600)
        assert restarts(here.tree) == {}


async def test_a_bug_of_the_reader_is_the_readers_crash_alone(tmp_path: Path) -> None:
    async with office(tmp_path) as here:
        here.trouble.append(ValueError("no item of this artifact belongs to the job"))
        await here.queue.put_event(started(1))
        await here.queue.put_event(started(2))
        await until(lambda: started(2) in here.read)
        await until(lambda: started(1) in here.read)  # it came again: nothing is lost
        assert restarts(here.tree) == {"bot": 1}


@pytest.mark.parametrize(
    ("body", "kind", "schema", "reason"),
    [
        (b"not json", "teltubby.job.started", "1.0", "not JSON"),
        (b"{}", "teltubby.job.started", "1.0", "job_id"),
        (b"{}", "teltubby.job.exploded", "1.0", "exploded"),
        (b"{}", "teltubby.job.started", "9.9", "9.9"),
        (b"{}", "teltubby.job.started", None, "no schema version"),
    ],
)
async def test_a_malformed_report_is_dead_with_the_reason_and_the_next_is_read(
    tmp_path: Path, body: bytes, kind: str, schema: str | None, reason: str
) -> None:
    async with office(tmp_path) as here:
        await here.queue.put(EVENTS, body, type=kind, schema=schema)
        await here.queue.put_event(started(2))
        await until(lambda: here.read == [started(2)])
        (dead,) = await here.queue.take(DEAD)
        assert dead.body == body
        assert reason in json.dumps(dict(dead.headers))


async def test_a_lost_connection_brings_reports_again_and_jobs_go_on(tmp_path: Path) -> None:
    async with office(tmp_path) as here:
        await here.queue.put_event(started(1))
        await until(lambda: here.read == [started(1)])
        await here.broker.lose()
        await here.queue.put_event(started(2))
        await here.submit(large_job())
        await until(lambda: started(2) in here.read)
        await here.queue.settle(JOBS, 1)
        assert restarts(here.tree) == {}


async def test_reports_are_read_while_the_outbox_is_stuck(tmp_path: Path) -> None:
    async with office(tmp_path) as here:
        here.broker.script.hold("publish")
        await here.submit(large_job())
        await here.queue.put_event(started(1))
        await until(lambda: here.read == [started(1)], within=30)


async def test_a_stop_ends_it_soon_and_loses_nothing(tmp_path: Path) -> None:
    async with office(tmp_path) as here:
        here.broker.script.slow("publish", 3)
        await here.submit(large_job(1), large_job(2))
        await here.queue.put_event(
            JobProgress(
                job_id=large_job(1).job_id,
                worker="w",
                attempt=1,
                at=BEGINNING,
                downloaded_bytes=1,
                uploaded_bytes=0,
                total_bytes=2,
                bytes_per_second=1.0,
            )
        )
        await until(lambda: here.broker.script.count("publish") == 2)
        asked = anyio.current_time()
    assert anyio.current_time() - asked < 10
    async with office(tmp_path) as here:
        await until(lambda: here.ledger_script.count("MarkPublished") >= 1)
        await anyio.sleep(60)
        assert await here.unpublished() == []
        assert {job.job_id for job in await here.queue.jobs()} == {large_job(1).job_id, large_job(2).job_id}


async def test_a_report_whose_reader_has_stopped_stays_in_the_queue(tmp_path: Path) -> None:
    """At a stop the bot ends first."""
    async with queue_at(tmp_path / "queue.db") as queue:
        bot, ledger = Mailbox[BotMessage]("bot"), Mailbox[LedgerMessage]("ledger")
        bot.close()
        broker = queue.twin()

        def start() -> PublishingQueueActor:
            return PublishingQueueActor(
                broker,
                ledger=ledger.ref,
                news=bot.ref,
                relay=Mailbox[RelayMessage]("relay").ref,
                first_copy=nobody_knows,
                signs=SignsOfLife(),
                backoff=BACKOFF,
                rng=random.Random(1),
            )

        failed = JobFailed(job_id=large_job().job_id, worker="w", attempt=1, at=BEGINNING, reason="x")
        await queue.put_event(failed)
        async with running(
            ChildSpec("ledger", lambda: LedgerActor(tmp_path / "ledger.db"), mailbox=ledger),
            ChildSpec("queue", start),
        ) as tree:
            await anyio.sleep(20)
            assert restarts(tree) == {}
        assert await queue.events() == [failed]
