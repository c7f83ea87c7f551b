"""What becomes of a job's message as its ways open and close: parked, given back, or over, and what is reported."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from teltubby.adapters.base import Destination
from teltubby.errors import ChatUnavailable, FileGone, FloodWait, SessionRevoked, TelegramUnavailable
from teltubby.messages.jobs import JobCancelled, JobCompleted, JobFailed, JobRetrying
from teltubby.messages.media import Route
from teltubby.messages.routes import FileRoute, RouteTry
from teltubby.messages.session import SessionState
from tests.actors.clerk import Clerk, clerk_at
from tests.actors.everywhere import BODY, PARTS, Ground, Meets, forwarded_job, ground_with
from tests.actors.queues import Queue, names, queue_at
from tests.actors.stage import restarts
from tests.actors.worker_wing import WorkerWing
from tests.virtual_time import until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

RELAY, BOT, ORIGIN, OWN = FileRoute
GONE = FileGone("the message is gone")
REVOKED = SessionRevoked("the session was revoked")


@asynccontextmanager
async def line(
    place: Path, *routes: FileRoute, meets: dict[FileRoute, Meets] | None = None, ready: bool = True
) -> AsyncIterator[tuple[Ground, WorkerWing, Queue, Clerk]]:
    """A worker of both accounts on a queue, with one job in it."""
    ground = Ground(forwarded_job(), meets or {})
    async with (
        queue_at(place / "queue.db") as queue,
        clerk_at(queue) as clerk,
        ground_with(place, routes=routes, ground=ground, broker=queue.twin(), ready=ready) as (_, wing),
    ):
        await queue.put_job(ground.job)
        yield ground, wing, queue, clerk
        assert restarts(wing.tree) == {}


async def test_the_way_is_reported(tmp_path: Path) -> None:
    meets = {RELAY: Meets(locate=ChatUnavailable("no member"))}
    async with line(tmp_path, RELAY, BOT, meets=meets) as (_, wing, queue, _):
        await until(lambda: wing.store.objects)
        await queue.settle(Destination.EVENTS, 2)
        completed = (await queue.events())[-1]
    assert isinstance(completed, JobCompleted)
    assert (completed.route, completed.via) == (Route.MTPROTO_BOT, BOT)
    assert completed.routes == (RouteTry(route=RELAY, reason="no member"), RouteTry(route=BOT))


async def test_what_is_nowhere_goes_to_the_dead_letters_with_every_reason(tmp_path: Path) -> None:
    meets = {route: Meets(locate=FileGone(f"nothing by {route}")) for route in FileRoute}
    async with line(tmp_path, *FileRoute, meets=meets) as (_, _, queue, _):
        await queue.settle(Destination.DEAD, 1)
        failed = (await queue.events())[-1]
        (dead,) = await queue.take(Destination.DEAD)
    assert isinstance(failed, JobFailed) and failed.attempt == 1
    assert failed.reason == "; ".join(f"{route}: nothing by {route}" for route in FileRoute)
    assert failed.routes == tuple(RouteTry(route=route, reason=f"nothing by {route}") for route in FileRoute)
    assert all(f"nothing by {route}" in str(dead.headers) for route in FileRoute)


async def test_without_a_way_now_it_is_parked_unspent_ever_longer(tmp_path: Path) -> None:
    """The account that could serve is signed out, the other one goes on with other jobs."""
    async with line(tmp_path, RELAY, BOT, meets={BOT: Meets(locate=GONE)}, ready=False) as (ground, wing, queue, _):
        ground.person.script.break_down("open", REVOKED)
        ground.person.lose()
        await until(lambda: wing.states[RELAY.account] is SessionState.REVOKED)
        await anyio.sleep(1500)
        reports = [event for event in await queue.events() if isinstance(event, JobRetrying)]
        assert [event.delay_seconds for event in reports][:6] == [30, 60, 120, 240, 300, 300]
        assert {len(event.routes) for event in reports} == {2} and "relay: " in reports[0].reason
        assert len(reports) > ground.job.job_metadata.max_retries, "which are not touched"
        ground.person.script.repair("open")
        await sign_in(wing)
        await until(lambda: wing.store.objects)


@pytest.mark.parametrize("error", [FloodWait(700), TelegramUnavailable("no answer")], ids=["flood", "failure"])
async def test_with_one_way_open_its_trouble_means_what_it_always_did(tmp_path: Path, error: Exception) -> None:
    meets = {RELAY: Meets(locate=ChatUnavailable("no member")), BOT: Meets(locate=error)}
    async with line(tmp_path, RELAY, BOT, meets=meets) as (ground, wing, queue, _):
        await queue.settle(Destination.EVENTS, 2)
        retrying = (await queue.events())[-1]
        ground.meets.clear()
        await until(lambda: wing.store.objects)
    assert isinstance(retrying, JobRetrying) and retrying.reason == str(error)
    assert (retrying.delay_seconds == 700) == isinstance(error, FloodWait)


async def test_a_session_revoked_in_the_middle_is_waited_for_and_gone_on_with(tmp_path: Path) -> None:
    """No other account can serve: the job goes back unspent, and nothing that came by then is fetched again."""
    async with line(tmp_path, RELAY, OWN) as (ground, wing, queue, _):
        ground.at_person.script.slow("read", 1)
        await until(lambda: len(ground.parts) == 4)
        ground.person.script.break_down("open", REVOKED)
        ground.person.script.break_down("locate", REVOKED)
        ground.meets |= {RELAY: Meets(part=REVOKED), OWN: Meets(part=REVOKED)}
        await until(lambda: wing.states[RELAY.account] is SessionState.REVOKED)
        await anyio.sleep(300)
        assert names(await queue.events())[-1] == "started", "nothing is retried, nothing failed"
        for method in ("open", "locate"):
            ground.person.script.repair(method)
        ground.meets.clear()
        await sign_in(wing)
        await until(lambda: wing.store.objects)
        assert wing.store.objects == {ground.job.target.key: BODY}
        assert sorted(ground.parts) == list(range(PARTS))
        await queue.settle(Destination.EVENTS, await queue.depth(Destination.EVENTS))
        assert {event.attempt for event in await queue.events()} == {1}, "no attempt was spent"


async def sign_in(wing: WorkerWing) -> None:
    """Another session file is there, as after `teltubby login`."""
    session_file = wing.spool_dir / "user.session"
    session_file.write_text("signed in")
    await until(lambda: wing.states[RELAY.account] is SessionState.READY)


async def test_a_job_that_is_cancelled_tells_the_ways_it_took(tmp_path: Path) -> None:
    meets = {RELAY: Meets(part=GONE, after=2)}
    async with line(tmp_path, RELAY, BOT, meets=meets) as (ground, wing, queue, clerk):
        ground.at_bot.script.slow("read", 5)
        await until(lambda: len(ground.parts) == 4)
        await clerk.cancel(ground.job.job_id)
        await until(lambda: not wing.spooled())
        await queue.settle(Destination.EVENTS, await queue.depth(Destination.EVENTS))
        await anyio.sleep(5)
        cancelled = (await queue.events())[-1]
    assert isinstance(cancelled, JobCancelled)
    assert [(each.route, each.reason is None) for each in cancelled.routes] == [(RELAY, False), (BOT, True)]
