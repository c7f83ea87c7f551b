"""What of a process is not as it should be: in words that its reports carry."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import anyio
import pytest

from teltubby.actors.backup_record import BackupRecord
from teltubby.actors.letters import order_letter
from teltubby.actors.readiness import Outlook
from teltubby.actors.unwell import CRASHES, WITHIN, Unwell, look_at_crashes
from teltubby.adapters.dependencies import Dependencies
from teltubby.messages.control import DescribeWorkers
from teltubby.messages.workers import WorkerStanding
from teltubby.supervision import Node, State
from tests.actors.queues import queue_at
from tests.actors.worker_wing import worker_wing
from tests.virtual_time import BEGINNING, until

pytestmark = pytest.mark.anyio
LOW = 1000


@dataclass
class Clock:
    """It stands still unless a test sets it."""

    now: datetime = BEGINNING

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def outlook(clock: Clock) -> Outlook:
    return Outlook(dependencies=Dependencies(clock))


def names(unwell: Unwell) -> list[str]:
    return [standing.name for standing in unwell.standings()]


async def test_dependencies_that_are_down_and_no_sessions(outlook: Outlook, clock: Clock) -> None:
    unwell = Unwell(outlook, disk_free_bytes=LOW, clock=clock)
    for name in ("store", "broker", "user_session"):
        outlook.dependencies.named(name).down("away")
    outlook.dependencies.named("broker").degraded("slow")
    outlook.troubles.enter("user session", "sign in")
    assert names(unwell) == ["store"]
    outlook.dependencies.named("store").works()
    assert names(unwell) == []


async def test_backups_that_fail(outlook: Outlook, clock: Clock) -> None:
    """Told as what an operator must mend, although the process works."""
    unwell = Unwell(outlook, disk_free_bytes=LOW, clock=clock)
    record = BackupRecord(outlook, every=timedelta(hours=6), clock=clock)
    assert names(unwell) == [], "nobody looked yet"
    record.failed("the store is away")
    began = clock.now
    clock.now += timedelta(hours=1)
    record.failed("the store is full")
    (standing,) = unwell.standings()
    assert (standing.name, standing.since) == ("operator.backup", began) and "is full" in standing.detail
    record.made(clock.now, size=1)
    record.well()
    assert names(unwell) == []


async def test_troubles_are_as_old_as_they_were_seen(outlook: Outlook, clock: Clock) -> None:
    unwell, began = Unwell(outlook, disk_free_bytes=LOW, clock=clock), clock.now
    outlook.troubles.enter("intake", "one")
    assert names(unwell) == ["operator.intake"]
    clock.now += timedelta(hours=1)
    outlook.troubles.enter("intake", "two")
    (standing,) = unwell.standings()
    assert (standing.since, standing.detail) == (began, "two")
    outlook.troubles.leave("intake")
    assert names(unwell) == []
    outlook.troubles.enter("intake", "three")
    assert [standing.since for standing in unwell.standings()] == [clock.now]


@pytest.mark.parametrize(("limit", "expected"), [(LOW, ["spool_disk"]), (0, [])])
async def test_a_disk_that_gets_full(outlook: Outlook, clock: Clock, limit: int, expected: list[str]) -> None:
    unwell = Unwell(outlook, disk_free_bytes=limit, clock=clock)
    outlook.dependencies.named("spool_disk").works("so much")
    assert names(unwell) == [], "nobody looked yet"
    disk = {"free_bytes": LOW - 1, "size_bytes": 10 * LOW}
    outlook.facts["disks"] = {"spool": disk}
    assert names(unwell) == expected
    disk["free_bytes"] = 2 * LOW
    assert names(unwell) == []


@pytest.mark.usefixtures("virtual_time")
async def test_a_worker_says_it_when_it_is_asked(outlook: Outlook, clock: Clock, tmp_path: Path) -> None:
    outlook.dependencies.named("store").down("away")
    unwell = Unwell(outlook, disk_free_bytes=LOW, clock=clock)
    async with queue_at(tmp_path / "queue.db") as queue:

        async def heard() -> list[str]:
            await queue.events()
            newest = [report for report in queue.reports if isinstance(report, WorkerStanding)][-1:]
            return [standing.name for report in newest for standing in report.unwell]

        broker = queue.twin()
        async with worker_wing(tmp_path / "spool", broker=broker, unwell=unwell.standings) as wing:
            await wing.ready()
            await until(lambda: broker.script.count("listen") == 1)
            assert await heard() == ["store"]
            outlook.dependencies.named("store").works()
            outlook.troubles.enter("intake", "none can be made")
            other = queue.client()
            await other.open()
            await other.broadcast(order_letter(DescribeWorkers()))
            await other.aclose()
            with anyio.fail_after(60):
                while await heard() != ["operator.intake"]:
                    await anyio.sleep(0.1)


async def test_an_actor_that_crashes_again_and_again(outlook: Outlook, clock: Clock) -> None:
    child = Node(name="bot", kind="BotActor", state=State.READY)
    tree = [Node(name="box", kind="Supervisor", state=State.READY, children=(child,))]
    look = look_at_crashes(lambda: tree[0], outlook, clock=clock)
    unwell = Unwell(outlook, disk_free_bytes=LOW, clock=clock)
    for restarts in range(CRASHES):
        tree[0] = replace(tree[0], children=(replace(child, restarts=restarts),))
        await look()
        assert names(unwell) == []
        clock.now += WITHIN / CRASHES / 2
    tree[0] = replace(tree[0], children=(replace(child, restarts=CRASHES),))
    await look()
    (standing,) = unwell.standings()
    assert standing.name == "actors" and "box/bot" in standing.detail
    clock.now += WITHIN
    await look()
    assert names(unwell) == []
