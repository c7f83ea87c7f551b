"""The session of a person who is signed in, or no longer is, against the simulated MTProto server, on both backends."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import anyio
import pytest
from anyio import to_thread

from teltubby.adapters.session_vault import SessionVault
from teltubby.errors import (
    AccountSuspended,
    NotSignedIn,
    SessionFileDamaged,
    SessionFileUnusable,
    SessionRevoked,
    TelegramUnavailable,
    WrongAccount,
)
from teltubby.messages.transfer import MailboxPlace
from teltubby.simulator.people import User
from tests.adapters.house import House
from tests.adapters.persons import NUMBER, WITHIN, Person, person_of

pytestmark = pytest.mark.anyio


@pytest.fixture
async def ada(house: House) -> Person:
    """A person who has signed in."""
    person = person_of(house)
    session = house.person(phone=NUMBER)
    await person.sign_in(session)
    await session.aclose()
    return person


def connections_made(house: House) -> int:
    return house.telegram.call(lambda: len(house.telegram.mtproto_server.calls))


async def test_where_nobody_ever_signed_in_nothing_is_asked(house: House) -> None:
    session = house.person()
    with pytest.raises(NotSignedIn):
        await session.open()
    assert connections_made(house) == 0
    other = house.person()
    await other.begin()  # the file is free for whoever signs in beside
    await other.aclose()


async def test_a_session_outlives_the_process(house: House, ada: Person) -> None:
    session = house.person(phone=NUMBER)
    account = await session.open()
    assert (account.id, account.is_bot) == (ada.user.id, False)
    assert "12345678" not in repr(account)
    assert house.calls("auth.importLoginToken") == 0 and house.calls("auth.sendCode") == 0


async def test_only_one_process_has_it(house: House, ada: Person) -> None:
    await house.person().open()
    with pytest.raises(SessionFileUnusable, match="another process"):
        await house.person().open()
    with pytest.raises(SessionFileUnusable, match="another process"):
        await house.person().begin()


async def test_a_damaged_file_is_told(house: House, ada: Person) -> None:
    await to_thread.run_sync(house.persons_path.write_bytes, b"garbage")
    with pytest.raises(SessionFileDamaged):
        await house.person().open()


# -- lost logins


def signed_out(house: House, user: User) -> None:
    house.telegram.mtproto_server.sign_out(user)


def ended_elsewhere(house: House, user: User) -> None:
    house.telegram.mtproto_server.sign_out(user, refusal="SESSION_REVOKED", cut=True)


def forgotten(house: House, user: User) -> None:
    house.telegram.mtproto_server.forget_keys()


def deactivated(house: House, user: User) -> None:
    user.deactivated = True


def banned(house: House, user: User) -> None:
    user.ban()


LOST = [
    (signed_out, SessionRevoked),
    (ended_elsewhere, SessionRevoked),
    (forgotten, SessionRevoked),
    (deactivated, AccountSuspended),
    (banned, AccountSuspended),
]


@pytest.mark.parametrize(("end", "kind"), LOST, ids=lambda value: value.__name__)
async def test_a_lost_login_is_told_and_its_file_stays(
    house: House, ada: Person, end: Callable[[House, User], None], kind: type[Exception]
) -> None:
    house.on_server(end, house, ada.user)
    session = house.person(phone=NUMBER)
    for _ in range(2):
        with pytest.raises(kind) as told:
            await session.open()
        assert type(told.value) is kind
    assert house.persons_path.exists(), "nobody but a person can sign in again"


@pytest.mark.parametrize("end", [signed_out, ended_elsewhere])
async def test_after_a_lost_login_somebody_signs_in_again(
    house: House, ada: Person, end: Callable[[House, User], None]
) -> None:
    house.on_server(end, house, ada.user)
    session = house.person(phone=NUMBER)
    with pytest.raises(SessionRevoked):
        await session.open()
    await ada.sign_in(session)
    assert (await session.open()).id == ada.user.id


@pytest.mark.parametrize(
    ("end", "kind"), [(signed_out, SessionRevoked), (deactivated, AccountSuspended)], ids=lambda value: value.__name__
)
async def test_a_login_lost_while_it_is_used_is_told(
    house: House, ada: Person, end: Callable[[House, User], None], kind: type[Exception]
) -> None:
    session = house.person()
    await session.open()
    await session.check()
    house.on_server(end, house, ada.user)
    with pytest.raises(kind):
        await session.check()
    with pytest.raises(kind):
        await session.locate(MailboxPlace(chat_id=house.bot.id, message_id=1))


async def test_an_account_frozen_while_it_is_used_is_told(house: House, ada: Person) -> None:
    """FROZEN_METHOD_INVALID has the code of a flood wait, and nothing to wait for."""
    session = house.person()
    await session.open()
    house.on_server(lambda: setattr(ada.user, "frozen", True))
    with pytest.raises(AccountSuspended):
        await session.locate(MailboxPlace(chat_id=house.bot.id, message_id=1))


async def test_a_key_that_was_used_twice_is_dead(house: House, ada: Person) -> None:
    house.fault("users.getUsers", error=406, message="AUTH_KEY_DUPLICATED", times=5)
    with pytest.raises(SessionRevoked):
        await house.person().open()


# -- another account


async def test_a_mistyped_number_is_told_and_ends_nothing(house: House, ada: Person) -> None:
    session = house.person(phone="+4930999999")
    with pytest.raises(WrongAccount) as told:
        await session.open()
    assert "30" not in str(told.value)
    assert session.connections == 0 and house.calls("auth.logOut") == 0
    await session.aclose()
    assert (await house.person(phone=NUMBER).open()).id == ada.user.id


async def test_a_session_of_the_bot_is_no_persons(house: House) -> None:
    async with house.opened():
        pass
    with pytest.raises(WrongAccount):
        await house.person(path=house.path).open()


async def test_an_imported_session_learns_whose_it_is(house: House, ada: Person) -> None:
    saved = await house.saved(house.persons_path)
    assert saved is not None
    await house.save(replace(saved, account_id=None), house.persons_path)
    await house.person().open()
    saved = await house.saved(house.persons_path)
    assert saved is not None and saved.account_id == ada.user.id


# -- a file that cannot be kept


async def test_a_login_that_cannot_be_kept_is_ended_and_told(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    person = person_of(house)
    session = house.person(phone=NUMBER)

    def full(self: object, saved: object) -> None:
        raise SessionFileUnusable("the disk is full")

    monkeypatch.setattr("teltubby.adapters.session_vault.SessionVault.store", full)
    with pytest.raises(SessionFileUnusable, match="full"):
        await person.sign_in(session)
    assert house.calls("auth.logOut") == 1


# -- signing out


@pytest.mark.parametrize("is_open", [True, False])
async def test_signing_out_ends_the_session_and_removes_its_file(house: House, ada: Person, is_open: bool) -> None:
    session = house.person(phone=NUMBER)
    if is_open:
        await session.open()
    await session.sign_out()
    assert house.calls("auth.logOut") == 1 and not house.persons_path.exists()
    assert session.connections == 0
    with pytest.raises(NotSignedIn):
        await house.person().open()


async def test_signing_out_in_the_course_of_a_dialogue_ends_that_too(house: House, ada: Person) -> None:
    session = house.person()
    await session.begin()
    await session.show_qr()
    await session.sign_out()
    assert house.calls("auth.logOut") == 1 and not house.persons_path.exists()
    with pytest.raises(TelegramUnavailable):
        await session.show_qr()


@pytest.mark.parametrize("end", [signed_out, forgotten, deactivated], ids=lambda value: value.__name__)
async def test_a_session_that_is_dead_is_removed(house: House, ada: Person, end: Callable[[House, User], None]) -> None:
    house.on_server(end, house, ada.user)
    await house.person().sign_out()
    assert not house.persons_path.exists()


async def test_without_a_session_there_is_nothing_to_sign_out(house: House) -> None:
    await house.person().sign_out()
    assert connections_made(house) == 0


async def test_a_session_that_cannot_be_ended_now_stays(house: House, ada: Person) -> None:
    house.wire.refuse()
    with anyio.fail_after(WITHIN), pytest.raises(TelegramUnavailable):
        await house.person(timeout=1.0).sign_out()
    assert house.persons_path.exists()
    house.wire.accept()
    await house.person().open()


async def test_the_bots_session_can_be_signed_out_too(house: House) -> None:
    async with house.opened():
        pass
    await house.session().sign_out()
    assert house.calls("auth.logOut") == 1 and not house.path.exists()
    async with house.opened():
        assert house.calls("auth.importBotAuthorization") == 2


# -- a clock that is wrong


@pytest.mark.parametrize("ahead", [3600, -3600])
async def test_a_clock_an_hour_off_is_no_hindrance(house: House, monkeypatch: pytest.MonkeyPatch, ahead: int) -> None:
    """Telethon takes the time from what the server says of its messages."""
    person = person_of(house)
    house.telegram.call(lambda: setattr(house.telegram.mtproto_server, "clock_skew", ahead))
    session = house.person(phone=NUMBER)
    await session.begin()
    await session.send_code()
    assert (await session.submit_code(await person.code())).id == person.user.id
    for _ in range(2):
        assert (await session.open()).id == person.user.id, "also under a key that was made at another time"
        await session.aclose()
    async with house.opened() as bots:
        assert isinstance(bots.data_centre, int)


async def test_cancelled_while_it_takes_the_file_it_lets_go_of_it(
    house: House, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that locks cannot be cancelled: what it has got then belongs to nobody."""
    begun, goes_on, lock = threading.Event(), threading.Event(), SessionVault.lock

    def slow(vault: SessionVault) -> None:
        begun.set()
        goes_on.wait(WITHIN)
        lock(vault)

    session = house.person(phone=NUMBER)
    with monkeypatch.context() as patched:
        patched.setattr(SessionVault, "lock", slow)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(session.open)
            await to_thread.run_sync(begun.wait, WITHIN)
            tasks.cancel_scope.cancel()
            goes_on.set()
    another = house.person(phone=NUMBER)
    await another.open()
