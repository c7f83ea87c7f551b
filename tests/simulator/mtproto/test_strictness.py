"""Requests that the real server refuses, on the wire: applications, methods, sign-in, access hashes, mailboxes."""

from __future__ import annotations

import random
import struct
from typing import Any

import pytest
from telethon.tl import functions, types

from teltubby.simulator.mtproto import MTProtoServer, make_rsa_key
from teltubby.simulator.people import ChatKind
from tests.simulator.mtproto.conftest import Scene
from tests.simulator.mtproto.raw_client import RawClient, Refusal, with_layer
from tests.simulator.mtproto.wire import (
    GET_CONFIG,
    GET_STATE,
    assert_refused,
    input_channel,
    part,
    sign_in,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
async def raw_person(scene: Scene, raw: RawClient) -> RawClient:
    await raw.initialise()
    await sign_in(raw, scene)
    return raw


# -- applications and methods


async def test_a_connection_is_initialised_first(raw: RawClient) -> None:
    await assert_refused(raw, GET_CONFIG, 400, "CONNECTION_NOT_INITED")
    await assert_refused(raw, with_layer(GET_CONFIG, layer=1), 400, "CONNECTION_LAYER_INVALID")
    await assert_refused(raw, with_layer(GET_CONFIG, api_id=0), 400, "API_ID_INVALID")
    assert (await raw.initialise()).this_dc == 2


async def test_only_known_applications_are_served(scene: Scene) -> None:
    server = MTProtoServer(scene.world, make_rsa_key(), api_ids={7})
    client = await RawClient.connect((await server.start())[2])
    await client.make_key(server.public_key_pem)
    await assert_refused(client, with_layer(GET_CONFIG, api_id=8), 400, "API_ID_INVALID")
    await client.initialise(api_id=7)
    other = functions.auth.ImportBotAuthorizationRequest(0, 8, "hash", scene.bot.token)
    await assert_refused(client, other, 400, "API_ID_INVALID")
    await client.close()
    await server.stop()


async def test_nonsense_is_refused_and_does_no_harm(raw_bot: RawClient) -> None:
    chance = random.Random(5)
    request = bytes(functions.channels.GetMessagesRequest(types.InputChannel(1, 2), [types.InputMessageID(3)]))
    for _ in range(300):
        spoiled = bytearray(request)
        for _ in range(chance.randrange(1, 8)):
            spoiled[chance.randrange(len(spoiled))] = chance.randrange(256)
        with pytest.raises(Refusal):
            await raw_bot.call(bytes(spoiled))


async def test_unknown_methods_are_refused(raw: RawClient) -> None:
    await raw.initialise()
    await assert_refused(raw, struct.pack("<I", 0x12345678), 400, "INPUT_METHOD_INVALID")
    await assert_refused(raw, functions.phone.GetCallConfigRequest(), 400, "INPUT_METHOD_INVALID")
    await assert_refused(raw, types.InputPeerSelf(), 400, "INPUT_METHOD_INVALID")
    await assert_refused(
        raw, bytes(functions.upload.GetFileRequest(types.InputPeerEmpty(), 0, 0))[:12], 400, "INPUT_FETCH_ERROR"
    )


async def test_calls_are_logged_by_their_names(raw_bot: RawClient, scene: Scene) -> None:
    await raw_bot.call(GET_STATE)
    call = scene.server.calls[-1]
    assert (call.dc, call.account_id, call.method) == (2, scene.bot.id, "updates.getState")


# -- signing in


@pytest.mark.parametrize(
    "request_",
    [
        GET_STATE,
        functions.users.GetUsersRequest([types.InputUserSelf()]),
        functions.messages.GetMessagesRequest([types.InputMessageID(1)]),
        part(types.InputDocumentFileLocation(1, 2, b"3", "")),
        functions.auth.LogOutRequest(),
    ],
)
async def test_nothing_is_shown_before_signing_in(raw: RawClient, request_: Any) -> None:
    await raw.initialise()
    await assert_refused(raw, request_, 401, "AUTH_KEY_UNREGISTERED")


async def test_wrong_tokens_are_refused(raw: RawClient, scene: Scene) -> None:
    await raw.initialise()
    wrong = functions.auth.ImportBotAuthorizationRequest(0, 1, "hash", f"{scene.bot.id}:AAwrong")
    await assert_refused(raw, wrong, 400, "ACCESS_TOKEN_INVALID")
    scene.world.faults.add("auth.importBotAuthorization", error=420, message="FLOOD_WAIT_1200")
    await assert_refused(raw, wrong, 420, "FLOOD_WAIT_1200")


async def test_phone_numbers_and_codes_are_checked(raw: RawClient, scene: Scene) -> None:
    await raw.initialise()
    phone, settings = scene.person.phone or "", types.CodeSettings()
    for invalid in ("", "12", "not a number", "1234567890123456"):
        request = functions.auth.SendCodeRequest(invalid, 1, "hash", settings)
        await assert_refused(raw, request, 400, "PHONE_NUMBER_INVALID")
    sent = await raw.call(functions.auth.SendCodeRequest(phone, 1, "hash", settings))
    code, code_hash = scene.server.login_codes[phone], sent.phone_code_hash
    wrong = "".join(str((int(digit) + 1) % 10) for digit in code)
    await assert_refused(raw, functions.auth.SignInRequest(phone, code_hash, wrong), 400, "PHONE_CODE_INVALID")
    await assert_refused(raw, functions.auth.SignInRequest(phone, code_hash, ""), 400, "PHONE_CODE_EMPTY")
    await assert_refused(raw, functions.auth.SignInRequest(phone, "other", code), 400, "PHONE_CODE_EXPIRED")
    again = await raw.call(functions.auth.ResendCodeRequest(phone, code_hash))
    assert again.phone_code_hash == code_hash
    scene.world.advance(600)
    fresh = scene.server.login_codes[phone]
    await assert_refused(raw, functions.auth.SignInRequest(phone, code_hash, fresh), 400, "PHONE_CODE_EXPIRED")
    assert (await sign_in(raw, scene)).user.id == scene.person.id


async def test_an_unknown_number_would_have_to_sign_up(raw: RawClient, scene: Scene) -> None:
    await raw.initialise()
    sent = await raw.call(functions.auth.SendCodeRequest("+1 555 0100", 1, "hash", types.CodeSettings()))
    code = scene.server.login_codes["+15550100"]
    answer = await raw.call(functions.auth.SignInRequest("15550100", sent.phone_code_hash, code))
    assert isinstance(answer, types.auth.AuthorizationSignUpRequired)


async def test_a_code_that_its_owner_sends_to_somebody_is_dead(raw: RawClient, scene: Scene) -> None:
    await raw.initialise()
    phone = scene.person.phone or ""
    sent = await raw.call(functions.auth.SendCodeRequest(phone, 1, "hash", types.CodeSettings()))
    code = scene.server.login_codes[phone]
    scene.world.send(scene.person, scene.bot, f"/mtcode {code}")
    await assert_refused(
        raw, functions.auth.SignInRequest(phone, sent.phone_code_hash, code), 400, "PHONE_CODE_EXPIRED"
    )


async def test_a_second_factor_is_asked_for(raw: RawClient, scene: Scene) -> None:
    await raw.initialise()
    scene.person.password = "secret"
    with pytest.raises(Refusal) as refusal:
        await sign_in(raw, scene)
    assert (refusal.value.code, refusal.value.message) == (401, "SESSION_PASSWORD_NEEDED")
    await assert_refused(raw, GET_STATE, 401, "AUTH_KEY_UNREGISTERED")


async def test_logins_end(raw_bot: RawClient, scene: Scene) -> None:
    scene.server.sign_out(scene.bot)
    await assert_refused(raw_bot, GET_STATE, 401, "AUTH_KEY_UNREGISTERED")
    await raw_bot.sign_in_bot(scene.bot.token or "")
    await raw_bot.call(functions.auth.LogOutRequest())
    await assert_refused(raw_bot, GET_STATE, 401, "AUTH_KEY_UNREGISTERED")
    await raw_bot.sign_in_bot(scene.bot.token or "")
    scene.bot.deactivated = True
    await assert_refused(raw_bot, GET_STATE, 401, "USER_DEACTIVATED")


async def test_exported_logins_work_once_and_elsewhere(raw_bot: RawClient, elsewhere: RawClient, scene: Scene) -> None:
    await assert_refused(raw_bot, functions.auth.ExportAuthorizationRequest(2), 400, "DC_ID_INVALID")
    exported = await raw_bot.call(functions.auth.ExportAuthorizationRequest(4))
    await elsewhere.initialise()
    await assert_refused(elsewhere, GET_STATE, 401, "AUTH_KEY_UNREGISTERED")
    request = functions.auth.ImportAuthorizationRequest(exported.id, exported.bytes)
    assert (await elsewhere.call(request)).user.id == scene.bot.id
    await elsewhere.call(GET_STATE)
    await assert_refused(elsewhere, request, 400, "AUTH_BYTES_INVALID")


# -- who may name whom, and whose messages are whose


async def test_access_hashes_are_per_account(raw_person: RawClient, scene: Scene) -> None:
    bot, person, world = scene.bot, scene.person, scene.world
    good = types.InputUser(bot.id, world.access_hash(person.id, bot))
    (user,) = await raw_person.call(functions.users.GetUsersRequest([good]))
    assert user.username == "archive_bot"
    for wrong_hash in (0, world.access_hash(bot.id, bot)):
        (user,) = await raw_person.call(functions.users.GetUsersRequest([types.InputUser(bot.id, wrong_hash)]))
        assert isinstance(user, types.UserEmpty)
    (own,) = await raw_person.call(functions.users.GetUsersRequest([types.InputUserSelf()]))
    assert (own.is_self, own.phone) == (True, "79991234567")


async def test_phone_numbers_are_not_shown_to_others(raw_bot: RawClient, scene: Scene) -> None:
    (user,) = await raw_bot.call(functions.users.GetUsersRequest([types.InputUser(scene.person.id, 0)]))
    assert (user.first_name, user.phone) == ("Ада", None)


async def test_message_ids_mean_the_own_mailbox(raw_bot: RawClient, scene: Scene) -> None:
    theirs = next(copy for copy in scene.document_post.post.copies if copy is not scene.document_post)
    ids = [types.InputMessageID(n) for n in (scene.document_post.id, theirs.id)]
    own, missing = (await raw_bot.call(functions.messages.GetMessagesRequest(ids))).messages
    assert own.media.document.id == scene.document.id
    assert own.media.document.size == scene.document.size
    assert isinstance(missing, types.MessageEmpty) and missing.id == theirs.id != scene.document_post.id


async def test_deleted_messages_are_empty(raw_bot: RawClient, scene: Scene) -> None:
    scene.world.delete(scene.document_post)
    request = functions.messages.GetMessagesRequest([types.InputMessageID(scene.document_post.id)])
    await raw_bot.receive()
    (missing,) = (await raw_bot.call(request)).messages
    assert isinstance(missing, types.MessageEmpty)


async def test_channels_are_for_members(raw_bot: RawClient, scene: Scene) -> None:
    world, bot = scene.world, scene.bot
    ids = [types.InputMessageID(scene.channel_post.id), types.InputMessageID(999)]
    request = functions.channels.GetMessagesRequest(input_channel(scene, bot, scene.channel), ids)
    found, missing = (await raw_bot.call(request)).messages
    assert found.media.document.id == scene.document.id
    assert isinstance(missing, types.MessageEmpty)
    wrong = types.InputChannel(scene.channel.id, world.access_hash(scene.person.id, scene.channel))
    await assert_refused(raw_bot, functions.channels.GetMessagesRequest(wrong, ids), 400, "CHANNEL_INVALID")
    scene.channel.members.discard(bot.id)
    await assert_refused(raw_bot, request, 400, "CHANNEL_PRIVATE")
    public = world.add_chat(ChatKind.CHANNEL, "News", username="news", admins=(scene.person,))
    post = world.send(scene.person, public, "hello")
    request = functions.channels.GetMessagesRequest(input_channel(scene, bot, public), [types.InputMessageID(post.id)])
    (seen,) = (await raw_bot.call(request)).messages
    assert seen.message == "hello"
    public.kicked.add(bot.id)
    await assert_refused(raw_bot, request, 400, "CHANNEL_PRIVATE")


async def test_usernames_are_resolved(raw_bot: RawClient) -> None:
    found = await raw_bot.call(functions.contacts.ResolveUsernameRequest("ADA"))
    assert found.users[0].first_name == "Ада"
    await assert_refused(raw_bot, functions.contacts.ResolveUsernameRequest("nobody"), 400, "USERNAME_NOT_OCCUPIED")
    await assert_refused(raw_bot, functions.contacts.ResolveUsernameRequest("no-name"), 400, "USERNAME_INVALID")


def history(peer: Any, **how: int) -> Any:
    fields = {"offset_id": 0, "offset_date": None, "add_offset": 0, "limit": 10, "max_id": 0, "min_id": 0, "hash": 0}
    return functions.messages.GetHistoryRequest(peer, **{**fields, **how})


async def test_history_is_not_for_bots(raw_bot: RawClient, scene: Scene) -> None:
    await assert_refused(raw_bot, history(types.InputPeerUser(scene.person.id, 0)), 400, "BOT_METHOD_INVALID")


async def test_people_read_their_history_newest_first(raw_person: RawClient, scene: Scene) -> None:
    peer = types.InputPeerUser(scene.bot.id, scene.world.access_hash(scene.person.id, scene.bot))
    page = await raw_person.call(history(peer))
    assert [message.message for message in page.messages] == ["a video", "a photo", "/start"]
    older = await raw_person.call(history(peer, offset_id=page.messages[0].id, limit=1))
    assert [message.message for message in older.messages] == ["a photo"]
    newer = await raw_person.call(history(peer, min_id=page.messages[1].id))
    assert [message.message for message in newer.messages] == ["a video"]
