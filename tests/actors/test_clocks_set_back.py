"""A clock that ran ahead and was set right: workers are heard, lost logins are told, and people may sign in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from teltubby.actors.audit import LIMITS
from teltubby.actors.workers import Workers
from teltubby.messages.queue import SendOrder
from teltubby.messages.session import SessionState
from teltubby.supervision import Mailbox
from tests import virtual_time
from tests.actors.bot_wing import BotWing, bot_wing
from tests.actors.counter import says
from tests.actors.distant_worker import DistantWorker, session, worker_at
from tests.actors.stage import ANNA
from tests.actors.world import World
from tests.virtual_time import until, wall_clock

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

REVOKED, READY = SessionState.REVOKED, SessionState.READY
CONNECTING, CODE_NEEDED = SessionState.CONNECTING, SessionState.CODE_NEEDED
DAY = timedelta(days=1)

Step = Callable[[timedelta], None]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(folder=tmp_path)


@pytest.fixture
def step(monkeypatch: pytest.MonkeyPatch) -> Step:
    """Sets the clocks of all processes by so much."""
    return lambda by: monkeypatch.setattr(virtual_time, "BEGINNING", virtual_time.BEGINNING + by)


async def told(wing: BotWing, count: int) -> list[str]:
    """What the admin was told in some minutes, which is so much."""
    await anyio.sleep(600)
    assert len(wing.said(ANNA)) == count, wing.said(ANNA)
    return wing.said(ANNA)


# -- how workers stand


async def heard(worker: DistantWorker, *offsets: timedelta) -> list[bool]:
    """Whether reports of one worker were news, whose clock was wrong by so much at each."""
    workers = Workers(queue=Mailbox[SendOrder]("queue").ref, missing=None, clock=wall_clock)
    news = []
    for offset in offsets:
        await anyio.sleep(1)
        news.append(workers.note(worker.standing(at=wall_clock() + offset)))
    return news


@pytest.mark.parametrize("wrong", [DAY, timedelta(minutes=5), timedelta(seconds=3)], ids=str)
async def test_who_ran_ahead_is_heard_as_soon_as_his_clock_is_right(world: World, wrong: timedelta) -> None:
    async with bot_wing(world) as wing, worker_at(wing) as worker:
        assert await heard(worker, timedelta(0), wrong, timedelta(0), timedelta(0)) == [True] * 4


async def test_whose_clock_is_set_behind_is_heard(world: World) -> None:
    async with bot_wing(world) as wing, worker_at(wing) as worker:
        assert await heard(worker, timedelta(0), -timedelta(hours=1), timedelta(0)) == [True] * 3


async def test_what_is_brought_again_is_no_news(world: World) -> None:
    async with bot_wing(world) as wing, worker_at(wing) as worker:
        assert await heard(worker, timedelta(0), -timedelta(minutes=1), timedelta(0)) == [True, False, True]


# -- what the admins are told


async def test_a_login_that_is_lost_after_a_worker_ran_ahead_is_told(world: World) -> None:
    async with bot_wing(world) as wing, worker_at(wing, session(READY)) as worker:
        await worker.say(worker.standing(session(READY, since=wall_clock() + DAY), at=wall_clock() + DAY))
        await anyio.sleep(30)
        await worker.stand(session(REVOKED))
        (text,) = await told(wing, 1)
        assert "revoked" in text and "revoked" in await says(wing, "/mtstatus")


async def test_a_login_that_is_lost_after_all_ran_ahead_is_told(world: World, step: Step) -> None:
    async with bot_wing(world) as wing, worker_at(wing, session(READY)) as worker:
        step(DAY)
        await worker.stand(session(READY))  # it connected again
        await anyio.sleep(5)
        step(-DAY)
        await worker.stand(session(REVOKED))
        (text,) = await told(wing, 1)
        assert "revoked" in text


async def test_what_the_ledger_knows_by_a_clock_that_ran_ahead_silences_nobody(world: World, step: Step) -> None:
    """Trouble, and its end by that clock; then all are restarted, and it begins again."""
    async with bot_wing(world) as wing, worker_at(wing, session(REVOKED)) as worker:
        await told(wing, 1)
        step(DAY)
        await worker.stand(session(READY))
        await told(wing, 2)
        step(-DAY)
    async with bot_wing(world) as wing, worker_at(wing, session(REVOKED)):
        text = (await told(wing, 3))[-1]
        assert "revoked" in text
    async with bot_wing(world) as wing, worker_at(wing, session(REVOKED)):
        await told(wing, 3)


# -- signing in


async def test_commands_of_a_time_to_come_lock_nobody_out(world: World, step: Step) -> None:
    async with bot_wing(world) as wing, worker_at(wing) as worker:
        step(30 * DAY)
        for _ in range(LIMITS["mtlogin"].times):
            await says(wing, "/mtlogin")
            await says(wing, "/mtlogin cancel")
        assert "as often as" in await says(wing, "/mtlogin")
        step(-30 * DAY)
        orders = len(worker.orders)
        assert "as often as" not in await says(wing, "/mtlogin")
        await until(lambda: len(worker.orders) > orders)


async def test_a_sign_in_goes_on_although_the_clock_is_set_back(world: World, step: Step) -> None:
    async with bot_wing(world) as wing, worker_at(wing) as worker:
        await says(wing, "/mtlogin")
        await until(lambda: bool(worker.orders))
        step(timedelta(minutes=3))
        await worker.tell(CONNECTING)
        await anyio.sleep(1)
        step(-timedelta(minutes=3))
        await worker.tell(CODE_NEEDED, "in the app")
        await until(lambda: any("in the app" in said for said in wing.said(ANNA)))
