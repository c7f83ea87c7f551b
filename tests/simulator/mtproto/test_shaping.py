"""Lines as a client sees them: round trips that overlap, bytes that trickle, a link that is shared. Real time.

A machine under load makes everything slower and nothing faster: how fast a line is at most is asserted sharply, how
slow with room; tests/simulator/test_lines.py has the exact figures in virtual time.
"""

from __future__ import annotations

import asyncio
import time

import pytest
from telethon.tl import functions, types
from telethon.tl.core import RpcResult

from tests.simulator.mtproto.conftest import MIB, Reconnect, Scene
from tests.simulator.mtproto.raw_client import RawClient
from tests.simulator.mtproto.wire import GET_STATE, document_location, part

pytestmark = pytest.mark.anyio


async def test_requests_on_their_way_overlap(raw_bot: RawClient, scene: Scene) -> None:
    scene.world.faults.latency = 0.2
    began = time.monotonic()
    for _ in range(20):
        raw_bot.send(GET_STATE)
    for _ in range(20):
        await raw_bot.expect(RpcResult)
    assert 0.2 <= time.monotonic() - began < 2.0


async def test_a_ping_takes_the_round_trip(raw_bot: RawClient, scene: Scene) -> None:
    scene.world.faults.latency = 0.1
    began = time.monotonic()
    raw_bot.send(functions.PingRequest(1))
    await raw_bot.expect(types.Pong)
    assert time.monotonic() - began >= 0.1


async def test_a_new_connection_costs_a_round_trip_more(raw_bot: RawClient, scene: Scene, reconnect: Reconnect) -> None:
    scene.world.faults.latency = 0.3
    began = time.monotonic()
    other = await reconnect(raw_bot, same_session=False)
    other.send(functions.PingRequest(1))
    await other.expect(types.Pong)
    assert time.monotonic() - began >= 0.6
    began = time.monotonic()
    await other.call(GET_STATE)
    assert time.monotonic() - began < 0.6


async def test_a_key_is_made_in_three_round_trips(scene: Scene) -> None:
    scene.world.faults.latency = 0.05
    began = time.monotonic()
    client = await RawClient.connect(scene.port)
    await client.make_key(scene.server.public_key_pem)
    assert time.monotonic() - began >= 0.2
    await client.close()


async def test_order_is_kept_when_the_latency_falls(raw_bot: RawClient, scene: Scene) -> None:
    scene.world.faults.latency = 0.2
    slow = raw_bot.send(GET_STATE)
    await asyncio.sleep(0.05)
    scene.world.faults.latency = 0.0
    quick = raw_bot.send(GET_STATE)
    assert [(await raw_bot.expect(RpcResult)).req_msg_id for _ in range(2)] == [slow, quick]


async def test_a_part_trickles_in(raw_bot: RawClient, scene: Scene) -> None:
    scene.world.faults.bandwidth = 1_000_000
    raw_bot.send(part(document_location(scene, scene.bot), 0, 512 * 1024))
    began = time.monotonic()
    arrivals = []
    received = 0
    while received < 512 * 1024:
        received += len(await raw_bot.reader.read(MIB))
        arrivals.append((time.monotonic() - began, received))
    assert arrivals[-1][0] >= 0.5
    assert len(arrivals) >= 8
    assert all(received <= 1_000_000 * (seconds + 0.15) for seconds, received in arrivals)


@pytest.mark.parametrize("scene", [{"media_only": True}], indirect=True)
async def test_connections_do_not_slow_each_other_unless_they_share(
    raw_bot: RawClient, scene: Scene, reconnect: Reconnect
) -> None:
    clients = [await reconnect(raw_bot, same_session=False, media_only=True) for _ in range(4)]
    request = part(document_location(scene, scene.bot), 0, 256 * 1024)

    async def fetch(client: RawClient) -> float:
        await client.call(request)
        return time.monotonic()

    scene.world.faults.bandwidth = 1_000_000
    began = time.monotonic()
    apart = max(await asyncio.gather(*map(fetch, clients))) - began
    scene.world.faults.bandwidth, scene.world.faults.shared_bandwidth = None, 1_000_000
    began = time.monotonic()
    ends = await asyncio.gather(*map(fetch, clients))
    assert 0.26 <= apart < 1.0
    assert max(ends) - began >= 1.04
    assert max(ends) - min(ends) < 0.3


async def test_files_over_http_use_the_same_link(raw_bot: RawClient, scene: Scene) -> None:
    """The link belongs to the world: what the Bot API sends is missing to MTProto."""
    faults = scene.world.faults
    faults.shared_bandwidth = 1_000_000
    ready = asyncio.get_running_loop().time()
    other = faults.line()
    http = [asyncio.create_task(other.carry(300_000, ready))]
    await asyncio.sleep(0)
    began = time.monotonic()
    await raw_bot.call(part(document_location(scene, scene.bot), 0, 4096))
    assert time.monotonic() - began >= 0.25
    await asyncio.gather(*http)
