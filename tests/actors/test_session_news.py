"""Trouble of a session is told to every admin once when it begins and once when it is over, whoever was restarted."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from teltubby.errors import DatabaseUnavailable, FloodWait, TelegramUnavailable
from teltubby.messages.routes import AccountKind
from teltubby.messages.session import SessionState
from tests.actors.bot_wing import BORIS, BotWing, bot_wing
from tests.actors.distant_worker import session, worker_at
from tests.actors.stage import ANNA, restarts
from tests.actors.world import World
from tests.virtual_time import until, wall_clock

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

REVOKED, READY, SUSPENDED = SessionState.REVOKED, SessionState.READY, SessionState.SUSPENDED


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(folder=tmp_path)


async def told(wing: BotWing, count: int, *, chat: int = ANNA) -> list[str]:
    """Wait until the admin was told so often, and not once more."""
    await until(lambda: len(wing.said(chat)) >= count, within=600)
    await anyio.sleep(30)
    assert len(wing.said(chat)) == count, wing.said(chat)
    return wing.said(chat)


async def test_a_flap_is_told_twice_to_everybody(world: World) -> None:
    async with bot_wing(world) as wing, worker_at(wing, session(READY), name="<box>") as worker:
        await told(wing, 0)
        for state in (REVOKED, REVOKED, READY, READY):
            await anyio.sleep(0.1)
            await worker.stand(session(state, detail="AUTH_KEY_UNREGISTERED <x>"))
        for chat in (ANNA, BORIS):
            began, over = await told(wing, 2, chat=chat)
            assert "revoked" in began and "/mtlogin" in began and "teltubby login" in began
            assert "&lt;box&gt;" in began and "AUTH_KEY_UNREGISTERED &lt;x&gt;" in began
            assert "is ready (worker" in over and "&lt;box&gt;" in over
        found = world.facts("SELECT detail FROM commands WHERE kind = 'decision' AND command = 'session' ORDER BY id")
        lost, back = (row["detail"] for row in found)
        assert "user account" in lost and lost.endswith("is revoked: AUTH_KEY_UNREGISTERED <x>")
        assert "is ready" in back, "the audit trail has both, once"


async def test_what_lies_between_is_no_news(world: World) -> None:
    """A worker that starts anew, and a person who signs in: the trouble lasts until it is ready."""
    async with bot_wing(world) as wing, worker_at(wing) as worker:
        await worker.stand(session(REVOKED))
        await told(wing, 1)
        passing = (SessionState.CONNECTING, SessionState.QR_SHOWN, SessionState.PASSWORD_NEEDED)
        for state in (*passing, SessionState.DISCONNECTED):
            await worker.stand(session(state, is_trouble=True))
            await anyio.sleep(1)
        await worker.stand(session(SessionState.DISCONNECTED, in_use=False))
        await told(wing, 1)
        await worker.stand(session(READY))
        await told(wing, 2)


async def test_another_trouble_is_news(world: World) -> None:
    async with bot_wing(world) as wing, worker_at(wing) as worker:
        await worker.stand(session(SessionState.DISCONNECTED, is_trouble=True, detail="nobody is signed in"))
        assert "/mtlogin" in (await told(wing, 1))[0]
        await worker.stand(session(SessionState.FLOOD_WAIT, is_trouble=True))
        assert "goes on by itself" in (await told(wing, 2))[1]
        await worker.stand(session(SUSPENDED))
        assert "suspended" in (await told(wing, 3))[2]


async def test_the_bots_session_has_a_remedy_of_its_own(world: World) -> None:
    async with bot_wing(world) as wing, worker_at(wing) as worker:
        await worker.stand(session(READY), session(REVOKED, account=AccountKind.BOT))
        (text,) = await told(wing, 1)
        assert "bot account" in text and "teltubby login --bot" in text and "teltubby doctor" in text
        assert "/mtlogin" not in text, "a bot cannot scan"


async def test_it_is_told_once_although_all_are_restarted(world: World) -> None:
    async with bot_wing(world) as wing, worker_at(wing, name="box-1", place="box") as worker:
        await worker.stand(session(REVOKED))
        await told(wing, 1)
    async with bot_wing(world) as wing, worker_at(wing, name="box-2", place="box") as worker:
        await worker.stand(session(SessionState.CONNECTING, is_trouble=True))
        await worker.stand(session(REVOKED))
        await told(wing, 1)
        await worker.stand(session(READY))
        await told(wing, 2)
    async with bot_wing(world) as wing, worker_at(wing, session(READY), name="box-3", place="box"):
        await told(wing, 2)


async def test_what_comes_late_or_twice_is_no_news(world: World) -> None:
    async with bot_wing(world) as wing, worker_at(wing, session(READY)) as worker:
        began = wall_clock()
        trouble = worker.standing(session(REVOKED, since=began))
        await anyio.sleep(60)
        ready = worker.standing(session(READY))
        for report in (trouble, trouble, ready, ready, trouble):
            await worker.say(report)
        await told(wing, 2)
    async with bot_wing(world) as wing, worker_at(wing, introduced=False) as worker:
        await worker.say(trouble)
        await told(wing, 2)


async def test_what_comes_late_is_no_news_although_nothing_was_told_yet(world: World) -> None:
    async with bot_wing(world) as wing, worker_at(wing, introduced=False) as worker:
        trouble = worker.standing(session(REVOKED))
        await anyio.sleep(60)
        await worker.stand(session(READY))
        await worker.say(trouble)
        await told(wing, 0)


async def test_a_clock_that_is_ahead_does_not_silence_what_comes_after_it(world: World) -> None:
    async with bot_wing(world) as wing, worker_at(wing) as worker:
        ahead = timedelta(hours=1)
        await worker.say(worker.standing(session(REVOKED, since=wall_clock() + ahead), at=wall_clock() + ahead))
        await told(wing, 1)
        await worker.stand(session(READY))  # by a clock that was set right
        await told(wing, 2)


async def test_one_who_cannot_be_told_keeps_it_from_nobody(world: World) -> None:
    async with bot_wing(world) as wing, worker_at(wing) as worker:
        wing.telegram.blocked.add(ANNA)
        await worker.stand(session(REVOKED))
        await told(wing, 1, chat=BORIS)
        await until(lambda: world.facts("SELECT 1 FROM session_troubles"))
        await worker.stand(session(READY))
        await told(wing, 2, chat=BORIS)
        assert wing.said(ANNA) == []


async def test_one_whom_telegram_holds_back_is_told_later(world: World) -> None:
    async with bot_wing(world) as wing, worker_at(wing) as worker:
        wing.gateway.script.fail("send", FloodWait(2000))  # whoever is first
        await worker.stand(session(REVOKED))
        await until(lambda: wing.said(ANNA) or wing.said(BORIS), within=600)
        await until(lambda: world.facts("SELECT 1 FROM session_troubles"), within=600)
        await until(lambda: wing.said(ANNA) and wing.said(BORIS), within=10_000)
        await anyio.sleep(5000)
        assert (len(wing.said(ANNA)), len(wing.said(BORIS))) == (1, 1)


async def test_while_telegram_is_away_it_waits(world: World) -> None:
    async with bot_wing(world) as wing, worker_at(wing) as worker:
        wing.gateway.script.break_down("send", TelegramUnavailable("away"))
        await worker.stand(session(REVOKED))
        await anyio.sleep(1000)
        assert world.facts("SELECT 1 FROM session_troubles") == []
        wing.gateway.script.repair("send")
        for chat in (ANNA, BORIS):
            await told(wing, 1, chat=chat)
        assert restarts(wing.tree) == {}


async def test_a_ledger_that_is_locked_makes_it_wait(world: World) -> None:
    async with bot_wing(world) as wing, worker_at(wing) as worker:
        wing.ledger_script.fail("FindTrouble", *[DatabaseUnavailable("locked")] * 3)
        await worker.stand(session(REVOKED))
        await told(wing, 1)
