"""The rates that benchmarks order, end to end and in virtual time: both sides share a clock that only timers move.

What computing costs is no time here, so that this says how true the lines are and not how busy the machine is.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.simulator.mtproto.conftest import MIB, Reconnect, Scene
from tests.simulator.mtproto.raw_client import RawClient
from tests.simulator.mtproto.wire import document_location, part
from tests.supervision.virtual_time import VirtualTimeLoop

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("scene", [{"media_only": True}], indirect=True)]

CONNECTIONS = 4
PARTS = 8


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """Server and clients in one loop whose clock jumps when no socket has anything to read."""
    return "asyncio", {"loop_factory": VirtualTimeLoop}


async def seconds(scene: Scene, clients: list[RawClient]) -> list[float]:
    """How long each client takes for its parts, all of them asked for at once."""

    async def fetch(client: RawClient) -> float:
        requests = [part(document_location(scene, scene.bot), number % 3 * MIB, MIB) for number in range(PARTS)]
        sent = {client.send(request): request for request in requests}
        for msg_id, request in sent.items():
            assert (await client.result_of(msg_id, request)).bytes == scene.document.read(request.offset, MIB)
        return asyncio.get_running_loop().time() - began

    began = asyncio.get_running_loop().time()
    return await asyncio.gather(*map(fetch, clients))


@pytest.fixture
async def clients(raw_bot: RawClient, reconnect: Reconnect) -> list[RawClient]:
    """Several connections to the address for files, ready for use."""
    clients = [await reconnect(raw_bot, same_session=False, media_only=True) for _ in range(CONNECTIONS)]
    for client in clients:
        await client.initialise()
    return clients


async def test_40_megabytes_per_second_and_connection(scene: Scene, clients: list[RawClient]) -> None:
    scene.world.faults.latency, scene.world.faults.bandwidth = 0.05, 40e6
    expected = 0.05 + PARTS * MIB / 40e6
    assert await seconds(scene, clients[:1]) == pytest.approx([expected], rel=0.02)
    assert await seconds(scene, clients) == pytest.approx([expected] * CONNECTIONS, rel=0.02)


async def test_80_megabytes_per_second_for_all_together(scene: Scene, clients: list[RawClient]) -> None:
    scene.world.faults.latency, scene.world.faults.shared_bandwidth = 0.1, 80e6
    expected = 0.1 + CONNECTIONS * PARTS * MIB / 80e6
    assert await seconds(scene, clients) == pytest.approx([expected] * CONNECTIONS, rel=0.02)
    assert await seconds(scene, clients[:1]) == pytest.approx([0.1 + PARTS * MIB / 80e6], rel=0.02)


async def test_an_unlimited_line_costs_the_latency_and_nothing_else(scene: Scene, clients: list[RawClient]) -> None:
    scene.world.faults.latency = 0.05
    assert await seconds(scene, clients) == pytest.approx([0.05] * CONNECTIONS, abs=0.002)
