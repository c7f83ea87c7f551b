"""Several data centres: homes, logins on their way, files elsewhere, and addresses for files only."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest
from telethon.tl import functions, types

from teltubby.simulator.files import FileKind
from teltubby.simulator.mtproto.exports import COUNTED_SECONDS, EXPORT_SECONDS
from tests.simulator.mtproto.conftest import MIB, Reconnect, Scene, bots_copy
from tests.simulator.mtproto.raw_client import RawClient
from tests.simulator.mtproto.wire import GET_CONFIG, GET_STATE, assert_refused, document_location, part

pytestmark = pytest.mark.anyio

three_centres = pytest.mark.parametrize("scene", [{"dcs": (2, 4, 5)}], indirect=True)
with_media = pytest.mark.parametrize("scene", [{"media_only": True}], indirect=True)


async def exported_to(dc: int, client: RawClient) -> Any:
    """A request that signs the client's account in at another data centre."""
    exported = await client.call(functions.auth.ExportAuthorizationRequest(dc))
    return functions.auth.ImportAuthorizationRequest(exported.id, exported.bytes)


# -- homes


async def test_a_bot_signs_in_at_home_only(elsewhere: RawClient, scene: Scene) -> None:
    await elsewhere.initialise()
    sign_in = functions.auth.ImportBotAuthorizationRequest(0, 1, "hash", scene.bot.token)
    await assert_refused(elsewhere, sign_in, 303, "USER_MIGRATE_2")
    scene.bot.home_dc = 4
    assert (await elsewhere.call(sign_in)).user.id == scene.bot.id


async def test_a_person_signs_in_at_home_only(elsewhere: RawClient, scene: Scene) -> None:
    await elsewhere.initialise()
    request = functions.auth.SendCodeRequest(scene.person.phone, 1, "hash", types.CodeSettings())
    await assert_refused(elsewhere, request, 303, "PHONE_MIGRATE_2")


# -- logins on their way


@three_centres
async def test_what_can_be_exported(raw_bot: RawClient, elsewhere: RawClient, scene: Scene) -> None:
    for wrong in (2, 3, 0, -4):
        await assert_refused(raw_bot, functions.auth.ExportAuthorizationRequest(wrong), 400, "DC_ID_INVALID")
    await elsewhere.initialise(await exported_to(4, raw_bot))
    for wrong in (2, 4, 5):
        await assert_refused(elsewhere, functions.auth.ExportAuthorizationRequest(wrong), 400, "DC_ID_INVALID")


@three_centres
async def test_a_login_for_another_data_centre_is_refused_and_lost(
    raw_bot: RawClient, elsewhere: RawClient, scene: Scene
) -> None:
    await elsewhere.initialise()
    for_five = await exported_to(5, raw_bot)
    await assert_refused(elsewhere, for_five, 400, "AUTH_BYTES_INVALID")
    five = await RawClient.connect(scene.server.ports[5])
    await five.make_key(scene.server.public_key_pem, dc=5)
    await five.initialise()
    await assert_refused(five, for_five, 400, "AUTH_BYTES_INVALID")
    await five.close()


async def test_a_login_is_for_one_account_and_for_a_short_time(
    raw_bot: RawClient, elsewhere: RawClient, scene: Scene
) -> None:
    await elsewhere.initialise()
    request = await exported_to(4, raw_bot)
    other = functions.auth.ImportAuthorizationRequest(scene.person.id, request.bytes)
    await assert_refused(elsewhere, other, 400, "AUTH_BYTES_INVALID")
    request = await exported_to(4, raw_bot)
    scene.world.advance(EXPORT_SECONDS)
    await assert_refused(elsewhere, request, 400, "AUTH_BYTES_INVALID")
    await assert_refused(elsewhere, GET_STATE, 401, "AUTH_KEY_UNREGISTERED")


async def test_a_login_that_ended_cannot_be_imported_any_more(
    raw_bot: RawClient, elsewhere: RawClient, scene: Scene
) -> None:
    await elsewhere.initialise()
    request = await exported_to(4, raw_bot)
    await raw_bot.call(functions.auth.LogOutRequest())
    await assert_refused(elsewhere, request, 400, "AUTH_BYTES_INVALID")


async def test_who_exports_too_often_waits(raw_bot: RawClient, scene: Scene) -> None:
    scene.server.export_limit = 3
    for _ in range(3):
        await exported_to(4, raw_bot)
    scene.world.advance(100)
    request = functions.auth.ExportAuthorizationRequest(4)
    await assert_refused(raw_bot, request, 420, f"FLOOD_WAIT_{COUNTED_SECONDS - 100}")
    scene.world.advance(COUNTED_SECONDS - 100)
    await exported_to(4, raw_bot)


async def test_a_hundred_exports_an_hour_are_too_many(raw_bot: RawClient, scene: Scene) -> None:
    for _ in range(100):
        await exported_to(4, raw_bot)
    await assert_refused(raw_bot, functions.auth.ExportAuthorizationRequest(4), 420, f"FLOOD_WAIT_{COUNTED_SECONDS}")


async def test_the_login_at_one_data_centre_can_be_ended_alone(
    raw_bot: RawClient, elsewhere: RawClient, scene: Scene
) -> None:
    await elsewhere.initialise(await exported_to(4, raw_bot))
    await elsewhere.call(GET_STATE)
    scene.server.sign_out(scene.bot, dc=4)
    await assert_refused(elsewhere, GET_STATE, 401, "AUTH_KEY_UNREGISTERED")
    await raw_bot.call(GET_STATE)
    await elsewhere.call(await exported_to(4, raw_bot))
    scene.server.sign_out(scene.bot)
    for client in (raw_bot, elsewhere):
        await assert_refused(client, GET_STATE, 401, "AUTH_KEY_UNREGISTERED")


async def test_logging_out_ends_what_was_exported(raw_bot: RawClient, elsewhere: RawClient, scene: Scene) -> None:
    await elsewhere.initialise(await exported_to(4, raw_bot))
    await raw_bot.call(functions.auth.LogOutRequest())
    await assert_refused(elsewhere, GET_STATE, 401, "AUTH_KEY_UNREGISTERED")


# -- files elsewhere


async def test_documents_say_where_they_are(raw_bot: RawClient, scene: Scene) -> None:
    world = scene.world
    for dc in (2, 4):
        file = world.add_file(FileKind.DOCUMENT, 10, dc=dc)
        post = bots_copy(world.send(scene.person, scene.bot, media=file), scene.bot)
        await raw_bot.receive()
        request = functions.messages.GetMessagesRequest([types.InputMessageID(post.id)])
        (message,) = (await raw_bot.call(request)).messages
        assert message.media.document.dc_id == dc


async def test_hashes_are_told_where_the_file_is(raw_bot: RawClient, elsewhere: RawClient, scene: Scene) -> None:
    scene.document.dc = 4
    location = document_location(scene, scene.bot)
    request = functions.upload.GetFileHashesRequest(location, 128 * 1024)
    await assert_refused(raw_bot, request, 303, "FILE_MIGRATE_4")
    await elsewhere.initialise()
    await assert_refused(elsewhere, request, 401, "AUTH_KEY_UNREGISTERED")
    await elsewhere.call(await exported_to(4, raw_bot))
    first, *_ = await elsewhere.call(request)
    assert first.hash == sha256(scene.document.read(128 * 1024, 128 * 1024)).digest()
    scene.document.dc = 2
    await assert_refused(elsewhere, part(location), 303, "FILE_MIGRATE_2")


# -- addresses for files only


async def test_by_default_there_are_none(raw_bot: RawClient, scene: Scene) -> None:
    options = (await raw_bot.call(GET_CONFIG)).dc_options
    assert [(option.id, option.port, option.media_only) for option in options] == [
        (dc, scene.server.ports[dc], False) for dc in (2, 4)
    ]
    assert scene.server.media_ports == {}


@with_media
async def test_they_are_listed_last(raw_bot: RawClient, scene: Scene) -> None:
    server = scene.server
    options = (await raw_bot.call(GET_CONFIG)).dc_options
    assert [(option.id, option.port, option.media_only) for option in options] == [
        *((dc, server.ports[dc], False) for dc in (2, 4)),
        *((dc, server.media_ports[dc], True) for dc in (2, 4)),
    ]


@with_media
async def test_they_take_the_keys_of_their_data_centre(raw_bot: RawClient, scene: Scene, reconnect: Reconnect) -> None:
    files = await reconnect(raw_bot, same_session=False, media_only=True)
    answer = await files.call(part(document_location(scene, scene.bot), MIB, MIB))
    assert answer.bytes == scene.document.read(MIB, MIB)
    assert (await files.call(GET_CONFIG)).this_dc == 2
    files.send(functions.PingRequest(5))
    assert (await files.expect(types.Pong)).ping_id == 5


@with_media
async def test_they_serve_files_and_little_else(raw_bot: RawClient, scene: Scene, reconnect: Reconnect) -> None:
    files = await reconnect(raw_bot, same_session=False, media_only=True)
    for request in (
        GET_STATE,
        functions.messages.GetMessagesRequest([types.InputMessageID(scene.document_post.id)]),
        functions.users.GetUsersRequest([types.InputUserSelf()]),
    ):
        await assert_refused(files, request, 400, "METHOD_INVALID")
        await raw_bot.call(request)


@with_media
async def test_a_key_can_be_made_and_signed_in_there(raw_bot: RawClient, scene: Scene) -> None:
    scene.document.dc = 4
    client = await RawClient.connect(scene.server.media_ports[4])
    await client.make_key(scene.server.public_key_pem, dc=-4)
    await client.initialise(await exported_to(4, raw_bot))
    assert (await client.call(part(document_location(scene, scene.bot)))).bytes == scene.document.read(0, 4096)
    await client.close()
