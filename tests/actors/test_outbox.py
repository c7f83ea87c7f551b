"""The outbox: many messages on their way at once, in order, marked together; and what else crosses to the broker."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from teltubby.actors.outbox import OUTBOX_BATCH, UNDER_WAY
from teltubby.adapters.base import Destination
from teltubby.errors import BrokerUnavailable, TopologyConflict
from teltubby.messages.control import StopJob
from teltubby.messages.jobs import Job, JobCommand, Priority
from teltubby.messages.ledger_jobs import CommandJob, MarkPublished
from teltubby.messages.queue import CountQueues, OutboxFilled, SendOrder
from teltubby.messages.wire import decode_order
from tests.actors.office import Office, office
from tests.actors.stage import large_job, restarts
from tests.virtual_time import until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

JOBS, PRIORITY, EVENTS = Destination.JOBS, Destination.PRIORITY, Destination.EVENTS


def marked(here: Office) -> list[tuple[tuple[str, int], ...]]:
    """What was marked together."""
    asked = here.ledger_script.asked("MarkPublished")
    return [request.published for request in asked if isinstance(request, MarkPublished)]


async def test_many_wait_for_their_confirms_at_once_and_are_marked_together(tmp_path: Path) -> None:
    jobs = [large_job(number) for number in range(1, 251)]
    async with office(tmp_path) as here:
        here.broker.script.slow("publish", 1.0)
        await here.submit(*jobs)
        began = anyio.current_time()
        await until(lambda: marked(here), every=0.1)
        assert anyio.current_time() - began < 5
        assert [len(batch) for batch in marked(here)] == [len(jobs)]
        assert await here.queue.jobs() == jobs, "in the order of the outbox all the same"


async def test_no_more_wait_at_once_than_the_broker_should_hold(tmp_path: Path) -> None:
    async with office(tmp_path) as here:
        gate = here.broker.script.hold("publish")
        await here.submit(*[large_job(number) for number in range(1, OUTBOX_BATCH + 1)])
        await anyio.sleep(10)
        assert here.broker.script.count("publish") == UNDER_WAY
        gate.set()
        await here.queue.settle(JOBS, OUTBOX_BATCH)


async def test_what_was_confirmed_before_the_broker_went_away_is_marked(tmp_path: Path) -> None:
    jobs = [large_job(number) for number in range(1, 11)]
    async with office(tmp_path) as here:
        await until(lambda: here.broker.script.count("questions") == 1)
        here.broker.script.fail("publish", BrokerUnavailable("cut"), skip=4)
        here.broker.script.break_down("open", BrokerUnavailable("away"))
        await here.submit(*jobs)
        await until(lambda: marked(here))
        await anyio.sleep(20)
        done = {job_id for job_id, _ in marked(here)[0]}
        assert await here.unpublished() == [job.job_id for job in jobs if job.job_id not in done]
        assert 0 < len(done) < len(jobs)
        here.broker.script.repair("open")
        await until(lambda: len(marked(here)) >= 2)
        await anyio.sleep(1)
        assert await here.unpublished() == []
        assert {job.job_id for job in await here.queue.jobs()} == {job.job_id for job in jobs}
        assert restarts(here.tree) == {}


async def test_a_command_while_its_message_is_on_the_way_is_published_too(tmp_path: Path) -> None:
    async with office(tmp_path) as here:
        gate = here.broker.script.hold("publish")
        await here.submit(large_job())
        await until(lambda: here.broker.script.count("publish") == 1)
        command = CommandJob(
            job_id=large_job().job_id, command=JobCommand.PRIORITISE, user_id=7, priority=Priority.HIGH
        )
        assert (await here.ledger.ask(command, within=10)).accepted
        here.ref.tell(OutboxFilled())
        gate.set()
        await here.queue.settle(PRIORITY, 1)
        (newest,) = await here.queue.jobs(PRIORITY)
        (void,) = await here.queue.jobs(JOBS)
        assert (newest.job_metadata.ticket, void.job_metadata.ticket) == (1, 0)
        await anyio.sleep(100)
        assert await here.unpublished() == []


async def test_a_job_that_was_cancelled_on_the_way_is_not_published_again(tmp_path: Path) -> None:
    async with office(tmp_path) as here:
        gate = here.broker.script.hold("publish")
        await here.submit(large_job())
        await until(lambda: here.broker.script.count("publish") == 1)
        cancel = CommandJob(job_id=large_job().job_id, command=JobCommand.CANCEL, user_id=7)
        assert (await here.ledger.ask(cancel, within=10)).accepted
        gate.set()
        await anyio.sleep(100)
        assert await here.unpublished() == []
        assert len(await here.queue.jobs()) <= 1, "whose turn it is tells the worker that it is void"
        assert restarts(here.tree) == {}


async def test_more_urgent_jobs_overtake_in_the_outbox(tmp_path: Path) -> None:
    async with office(tmp_path, broker_away=True) as here:
        waiting: list[Job] = []
        for number, priority in enumerate((Priority.NORMAL, Priority.HIGH, Priority.URGENT, Priority.HIGH), 1):
            waiting.append(large_job(number, priority=priority))
            await here.submit(waiting[-1])
        here.broker.script.repair("open")
        await here.queue.settle(PRIORITY, 3)
        assert await here.queue.jobs(PRIORITY) == [waiting[2], waiting[1], waiting[3]]


# -- orders and counts


async def test_an_order_reaches_all_workers_that_listen(tmp_path: Path) -> None:
    async with office(tmp_path) as here:
        worker = here.queue.twin()
        await worker.open()
        async with await worker.listen() as heard:
            order = StopJob(job_id=large_job().job_id)
            await here.ref.ask(SendOrder(order=order), within=10)
            with anyio.fail_after(30):
                said = await heard.receive()
            assert decode_order(said.body, said.type, str(said.headers["schema"])) == order
        await worker.aclose()


async def test_an_order_that_cannot_be_sent_is_refused(tmp_path: Path) -> None:
    async with office(tmp_path, broker_away=True) as here:
        await anyio.sleep(1)
        with pytest.raises(BrokerUnavailable):
            await here.ref.ask(SendOrder(order=StopJob(job_id=large_job().job_id)), within=10)
        with pytest.raises(BrokerUnavailable):
            await here.ref.ask(CountQueues(), within=10)
        assert restarts(here.tree) == {}


async def test_a_broker_that_hangs_holds_up_the_mail_for_some_seconds_only(tmp_path: Path) -> None:
    async with office(tmp_path) as here:
        await until(lambda: here.broker.script.count("questions") == 1)
        here.broker.script.hold("broadcast")
        with pytest.raises(BrokerUnavailable, match="in time"):
            await here.ref.ask(SendOrder(order=StopJob(job_id=large_job().job_id)), within=60)
        assert anyio.current_time() < 30
        assert restarts(here.tree) == {}


async def test_queues_are_counted_by_name(tmp_path: Path) -> None:
    async with office(tmp_path) as here:
        await here.submit(large_job(1), large_job(2), large_job(3, priority=Priority.HIGH))
        await here.queue.settle(JOBS, 2)
        await here.queue.settle(PRIORITY, 1)
        counted = await here.ref.ask(CountQueues(), within=10)
        assert set(counted) == set(Destination)
        assert (counted[JOBS], counted[PRIORITY], counted[EVENTS]) == (2, 1, 0)


async def test_a_conflict_is_a_trouble_until_it_is_resolved(tmp_path: Path) -> None:
    async with office(tmp_path) as here:
        await until(lambda: here.broker.script.count("consume") == 1)
        here.broker.script.break_down("open", TopologyConflict("queue teltubby.large_files has other arguments"))
        await here.broker.lose()
        await until(lambda: here.troubles.reasons)
        assert "other arguments" in here.troubles.reasons["queue"]
        here.broker.script.repair("open")
        await until(lambda: not here.troubles.reasons)


async def test_a_broker_that_is_away_is_no_trouble_for_an_operator(tmp_path: Path) -> None:
    async with office(tmp_path, broker_away=True) as here:
        await anyio.sleep(600)
        assert here.troubles.reasons == {}
