"""A person signs in by scanning a QR code, against the simulated MTProto server, on both backends."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import anyio
import pytest

from teltubby.adapters.telethon_person import PersonSession
from teltubby.errors import FloodWait, PasswordNeeded, TelegramUnavailable, WrongAccount
from teltubby.simulator.mtproto.login_tokens import TOKEN_SECONDS
from teltubby.simulator.phone import Phone
from tests.adapters.house import House
from tests.adapters.persons import NUMBER, PASSWORD, WITHIN, person_of

pytestmark = pytest.mark.anyio


async def shown(session: PersonSession) -> str:
    """Begun as far as the QR code; its address."""
    await session.begin()
    qr = await session.show_qr()
    assert qr.url.startswith("tg://login?token=")
    return qr.url


@pytest.mark.parametrize("waits_first", [True, False], ids=["while it is waited for", "before anybody waits"])
async def test_a_scan_signs_in(house: House, waits_first: bool) -> None:
    person = person_of(house)
    session = house.person(phone=NUMBER)
    url = await shown(session)
    signed_in: list[int] = []

    async def wait() -> None:
        signed_in.append((await session.wait_scanned()).id)

    with anyio.fail_after(WITHIN):
        async with anyio.create_task_group() as tasks:
            if waits_first:
                tasks.start_soon(wait)
                await anyio.wait_all_tasks_blocked()
            await person.scan(url)
            if not waits_first:
                tasks.start_soon(wait)
    assert signed_in == [person.user.id]
    assert (await session.open()).id == person.user.id
    assert house.calls("updates.getState") == house.calls("updates.getDifference") == 0


async def test_a_code_is_renewed_and_only_the_new_one_serves(house: House) -> None:
    person = person_of(house)
    session = house.person(phone=NUMBER)
    first = await shown(session)
    house.on_server(house.telegram.world.advance, TOKEN_SECONDS)
    second = (await session.show_qr()).url
    assert second != first
    await person.scan(second)
    with anyio.fail_after(WITHIN):
        assert (await session.wait_scanned()).id == person.user.id


async def test_who_leaves_and_comes_again_misses_nothing(house: House) -> None:
    person = person_of(house)
    session = house.person(phone=NUMBER)
    url = await shown(session)
    with anyio.move_on_after(0.1) as scope:
        await session.wait_scanned()
    assert scope.cancelled_caught
    await person.scan(url)
    assert (await session.show_qr()).url == url, "it was scanned while it was to be renewed"
    with anyio.fail_after(WITHIN):
        assert (await session.wait_scanned()).id == person.user.id


async def test_a_scan_of_which_no_word_came_is_seen_when_the_code_is_renewed(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = person_of(house, password=PASSWORD)
    session = house.person(phone=NUMBER)

    async def deaf(self: object, update: object) -> None: ...

    monkeypatch.setattr("teltubby.adapters.telethon_dialogue.Dialogue._note_scanned", deaf)
    url = await shown(session)
    await person.scan(url)
    with anyio.fail_after(WITHIN):
        async with anyio.create_task_group() as tasks:

            async def wait() -> None:
                with pytest.raises(PasswordNeeded):
                    await session.wait_scanned()

            tasks.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            assert (await session.show_qr()).url == url
    assert (await session.submit_password(PASSWORD)).id == person.user.id


@pytest.mark.parametrize("password", [None, PASSWORD], ids=["one factor", "two factors"])
async def test_somebody_who_is_at_home_elsewhere(telegram_of_two: House, password: str | None) -> None:
    house = telegram_of_two
    person = person_of(house, password=password, dc=4)
    session = house.person(phone=NUMBER)
    await person.scan(await shown(session))
    with anyio.fail_after(WITHIN):
        if password is None:
            assert (await session.wait_scanned()).id == person.user.id
        else:
            with pytest.raises(PasswordNeeded):
                await session.wait_scanned()
            assert session.data_centre == 4
            assert (await session.submit_password(password)).id == person.user.id
    assert (await session.open()).id == person.user.id
    assert session.data_centre == 4


async def test_another_account_is_signed_out_again_and_what_was_kept_stays(house: House) -> None:
    person = person_of(house)
    session = house.person(phone=NUMBER)
    await person.sign_in(session)
    before = await house.saved(house.persons_path)
    other = house.telegram.add_curator(house.bot, "Bob", phone="+4930999999")
    url = await shown(session)
    await anyio.to_thread.run_sync(Phone(house.telegram, other.user).scan, url)
    with anyio.fail_after(WITHIN), pytest.raises(WrongAccount) as told:
        await session.wait_scanned()
    assert "4930" not in str(told.value)
    assert house.calls("auth.logOut") == 1
    assert await house.saved(house.persons_path) == before
    assert (await session.open()).id == person.user.id


async def test_whoever_waits_is_told_that_the_wire_was_cut(house: House) -> None:
    session = house.person()
    await shown(session)
    with anyio.fail_after(WITHIN):
        async with anyio.create_task_group() as tasks:

            async def wait() -> None:
                with pytest.raises(TelegramUnavailable):
                    await session.wait_scanned()

            tasks.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            await anyio.to_thread.run_sync(house.wire.cut)
    with pytest.raises(TelegramUnavailable):
        await session.show_qr()


async def test_closing_ends_the_wait(house: House) -> None:
    session = house.person()
    await shown(session)
    with anyio.fail_after(WITHIN):
        async with anyio.create_task_group() as tasks:

            async def wait() -> None:
                with pytest.raises(TelegramUnavailable):
                    await session.wait_scanned()

            tasks.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            await session.aclose()


async def test_a_flood_wait_is_told(house: House) -> None:
    session = house.person()
    await session.begin()
    house.fault("auth.exportLoginToken", error=420, message="FLOOD_WAIT_60")
    with pytest.raises(FloodWait):
        await session.show_qr()


@pytest.mark.parametrize("ahead", [0, 3600, -3600])
async def test_a_code_expires_by_our_own_clock(house: House, ahead: int) -> None:
    """Whoever renews it looks at the clock of this machine, and Telegram's may show another time."""
    person = person_of(house)
    house.telegram.call(lambda: setattr(house.telegram.mtproto_server, "clock_skew", ahead))
    session = house.person(phone=NUMBER)
    await session.begin()
    qr = await session.show_qr()
    assert (
        timedelta(seconds=TOKEN_SECONDS - 20)
        < qr.expires_at - datetime.now(UTC)
        <= timedelta(seconds=TOKEN_SECONDS + 2)
    )
    await person.scan(qr.url)
    with anyio.fail_after(WITHIN):
        assert (await session.wait_scanned()).id == person.user.id


async def test_the_code_is_not_logged(house: House, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    person = person_of(house)
    session = house.person(phone=NUMBER)
    url = await shown(session)
    await person.scan(url)
    await session.wait_scanned()
    assert (await session.open()).id == person.user.id
    saved = await house.saved(house.persons_path)
    assert saved is not None
    said = "\n".join(record.getMessage() for record in caplog.records)
    assert "telethon" in {record.name.partition(".")[0] for record in caplog.records}
    assert url.partition("=")[2] not in said and saved.session not in said
