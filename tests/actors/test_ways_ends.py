"""How an attempt ends for which no way is left, and what ends the search before."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from teltubby.actors.effort import Effort
from teltubby.errors import (
    FileGone,
    IdentityMismatch,
    JobStopped,
    NoRouteNow,
    Permanent,
    SessionNotReady,
    SessionRevoked,
    SpoolFull,
    StoreUnavailable,
)
from teltubby.messages.routes import FileRoute
from teltubby.messages.session import SessionState
from tests.actors.everywhere import (
    BODY,
    COPY,
    LASTING,
    RELAY_ID,
    Ground,
    Meets,
    assert_whole,
    emit,
    failure,
    forwarded_job,
    ground_with,
    routes_of,
)
from tests.actors.stage import large_job
from tests.mtproto_twins import RemoteTwin
from tests.virtual_time import until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

RELAY, BOT, ORIGIN, OWN = FileRoute


# -- no way is left


async def test_a_file_that_is_nowhere_is_lost_for_good_and_every_reason_is_told(tmp_path: Path) -> None:
    meets = {route: Meets(locate=FileGone(f"nothing by {route}")) for route in FileRoute}
    async with ground_with(tmp_path, meets=meets) as (ground, wing):
        effort = Effort()
        error = await failure(wing, ground.job, effort)
        assert isinstance(error, Permanent)
        assert str(error) == "; ".join(f"{route}: nothing by {route}" for route in FileRoute)
        assert routes_of(effort) == [(route, False) for route in FileRoute]
        assert wing.spooled() == []


async def test_a_file_that_vanishes_from_every_way_in_the_middle_is_lost_for_good(tmp_path: Path) -> None:
    meets = {route: Meets(part=FileGone(f"nothing by {route}"), after=2) for route in FileRoute}
    async with ground_with(tmp_path, meets=meets) as (ground, wing):
        assert isinstance(await failure(wing, ground.job), Permanent)
        assert ground.parts == list(range(8))
        await wing.run.bury(ground.job)
        assert wing.spooled() == [] and wing.store.uploads == {}


async def test_another_file_on_every_way_is_another_file(tmp_path: Path) -> None:
    async with ground_with(tmp_path, routes=[RELAY, BOT]) as (ground, wing):
        ground.person.documents[RELAY_ID, COPY] = RemoteTwin(4, BODY)
        ground.bot.documents.clear()
        ground.bot.documents[ground.job.chat_id, ground.job.message_id] = RemoteTwin(5, BODY)
        assert isinstance(await failure(wing, ground.job), IdentityMismatch)


async def test_a_file_that_cannot_be_identified_is_looked_for_nowhere(tmp_path: Path) -> None:
    job = large_job(size=len(BODY), unique_id="AQADuwgAAj0d4FE-")
    async with ground_with(tmp_path, job=job) as (ground, wing):
        assert isinstance(await failure(wing, job), IdentityMismatch)
    assert ground.went == [] and ground.copies == []


async def test_a_file_over_the_limit_ends_the_search(tmp_path: Path) -> None:
    job = forwarded_job(size=None)
    async with ground_with(tmp_path, job=job, max_bytes=len(BODY) - 1) as (ground, wing):
        error = await failure(wing, job)
        assert isinstance(error, Permanent) and "MAX_FILE_GB" in str(error)
    assert ground.went == [RELAY]


async def test_a_size_that_nobody_announced_is_the_same_on_every_way(tmp_path: Path) -> None:
    job = forwarded_job(size=None)
    async with ground_with(tmp_path, routes=[RELAY, BOT, ORIGIN], job=job) as (ground, wing):
        ground.meets[RELAY] = Meets(part=LASTING[1], after=3)
        ground.bot.documents[job.chat_id, job.message_id] = RemoteTwin(1001, BODY + b"x")
        completed = await wing.run.perform(job, 1, emit)
        assert_whole(ground, wing)
    assert [each.route for each in completed.routes] == [RELAY, BOT, ORIGIN] and completed.via is ORIGIN


async def test_without_any_account_the_job_is_given_back(tmp_path: Path) -> None:
    ground = Ground(forwarded_job())
    for session in (ground.bot, ground.person):
        session.script.break_down("open", SessionRevoked("the session was revoked"))
    async with ground_with(tmp_path, ground=ground, ready=False) as (_, wing):
        assert isinstance(await failure(wing, ground.job), SessionNotReady)
    assert ground.went == [] and ground.copies == []


async def test_with_an_account_that_cannot_help_the_job_is_parked(tmp_path: Path) -> None:
    """Given back it would come again at once: the other account keeps this worker at work."""
    async with ground_with(tmp_path, routes=[RELAY, BOT], meets={BOT: Meets(locate=LASTING[0])}) as (ground, wing):
        ground.person.script.break_down("open", SessionRevoked("the session was revoked"))
        ground.person.lose()
        await until(lambda: wing.states[RELAY.account] is SessionState.REVOKED)
        assert isinstance(await failure(wing, ground.job), NoRouteNow)


# -- what no other way would change


@pytest.mark.parametrize("method", ["begin", "put_part", "complete"])
async def test_a_store_in_trouble_is_no_reason_for_another_way(tmp_path: Path, method: str) -> None:
    async with ground_with(tmp_path) as (ground, wing):
        wing.store.script.fail(method, StoreUnavailable("away"))
        effort = Effort()
        assert isinstance(await failure(wing, ground.job, effort), StoreUnavailable)
        assert routes_of(effort) == [(RELAY, True)]
    assert ground.went == [RELAY]


async def test_a_disk_that_is_full_is_no_reason_for_another_way(tmp_path: Path) -> None:
    async with ground_with(tmp_path, meets={RELAY: Meets(part=SpoolFull("full"), after=3)}) as (ground, wing):
        assert isinstance(await failure(wing, ground.job), SpoolFull)
    assert ground.went == [RELAY]


@pytest.mark.parametrize("moment", ["before", "between", "after"])
async def test_told_to_stop_it_tries_no_other_way(tmp_path: Path, moment: str) -> None:
    async with ground_with(tmp_path, routes=[BOT, RELAY], meets={BOT: Meets(part=LASTING[0], after=3)}) as (
        ground,
        wing,
    ):
        if moment == "before":
            ground.bot.script.slow("locate", 50)
        ground.at_bot.script.slow("read", 2)
        ground.person.script.slow("locate", 50)
        ground.at_person.script.slow("read", 2)
        effort = Effort()

        async def stop() -> None:
            await until(lambda: ground.went == ([BOT] if moment == "before" else [BOT, RELAY]))
            await anyio.sleep(60 if moment == "after" else 1)
            effort.stop()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stop)
            assert isinstance(await failure(wing, ground.job, effort), JobStopped)
            assert anyio.current_time() < 80
        assert len(ground.went) == (1 if moment == "before" else 2)
