"""SessionActor: a lost connection is its own affair, a lost login is a state, and every change is told once."""

from __future__ import annotations

import anyio
import pytest

from teltubby.actors.session import CHECK_SECONDS
from teltubby.errors import (
    AccountSuspended,
    ChatUnavailable,
    FileGone,
    FloodWait,
    SessionAway,
    SessionNotReady,
    SessionRevoked,
    TelegramUnavailable,
    TeltubbyError,
    Unauthorised,
)
from teltubby.messages.routes import AccountKind
from teltubby.messages.session import SessionStanding, SessionState
from teltubby.messages.transfer import Dial, Locate
from tests.actors.session_stage import LOCATE, session_actor
from tests.actors.stage import restarts
from tests.actors.worker_wing import BACKOFF
from tests.mtproto_twins import HOME, SessionTwin
from tests.person_twin import PERSON, PersonTwin
from tests.virtual_time import BEGINNING, until, wall_clock

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

DISCONNECTED, CONNECTING, READY = SessionState.DISCONNECTED, SessionState.CONNECTING, SessionState.READY
REVOKED, SUSPENDED, FLOOD_WAIT = SessionState.REVOKED, SessionState.SUSPENDED, SessionState.FLOOD_WAIT


async def test_it_signs_in_and_says_so() -> None:
    async with session_actor() as watched:
        await watched.reaches(READY)
        assert watched.states == [CONNECTING, READY]
        standing = await watched.standing()
        assert standing == SessionStanding(
            account=AccountKind.BOT,
            state=READY,
            detail="signed in as @archive_bot",
            since=standing.since,
            name="@archive_bot",
            data_centre=HOME,
            connections=1,
            last_success_at=standing.last_success_at,
            account_id=watched.session.account.id,
        )
        assert BEGINNING <= standing.since <= wall_clock()
        assert (await watched.ref.ask(LOCATE, within=5)).document_id == 1001


async def test_a_persons_name_is_masked_wherever_it_is_said() -> None:
    async with session_actor(PersonTwin()) as watched:
        await watched.reaches(READY)
        standing = await watched.standing()
        assert standing.name == "@ad… +…78" and standing.account_id == PERSON.id
        said = " ".join([*watched.details, *watched.troubles.log])
        assert "ada" not in said and "+49" not in said and str(PERSON.id) not in said


async def test_the_last_success_is_that_of_the_last_request_that_was_served() -> None:
    async with session_actor() as watched:
        await watched.reaches(READY)
        await anyio.sleep(100)
        await watched.ref.ask(LOCATE, within=5)
        served = (await watched.standing()).last_success_at
        await anyio.sleep(100)
        watched.session.script.fail("locate", TelegramUnavailable("cut"))
        with pytest.raises(TelegramUnavailable):
            await watched.ref.ask(LOCATE, within=5)
        assert (await watched.standing()).last_success_at == served
        assert served is not None and 100 <= (served - BEGINNING).total_seconds() < 200


async def test_before_it_is_ready_it_refuses_and_does_not_wait() -> None:
    session = SessionTwin()
    session.script.hold("open")
    async with session_actor(session) as watched:
        with anyio.fail_after(1), pytest.raises(SessionAway):
            await watched.ref.ask(LOCATE, within=100)
        assert (await watched.standing()).state is CONNECTING


async def test_a_telegram_that_is_away_is_tried_again_with_growing_pauses() -> None:
    session = SessionTwin()
    session.script.break_down("open", TelegramUnavailable("away"))
    async with session_actor(session) as watched:
        await anyio.sleep(3600)
        tries = session.script.count("open")
        assert 3600 / BACKOFF.cap - 5 < tries < 3600 / BACKOFF.cap * 4
        assert (await watched.standing()).detail == "away"
        assert watched.states == [CONNECTING, DISCONNECTED], "further tries are no news"
        assert watched.troubles.log == [], "nobody can do anything about it"
        session.script.repair("open")
        await watched.reaches(READY)
        assert restarts(watched.tree) == {}


# -- lost connections and logins


async def test_a_lost_connection_is_made_again() -> None:
    async with session_actor() as watched:
        await watched.reaches(READY)
        await anyio.sleep(100)
        watched.session.lose()
        await until(lambda: watched.session.opened == 2, within=60)
        await watched.reaches(READY)
        assert watched.states == [CONNECTING, READY, DISCONNECTED, CONNECTING, READY]
        assert watched.troubles.log == []
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


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (SessionRevoked("revoked"), REVOKED),
        (SessionNotReady("not authorised"), REVOKED),
        (Unauthorised("no such token"), REVOKED),
        (AccountSuspended("frozen"), SUSPENDED),
    ],
    ids=str,
)
@pytest.mark.parametrize("request_", [LOCATE, Dial(data_centre=2)], ids=["locate", "dial"])
async def test_a_login_lost_in_use_is_reported_at_once(
    request_: Locate | Dial, error: TeltubbyError, state: SessionState
) -> None:
    async with session_actor(PersonTwin()) as watched:
        await watched.reaches(READY)
        watched.session.script.fail("locate" if isinstance(request_, Locate) else "dial", error)
        with pytest.raises(SessionNotReady, match=str(error)):
            await watched.ref.ask(request_, within=5)
        assert (watched.states[-1], watched.details[-1]) == (state, str(error))
        await until(lambda: not watched.session.is_open, within=1)
        await anyio.sleep(3600)
        assert watched.session.opened == 1, "for a person somebody has to sign in"
        assert len(watched.troubles.log) == 1


async def test_a_login_that_is_ended_while_nobody_uses_it_is_noticed() -> None:
    async with session_actor(PersonTwin()) as watched:
        await watched.reaches(READY)
        watched.session.script.fail("check", None, TelegramUnavailable("slow"), SessionRevoked("ended by its owner"))
        await anyio.sleep(2.5 * CHECK_SECONDS)
        assert watched.states[-1] is READY and watched.session.script.count("check") == 2
        await anyio.sleep(CHECK_SECONDS)
        assert (watched.states[-1], watched.details[-1]) == (REVOKED, "ended by its owner")
        await anyio.sleep(10 * CHECK_SECONDS)
        assert watched.session.script.count("check") == 3 and len(watched.troubles.log) == 1


async def test_a_bots_login_lost_in_use_is_made_again_by_itself() -> None:
    async with session_actor() as watched:
        await watched.reaches(READY)
        watched.session.script.fail("locate", SessionRevoked("revoked"))
        with pytest.raises(SessionRevoked):
            await watched.ref.ask(LOCATE, within=5)
        assert watched.states[-1] is REVOKED
        with anyio.fail_after(60):
            await watched.reaches(READY)
        assert watched.session.opened == 2
        assert watched.troubles.log[1:] == ["bot session is over"]
        assert (await watched.ref.ask(LOCATE, within=5)).document_id == 1001


@pytest.mark.parametrize(
    "error",
    [FileGone("gone"), ChatUnavailable("no member"), FloodWait(9), TelegramUnavailable("cut"), SessionAway("away")],
    ids=str,
)
async def test_other_failures_of_a_lookup_are_the_askers(error: TeltubbyError) -> None:
    async with session_actor() as watched:
        await watched.reaches(READY)
        watched.session.script.fail("locate", error)
        with pytest.raises(type(error)):
            await watched.ref.ask(LOCATE, within=5)
        assert watched.states[-1] is READY
        assert restarts(watched.tree) == {}


async def test_an_answer_to_an_earlier_connection_does_not_end_the_next() -> None:
    async with session_actor() as watched:
        await watched.reaches(READY)
        gate = watched.session.script.hold("locate")
        watched.session.script.fail("locate", SessionRevoked("revoked"))

        async def locate() -> None:
            with pytest.raises(SessionRevoked):
                await watched.ref.ask(LOCATE, within=5000)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(locate)
            await until(lambda: watched.session.script.count("locate"))
            watched.session.lose()
            await until(lambda: watched.session.opened == 2)
            gate.set()
        await anyio.sleep(5)
        assert watched.states[-1] is READY and watched.session.opened == 2


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


async def test_a_connection_that_nobody_wants_any_more_is_closed() -> None:
    async with session_actor() as watched:
        await watched.reaches(READY)
        await watched.ref.ask(Dial(data_centre=2), within=5)
        await watched.ref.ask(Dial(data_centre=2, is_wanted=lambda: False), within=5)
        assert (await watched.standing()).connections == 2, "its own, and the one that is wanted"


async def test_a_login_that_several_lookups_miss_is_reported_once() -> None:
    async with session_actor() as watched:
        await watched.reaches(READY)
        watched.session.script.slow("locate", 1)
        watched.session.script.fail("locate", *[SessionRevoked("revoked")] * 3)

        async def locate() -> None:
            with pytest.raises(SessionRevoked):
                await watched.ref.ask(LOCATE, within=5)

        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(locate)
        assert watched.states.count(REVOKED) == 1
        await watched.reaches(READY)
        assert (await watched.ref.ask(LOCATE, within=5)).document_id == 1001


async def test_every_change_is_announced_once() -> None:
    session = SessionTwin()
    session.script.fail("open", *[TelegramUnavailable("away")] * 3)
    async with session_actor(session) as watched:
        await watched.reaches(READY)
        assert watched.states == [CONNECTING, DISCONNECTED, READY]
        count = len(watched.announced)
        assert count == 3
        await anyio.sleep(3600)
        assert len(watched.announced) == count, "nothing changed, nothing is said"


@pytest.mark.parametrize("where", ["open", "wait_lost", "pause", "person"])
async def test_a_stop_ends_it_at_once(where: str) -> None:
    session = PersonTwin() if where == "person" else SessionTwin()
    if where == "open":
        session.script.hold("open")
    if where in ("pause", "person"):
        session.script.break_down("open", Unauthorised("no"))
    async with session_actor(session):
        await anyio.sleep(5)
        asked = anyio.current_time()
    assert anyio.current_time() - asked < 1
