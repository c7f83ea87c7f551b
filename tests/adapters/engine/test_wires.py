"""The engine over wires that are cut, hang, or lead nowhere for a while: the file comes all the same."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import anyio
import pytest
from anyio import to_thread

from tests.adapters.abroad import ABROAD, HOME, MIB
from tests.adapters.engine.transfers import SHORT_PATIENCE, Begin, Transfer
from tests.servers.tcp_proxy import TcpProxy

pytestmark = pytest.mark.anyio


async def during(it: Transfer, *happens: Callable[[], object], every: float, bandwidth: int = 4 * MIB) -> bool:
    """The file comes at so many bytes per second and connection, and these things happen meanwhile."""
    it.on_server(lambda: setattr(it.house.telegram.world.faults, "bandwidth", bandwidth))

    async def happen() -> None:
        for trouble in happens:
            await anyio.sleep(every)
            await to_thread.run_sync(trouble)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(happen)
        whole = await it.attempt()
        tasks.cancel_scope.cancel()
    return whole


def vanish(*wires: TcpProxy) -> None:
    """Nobody listens there any more."""
    for wire in wires:
        wire.refuse()
        wire.cut()


def come_back(*wires: TcpProxy) -> None:
    for wire in wires:
        wire.accept()


@pytest.mark.parametrize("dc", [HOME, ABROAD])
async def test_wires_that_are_cut_again_and_again(begin: Begin, dc: int) -> None:
    async with begin(dc=dc) as it:
        cuts: list[int] = []

        def cut() -> None:
            cuts.append(sum(wire.cut() for wire in it.wires.each()))

        assert await during(it, *[cut] * 12, every=0.7)  # a busy machine may get nothing done between two cuts
        assert sum(cuts) > 0


async def test_a_wire_that_hangs_for_longer_than_patience(begin: Begin) -> None:
    """Half-open: the connections stay, and nothing comes any more; new ones are no better for a while."""
    async with begin(patience=SHORT_PATIENCE) as it:
        assert await during(it, it.wires.media.stall, it.wires.media.resume, every=2.5)


async def test_a_wire_that_hangs_for_a_moment_costs_nothing(begin: Begin) -> None:
    async with begin() as it:
        assert await during(it, it.wires.media.stall, it.wires.media.resume, every=0.4)
        assert it.repeated == 0


async def test_a_data_centre_that_cannot_be_reached_for_a_while(begin: Begin) -> None:
    async with begin(dc=ABROAD, patience=SHORT_PATIENCE) as it:
        wires = it.wires.abroad, it.wires.abroad_media
        assert await during(it, partial(vanish, *wires), partial(come_back, *wires), every=1.0)


async def test_addresses_for_files_that_vanish_are_done_without(begin: Begin) -> None:
    async with begin() as it:
        assert await during(it, partial(vanish, it.wires.media), every=0.3, bandwidth=16 * MIB)
