"""SessionActor: a lost connection is its own affair, a lost login is a state, and every change is told once."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio
import pytest

from teltubby.actors.session import SIGN_IN_AGAIN_SECONDS, SessionActor, SessionMessage
from teltubby.errors import (
    FileGone,
    FloodWait,
    SessionNotReady,
    SpoolFull,
    TelegramUnavailable,
    TeltubbyError,
    Unauthorised,
)
from teltubby.messages.session import DescribeSession, SessionChanged, SessionState
from teltubby.messages.transfer import Locate
from teltubby.supervision import ActorStopped, ChildSpec, Mailbox, Ref, Supervisor
from tests.actors.stage import ANNA, large_job, restarts, running
from tests.actors.worker_wing import BACKOFF
from tests.mtproto_twins import RemoteTwin, SessionTwin
from tests.virtual_time import until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

READY, SIGNED_OUT = SessionState.READY, SessionState.SIGNED_OUT
LOCATE = Locate(job=large_job(1))


@dataclass
class Watched:
    """The actor, its session, and what it announced."""

    tree: Supervisor
    session: SessionTwin
    ref: Ref[SessionMessage]
    announced: list[SessionChanged]

    @property
    def states(self) -> list[SessionState]:
        return [changed.state for changed in self.announced]

    async def standing(self) -> SessionChanged:
        return await self.ref.ask(DescribeSession(), within=5)

    async def reaches(self, state: SessionState) -> None:
        await until(lambda: self.announced and self.announced[-1].state is state, within=100_000)


@asynccontextmanager
async def session_actor(session: SessionTwin | None = None) -> AsyncIterator[Watched]:
    session = session or SessionTwin()
    session.documents[ANNA, 1] = RemoteTwin(1001, b"x")
    mailbox = Mailbox[SessionMessage]("session")
    announced: list[SessionChanged] = []

    def start() -> SessionActor:
        return SessionActor(session, announce=announced.append, backoff=BACKOFF, rng=random.Random(1))

    async with running(ChildSpec("session", start, mailbox=mailbox)) as tree:
        yield Watched(tree, session, mailbox.ref, announced)
    assert not session.is_open, "the session is let go of at the end"


async def test_it_signs_in_and_says_so() -> None:
    async with session_actor() as watched:
        await watched.reaches(READY)
        assert watched.states == [SessionState.CONNECTING, READY]
        standing = await watched.standing()
        assert standing.state is READY and "archive_bot" in standing.detail
        assert (await watched.ref.ask(LOCATE, within=5)).document_id == 1001


async def test_before_it_is_ready_it_refuses_and_does_not_wait() -> None:
    session = SessionTwin()
    session.script.hold("open")
    async with session_actor(session) as watched:
        with anyio.fail_after(1), pytest.raises(SessionNotReady):
            await watched.ref.ask(LOCATE, within=100)
        assert (await watched.standing()).state is SessionState.CONNECTING


async def test_a_telegram_that_is_away_is_tried_again_with_growing_pauses() -> None:
    session = SessionTwin()
    session.script.break_down("open", TelegramUnavailable("away"))
    async with session_actor(session) as watched:
        await anyio.sleep(3600)
        tries = session.script.count("open")
        assert 3600 / BACKOFF.cap - 5 < tries < 3600 / BACKOFF.cap * 4
        assert (await watched.standing()).detail in ("away", "signing in")
        session.script.repair("open")
        await watched.reaches(READY)
        assert restarts(watched.tree) == {}


async def test_a_flood_wait_is_waited_for_in_full() -> None:
    session = SessionTwin()
    session.script.fail("open", FloodWait(1800))
    async with session_actor(session) as watched:
        await watched.reaches(SessionState.FLOOD_WAIT)
        with pytest.raises(SessionNotReady):
            await watched.ref.ask(LOCATE, within=5)
        await watched.reaches(READY)
        first, second = session.script.times("open")
        assert second - first >= 1800


@pytest.mark.parametrize("error", [Unauthorised("wrong token"), SessionNotReady("deactivated")], ids=str)
async def test_a_refused_sign_in_is_repeated_rarely(error: TeltubbyError) -> None:
    session = SessionTwin()
    session.script.break_down("open", error)
    async with session_actor(session) as watched:
        await watched.reaches(SIGNED_OUT)
        await anyio.sleep(6 * SIGN_IN_AGAIN_SECONDS)
        assert 5 <= session.script.count("open") <= 7
        assert str(error) in {changed.detail for changed in watched.announced}
        session.script.repair("open")
        await watched.reaches(READY)
        assert restarts(watched.tree) == {}


async def test_a_full_disk_is_a_state_too() -> None:
    session = SessionTwin()
    session.script.fail("open", SpoolFull("the disk of the session file is full"))
    async with session_actor(session) as watched:
        await watched.reaches(READY)
        assert restarts(watched.tree) == {}


async def test_a_lost_connection_is_made_again() -> None:
    async with session_actor() as watched:
        await watched.reaches(READY)
        await anyio.sleep(100)
        watched.session.lose()
        await until(lambda: watched.session.opened == 2, within=60)
        await watched.reaches(READY)
        assert watched.states == [
            SessionState.CONNECTING,
            READY,
            SessionState.DISCONNECTED,
            SessionState.CONNECTING,
            READY,
        ]
        assert (await watched.ref.ask(LOCATE, within=5)).document_id == 1001


async def test_a_connection_that_never_lasts_is_not_hammered() -> None:
    class Short(SessionTwin):
        async def wait_lost(self) -> None:
            await anyio.lowlevel.checkpoint()

    session = Short()
    async with session_actor(session) as watched:
        for _ in range(2000):  # not a sleep: without any pause no time would pass
            await anyio.lowlevel.checkpoint()
        assert session.opened < 20
        await anyio.sleep(600)
        assert session.opened < 600 / 5
        assert restarts(watched.tree) == {}


async def test_a_login_lost_in_use_is_reported_and_made_again() -> None:
    async with session_actor() as watched:
        await watched.reaches(READY)
        watched.session.script.fail("locate", SessionNotReady("the session was revoked"))
        with pytest.raises(SessionNotReady):
            await watched.ref.ask(LOCATE, within=5)
        assert SessionChanged(state=SIGNED_OUT, detail="the session was revoked") in watched.announced
        await watched.reaches(READY)
        assert watched.session.opened == 2
        assert (await watched.ref.ask(LOCATE, within=5)).document_id == 1001


@pytest.mark.parametrize("error", [FileGone("gone"), FloodWait(9), TelegramUnavailable("cut")], ids=str)
async def test_other_failures_of_a_lookup_are_the_askers(error: TeltubbyError) -> None:
    async with session_actor() as watched:
        await watched.reaches(READY)
        watched.session.script.fail("locate", error)
        with pytest.raises(type(error)):
            await watched.ref.ask(LOCATE, within=5)
        assert watched.states[-1] is READY
        assert restarts(watched.tree) == {}


async def test_lookups_run_side_by_side_and_news_overtakes_them() -> None:
    async with session_actor() as watched:
        await watched.reaches(READY)
        gate = watched.session.script.hold("locate")
        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(lambda: watched.ref.ask(LOCATE, within=100))
            await until(lambda: watched.session.script.count("locate") == 4, within=10)
            with anyio.fail_after(1):
                assert (await watched.standing()).state is READY
            gate.set()


async def test_a_login_that_several_lookups_miss_is_reported_once() -> None:
    async with session_actor() as watched:
        await watched.reaches(READY)
        watched.session.script.slow("locate", 1)
        watched.session.script.fail("locate", *[SessionNotReady("revoked")] * 3)

        async def locate() -> None:
            with pytest.raises(SessionNotReady):
                await watched.ref.ask(LOCATE, within=5)

        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(locate)
        assert watched.states.count(SIGNED_OUT) == 1
        await watched.reaches(READY)
        assert (await watched.ref.ask(LOCATE, within=5)).document_id == 1001


async def test_every_change_is_announced_once() -> None:
    session = SessionTwin()
    session.script.fail("open", *[TelegramUnavailable("away")] * 3)
    async with session_actor(session) as watched:
        await watched.reaches(READY)
        for before, after in zip(watched.announced, watched.announced[1:], strict=False):
            assert before != after
        count = len(watched.announced)
        await anyio.sleep(3600)
        assert len(watched.announced) == count, "nothing changed, nothing is said"


async def test_listeners_that_have_stopped_do_no_harm() -> None:
    session = SessionTwin()
    mailbox = Mailbox[SessionMessage]("session")

    def announce(changed: SessionChanged) -> None:
        raise ActorStopped("queue")

    def start() -> SessionActor:
        return SessionActor(session, announce=announce, backoff=BACKOFF, rng=random.Random(1))

    async with running(ChildSpec("session", start, mailbox=mailbox)) as tree:
        await until(lambda: session.is_open)
        assert restarts(tree) == {}


@pytest.mark.parametrize("where", ["open", "wait_lost", "pause"])
async def test_a_stop_ends_it_at_once(where: str) -> None:
    session = SessionTwin()
    if where == "open":
        session.script.hold("open")
    if where == "pause":
        session.script.break_down("open", Unauthorised("no"))
    async with session_actor(session):
        await anyio.sleep(5)
        asked = anyio.current_time()
    assert anyio.current_time() - asked < 1
