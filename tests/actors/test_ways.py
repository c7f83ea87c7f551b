"""The ways to a file: each alone, each after another that could not serve, and a change in the middle of a transfer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from teltubby.actors.effort import Effort
from teltubby.errors import (
    ContentMismatch,
    FileGone,
    NoRouteNow,
    Permanent,
)
from teltubby.messages.media import Route
from teltubby.messages.questions import RelayTold
from teltubby.messages.routes import FileRoute, RouteTry
from teltubby.messages.session import SessionState
from tests.actors.everywhere import (
    BODY,
    COPY,
    LASTING,
    PARTS,
    PASSING,
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
from tests.actors.stage import MIB, sha256
from tests.mtproto_twins import RemoteTwin
from tests.virtual_time import until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

RELAY, BOT, ORIGIN, OWN = FileRoute


# -- each alone


@pytest.mark.parametrize(
    ("way", "route"),
    [
        (RELAY, Route.MTPROTO_USER),
        (BOT, Route.MTPROTO_BOT),
        (ORIGIN, Route.MTPROTO_USER),
        (OWN, Route.MTPROTO_USER),
    ],
)
async def test_each_way_alone(tmp_path: Path, way: FileRoute, route: Route) -> None:
    async with ground_with(tmp_path, routes=[way]) as (ground, wing):
        completed = await wing.run.perform(ground.job, 1, emit)
        assert_whole(ground, wing)
    assert (completed.via, completed.route, completed.routes) == (way, route, (RouteTry(route=way),))
    assert completed.sha256 == sha256(BODY)
    assert ground.went == [way] and {route for route, _ in ground.brought} == {way}
    assert ground.copies == ([None] if way is RELAY else [])


async def test_ways_that_are_not_needed_are_not_tried(tmp_path: Path) -> None:
    async with ground_with(tmp_path, routes=[BOT, RELAY, ORIGIN, OWN]) as (ground, wing):
        await wing.run.perform(ground.job, 1, emit)
    assert ground.went == [BOT] and ground.copies == [], "no copy is made that nobody needs"


# -- one after the other


@pytest.mark.parametrize("error", [*PASSING, *LASTING], ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("first", FileRoute)
async def test_a_way_that_does_not_find_the_file_is_passed_over(
    tmp_path: Path, error: Exception, first: FileRoute
) -> None:
    second = ORIGIN if first is BOT else BOT
    async with ground_with(tmp_path, routes=[first, second]) as (ground, wing):
        ground.meets[first] = Meets(locate=error)
        completed = await wing.run.perform(ground.job, 1, emit)
        assert_whole(ground, wing)
    anew = [RELAY] if first is RELAY and isinstance(error, FileGone) else []  # that copy may be gone, and another not
    assert ground.went == [first, *anew, second]
    assert completed.via is second
    assert completed.routes == (RouteTry(route=first, reason=str(error)), RouteTry(route=second))


@pytest.mark.parametrize("lie", [RemoteTwin(4, BODY), RemoteTwin(1001, BODY + b"x")], ids=["document", "size"])
async def test_a_way_that_finds_another_file_is_passed_over(tmp_path: Path, lie: RemoteTwin) -> None:
    async with ground_with(tmp_path, routes=[RELAY, BOT]) as (ground, wing):
        ground.person.documents[RELAY_ID, COPY] = lie
        completed = await wing.run.perform(ground.job, 1, emit)
        assert_whole(ground, wing)
    assert completed.via is BOT and completed.routes[0].route is RELAY


async def test_every_way_in_turn_and_the_last_one_serves(tmp_path: Path) -> None:
    meets = {RELAY: Meets(locate=LASTING[1]), BOT: Meets(locate=LASTING[0]), ORIGIN: Meets(locate=PASSING[3])}
    async with ground_with(tmp_path, meets=meets) as (ground, wing):
        completed = await wing.run.perform(ground.job, 1, emit)
        assert_whole(ground, wing)
    assert ground.went == [RELAY, BOT, ORIGIN, OWN]
    assert [(each.route, each.reason) for each in completed.routes] == [
        (RELAY, "no member"),
        (BOT, "the message is gone"),
        (ORIGIN, "no answer"),
        (OWN, None),
    ]


async def test_a_user_account_that_is_not_signed_in_is_not_asked_for_anything(tmp_path: Path) -> None:
    ground = Ground(forwarded_job())
    ground.person.stored = None
    async with ground_with(tmp_path, ground=ground, ready=False) as (_, wing):
        await until(lambda: wing.states[BOT.account] is SessionState.READY)
        completed = await wing.run.perform(ground.job, 1, emit)
        assert_whole(ground, wing)
    assert (ground.went, ground.copies) == ([BOT], [])
    assert [each.route for each in completed.routes] == [RELAY, BOT]


async def test_a_file_that_only_an_account_could_reach_that_nobody_signed_in_to_is_lost(tmp_path: Path) -> None:
    """Where the bot's session is enough, nobody may ever sign in to another: that is not waited for."""
    ground = Ground(forwarded_job(), {BOT: Meets(locate=LASTING[0])})
    ground.person.stored = None
    async with ground_with(tmp_path, ground=ground, ready=False) as (_, wing):
        await until(lambda: wing.states[BOT.account] is SessionState.READY)
        error = await failure(wing, ground.job)
        assert isinstance(error, Permanent) and "the message is gone" in str(error)


async def test_an_account_that_is_not_the_curators_is_not_searched(tmp_path: Path) -> None:
    job = replace(forwarded_job(), user_id=8)
    async with ground_with(tmp_path, routes=[OWN, BOT], job=job) as (ground, wing):
        completed = await wing.run.perform(job, 1, emit)
    assert ground.went == [BOT] and "curator" in str(completed.routes[0].reason)


# -- the relay


@pytest.mark.parametrize("passing", [True, False])
async def test_a_copy_that_the_bot_does_not_make_is_done_without(tmp_path: Path, passing: bool) -> None:
    async with ground_with(tmp_path, routes=[RELAY, BOT]) as (ground, wing):
        ground.told = RelayTold(job_id=ground.job.job_id, reason="not now", passing=passing)
        completed = await wing.run.perform(ground.job, 1, emit)
        assert_whole(ground, wing)
    assert completed.routes[0] == RouteTry(route=RELAY, reason="not now")


async def test_alone_it_waits_for_what_passes_and_ends_for_what_does_not(tmp_path: Path) -> None:
    async with ground_with(tmp_path, routes=[RELAY]) as (ground, wing):
        ground.told = RelayTold(job_id=ground.job.job_id, reason="asks to wait", passing=True)
        assert isinstance(await failure(wing, ground.job), NoRouteNow)
        ground.told = replace(ground.told, reason="its content is protected", passing=False)
        assert isinstance(await failure(wing, ground.job), Permanent)


async def test_a_copy_that_is_gone_is_made_anew_once(tmp_path: Path) -> None:
    async with ground_with(tmp_path, routes=[RELAY]) as (ground, wing):
        del ground.person.documents[RELAY_ID, COPY]
        assert isinstance(await failure(wing, ground.job), FileGone)
        assert ground.copies == [None, COPY]
        ground.copies.clear()

        async def copy(job_id: str, lost: int | None) -> RelayTold:
            ground.copies.append(lost)
            message_id = COPY if lost is None else COPY + 1
            return RelayTold(job_id=job_id, chat_id=RELAY_ID, message_id=message_id)

        ground.person.documents[RELAY_ID, COPY + 1] = ground.at_person
        run = replace(wing.run, ways=replace(wing.run.ways, relay=copy))
        completed = await run.perform(ground.job, 1, emit)
        assert_whole(ground, wing)
    assert (ground.copies, completed.via) == ([None, COPY], RELAY)


async def test_without_a_relay_its_way_is_closed(tmp_path: Path) -> None:
    async with ground_with(tmp_path, routes=[RELAY, ORIGIN]) as (ground, wing):
        run = replace(wing.run, ways=replace(wing.run.ways, relay=None))
        completed = await run.perform(ground.job, 1, emit)
    assert completed.via is ORIGIN and "MTPROTO_RELAY_CHAT_ID" in str(completed.routes[0].reason)


# -- in the middle


@pytest.mark.parametrize("error", [*PASSING, *LASTING, ContentMismatch("x")], ids=lambda error: type(error).__name__)
async def test_a_way_that_ends_in_the_middle_is_gone_on_with_by_the_next(tmp_path: Path, error: Exception) -> None:
    async with ground_with(tmp_path, routes=[RELAY, BOT], meets={RELAY: Meets(part=error, after=5)}) as (ground, wing):
        completed = await wing.run.perform(ground.job, 1, emit)
        assert_whole(ground, wing)
    assert ground.brought == [*((RELAY, index) for index in range(5)), *((BOT, index) for index in range(5, PARTS))]
    assert (completed.via, completed.route) == (BOT, Route.MTPROTO_BOT)
    assert [each.route for each in completed.routes] == [RELAY, BOT]
    assert completed.routes[0].reason and completed.routes[1].reason is None


async def test_the_upload_goes_on_over_a_change_of_ways(tmp_path: Path) -> None:
    """What reads the spool does not notice: one upload, and each of its parts once."""
    async with ground_with(tmp_path, routes=[RELAY, BOT], meets={RELAY: Meets(part=LASTING[1], after=5)}) as (
        ground,
        wing,
    ):
        ground.at_bot.script.slow("read", 1)
        await wing.run.perform(ground.job, 1, emit)
        assert_whole(ground, wing)
        assert wing.store.script.count("begin") == 1
        assert wing.store.script.count("put_part") == PARTS


async def test_membership_that_is_lost_shows_when_the_reference_is_renewed(tmp_path: Path) -> None:
    async with ground_with(tmp_path, routes=[RELAY, BOT]) as (ground, wing):
        ground.at_person.script.slow("read", 1)

        async def throw_out() -> None:
            await until(lambda: len(ground.parts) == 4)
            ground.person.unseen.add(RELAY_ID)
            ground.at_person.expire()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(throw_out)
            completed = await wing.run.perform(ground.job, 1, emit)
        assert wing.store.objects == {ground.job.target.key: BODY}
    assert completed.via is BOT and "does not see" in str(completed.routes[0].reason)
    assert ground.went == [RELAY, RELAY, BOT], "the reference is renewed by the way that it came"
    assert len(ground.parts) <= PARTS + 1, "only what was asked for meanwhile is asked for again"


async def test_a_relay_copy_that_is_swept_in_the_middle_is_made_anew(tmp_path: Path) -> None:
    async with ground_with(tmp_path, routes=[RELAY, BOT]) as (ground, wing):
        ground.at_person.script.slow("read", 1)

        async def sweep() -> None:
            await until(lambda: len(ground.parts) == 4)
            ground.person.documents[RELAY_ID, COPY + 1] = ground.person.documents.pop((RELAY_ID, COPY))
            ground.told = RelayTold(job_id=ground.job.job_id, chat_id=RELAY_ID, message_id=COPY + 1)
            ground.at_person.expire()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(sweep)
            completed = await wing.run.perform(ground.job, 1, emit)
        assert wing.store.objects == {ground.job.target.key: BODY}
    assert completed.via is RELAY and ground.copies == [None, COPY]


async def test_a_way_that_is_left_lets_the_next_attempt_go_on_where_it_stood(tmp_path: Path) -> None:
    meets = {RELAY: Meets(part=PASSING[1], after=5), BOT: Meets(part=PASSING[3], after=2)}
    async with ground_with(tmp_path, routes=[RELAY, BOT], meets=meets) as (ground, wing):
        effort = Effort()
        assert isinstance(await failure(wing, ground.job, effort), NoRouteNow)
        assert routes_of(effort) == [(RELAY, False), (BOT, False)]
        assert (effort.transferred_bytes, effort.route) == (7 * MIB, Route.MTPROTO_BOT)
        ground.meets.clear()
        assert (await wing.run.perform(ground.job, 2, emit)).via is RELAY
        assert_whole(ground, wing)
