"""A person signs in through the SessionActor, and something will not have it; whatever happens, secrets stay secret."""

from __future__ import annotations

import gc
import logging

import anyio
import pytest

from teltubby.errors import (
    AccountSuspended,
    BadRequest,
    FloodWait,
    NotSignedIn,
    SessionFileUnusable,
    SessionNotReady,
    SessionRevoked,
    TelegramUnavailable,
    TeltubbyError,
    Unauthorised,
)
from teltubby.messages.control import SignInMethod, SubmitCode, SubmitPassword
from teltubby.messages.session import SessionState
from tests.actors.session_stage import LOCATE, nobody, session_actor
from tests.actors.stage import restarts
from tests.person_twin import CODE, PersonTwin

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

READY, REVOKED, DISCONNECTED = SessionState.READY, SessionState.REVOKED, SessionState.DISCONNECTED
QR_SHOWN, CODE_NEEDED, PASSWORD_NEEDED = SessionState.QR_SHOWN, SessionState.CODE_NEEDED, SessionState.PASSWORD_NEEDED
PASSWORD = "correct horse battery staple"


@pytest.mark.parametrize("where", ["begin", "send_code", "submit_code", "submit_password"])
@pytest.mark.parametrize(
    ("error", "state", "is_trouble"),
    [
        (TelegramUnavailable("cut"), DISCONNECTED, False),
        (BadRequest("no such number"), DISCONNECTED, False),
        (FloodWait(120), DISCONNECTED, False),
        (FloodWait(36000), DISCONNECTED, False),
        (AccountSuspended("banned"), SessionState.SUSPENDED, True),
        (Unauthorised("api id"), REVOKED, True),
        (SessionFileUnusable("held by process 7"), DISCONNECTED, False),
    ],
    ids=str,
)
async def test_what_goes_wrong_is_told_and_is_the_state(
    where: str, error: TeltubbyError, state: SessionState, is_trouble: bool
) -> None:
    session = nobody(PASSWORD)
    session.script.fail(where, error)
    async with session_actor(session) as watched:
        watched.begin(method=SignInMethod.CODE)
        if where.startswith("submit"):
            await watched.hears(CODE_NEEDED)
            watched.submit_code(CODE)
        if where == "submit_password":
            await watched.hears(PASSWORD_NEEDED)
            watched.submit_password(PASSWORD)
        last = await watched.ends()
        assert last.state is state and str(error) in last.detail
        assert bool(watched.troubles.log) is is_trouble
        assert restarts(watched.tree) == {}
        await anyio.sleep(1000)
        watched.begin("again")
        await watched.hears(QR_SHOWN, sign_in_id="again")
        session.scan()
        await watched.hears(PASSWORD_NEEDED, sign_in_id="again")
        watched.submit_password(PASSWORD, "again")
        assert (await watched.ends("again")).state is READY
        assert watched.troubles.reasons == {}


async def test_a_flood_wait_for_codes_says_nothing_of_the_session() -> None:
    """Nobody is to believe that the worker goes on by itself once it is over."""
    session = PersonTwin()
    session.script.fail("open", SessionRevoked("ended"), SessionRevoked("ended"))
    session.script.fail("send_code", FloodWait(86400))
    async with session_actor(session, is_needed=True) as watched:
        await watched.reaches(REVOKED)
        watched.begin(method=SignInMethod.CODE)
        assert "86400 s" in (await watched.ends()).detail
        await watched.reaches(REVOKED)
        assert SessionState.FLOOD_WAIT not in watched.states
        assert (await watched.standing()).is_trouble and len(watched.troubles.log) == 1


async def test_a_connection_that_fails_after_the_sign_in_is_told_and_made_by_itself() -> None:
    session = nobody()
    session.script.fail("open", NotSignedIn("nobody"), TelegramUnavailable("cut"))
    async with session_actor(session) as watched:
        watched.begin()
        await watched.hears(QR_SHOWN)
        session.scan()
        last = await watched.ends()
        assert last.state is DISCONNECTED and "signed in, but" in last.detail and "cut" in last.detail
        await watched.reaches(READY)


async def test_nobody_else_touches_the_session_while_a_person_signs_in() -> None:
    session = PersonTwin()
    session.script.fail("open", SessionRevoked("revoked"))
    async with session_actor(session) as watched:
        await watched.reaches(REVOKED)
        watched.begin()
        await watched.hears(QR_SHOWN)
        for _ in range(20):
            with pytest.raises(SessionNotReady):
                await watched.ref.ask(LOCATE, within=5)
            await anyio.sleep(10)
        assert session.script.count("locate") == 0 and session.script.count("open") == 1


# -- secrets


def answers() -> list[SubmitCode | SubmitPassword]:
    """Every order with a secret in it that this process holds."""
    gc.collect()
    return [thing for thing in gc.get_objects() if isinstance(thing, SubmitCode | SubmitPassword)]


async def test_no_secret_is_said_logged_or_kept(caplog: pytest.LogCaptureFixture) -> None:
    """Not in what is told, announced, logged or in trouble, nor in reprs; and the orders that held it are gone."""
    caplog.set_level(logging.DEBUG)
    password, code = "c4nary-" + "password", "9" * 3 + "777"
    others = set(map(id, answers()))  # of other tests in this process
    session = nobody(None)
    session.password, session.code = password, code
    async with session_actor(session) as watched:
        watched.begin(method=SignInMethod.CODE)
        await watched.hears(CODE_NEEDED)
        watched.submit_code("9991" + "11")
        await watched.hears(CODE_NEEDED, steps=2)
        watched.submit_code(code)
        await watched.hears(PASSWORD_NEEDED, steps=3)
        watched.submit_password("wr0ng-" + "canary")
        await watched.hears(PASSWORD_NEEDED, steps=4)
        watched.submit_password(password)
        await watched.ends()
        said = repr([watched.told, watched.announced, watched.troubles.log, caplog.text, session.script.calls])
        for secret in (password, code, "999111", "wr0ng-canary", "tg://"):
            assert secret not in said
    session.password = session.code = ""
    del password, code, secret
    assert [answer for answer in answers() if id(answer) not in others] == [], "not even the sealed ones"
