"""Lines in virtual time: rates, fairness and what a late server makes up for, to the byte."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teltubby.simulator.faults import Faults
from teltubby.simulator.lines import CATCH_UP_SECONDS, PIECE, TICK, Line
from tests.supervision.virtual_time import VirtualTimeLoop

pytestmark = pytest.mark.anyio

MB = 1_000_000


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """The server runs on asyncio; here its clock jumps."""
    return "asyncio", {"loop_factory": VirtualTimeLoop}


def now() -> float:
    return asyncio.get_running_loop().time()


async def carry(line: Line, size: int, *, ready: float | None = None) -> float:
    """Send `size` bytes in pieces; when the last one was through."""
    ready = now() if ready is None else ready
    while size:
        piece = min(size, line.piece or size)
        await line.carry(piece, ready)
        size -= piece
    return now()


def faults(*, bandwidth: float | None = None, shared: float | None = None) -> Faults:
    faults = Faults()
    faults.bandwidth, faults.shared_bandwidth = bandwidth, shared
    return faults


async def test_each_connection_has_a_rate_of_its_own() -> None:
    narrow = faults(bandwidth=40 * MB)
    began = now()
    ends = await asyncio.gather(*(carry(narrow.line(), 80 * MB) for _ in range(4)))
    assert [end - began for end in ends] == pytest.approx([2.0] * 4, abs=TICK)


async def test_all_connections_share_a_link_fairly() -> None:
    narrow = faults(shared=80 * MB)
    began = now()
    ends = await asyncio.gather(*(carry(narrow.line(), 40 * MB) for _ in range(4)))
    assert max(ends) - began == pytest.approx(2.0, abs=TICK)
    assert max(ends) - min(ends) <= 4 * PIECE / (80 * MB) + TICK


async def test_a_short_transfer_is_not_held_up_by_long_ones() -> None:
    narrow = faults(shared=80 * MB)
    long = [asyncio.create_task(carry(narrow.line(), 80 * MB)) for _ in range(3)]
    await asyncio.sleep(1.0)
    began = now()
    assert await carry(narrow.line(), 2 * MB) - began == pytest.approx(0.1, rel=0.05)
    await asyncio.gather(*long)


async def test_what_one_connection_may_not_use_the_others_get() -> None:
    narrow = faults(bandwidth=60 * MB, shared=80 * MB)
    first, second = narrow.line(), narrow.line()
    began = now()
    assert await carry(first, 60 * MB) - began == pytest.approx(1.0, abs=TICK)
    began = now()
    ends = await asyncio.gather(carry(first, 40 * MB), carry(second, 40 * MB))
    assert [end - began for end in ends] == pytest.approx([1.0, 1.0], rel=0.01)


async def test_a_server_that_was_busy_makes_up_for_it() -> None:
    line = faults(bandwidth=10 * MB).line()
    began = now()
    for _ in range(20):
        await line.carry(100_000, began)
        await asyncio.sleep(0.004)
    assert now() - began == pytest.approx(20 * 0.01, abs=0.005)


async def test_a_client_that_stopped_reading_has_lost_that_time() -> None:
    line = faults(bandwidth=10 * MB).line()
    began = now()
    await line.carry(100_000, began)
    await asyncio.sleep(5.0)
    resumed = now()
    await carry(line, 10 * MB, ready=began)
    assert now() - resumed == pytest.approx(1.0 - CATCH_UP_SECONDS, abs=TICK)


async def test_an_idle_line_saves_nothing_up() -> None:
    line = faults(bandwidth=10 * MB).line()
    await carry(line, MB)
    await asyncio.sleep(5.0)
    began = now()
    assert await carry(line, MB) - began == pytest.approx(0.1, abs=TICK)


@pytest.mark.parametrize(
    ("bandwidth", "shared", "piece"),
    [(None, None, None), (1 * MB, None, 10_000), (None, 1 * MB, 10_000), (40 * MB, 80 * MB, PIECE), (1.0, None, 64)],
)
def test_bytes_flow_in_pieces(bandwidth: float | None, shared: float | None, piece: int | None) -> None:
    assert faults(bandwidth=bandwidth, shared=shared).line().piece == piece


async def test_rates_may_change_in_between() -> None:
    order = faults(bandwidth=1 * MB)
    line = order.line()
    began = now()
    transfer = asyncio.create_task(carry(line, 2 * MB))
    await asyncio.sleep(1.0)
    order.bandwidth = 10 * MB
    assert await transfer - began == pytest.approx(1.1, abs=0.02)
    began = now()
    order.clear()
    assert await carry(line, 100 * MB) == began


@given(
    steps=st.lists(st.tuples(st.integers(1, PIECE), st.floats(0.0, 0.5)), max_size=40), rate=st.integers(10**4, 10**8)
)
def test_no_line_is_ever_faster_than_ordered(steps: list[tuple[int, float]], rate: int) -> None:
    """Whatever pauses the server makes: in any stretch of time passes what the rate allows, and the catch-up."""

    async def run() -> list[tuple[float, int]]:
        line = faults(bandwidth=float(rate)).line()
        passed = []
        ready = now()
        for size, pause in steps:
            await line.carry(size, ready)
            passed.append((now(), size))
            await asyncio.sleep(pause)
        return passed

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        passed = runner.run(run())
    for first in range(len(passed)):
        for last in range(first, len(passed)):
            stretch = passed[last][0] - passed[first][0]
            moved = sum(size for _, size in passed[first + 1 : last + 1])
            assert moved <= rate * (stretch + CATCH_UP_SECONDS + TICK) + 1
