"""An account that is there to collect channels has no jobs taken up that need another: they wait; none is parked."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from teltubby.actors.troubles import Troubles
from teltubby.adapters.base import Destination
from teltubby.errors import TelegramUnavailable
from teltubby.messages.collector import CollectorOrder
from teltubby.messages.jobs import JobCompleted
from teltubby.messages.queue import CollectorChanged
from teltubby.messages.routes import AccountKind, FileRoute
from teltubby.messages.session import SessionState
from teltubby.messages.workers import WorkerStanding
from teltubby.supervision import Mailbox
from tests.actors.clerk import clerk_at
from tests.actors.queues import names, queue_at
from tests.actors.stage import MIB, large_job, noise
from tests.actors.worker_wing import worker_wing
from tests.mtproto_twins import SessionTwin
from tests.person_twin import PersonTwin
from tests.virtual_time import until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

BODY = noise(MIB + 77)


async def test_jobs_wait_for_the_account_that_routes_need(tmp_path: Path) -> None:
    """MTPROTO_ROUTES=bot, a collector, and the bot's account away: what can be done is nothing."""
    bot, job = SessionTwin(), large_job(1)
    bot.script.break_down("open", TelegramUnavailable("away"))
    async with (
        queue_at(tmp_path / "queue.db") as queue,
        clerk_at(queue),
        worker_wing(
            tmp_path / "spool",
            broker=queue.twin(),
            session=bot,
            person=PersonTwin(),
            routes=(FileRoute.BOT,),
            collector=Mailbox[CollectorOrder]("collector").ref,
        ) as wing,
    ):
        wing.hand_in(job, BODY)
        await queue.put_job(job)
        await until(lambda: wing.states[AccountKind.USER] is SessionState.READY)
        await anyio.sleep(900)
        assert names(await queue.events()) == [] and await queue.depth(Destination.JOBS) == 1
        bot.script.repair("open")
        await until(lambda: wing.store.objects, within=120)
        await queue.settle(Destination.EVENTS, 2)
        assert isinstance((await queue.events())[-1], JobCompleted)


async def test_the_bots_jobs_do_not_wait_for_a_person_who_only_collects(tmp_path: Path) -> None:
    person, job = PersonTwin(), large_job(1)
    person.script.break_down("open", TelegramUnavailable("away"))
    async with (
        queue_at(tmp_path / "queue.db") as queue,
        clerk_at(queue),
        worker_wing(
            tmp_path / "spool",
            broker=queue.twin(),
            person=person,
            routes=(FileRoute.BOT,),
            collector=Mailbox[CollectorOrder]("collector").ref,
        ) as wing,
    ):
        wing.hand_in(job, BODY)
        await queue.put_job(job)
        await until(lambda: wing.store.objects, within=60)
        assert "retrying" not in names(await queue.events())


async def test_a_worker_says_whether_it_collects_and_what_is_in_the_way_at_once(tmp_path: Path) -> None:
    troubles, ref = Troubles(), Mailbox[CollectorOrder]("collector").ref
    async with queue_at(tmp_path / "queue.db") as queue, clerk_at(queue):

        async def said(collector: str | None) -> WorkerStanding:
            with anyio.fail_after(60):
                while True:
                    await queue.events()
                    newest = [
                        report for report in queue.reports if isinstance(report, WorkerStanding) and not report.leaves
                    ][-1:]
                    if newest and newest[0].collector == collector:
                        return newest[0]
                    await anyio.sleep(0.1)

        async with worker_wing(
            tmp_path / "spool",
            broker=queue.twin(),
            collector=ref,
            collector_trouble=lambda: troubles.reasons.get("collector"),
        ) as wing:
            assert (await said(None)).collects
            for _ in range(2):
                troubles.enter("collector", "the disk is full")
                wing.queue.tell(CollectorChanged())
                assert (await said("the disk is full")).collects
                troubles.leave("collector")
                wing.queue.tell(CollectorChanged())
                await said(None)
        queue.reports.clear()
        async with worker_wing(tmp_path / "spool", broker=queue.twin()):
            assert (await said(None)).collects is False
