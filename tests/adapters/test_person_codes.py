"""A person signs in by a code, and perhaps a password, against the simulated MTProto server, on both backends."""

from __future__ import annotations

import logging

import anyio
import pytest

from teltubby.adapters.base import Account
from teltubby.adapters.telethon_person import PersonSession
from teltubby.errors import (
    AccountSuspended,
    BadRequest,
    CodeExpired,
    CodeRejected,
    FloodWait,
    PasswordNeeded,
    PasswordRejected,
    TelegramUnavailable,
    WrongAccount,
)
from tests.adapters.house import House
from tests.adapters.persons import NUMBER, PASSWORD, WITHIN, Person, person_of

pytestmark = pytest.mark.anyio


async def asked_for_code(session: PersonSession, person: Person) -> str:
    """Begun as far as the code; the code."""
    seen = len(person.phone.codes())
    await session.begin()
    assert "apps" in await session.send_code()
    return await person.code(seen=seen)


async def asked_for_password(session: PersonSession, person: Person) -> None:
    """Begun as far as the password."""
    code = await asked_for_code(session, person)
    with pytest.raises(PasswordNeeded):
        await session.submit_code(code)


def wrong(code: str) -> str:
    return code[::-1] if code[::-1] != code else "00000"


def account_of(person: Person) -> Account:
    return Account(id=person.user.id, username="ada", is_bot=False, phone="493012345678")


async def test_a_code_signs_in_and_the_session_is_ready_at_once(house: House) -> None:
    person = person_of(house)
    session = house.person(phone=NUMBER)
    code = await asked_for_code(session, person)
    assert (session.connections, session.data_centre) == (1, 2)
    signed_in = await session.submit_code(code)
    assert signed_in == account_of(person)
    assert (session.connections, session.data_centre) == (0, None), "the dialogue is over"
    assert await session.open() == signed_in
    assert (session.connections, session.data_centre) == (1, 2)
    await session.aclose()
    saved = await house.saved(house.persons_path)
    assert saved is not None and saved.account_id == person.user.id
    assert house.calls("auth.signIn") == 1


async def test_wrong_codes_are_told_and_another_may_be_tried(house: House) -> None:
    person = person_of(house)
    session = house.person(phone=NUMBER)
    code = await asked_for_code(session, person)
    for attempt in (wrong(code), ""):
        with pytest.raises(CodeRejected):
            await session.submit_code(attempt)
    assert (await session.submit_code(code)).id == person.user.id
    await session.aclose()


async def test_a_code_that_was_sent_in_a_chat_is_dead_and_a_new_one_serves(house: House) -> None:
    person = person_of(house)
    session = house.person(phone=NUMBER)
    code = await asked_for_code(session, person)
    person.curator.send_text(f"/mtcode {code}")
    with pytest.raises(CodeExpired, match="chat"):
        await session.submit_code(code)
    seen = len(person.phone.codes())
    await session.send_code()
    assert (await session.submit_code(await person.code(seen=seen))).id == person.user.id
    await session.aclose()


async def test_a_password_is_asked_for(house: House) -> None:
    person = person_of(house, password=PASSWORD)
    session = house.person(phone=NUMBER)
    await asked_for_password(session, person)
    for attempt in ("wrong", "", PASSWORD.upper(), f" {PASSWORD}"):
        with pytest.raises(PasswordRejected):
            await session.submit_password(attempt)
    assert (await session.submit_password(PASSWORD)).id == person.user.id
    assert (await session.open()).id == person.user.id
    await session.aclose()


@pytest.mark.parametrize("hint", [None, "what xkcd said"])
async def test_the_hint_for_the_password_is_told(house: House, hint: str | None) -> None:
    person = person_of(house, password=PASSWORD)
    house.on_server(lambda: setattr(person.user, "password_hint", hint))
    session = house.person(phone=NUMBER)
    code = await asked_for_code(session, person)
    with pytest.raises(PasswordNeeded) as needed:
        await session.submit_code(code)
    assert needed.value.hint == (hint or "")


async def test_somebody_who_is_at_home_elsewhere(telegram_of_two: House) -> None:
    house = telegram_of_two
    person = person_of(house, password=PASSWORD, dc=4)
    session = house.person(phone=NUMBER)
    code = await asked_for_code(session, person)
    assert session.data_centre == 4
    with pytest.raises(PasswordNeeded):
        await session.submit_code(code)
    assert (await session.submit_password(PASSWORD)).id == person.user.id
    assert (await session.open()).id == person.user.id
    assert session.data_centre == 4
    await session.aclose()


async def test_moving_to_another_data_centre_is_no_loss(telegram_of_two: House) -> None:
    house = telegram_of_two
    person = person_of(house, dc=4)
    session = house.person(phone=NUMBER)
    await session.begin()
    lost = False

    async def watch() -> None:
        nonlocal lost
        await session.wait_lost()
        lost = True

    with anyio.fail_after(WITHIN):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch)
            await session.send_code()
            code = await person.code()
            await anyio.wait_all_tasks_blocked()
            assert not lost
            await session.submit_code(code)
    assert lost, "the dialogue's connection ends with it"
    await session.aclose()


async def test_without_a_number_no_code_can_be_sent(house: House) -> None:
    session = house.person()
    await session.begin()
    with pytest.raises(BadRequest, match="MTPROTO_PHONE_NUMBER"):
        await session.send_code()
    await session.aclose()


async def test_a_number_without_an_account_is_refused(house: House) -> None:
    session = house.person(phone="+1")
    await session.begin()
    with pytest.raises(BadRequest):
        await session.send_code()
    await session.aclose()


async def test_steps_that_were_not_begun_are_refused(house: House) -> None:
    person_of(house)
    session = house.person(phone=NUMBER)
    with pytest.raises(TelegramUnavailable, match="begun"):
        await session.send_code()
    await session.begin()
    with pytest.raises(BadRequest, match="no code"):
        await session.submit_code("12345")
    with pytest.raises(BadRequest, match="no password"):
        await session.submit_password(PASSWORD)
    await session.aclose()
    with pytest.raises(TelegramUnavailable, match="begun"):
        await session.submit_code("12345")


async def test_what_telegram_says_of_the_sign_in_is_told(house: House) -> None:
    person = person_of(house)
    session = house.person(phone=NUMBER)
    await session.begin()
    house.fault("auth.sendCode", error=420, message="FLOOD_WAIT_1800")
    with pytest.raises(FloodWait) as flood:
        await session.send_code()
    assert flood.value.seconds == 1800
    await session.aclose()
    code = await asked_for_code(session, person)
    house.fault("auth.signIn", error=400, message="PHONE_NUMBER_BANNED")
    with pytest.raises(AccountSuspended):
        await session.submit_code(code)
    await session.aclose()


async def test_another_account_is_signed_out_again_and_nothing_is_kept(house: House) -> None:
    """The number is that of another account than it was when the code was asked for: Telegram decides who signs in."""
    person = person_of(house, password=PASSWORD)
    session = house.person(phone=NUMBER)
    await asked_for_password(session, person)
    house.telegram.call(lambda: setattr(person.user, "phone", "+4930999999"))
    with pytest.raises(WrongAccount) as told:
        await session.submit_password(PASSWORD)
    assert "4930" not in str(told.value)
    assert house.calls("auth.logOut") == 1 and not house.persons_path.exists()
    await session.aclose()


async def test_a_wire_that_is_cut_ends_the_dialogue(house: House) -> None:
    person = person_of(house)
    session = house.person(phone=NUMBER)
    code = await asked_for_code(session, person)
    with anyio.fail_after(WITHIN):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(session.wait_lost)
            await anyio.to_thread.run_sync(house.wire.cut)
    with pytest.raises(TelegramUnavailable):
        await session.submit_code(code)
    assert session.connections == 0
    code = await asked_for_code(session, person)
    assert (await session.submit_code(code)).id == person.user.id
    await session.aclose()


async def test_neither_code_nor_password_is_logged(house: House, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    person = person_of(house, password=PASSWORD)
    session = house.person(phone=NUMBER)
    code = await asked_for_code(session, person)
    with pytest.raises(CodeRejected):
        await session.submit_code(f"{code}9")
    with pytest.raises(PasswordNeeded):
        await session.submit_code(code)
    with pytest.raises(PasswordRejected):
        await session.submit_password(f"{PASSWORD}!")
    await session.submit_password(PASSWORD)
    await session.aclose()
    said = "\n".join(
        record.getMessage() + str(record.exc_info) for record in caplog.records if "telethon" in record.name
    )
    assert "telethon" in {record.name.partition(".")[0] for record in caplog.records}
    assert code not in said and PASSWORD not in said and "12345678" not in said
