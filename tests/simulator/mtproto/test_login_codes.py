"""Login codes: where they are asked for, what kills them, and how often they may be tried."""

from __future__ import annotations

from typing import Any

import pytest
from telethon import TelegramClient, errors
from telethon.tl import functions, types

from teltubby.simulator.files import FileKind
from teltubby.simulator.mtproto.limits import DAY
from tests.simulator.mtproto.conftest import NewClient, Scene
from tests.simulator.mtproto.raw_client import RawClient
from tests.simulator.mtproto.wire import assert_refused

pytestmark = pytest.mark.anyio


@pytest.fixture
async def client(new_client: NewClient) -> TelegramClient:
    return await new_client(receive_updates=False)


async def asked(scene: Scene, client: TelegramClient) -> tuple[str, str]:
    """Ask for a code; the phone number and what was sent to it."""
    phone = scene.person.phone or ""
    await client.send_code_request(phone)
    return phone, scene.server.login_codes[phone]


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 100_000:05}"


@pytest.mark.parametrize("said", ["{code}", "my code: {code}.", "x{code}y"])
@pytest.mark.parametrize("where", ["text", "caption", "channel", "edit"])
async def test_a_code_dies_when_its_owner_sends_it(client: TelegramClient, scene: Scene, said: str, where: str) -> None:
    phone, code = await asked(scene, client)
    world, person, text = scene.world, scene.person, said.format(code=code)
    match where:
        case "text":
            world.send(person, scene.bot, text)
        case "caption":
            world.send(person, scene.bot, text, media=world.add_file(FileKind.PHOTO, 1000))
        case "channel":
            world.send(person, scene.channel, text)
        case _:
            world.edit(world.send(person, scene.bot, "hello"), text=text)
    with pytest.raises(errors.PhoneCodeExpiredError):
        await client.sign_in(phone, code)


@pytest.mark.parametrize(
    "obfuscate", [" ".join, "-".join, lambda code: f"{code[:2]} {code[2:]}", lambda code: code[1:]]
)
async def test_it_survives_being_sent_in_another_form(client: TelegramClient, scene: Scene, obfuscate: Any) -> None:
    phone, code = await asked(scene, client)
    scene.world.send(scene.person, scene.bot, f"/mtcode {obfuscate(code)}")
    assert (await client.sign_in(phone, code)).id == scene.person.id


async def test_it_survives_being_sent_backwards(client: TelegramClient, scene: Scene) -> None:
    phone, code = await asked(scene, client)
    while code == code[::-1]:
        scene.server.login_limits.codes.count += 1
        phone, code = await asked(scene, client)
    scene.world.send(scene.person, scene.bot, code[::-1])
    assert (await client.sign_in(phone, code)).id == scene.person.id


async def test_what_others_send_does_it_no_harm(client: TelegramClient, scene: Scene) -> None:
    phone, code = await asked(scene, client)
    scene.world.send(scene.bot, scene.person, code)
    assert (await client.sign_in(phone, code)).id == scene.person.id


async def test_a_wrong_code_may_be_corrected(client: TelegramClient, scene: Scene) -> None:
    phone, code = await asked(scene, client)
    for _ in range(scene.server.login_limits.wrong_codes.count - 1):
        with pytest.raises(errors.PhoneCodeInvalidError):
            await client.sign_in(phone, wrong(code))
    assert (await client.sign_in(phone, code)).id == scene.person.id


async def test_too_many_wrong_ones_have_to_wait(client: TelegramClient, scene: Scene) -> None:
    phone, code = await asked(scene, client)
    for _ in range(scene.server.login_limits.wrong_codes.count):
        with pytest.raises(errors.PhoneCodeInvalidError):
            await client.sign_in(phone, wrong(code))
    with pytest.raises(errors.FloodWaitError) as flood:
        await client.sign_in(phone, code)
    assert flood.value.seconds == DAY


async def test_a_code_is_good_for_a_while(client: TelegramClient, scene: Scene) -> None:
    phone, code = await asked(scene, client)
    scene.world.advance(300)
    with pytest.raises(errors.PhoneCodeExpiredError):
        await client.sign_in(phone, code)


async def test_too_many_codes_have_to_wait(client: TelegramClient, scene: Scene) -> None:
    for _ in range(scene.server.login_limits.codes.count):
        await asked(scene, client)
    scene.world.advance(1000)
    with pytest.raises(errors.FloodWaitError) as flood:
        await asked(scene, client)
    assert flood.value.seconds == DAY - 1000
    scene.world.advance(DAY - 1000)
    phone, code = await asked(scene, client)
    assert (await client.sign_in(phone, code)).id == scene.person.id


async def test_asking_again_by_the_same_hash_counts_too(raw: RawClient, scene: Scene) -> None:
    await raw.initialise()
    phone = scene.person.phone or ""
    sent = await raw.call(functions.auth.SendCodeRequest(phone, 1, "hash", types.CodeSettings()))
    first = scene.server.login_codes[phone]
    again = functions.auth.ResendCodeRequest(phone, sent.phone_code_hash)
    for _ in range(scene.server.login_limits.codes.count - 1):
        await raw.call(again)
    await assert_refused(raw, again, 420, f"FLOOD_WAIT_{DAY}")
    if first != scene.server.login_codes[phone]:
        await assert_refused(
            raw, functions.auth.SignInRequest(phone, sent.phone_code_hash, first), 400, "PHONE_CODE_INVALID"
        )


async def test_what_is_no_number(client: TelegramClient) -> None:
    with pytest.raises(errors.PhoneNumberInvalidError):
        await client.send_code_request("12")


async def test_a_number_without_an_account(client: TelegramClient, scene: Scene) -> None:
    await client.send_code_request("+15550001")
    with pytest.raises(errors.PhoneNumberUnoccupiedError):
        await client.sign_in("+15550001", scene.server.login_codes["+15550001"])


async def test_an_empty_code(raw: RawClient, scene: Scene) -> None:
    await raw.initialise()
    phone = scene.person.phone or ""
    sent = await raw.call(functions.auth.SendCodeRequest(phone, 1, "hash", types.CodeSettings()))
    await assert_refused(raw, functions.auth.SignInRequest(phone, sent.phone_code_hash, ""), 400, "PHONE_CODE_EMPTY")


async def test_a_banned_number(client: TelegramClient, scene: Scene) -> None:
    scene.person.ban()
    with pytest.raises(errors.PhoneNumberBannedError):
        await asked(scene, client)


async def test_a_number_that_is_at_home_elsewhere(client: TelegramClient, scene: Scene) -> None:
    scene.person.home_dc = 4
    phone, code = await asked(scene, client)
    assert (await client.sign_in(phone, code)).id == scene.person.id
    assert client.session.dc_id == 4
