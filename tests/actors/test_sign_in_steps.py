"""A person signs in through the SessionActor: every step is told, and there is one dialogue at a time."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import anyio
import pytest

from teltubby.actors.sign_in_steps import STAGE_SECONDS, TRIES
from teltubby.adapters.base import Account
from teltubby.adapters.sealed_boxes import SealedBoxes, seal
from teltubby.errors import FloodWait, NotSignedIn, SessionRevoked
from teltubby.messages.control import SignInMethod, SubmitCode
from teltubby.messages.session import SessionState, ShownQr
from tests.actors.session_stage import LOCATE, Watched, nobody, session_actor
from tests.actors.stage import restarts
from tests.person_twin import CODE, PERSON, QR_SECONDS, PersonTwin
from tests.virtual_time import until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

READY, REVOKED, DISCONNECTED = SessionState.READY, SessionState.REVOKED, SessionState.DISCONNECTED
QR_SHOWN, CODE_NEEDED, PASSWORD_NEEDED = SessionState.QR_SHOWN, SessionState.CODE_NEEDED, SessionState.PASSWORD_NEEDED
PASSWORD = "correct horse battery staple"


def person(watched: Watched) -> PersonTwin:
    """The session's twin."""
    assert isinstance(watched.session, PersonTwin)
    return watched.session


# -- the good ways


async def test_by_qr_code() -> None:
    async with session_actor(nobody()) as watched:
        watched.begin()
        shown = await watched.hears(QR_SHOWN)
        assert shown.sealed_qr is not None and shown.expires_at is not None and not shown.is_over
        assert watched.bot.open(shown.sealed_qr) == person(watched).qr_codes[0].url
        person(watched).scan()
        last = await watched.ends()
        assert last.state is READY and "@ad…" in last.detail
        assert (await watched.ref.ask(LOCATE, within=5)).document_id == 1001
        states = [state for state in watched.states if state is not DISCONNECTED]
        assert states == [SessionState.CONNECTING, SessionState.CONNECTING, QR_SHOWN, SessionState.CONNECTING, READY]
        assert {step.worker for step in watched.told} == {"host:1:ab"}


async def test_a_qr_code_is_renewed_as_it_expires() -> None:
    async with session_actor(nobody()) as watched:
        watched.begin()
        await until(lambda: len(watched.steps()) == 5)
        await anyio.sleep(QR_SECONDS - 2)
        person(watched).scan()
        assert (await watched.ends()).state is READY
        assert len(watched.steps()) == 6
        urls = [watched.bot.open(step.sealed_qr) for step in watched.steps() if step.sealed_qr is not None]
        assert urls == [qr.url for qr in person(watched).qr_codes]
        times = [step.at for step in watched.steps()[:5]]
        for before, after in pairwise(times):
            assert timedelta(seconds=QR_SECONDS) <= after - before <= timedelta(seconds=QR_SECONDS + 5)
        assert [changed.standing.state for changed in watched.announced].count(QR_SHOWN) == 1


async def test_a_scan_at_the_moment_of_renewal_is_not_lost() -> None:
    class Slow(PersonTwin):
        async def wait_scanned(self) -> Account:
            account = await super().wait_scanned()
            await anyio.sleep(5)  # the session is stored, the connection is closed
            return account

    async with session_actor(Slow(stored=None)) as watched:
        watched.begin()
        await watched.hears(QR_SHOWN)
        await anyio.sleep(QR_SECONDS - 2)
        person(watched).scan()
        last = await watched.ends()
        assert last.state is READY, last.detail
        assert len(person(watched).qr_codes) == 1


async def test_a_code_that_cannot_be_renewed_ends_it_with_the_reason() -> None:
    async with session_actor(nobody()) as watched:
        person(watched).script.fail("show_qr", FloodWait(900), skip=1)
        watched.begin()
        last = await watched.ends()
        assert last.state is DISCONNECTED and "900 s" in last.detail and len(watched.steps()) == 2


@pytest.mark.parametrize("off", [timedelta(hours=1), timedelta(hours=-1)], ids=["ahead", "behind"])
async def test_a_clock_that_is_off_by_an_hour_neither_hammers_nor_lets_the_code_die(off: timedelta) -> None:
    class Skewed(PersonTwin):
        async def show_qr(self) -> ShownQr:
            shown = await super().show_qr()
            return replace(shown, expires_at=shown.expires_at + off)

    async with session_actor(Skewed(stored=None)) as watched:
        watched.begin()
        await watched.hears(QR_SHOWN)
        await anyio.sleep(STAGE_SECONDS / 2)
        assert 2 <= len(watched.steps()) <= STAGE_SECONDS / 2 / 5 + 1


async def test_by_code() -> None:
    async with session_actor(nobody()) as watched:
        watched.begin(method=SignInMethod.CODE)
        asked = await watched.hears(CODE_NEEDED)
        assert "to the Telegram apps" in asked.detail
        watched.submit_code(CODE)
        assert (await watched.ends()).state is READY
        assert person(watched).stored == PERSON


@pytest.mark.parametrize("method", SignInMethod, ids=str)
async def test_with_a_second_factor(method: SignInMethod) -> None:
    async with session_actor(nobody(PASSWORD)) as watched:
        watched.begin(method=method)
        if method is SignInMethod.QR:
            await watched.hears(QR_SHOWN)
            person(watched).scan()
        else:
            await watched.hears(CODE_NEEDED)
            watched.submit_code(CODE)
        asked = await watched.hears(PASSWORD_NEEDED)
        assert "hint: fruit" in asked.detail
        assert not any("fruit" in detail for detail in watched.details), "a hint is for who signs in"
        watched.submit_password(PASSWORD)
        assert (await watched.ends()).state is READY


async def test_a_login_that_was_lost_is_regained_and_the_trouble_ends_once() -> None:
    session = PersonTwin()
    session.script.fail("open", SessionRevoked("revoked"))
    async with session_actor(session) as watched:
        await watched.reaches(REVOKED)
        await anyio.sleep(1000)
        watched.begin()
        await watched.hears(QR_SHOWN)
        assert (await watched.standing()).is_trouble, "until it has succeeded"
        with pytest.raises(NotSignedIn):
            await watched.ref.ask(LOCATE, within=5)
        session.scan()
        assert (await watched.ends()).state is READY
        assert [line.partition(";")[0] for line in watched.troubles.log] == [
            "user session: revoked",
            "user session is over",
        ]


# -- wrong answers


async def test_a_wrong_code_may_be_put_right() -> None:
    async with session_actor(nobody()) as watched:
        watched.begin(method=SignInMethod.CODE)
        await watched.hears(CODE_NEEDED)
        watched.submit_code("11111")
        again = await watched.hears(CODE_NEEDED, steps=2)
        assert "2 more tries" in again.detail and not again.is_over
        watched.submit_code(CODE)
        assert (await watched.ends()).state is READY


async def test_three_wrong_codes_end_it() -> None:
    async with session_actor(nobody()) as watched:
        watched.begin(method=SignInMethod.CODE)
        for count in range(TRIES):
            await watched.hears(CODE_NEEDED, steps=count + 1)
            watched.submit_code("11111")
        last = await watched.ends()
        assert last.state is DISCONNECTED and "last of 3 tries" in last.detail
        assert watched.session.script.count("submit_code") == TRIES
        assert restarts(watched.tree) == {}


async def test_three_wrong_passwords_end_it_however_many_codes_were_wrong() -> None:
    async with session_actor(nobody(PASSWORD)) as watched:
        watched.begin(method=SignInMethod.CODE)
        await watched.hears(CODE_NEEDED)
        watched.submit_code("11111")
        await watched.hears(CODE_NEEDED, steps=2)
        watched.submit_code(CODE)
        for count in range(TRIES):
            await watched.hears(PASSWORD_NEEDED, steps=3 + count)
            watched.submit_password("wrong")
        assert (await watched.ends()).state is DISCONNECTED
        assert watched.session.script.count("submit_password") == TRIES


async def test_an_expired_code_ends_it_with_the_reason() -> None:
    session = nobody()
    session.code_is_good = False
    async with session_actor(session) as watched:
        watched.begin(method=SignInMethod.CODE)
        await watched.hears(CODE_NEEDED)
        watched.submit_code(CODE)
        last = await watched.ends()
        assert last.state is DISCONNECTED and "no longer good" in last.detail


async def test_another_account_than_the_configured_one_ends_it() -> None:
    session = nobody()
    session.signs_in = replace(PERSON, id=816, username="eve")
    async with session_actor(session) as watched:
        watched.begin()
        await watched.hears(QR_SHOWN)
        session.scan()
        last = await watched.ends()
        assert last.state is DISCONNECTED and "another account" in last.detail
        assert session.stored is None


async def test_what_is_sealed_to_another_key_is_asked_for_again_and_costs_no_try() -> None:
    async with session_actor(nobody()) as watched:
        watched.begin(method=SignInMethod.CODE)
        for count in range(TRIES + 1):
            await watched.hears(CODE_NEEDED, steps=count + 1)
            watched.submit_code(CODE, to=SealedBoxes())
        again = await watched.hears(CODE_NEEDED, steps=TRIES + 2)
        assert "send it once more" in again.detail
        watched.submit_code(CODE)
        assert (await watched.ends()).state is READY


async def test_what_is_not_waited_for_is_said_to_be() -> None:
    async with session_actor(nobody(PASSWORD)) as watched:
        watched.begin()
        await watched.hears(QR_SHOWN)
        for submit in (watched.submit_code, watched.submit_password):
            submit("12345")
            await until(lambda: watched.told[-1].sealed_qr is None)
            assert "not what is waited for" in watched.told.pop().detail
        person(watched).scan()
        await until(lambda: watched.steps()[-1].state is PASSWORD_NEEDED)
        watched.submit_password(PASSWORD)
        assert (await watched.ends()).state is READY


# -- patience, order and ends


@pytest.mark.parametrize("stage", [QR_SHOWN, CODE_NEEDED, PASSWORD_NEEDED], ids=str)
async def test_nobody_is_waited_for_longer_than_five_minutes(stage: SessionState) -> None:
    async with session_actor(nobody(PASSWORD)) as watched:
        watched.begin(method=SignInMethod.QR if stage is QR_SHOWN else SignInMethod.CODE)
        if stage is PASSWORD_NEEDED:
            await watched.hears(CODE_NEEDED)
            watched.submit_code(CODE)
        began = (await watched.hears(stage)).at
        last = await watched.ends()
        assert last.state is DISCONNECTED and "5 minutes" in last.detail
        assert STAGE_SECONDS - 1 <= (last.at - began).total_seconds() <= STAGE_SECONDS + 1
        await until(lambda: not watched.session.is_open, within=5)


async def test_a_second_sign_in_replaces_the_first() -> None:
    async with session_actor(nobody()) as watched:
        watched.begin("first")
        await watched.hears(QR_SHOWN, sign_in_id="first")
        watched.begin("second", SignInMethod.CODE)
        await watched.hears(CODE_NEEDED, sign_in_id="second")
        first = await watched.ends("first")
        assert first.state is DISCONNECTED and "another sign-in" in first.detail
        watched.submit_code(CODE, "first")
        await until(lambda: watched.told[-1].sign_in_id == "first" and watched.told[-1] is not first)
        assert watched.session.script.count("submit_code") == 0, "answers to the first are not taken for the second's"
        watched.submit_code(CODE, "second")
        assert (await watched.ends("second")).state is READY


async def test_of_several_that_are_begun_at_once_the_last_is_run() -> None:
    session = nobody()
    gate = session.script.hold("open")
    async with session_actor(session) as watched:
        await until(lambda: session.script.count("open"))
        for name in ("a", "b", "c"):
            watched.begin(name)
        await anyio.sleep(1)
        gate.set()
        await watched.hears(QR_SHOWN, sign_in_id="c")
        assert (await watched.ends("a")).detail == (await watched.ends("b")).detail
        assert session.script.count("begin") == 1


@pytest.mark.parametrize("stage", ["running", "waiting"])
async def test_it_is_cancelled_on_order(stage: str) -> None:
    session = nobody()
    gate = session.script.hold("open")
    async with session_actor(session) as watched:
        await until(lambda: session.script.count("open"))
        watched.begin()
        if stage == "running":
            gate.set()
            await watched.hears(QR_SHOWN)
        watched.cancel()
        assert "cancelled" in (await watched.ends()).detail
        gate.set()
        await until(lambda: session.script.count("open") == 2)
        assert session.script.count("begin") == (stage == "running")
        assert (await watched.standing()).state is DISCONNECTED


async def test_who_is_signed_in_is_not_replaced() -> None:
    async with session_actor(PersonTwin()) as watched:
        await watched.reaches(READY)
        watched.begin()
        last = await watched.ends()
        assert last.state is READY and "already signed in as @ad…" in last.detail and "teltubby logout" in last.detail
        assert watched.session.script.count("begin") == 0 and watched.session.is_open


async def test_who_turns_out_to_be_signed_in_is_not_replaced_either() -> None:
    session = PersonTwin()
    gate = session.script.hold("open")
    async with session_actor(session) as watched:
        watched.begin()
        await anyio.sleep(1)
        gate.set()
        assert "already signed in" in (await watched.ends()).detail
        assert session.script.count("begin") == 0


async def test_orders_that_are_brought_twice_are_done_once() -> None:
    async with session_actor(nobody()) as watched:
        for _ in range(2):
            watched.begin(method=SignInMethod.CODE)
        await watched.hears(CODE_NEEDED)
        watched.begin(method=SignInMethod.CODE)
        wrong = SubmitCode(worker="host:1:ab", sign_in_id="s1", sealed=seal(watched.boxes.public_key, "11111"))
        for _ in range(TRIES):
            watched.ref.tell(wrong)
        assert "2 more tries" in (await watched.hears(CODE_NEEDED, steps=2)).detail
        await anyio.sleep(10)
        assert len(watched.steps()) == 2
        watched.submit_code(CODE)
        assert (await watched.ends()).state is READY
        assert watched.session.script.count("send_code") == 1


async def test_a_connection_that_is_lost_while_a_person_thinks_ends_it_at_once() -> None:
    async with session_actor(nobody()) as watched:
        watched.begin(method=SignInMethod.CODE)
        asked = await watched.hears(CODE_NEEDED)
        await anyio.sleep(10)
        watched.session.lose()
        last = await watched.ends()
        assert last.state is DISCONNECTED and "was lost" in last.detail
        assert (last.at - asked.at).total_seconds() < 11


async def test_answers_to_what_was_never_begun_here_are_told_so() -> None:
    async with session_actor(nobody()) as watched:
        for act in (watched.submit_code, watched.submit_password):
            act("12345", "of an earlier run")
        watched.cancel("of an earlier run")
        await until(lambda: len(watched.steps("of an earlier run")) == 3)
        assert all(step.is_over for step in watched.steps("of an earlier run"))


@pytest.mark.parametrize("stage", [QR_SHOWN, CODE_NEEDED], ids=str)
async def test_a_stop_ends_it_and_says_so(stage: SessionState) -> None:
    async with session_actor(nobody()) as watched:
        watched.begin(method=SignInMethod.QR if stage is QR_SHOWN else SignInMethod.CODE)
        await watched.hears(stage)
        asked = anyio.current_time()
    assert anyio.current_time() - asked < 1
    assert watched.steps()[-1].is_over and "stops" in watched.steps()[-1].detail
