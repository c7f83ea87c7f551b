"""AUTH_KEY_DUPLICATED: one key, two connections at once, and what is no such thing."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from telethon.tl import functions
from telethon.tl.core import RpcResult

from tests.simulator.mtproto.conftest import Reconnect, Scene
from tests.simulator.mtproto.raw_client import RawClient
from tests.simulator.mtproto.wire import GET_CONFIG, GET_STATE, assert_refused, document_location, part

pytestmark = pytest.mark.anyio

DUPLICATED = (406, "AUTH_KEY_DUPLICATED")
UNREGISTERED = (401, "AUTH_KEY_UNREGISTERED")
with_media = pytest.mark.parametrize("scene", [{"media_only": True}], indirect=True)


async def error_of(client: RawClient, request: Any) -> tuple[int, str] | None:
    """How a query fails; answers that an earlier connection of the session lost may come before its own."""
    sent = client.send(request)
    while True:
        result = await client.expect(RpcResult)
        if result.req_msg_id == sent:
            return (result.error.error_code, result.error.error_message) if result.error else None


@pytest.mark.parametrize("same_session", [True, False])
async def test_two_connections_at_once_end_the_session(
    raw_bot: RawClient, scene: Scene, reconnect: Reconnect, same_session: bool
) -> None:
    other = await reconnect(raw_bot, same_session=same_session)
    assert await error_of(other, GET_STATE) is None
    raw_bot.content_sent += same_session
    assert await error_of(raw_bot, GET_STATE) == DUPLICATED
    assert await error_of(raw_bot, GET_STATE) == UNREGISTERED
    assert "in parallel" in scene.server.violations[-1]
    fresh = await reconnect(raw_bot, same_session=False)
    await assert_refused(fresh, GET_STATE, *UNREGISTERED)


async def test_the_key_never_signs_in_again(raw_bot: RawClient, scene: Scene, reconnect: Reconnect) -> None:
    other = await reconnect(raw_bot, same_session=False)
    await other.call(GET_CONFIG)
    await assert_refused(raw_bot, GET_CONFIG, *DUPLICATED)
    token = functions.auth.ImportBotAuthorizationRequest(0, 1, "hash", scene.bot.token)
    await assert_refused(other, token, *DUPLICATED)
    another = await RawClient.connect(scene.port)
    await another.make_key(scene.server.public_key_pem)
    await another.sign_in_bot(scene.bot.token or "")
    await another.close()


async def test_what_was_exported_ends_with_it(raw_bot: RawClient, elsewhere: RawClient, reconnect: Reconnect) -> None:
    exported = await raw_bot.call(functions.auth.ExportAuthorizationRequest(4))
    await elsewhere.initialise(functions.auth.ImportAuthorizationRequest(exported.id, exported.bytes))
    other = await reconnect(raw_bot, same_session=False)
    await other.call(GET_STATE)
    await assert_refused(raw_bot, GET_STATE, *DUPLICATED)
    await assert_refused(elsewhere, GET_STATE, *UNREGISTERED)


# -- what is no such thing


async def test_a_client_that_comes_back_is_one_client(raw_bot: RawClient, scene: Scene, reconnect: Reconnect) -> None:
    """The server still believes the old connection alive, with a request on it that is not answered."""
    scene.world.faults.add("help.getNearestDc", delay=0.5, times=3)
    for _ in range(3):
        raw_bot.send(functions.help.GetNearestDcRequest())
    back = await reconnect(raw_bot, same_session=False)
    await back.call(GET_STATE)
    again = await reconnect(raw_bot, same_session=False)
    await again.call(GET_STATE)
    await again.call(GET_STATE)
    assert not scene.server.violations


async def test_a_closed_connection_does_not_count(raw_bot: RawClient, scene: Scene, reconnect: Reconnect) -> None:
    other = await reconnect(raw_bot, same_session=False)
    await other.call(GET_STATE)
    await other.close()
    await asyncio.sleep(0.05)
    await raw_bot.call(GET_STATE)
    assert not scene.server.violations


async def test_taking_turns_slowly_is_not_at_once(raw_bot: RawClient, scene: Scene, reconnect: Reconnect) -> None:
    other = await reconnect(raw_bot, same_session=False)
    await other.call(GET_STATE)
    await asyncio.sleep(1.1)
    await raw_bot.call(GET_STATE)
    assert not scene.server.violations


async def test_pings_do_not_count(raw_bot: RawClient, scene: Scene, reconnect: Reconnect) -> None:
    other = await reconnect(raw_bot, same_session=False)
    other.send(functions.PingRequest(1))
    await other.receive()
    await raw_bot.call(GET_STATE)
    assert not scene.server.violations


async def test_a_bot_may_have_several_keys(raw_bot: RawClient, scene: Scene) -> None:
    other = await RawClient.connect(scene.port)
    await other.make_key(scene.server.public_key_pem)
    await other.sign_in_bot(scene.bot.token or "")
    for client in (raw_bot, other, raw_bot, other):
        await client.call(GET_STATE)
    await other.close()


async def test_nobody_signed_in_is_no_session(raw: RawClient, reconnect: Reconnect) -> None:
    await raw.initialise()
    other = await reconnect(raw, same_session=False)
    for client in (other, raw, other):
        await client.call(GET_CONFIG)


@with_media
async def test_addresses_for_files_take_any_number(raw_bot: RawClient, scene: Scene, reconnect: Reconnect) -> None:
    request = part(document_location(scene, scene.bot))
    clients = [await reconnect(raw_bot, same_session=False, media_only=True) for _ in range(4)]
    for _ in range(3):
        await asyncio.gather(*(client.call(request) for client in clients), raw_bot.call(GET_STATE))


async def test_an_exported_login_takes_any_number(
    raw_bot: RawClient, elsewhere: RawClient, scene: Scene, reconnect: Reconnect
) -> None:
    scene.document.dc = 4
    exported = await raw_bot.call(functions.auth.ExportAuthorizationRequest(4))
    await elsewhere.initialise(functions.auth.ImportAuthorizationRequest(exported.id, exported.bytes))
    others = [await reconnect(elsewhere, dc=4, same_session=False) for _ in range(3)]
    request = part(document_location(scene, scene.bot))
    for _ in range(3):
        await asyncio.gather(*(client.call(request) for client in (elsewhere, *others)))


@pytest.mark.parametrize("scene", [{"strict_duplicates": False}], indirect=True)
async def test_the_server_may_be_lenient(raw_bot: RawClient, reconnect: Reconnect) -> None:
    other = await reconnect(raw_bot, same_session=False)
    for client in (other, raw_bot, other):
        await client.call(GET_STATE)


@pytest.mark.parametrize("scene", [{"tmp_sessions": 2}], indirect=True)
async def test_the_server_may_allow_more(raw_bot: RawClient, reconnect: Reconnect) -> None:
    assert (await raw_bot.call(GET_CONFIG)).tmp_sessions == 2
    second, third = [await reconnect(raw_bot, same_session=False) for _ in range(2)]
    for client in (second, raw_bot, second):
        await client.call(GET_STATE)
    await assert_refused(third, GET_STATE, *DUPLICATED)
