"""The password of the second factor: proved by Telethon's own SRP, and what wrong ones meet."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from telethon import TelegramClient, errors
from telethon.password import compute_check
from telethon.tl import functions

from teltubby.simulator.mtproto.limits import DAY
from tests.simulator.mtproto.conftest import NewClient, Scene
from tests.simulator.mtproto.raw_client import RawClient
from tests.simulator.mtproto.wire import assert_refused

pytestmark = pytest.mark.anyio

PASSWORD = " корова 🐄 "
GET_PASSWORD = functions.account.GetPasswordRequest()


async def at_the_password(scene: Scene, client: TelegramClient) -> TelegramClient:
    """A client that gave the code, and is asked for the password."""
    scene.person.password = PASSWORD
    phone = scene.person.phone or ""
    await client.send_code_request(phone)
    with pytest.raises(errors.SessionPasswordNeededError):
        await client.sign_in(phone, scene.server.login_codes[phone])
    return client


@pytest.fixture
async def client(new_client: NewClient, scene: Scene) -> TelegramClient:
    return await at_the_password(scene, await new_client(receive_updates=False))


async def answer(client: TelegramClient, password: str) -> Any:
    challenge = await client(GET_PASSWORD)
    return functions.auth.CheckPasswordRequest(await asyncio.to_thread(compute_check, challenge, password))


async def test_the_right_password_signs_in(client: TelegramClient, scene: Scene) -> None:
    assert not await client.is_user_authorized()
    me = await client.sign_in(password=PASSWORD)
    assert me.id == scene.person.id
    assert (await client.get_me()).phone == "79991234567"


@pytest.mark.parametrize("wrong", [PASSWORD.strip(), PASSWORD + " ", "x" * 1000, "\0"])
async def test_a_wrong_one_does_not_and_may_be_corrected(client: TelegramClient, scene: Scene, wrong: str) -> None:
    with pytest.raises(errors.PasswordHashInvalidError):
        await client.sign_in(password=wrong)
    assert not await client.is_user_authorized()
    assert (await client.sign_in(password=PASSWORD)).id == scene.person.id


async def test_an_answer_counts_once(client: TelegramClient) -> None:
    request = await answer(client, "wrong")
    with pytest.raises(errors.PasswordHashInvalidError):
        await client(request)
    with pytest.raises(errors.SrpIdInvalidError):
        await client(request)


async def test_a_challenge_is_void_when_there_is_a_newer_one(client: TelegramClient) -> None:
    request = await answer(client, PASSWORD)
    await client(GET_PASSWORD)
    with pytest.raises(errors.SrpIdInvalidError):
        await client(request)


async def test_a_password_that_was_changed_meanwhile(client: TelegramClient, scene: Scene) -> None:
    request = await answer(client, PASSWORD)
    scene.person.password = "another"
    with pytest.raises(errors.SrpPasswordChangedError):
        await client(request)
    assert (await client.sign_in(password="another")).id == scene.person.id


async def test_a_value_that_gives_the_secret_away_is_refused(client: TelegramClient) -> None:
    for forged in (bytes(256), (1).to_bytes(256, "big"), b"\xff" * 256, b"\xff" * 300):
        request = await answer(client, PASSWORD)
        request.password.A = forged
        with pytest.raises(errors.PasswordHashInvalidError):
            await client(request)
        # Each of them counts as a wrong password.
        await client(GET_PASSWORD)


async def test_after_several_wrong_ones_one_waits(client: TelegramClient, scene: Scene) -> None:
    for _ in range(scene.server.login_limits.wrong_passwords.count):
        with pytest.raises(errors.PasswordHashInvalidError):
            await client.sign_in(password="wrong")
    with pytest.raises(errors.FloodWaitError) as flood:
        await client.sign_in(password=PASSWORD)
    assert flood.value.seconds == DAY
    scene.world.advance(DAY)
    assert (await client.sign_in(password=PASSWORD)).id == scene.person.id


async def test_nobody_else_is_asked(raw: RawClient, scene: Scene) -> None:
    await raw.initialise()
    await assert_refused(raw, GET_PASSWORD, 401, "AUTH_KEY_UNREGISTERED")
    await raw.sign_in_bot(scene.bot.token or "")
    await assert_refused(raw, GET_PASSWORD, 400, "BOT_METHOD_INVALID")


async def test_an_account_without_one_says_so(new_client: NewClient, scene: Scene) -> None:
    client = await new_client(receive_updates=False)
    phone = scene.person.phone or ""
    await client.send_code_request(phone)
    await client.sign_in(phone, scene.server.login_codes[phone])
    password = await client(GET_PASSWORD)
    assert (password.has_password, password.current_algo) == (False, None)
