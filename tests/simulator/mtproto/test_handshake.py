"""Making an authorization key: every honest way works, every dishonest one ends with -404 and a closed connection."""

from __future__ import annotations

import os
from typing import Any

import pytest
from telethon.tl import functions, types

from teltubby.simulator.mtproto import make_rsa_key
from teltubby.simulator.mtproto.crypto import DH_PRIME
from tests.simulator.mtproto.conftest import Reconnect, Scene
from tests.simulator.mtproto.raw_client import RawClient, TransportError, number, rsa_pad, sha1_pad

pytestmark = pytest.mark.anyio


@pytest.fixture
async def client(scene: Scene) -> Any:
    client = await RawClient.connect(scene.port)
    yield client
    await client.close()


async def assert_turned_away(client: RawClient, scene: Scene, code: int = -404, **dishonest: Any) -> None:
    with pytest.raises(TransportError) as turned_away:
        await client.make_key(scene.server.public_key_pem, **dishonest)
    assert turned_away.value.code == code
    assert await client.is_hung_up()
    assert scene.server.violations


@pytest.mark.parametrize("padding", [rsa_pad, sha1_pad])
@pytest.mark.parametrize("dc", [None, 2, -2, 10_002])
async def test_a_key_is_made(client: RawClient, scene: Scene, padding: Any, dc: int | None) -> None:
    assert isinstance(await client.make_key(scene.server.public_key_pem, padding=padding, dc=dc), types.DhGenOk)
    assert (await client.initialise()).this_dc == 2


async def test_two_keys_on_one_connection_are_different(client: RawClient, scene: Scene) -> None:
    await client.make_key(scene.server.public_key_pem)
    first = client.key
    await client.make_key(scene.server.public_key_pem)
    assert client.key != first
    assert (await client.initialise()).this_dc == 2


async def test_req_pq_is_answered_too(client: RawClient) -> None:
    nonce = number(os.urandom(16))
    answer = await client.plain(functions.ReqPqRequest(nonce))
    assert isinstance(answer, types.ResPQ)
    assert answer.server_public_key_fingerprints == [make_rsa_key().fingerprint]


async def test_another_data_centre_is_refused(client: RawClient, scene: Scene) -> None:
    await assert_turned_away(client, scene, -444, dc=4)


@pytest.mark.parametrize("field", ["nonce", "server_nonce"])
async def test_a_wrong_nonce_inside_is_refused(client: RawClient, scene: Scene, field: str) -> None:
    await assert_turned_away(client, scene, inner={field: 1})


@pytest.mark.parametrize("field", ["nonce", "server_nonce"])
async def test_a_wrong_nonce_at_the_end_is_refused(client: RawClient, scene: Scene, field: str) -> None:
    await assert_turned_away(client, scene, client_inner={field: 1})


async def test_other_factors_inside_are_refused(client: RawClient, scene: Scene) -> None:
    await assert_turned_away(client, scene, inner={"p": b"\0\0\0\3"})


@pytest.mark.parametrize("padding", [lambda data, key: os.urandom(256), lambda data, key: bytes(256)])
async def test_data_that_is_not_for_our_key_is_refused(client: RawClient, scene: Scene, padding: Any) -> None:
    await assert_turned_away(client, scene, padding=padding)


@pytest.mark.parametrize("g_b", [0, 1, DH_PRIME - 1, 1 << 1900, DH_PRIME - (1 << 1900)])
async def test_an_unsafe_public_value_fails(client: RawClient, scene: Scene, g_b: int) -> None:
    assert isinstance(await client.make_key(scene.server.public_key_pem, g_b=g_b), types.DhGenFail)


async def test_steps_out_of_order_are_refused(client: RawClient) -> None:
    with pytest.raises(TransportError):
        await client.plain(functions.SetClientDHParamsRequest(1, 2, bytes(16)))
    assert await client.is_hung_up()


async def test_an_rpc_query_without_a_key_is_refused(client: RawClient) -> None:
    with pytest.raises(TransportError):
        await client.plain(functions.help.GetConfigRequest())


async def test_an_unknown_key_is_refused(client: RawClient, scene: Scene) -> None:
    client.key = os.urandom(256)
    client.send(functions.PingRequest(1))
    with pytest.raises(TransportError) as turned_away:
        await client.receive()
    assert turned_away.value.code == -404
    assert await client.is_hung_up()


async def test_a_key_belongs_to_one_data_centre(raw: RawClient, reconnect: Reconnect) -> None:
    elsewhere = await reconnect(raw, dc=4)
    elsewhere.send(functions.PingRequest(1))
    with pytest.raises(TransportError):
        await elsewhere.receive()
