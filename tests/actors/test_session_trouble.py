"""SessionActor: what keeps a session from being signed in is a state, and trouble as long as somebody must act."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from teltubby.actors.session import LOOK_SECONDS, SIGN_IN_AGAIN_SECONDS, SUSPENDED_SECONDS
from teltubby.errors import (
    AccountSuspended,
    BadRequest,
    FloodWait,
    NotSignedIn,
    SessionFileDamaged,
    SessionFileUnusable,
    SessionNotReady,
    SessionRevoked,
    SpoolFull,
    TeltubbyError,
    Unauthorised,
    WrongAccount,
)
from teltubby.messages.session import SessionState
from tests.actors.session_stage import LOCATE, session_actor
from tests.actors.stage import restarts
from tests.mtproto_twins import SessionTwin
from tests.person_twin import PERSON, PersonTwin
from tests.virtual_time import until, wall_clock

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

DISCONNECTED, CONNECTING, READY = SessionState.DISCONNECTED, SessionState.CONNECTING, SessionState.READY
REVOKED, SUSPENDED, FLOOD_WAIT = SessionState.REVOKED, SessionState.SUSPENDED, SessionState.FLOOD_WAIT


@pytest.mark.parametrize(("seconds", "is_trouble"), [(500, False), (1800, True)])
async def test_a_flood_wait_is_waited_for_in_full(seconds: float, is_trouble: bool) -> None:
    session = SessionTwin()
    session.script.fail("open", FloodWait(seconds))
    async with session_actor(session) as watched:
        await watched.reaches(FLOOD_WAIT)
        standing = await watched.standing()
        assert standing.flood_until is not None and standing.is_trouble is is_trouble
        assert seconds - 5 < (standing.flood_until - wall_clock()).total_seconds() <= seconds
        with pytest.raises(SessionNotReady):
            await watched.ref.ask(LOCATE, within=5)
        await watched.reaches(READY)
        first, second = session.script.times("open")
        assert seconds <= second - first < seconds + 60
        assert (await watched.standing()).flood_until is None
        assert len(watched.troubles.log) == 2 * is_trouble


@pytest.mark.parametrize("error", [Unauthorised("wrong token"), SessionRevoked("revoked"), BadRequest("no")], ids=str)
async def test_a_bot_that_is_refused_is_signed_in_again_rarely(error: TeltubbyError) -> None:
    session = SessionTwin()
    session.script.break_down("open", error)
    async with session_actor(session) as watched:
        await watched.reaches(REVOKED)
        assert (await watched.standing()).is_trouble
        await anyio.sleep(6 * SIGN_IN_AGAIN_SECONDS)
        assert 5 <= session.script.count("open") <= 7
        assert watched.states == [CONNECTING, REVOKED] and watched.details[-1] == str(error)
        (entered,) = watched.troubles.log
        assert entered.startswith(f"bot session: {error}") and "teltubby doctor" in entered
        with pytest.raises(SessionRevoked):
            await watched.ref.ask(LOCATE, within=5)
        session.script.repair("open")
        await watched.reaches(READY)
        assert watched.troubles.log[1:] == ["bot session is over"]
        assert restarts(watched.tree) == {}


async def test_a_suspended_bot_is_looked_after_hourly() -> None:
    session = SessionTwin()
    session.script.break_down("open", AccountSuspended("frozen"))
    async with session_actor(session) as watched:
        await watched.reaches(SUSPENDED)
        await anyio.sleep(4.5 * SUSPENDED_SECONDS)
        assert session.script.count("open") == 5
        assert watched.troubles.log == ["bot session: frozen"]
        session.script.repair("open")
        await watched.reaches(READY)


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (SessionRevoked("revoked"), REVOKED),
        (WrongAccount("another account"), REVOKED),
        (AccountSuspended("banned"), SUSPENDED),
    ],
    ids=str,
)
async def test_a_person_who_is_refused_is_left_alone(error: TeltubbyError, state: SessionState) -> None:
    session = PersonTwin()
    session.script.break_down("open", error)
    async with session_actor(session) as watched:
        await watched.reaches(state)
        await anyio.sleep(100 * SUSPENDED_SECONDS)
        assert session.script.count("open") == 1
        standing = await watched.standing()
        assert standing.state is state and standing.is_trouble and standing.in_use
        assert len(watched.troubles.log) == 1
        with pytest.raises(SessionNotReady):
            await watched.ref.ask(LOCATE, within=5)


async def test_a_session_file_that_somebody_else_made_ends_the_wait(tmp_path: Path) -> None:
    """`teltubby login` beside the running worker."""
    file = anyio.Path(tmp_path / "session")
    await file.write_text("the old session")
    session = PersonTwin()
    session.script.fail("open", SessionRevoked("revoked"), SessionFileUnusable("`teltubby login` holds it"))
    async with session_actor(session, session_file=tmp_path / "session") as watched:
        await watched.reaches(REVOKED)
        await anyio.sleep(3600)
        assert session.script.count("open") == 1
        await file.write_text("the new session of another length")
        await watched.reaches(READY)
        assert session.script.count("open") == 3, "it was held at first"
        assert watched.states == [CONNECTING, REVOKED, READY] and watched.troubles.log[1:] == ["user session is over"]


@pytest.mark.parametrize("is_needed", [False, True])
async def test_where_nobody_signed_in_telegram_is_not_asked(is_needed: bool) -> None:
    session = PersonTwin(stored=None)
    async with session_actor(session, is_needed=is_needed) as watched:
        await until(lambda: session.script.count("open") == 2)
        standing = await watched.standing()
        assert (standing.state, standing.name) == (DISCONNECTED, None)
        assert standing.in_use is is_needed and standing.is_trouble is is_needed
        assert ["/mtlogin" in line for line in watched.troubles.log] == [True] * is_needed
        with pytest.raises(NotSignedIn):
            await watched.ref.ask(LOCATE, within=5)
        announced = len(watched.announced)
        await anyio.sleep(10 * LOOK_SECONDS)
        assert 9 <= session.script.count("open") <= 12, "it is looked for a file, which another process may make"
        assert len(watched.announced) == announced, "that nobody signed in yet is no news"
        session.stored = PERSON
        await watched.reaches(READY)
        assert watched.troubles.reasons == {}


async def test_a_teltubby_login_under_way_is_no_trouble() -> None:
    session = PersonTwin(stored=None)
    session.script.fail("open", None, *[SessionFileUnusable("held by process 7")] * 5)
    async with session_actor(session) as watched:
        await until(lambda: session.script.count("open") == 4)
        standing = await watched.standing()
        assert standing.state is DISCONNECTED and not standing.in_use and watched.troubles.log == []
        session.stored = PERSON
        await watched.reaches(READY)


@pytest.mark.parametrize("kind", [SessionTwin, PersonTwin])
async def test_a_session_file_held_by_another_process_is_looked_at_again(kind: type[SessionTwin]) -> None:
    session = kind()
    session.script.break_down("open", SessionFileUnusable("held by process 7"))
    async with session_actor(session) as watched:
        await until(lambda: session.script.count("open") == 10)
        assert watched.states == [CONNECTING, DISCONNECTED]
        assert 8 * LOOK_SECONDS < anyio.current_time() < 12 * LOOK_SECONDS
        assert [line.partition(": ")[2] for line in watched.troubles.log] == ["held by process 7"]
        session.script.repair("open")
        await watched.reaches(READY)
        assert watched.troubles.reasons == {}


@pytest.mark.parametrize("kind", [SessionTwin, PersonTwin])
async def test_a_damaged_session_file_counts_as_a_lost_login(kind: type[SessionTwin]) -> None:
    session = kind()
    session.script.break_down("open", SessionFileDamaged("made with another key"))
    async with session_actor(session) as watched:
        await watched.reaches(REVOKED)
        assert len(watched.troubles.log) == 1 and "made with another key" in watched.troubles.log[0]
        session.script.repair("open")
        await watched.reaches(READY)


async def test_a_full_disk_is_a_state_too() -> None:
    session = SessionTwin()
    session.script.fail("open", SpoolFull("the disk of the session file is full"))
    async with session_actor(session) as watched:
        await watched.reaches(READY)
        assert restarts(watched.tree) == {}
