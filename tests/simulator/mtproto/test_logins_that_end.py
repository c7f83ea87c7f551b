"""Logins that are ended from outside, and accounts that are closed, frozen or lose their token."""

from __future__ import annotations

import pytest
from telethon import TelegramClient, errors
from telethon.sessions import StringSession
from telethon.tl import functions, types

from teltubby.simulator.mtproto.authorizations import FRESH_SECONDS
from tests.simulator.mtproto.conftest import NewClient, Scene
from tests.simulator.mtproto.raw_client import RawClient
from tests.simulator.mtproto.wire import GET_CONFIG, GET_STATE, assert_refused, document_location, part, sign_in

pytestmark = pytest.mark.anyio

AUTHORIZATIONS = functions.account.GetAuthorizationsRequest()
RESET = functions.auth.ResetAuthorizationsRequest()
SELF = functions.users.GetUsersRequest([types.InputUserSelf()])


async def copied_to_four(client: RawClient, elsewhere: RawClient) -> None:
    exported = await client.call(functions.auth.ExportAuthorizationRequest(4))
    await elsewhere.initialise(functions.auth.ImportAuthorizationRequest(exported.id, exported.bytes))


@pytest.mark.parametrize("refusal", ["AUTH_KEY_UNREGISTERED", "SESSION_REVOKED"])
async def test_a_revoked_session_is_told_so_everywhere_until_somebody_signs_in(
    raw_bot: RawClient, elsewhere: RawClient, scene: Scene, refusal: str
) -> None:
    await copied_to_four(raw_bot, elsewhere)
    scene.server.sign_out(scene.bot, refusal=refusal)
    for client in (raw_bot, elsewhere):
        await assert_refused(client, GET_STATE, 401, refusal)
        await assert_refused(client, part(document_location(scene, scene.bot)), 401, refusal)
    await raw_bot.sign_in_bot(scene.bot.token or "")
    await raw_bot.call(GET_STATE)
    await assert_refused(elsewhere, GET_STATE, 401, refusal)


async def test_its_connections_are_cut_on_request(raw_bot: RawClient, elsewhere: RawClient, scene: Scene) -> None:
    await copied_to_four(raw_bot, elsewhere)
    scene.server.sign_out(scene.bot, refusal="SESSION_REVOKED", cut=True)
    for client in (raw_bot, elsewhere):
        assert await client.is_hung_up()


async def test_connections_are_cut_and_the_login_stays(raw_bot: RawClient, scene: Scene) -> None:
    other = await RawClient.connect(scene.port)
    await other.make_key(scene.server.public_key_pem)
    await other.initialise()
    scene.server.cut(scene.bot)
    assert await raw_bot.is_hung_up()
    await other.call(GET_CONFIG)
    await other.close()
    again = await raw_bot.on_new_connection(scene.port, same_session=False)
    await again.call(GET_STATE)
    await again.close()


async def test_telethon_tells_a_revoked_session(new_client: NewClient, scene: Scene) -> None:
    client = await new_client(receive_updates=False)
    await client.sign_in(bot_token=scene.bot.token)
    scene.server.sign_out(scene.bot, refusal="SESSION_REVOKED")
    with pytest.raises(errors.SessionRevokedError):
        await client(GET_STATE)


@pytest.mark.parametrize("is_banned", [False, True])
async def test_a_closed_account(raw: RawClient, scene: Scene, is_banned: bool) -> None:
    await raw.initialise()
    await sign_in(raw, scene)
    if is_banned:
        scene.person.ban()
    else:
        scene.person.deactivated = True
    for request in (SELF, GET_STATE, part(document_location(scene, scene.person))):
        await assert_refused(raw, request, 401, "USER_DEACTIVATED_BAN" if is_banned else "USER_DEACTIVATED")


async def test_a_frozen_account_does_next_to_nothing(new_client: NewClient, scene: Scene) -> None:
    client = await new_client(receive_updates=False)
    phone = scene.person.phone or ""
    await client.send_code_request(phone)
    await client.sign_in(phone, scene.server.login_codes[phone])
    scene.person.frozen = True
    assert (await client.get_me()).id == scene.person.id
    for request in (
        part(document_location(scene, scene.person)),
        functions.messages.GetMessagesRequest([types.InputMessageID(1)]),
        functions.messages.GetDialogsRequest(None, 0, types.InputPeerEmpty(), 10, 0),
    ):
        with pytest.raises(errors.FrozenMethodInvalidError) as refused:
            await client(request)
        assert (refused.value.code, hasattr(refused.value, "seconds")) == (420, False)
    scene.person.frozen = False
    await client(functions.messages.GetMessagesRequest([types.InputMessageID(1)]))


async def test_a_token_that_was_replaced(raw_bot: RawClient, scene: Scene) -> None:
    old = scene.bot.token or ""
    new = scene.world.revoke_token(scene.bot)
    assert (scene.bot.token, new.split(":")[0]) == (new, str(scene.bot.id))
    await assert_refused(raw_bot, GET_STATE, 401, "SESSION_REVOKED")
    sign_in_by = functions.auth.ImportBotAuthorizationRequest
    await assert_refused(raw_bot, sign_in_by(0, 1, "hash", old), 400, "ACCESS_TOKEN_EXPIRED")
    await assert_refused(raw_bot, sign_in_by(0, 1, "hash", new + "x"), 400, "ACCESS_TOKEN_INVALID")
    await raw_bot.call(sign_in_by(0, 1, "hash", new))
    await raw_bot.call(GET_STATE)


async def test_all_other_sessions_are_ended_by_one_that_is_old_enough(new_client: NewClient, scene: Scene) -> None:
    old = await _signed_in(new_client, scene)
    scene.world.advance(FRESH_SECONDS)
    fresh = await _signed_in(new_client, scene, device_model="another phone")
    with pytest.raises(errors.FreshResetAuthorisationForbiddenError):
        await fresh(RESET)
    mine, theirs = sorted((await old(AUTHORIZATIONS)).authorizations, key=lambda entry: not entry.current)
    assert (mine.current, mine.hash) == (True, 0)
    assert (theirs.current, theirs.device_model, theirs.hash != 0) == (False, "another phone", True)
    assert await old(RESET) is True
    with pytest.raises(errors.SessionRevokedError):
        await fresh(GET_STATE)
    assert len((await old(AUTHORIZATIONS)).authorizations) == 1


async def test_one_session_is_ended_by_its_hash(new_client: NewClient, scene: Scene) -> None:
    old = await _signed_in(new_client, scene)
    scene.world.advance(FRESH_SECONDS)
    others = [await _signed_in(new_client, scene, device_model=name) for name in ("first", "second")]
    (second,) = (one for one in (await old(AUTHORIZATIONS)).authorizations if one.device_model == "second")
    with pytest.raises(errors.HashInvalidError):
        await old(functions.account.ResetAuthorizationRequest(second.hash + 1))
    await old(functions.account.ResetAuthorizationRequest(second.hash))
    await others[0](GET_STATE)
    with pytest.raises(errors.SessionRevokedError):
        await others[1](GET_STATE)


@pytest.mark.parametrize("skew", [3600.0, -3600.0])
async def test_a_client_whose_clock_is_an_hour_off_is_told_and_goes_on(
    new_client: NewClient, scene: Scene, skew: float
) -> None:
    first = await new_client(StringSession(), receive_updates=False)
    await first.sign_in(bot_token=scene.bot.token)
    saved = first.session.save()
    await first.disconnect()
    scene.server.clock_skew = skew
    client = await new_client(StringSession(saved), receive_updates=False)
    assert (await client.get_me()).id == scene.bot.id
    assert abs(client._sender._state.time_offset - skew) < 60


@pytest.mark.parametrize("skew", [3600.0, -3600.0])
async def test_so_is_one_that_makes_its_key_then(new_client: NewClient, scene: Scene, skew: float) -> None:
    scene.server.clock_skew = skew
    client = await new_client(receive_updates=False)
    await client.sign_in(bot_token=scene.bot.token)
    assert (await client.get_me()).id == scene.bot.id


async def _signed_in(new_client: NewClient, scene: Scene, **options: str) -> TelegramClient:
    client = await new_client(receive_updates=False, **options)
    phone = scene.person.phone or ""
    await client.send_code_request(phone)
    await client.sign_in(phone, scene.server.login_codes[phone])
    return client
